//! `POST /runtime/go-pilot/evaluate` and its batch.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::problem::ProblemDocument;
use crate::api::workers::Patience;
use crate::api::{App, Problem, answer, body};
use crate::model::{MAX_REQUEST_BYTES, Request};

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(evaluate))
}

/// Judges one action
#[utoipa::path(
    post,
    path = "/runtime/go-pilot/evaluate",
    responses(
        (status = OK, description = "The decision"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn evaluate(State(app): State<Arc<App>>, request: http::Request<Body>) -> Result<Response, Problem> {
    let body = body::read(request, MAX_REQUEST_BYTES).await?;
    let request = Request::from_json(&body)?;
    let evaluation = app.workers.evaluate(request, Patience::None).await?;
    Ok(answer::evaluation(&evaluation))
}
