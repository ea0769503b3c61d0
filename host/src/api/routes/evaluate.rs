//! `POST /runtime/go-pilot/evaluate`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::described::with_problems;
use crate::api::schema::RequestSchema;
use crate::api::workers::Patience;
use crate::api::{App, Problem, ProblemKind, answer, body, observe};
use crate::model::{MAX_REQUEST_BYTES, Request};
use crate::pilot::Evaluation;

/// What can be wrong with a body.
pub(super) const BODY_PROBLEMS: [ProblemKind; 6] = [
    ProblemKind::InvalidJson,
    ProblemKind::InvalidRequest,
    ProblemKind::TooLarge,
    ProblemKind::TooSlow,
    ProblemKind::UnsupportedMediaType,
    ProblemKind::FromBrowser,
];

const PROBLEMS: [ProblemKind; 4] = [
    ProblemKind::UnknownPolicyPack,
    ProblemKind::PolicyPackUnusable,
    ProblemKind::Overloaded,
    ProblemKind::Internal,
];

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    let described = with_problems(with_problems(routes!(evaluate), &BODY_PROBLEMS), &PROBLEMS);
    OpenApiRouter::new().routes(described)
}

/// Judges one action
///
/// The body is read as JSON also where `content-type` is absent or is what `curl -d`
/// sends of its own accord.
#[utoipa::path(
    post,
    path = "/runtime/go-pilot/evaluate",
    request_body(
        content = RequestSchema,
        description = "At most 65,536 bytes.",
        example = json!({
            "action_type": "execute_command",
            "target": "terraform plan",
            "policy_pack": "cavra-ai-agent-baseline",
        }),
    ),
    responses(
        (status = OK, description = "What was decided, and how", body = Evaluation),
        (
            status = SERVICE_UNAVAILABLE,
            description = "The reference failed: there is no authority, and the action is blocked",
            body = Evaluation,
        ),
    ),
)]
async fn evaluate(State(app): State<Arc<App>>, request: http::Request<Body>) -> Result<Response, Problem> {
    let correlation = observe::correlation(&request);
    let body = body::read(request, MAX_REQUEST_BYTES).await?;
    let mut request = Request::from_json(&body)?;
    request.correlation = correlation;
    let evaluation = app.evaluate(request, Patience::None).await?;
    Ok(answer::evaluation(&evaluation))
}
