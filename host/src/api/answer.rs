//! From an evaluation to what is sent.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::observe::Told;
use super::workers::Refused;
use super::{Problem, ProblemKind};
use crate::pilot::{Evaluation, SelectedBackend};

/// Room for the usual answer, so that it is written without moving.
const USUAL: usize = 4 * 1024;

/// A document of this type.
pub(super) fn document(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // A decision holds for one moment; nothing on the way may give it again.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Any document as JSON.
pub(super) fn json(status: StatusCode, it: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(USUAL);
    match serde_json::to_writer(&mut body, it) {
        Ok(()) => document(status, "application/json", body),
        Err(_) => Problem::of(ProblemKind::Internal).into_response(),
    }
}

/// The answer to one evaluation: 503 where there was no authority, and the action is
/// blocked.
pub(super) fn evaluation(answer: &Evaluation) -> Response {
    let status = match answer.selected_backend {
        SelectedBackend::None => StatusCode::SERVICE_UNAVAILABLE,
        SelectedBackend::Python | SelectedBackend::Go => StatusCode::OK,
    };
    let mut response = json(status, answer);
    response.extensions_mut().insert(Told::of(answer));
    response
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match &refused {
            Refused::Overloaded { .. } => Self::new(ProblemKind::Overloaded, refused.to_string()),
            Refused::Host(error) => error.into(),
            Refused::Lost => Self::of(ProblemKind::Internal),
        }
    }
}
