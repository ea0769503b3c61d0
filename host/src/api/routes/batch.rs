//! `POST /runtime/go-pilot/evaluate/batch`

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{self, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::evaluate::BODY_PROBLEMS;
use crate::api::described::with_problems;
use crate::api::problem::ProblemDocument;
use crate::api::workers::Patience;
use crate::api::{App, Caller, Problem, ProblemKind, answer, body, observe};
use crate::model::Request;
use crate::pilot::Evaluation;

/// How many requests a batch may hold.
pub(crate) const MAX_BATCH: usize = 1_000;
/// How large a batch may be, in bytes.
pub(crate) const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

const PROBLEMS: [ProblemKind; 2] = [ProblemKind::Overloaded, ProblemKind::Internal];

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    let described = with_problems(with_problems(routes!(evaluate_batch), &BODY_PROBLEMS), &PROBLEMS);
    OpenApiRouter::new().routes(described)
}

/// Many requests.
#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    requests: Vec<&'a RawValue>,
}

/// Many requests.
#[derive(ToSchema)]
#[schema(as = Batch)]
#[expect(
    dead_code,
    reason = "it describes `Batch`, whose requests are read one by one"
)]
struct BatchSchema {
    /// Each is read as a `Request` of its own, of at most 65,536 bytes; one that is
    /// none gets its problem in its place.
    #[schema(max_items = 1000)]
    requests: Vec<serde_json::Value>,
}

/// The answers, in the order of the requests.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written piece by piece")]
struct BatchAnswer {
    /// `cavra.go-backend-pilot.evaluation-batch.v1`.
    schema_version: String,
    /// One for each request.
    results: Vec<BatchResult>,
}

/// The answer to one of many requests.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum BatchResult {
    /// What was decided.
    Evaluation(Box<Evaluation>),
    /// Nothing was decided.
    Error {
        /// Why.
        error: ProblemDocument,
    },
}

/// Judges many actions, each as if it came alone
///
/// The answer is 200 whatever becomes of the single requests: one that is invalid has
/// its problem in its place, and one without an authority is blocked in its place.
#[utoipa::path(
    post,
    path = "/runtime/go-pilot/evaluate/batch",
    request_body(content = BatchSchema, description = "At most 4 MiB."),
    responses((status = OK, description = "The answers, in order", body = BatchAnswer)),
)]
async fn evaluate_batch(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: http::Request<Body>,
) -> Result<Response, Response> {
    let correlation = observe::correlation(&request);
    let body = body::read(request, MAX_BATCH_BYTES).await?;
    let requests = split(&body)?;
    // Each counts as if it came alone; one was counted at the door.
    let more = u32::try_from(requests.len())
        .unwrap_or(u32::MAX)
        .saturating_sub(1);
    if let Some(more) = NonZeroU32::new(more) {
        caller.spend(more).map_err(IntoResponse::into_response)?;
    }
    let Ok(_permit) = app.batches.try_acquire() else {
        return Err(Problem::new(
            ProblemKind::Overloaded,
            format!(
                "{} batches are being judged already; ask again later",
                app.workers.places()
            ),
        )
        .into());
    };
    // Dropped with this future when the client goes, and with it what has not begun.
    let mut judging = JoinSet::new();
    let mut results = vec![Vec::new(); requests.len()];
    for (place, request) in requests.into_iter().enumerate() {
        let app = Arc::clone(&app);
        let correlation = correlation.clone();
        judging.spawn(async move { (place, judge(&app, correlation, &request).await) });
    }
    while let Some(judged) = judging.join_next().await {
        let (place, result) = judged.map_err(|_| Problem::of(ProblemKind::Internal))?;
        if let Some(slot) = results.get_mut(place) {
            *slot = result;
        }
    }
    let mut document =
        br#"{"schema_version":"cavra.go-backend-pilot.evaluation-batch.v1","results":["#.to_vec();
    document.extend(results.join(&b','));
    document.extend(b"]}");
    Ok(answer::document(StatusCode::OK, "application/json", document))
}

/// The requests of a batch, still unread.
fn split(body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    let no_batch = || {
        Problem::new(
            ProblemKind::InvalidRequest,
            "the batch must be an object with `requests`, a list",
        )
    };
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|error| {
        // What the parser says of a wrong type quotes the value.
        if error.is_data() {
            no_batch()
        } else {
            Problem::new(
                ProblemKind::InvalidJson,
                format!("the batch is not JSON: {error}"),
            )
        }
    })?;
    // The parser takes a list for an object whose members come in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(no_batch());
    }
    if batch.requests.len() > MAX_BATCH {
        return Err(Problem::new(
            ProblemKind::InvalidRequest,
            format!(
                "the batch holds {} requests; at most {MAX_BATCH} are judged",
                batch.requests.len()
            ),
        ));
    }
    let part = |request: &RawValue| body.slice_ref(request.get().as_bytes());
    Ok(batch.requests.into_iter().map(part).collect())
}

/// The answer to one request, written.
async fn judge(app: &App, correlation: Option<Arc<str>>, request: &[u8]) -> Vec<u8> {
    let result = match decide(app, correlation, request).await {
        Ok(evaluation) => BatchResult::Evaluation(Box::new(evaluation)),
        Err(problem) => BatchResult::Error {
            error: problem.document(),
        },
    };
    // What can be sent alone can be sent here.
    serde_json::to_vec(&result).unwrap_or_else(|_| b"null".to_vec())
}

async fn decide(app: &App, correlation: Option<Arc<str>>, request: &[u8]) -> Result<Evaluation, Problem> {
    let mut request = Request::from_json(request)?;
    request.correlation = correlation;
    Ok(app.evaluate(request, Patience::Batch).await?)
}
