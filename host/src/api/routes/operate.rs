//! What operators do while the service runs: reload, roll back, clear.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::evaluate::BODY_PROBLEMS;
use crate::api::described::with_problems;
use crate::api::{App, Caller, Problem, ProblemKind, answer, body};
use crate::model::MAX_REQUEST_BYTES;
use crate::pilot::Mode;
use crate::rollback::{MAX_REASON_CHARACTERS, Rollback, RollbackError, RollbackReport};

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    let kept = [ProblemKind::RollbackNotKept, ProblemKind::Internal];
    let rollback = with_problems(routes!(roll_back, clear), &BODY_PROBLEMS);
    let refused = [ProblemKind::ReloadRefused, ProblemKind::Internal];
    OpenApiRouter::new()
        .routes(with_problems(routes!(reload), &refused))
        .routes(with_problems(rollback, &kept))
}

/// That a reload was done.
#[derive(Serialize, ToSchema)]
struct ReloadDone {
    /// `cavra.go-backend-pilot.reload.v1`
    schema_version: &'static str,
    /// `reloaded`
    status: &'static str,
    /// The mode in effect.
    #[schema(value_type = String)]
    effective_mode: Mode,
}

/// Why the pilot is rolled back.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// For people; one line, without control characters.
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    reason: Option<String>,
}

/// Reads modules, policies, registry, documents, tokens and certificate anew
///
/// All of it is verified beside what is in use and then used at once; or none of it is.
#[utoipa::path(
    post,
    path = "/runtime/go-pilot/reload",
    tag = "operation",
    responses(
        (status = OK, description = "All of it is in use", body = ReloadDone),
    ),
)]
async fn reload(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    body::check_origin(&headers)?;
    let operations = Arc::clone(&app.operations);
    let done = tokio::task::spawn_blocking(move || operations.reload("asked for")).await;
    match done {
        Ok(Ok(())) => Ok(answer::json(
            StatusCode::OK,
            &ReloadDone {
                schema_version: "cavra.go-backend-pilot.reload.v1",
                status: "reloaded",
                effective_mode: app.host.mode(),
            },
        )),
        Ok(Err(error)) => Err(Problem::new(
            ProblemKind::ReloadRefused,
            format!(
                "{} cannot be used; everything is as it was, and the log says more",
                error.part()
            ),
        )),
        Err(_) => Err(Problem::of(ProblemKind::Internal)),
    }
}

/// Forces the pilot into `disabled`
///
/// At once for whatever begins after the answer, and over restarts until it is cleared.
#[utoipa::path(
    post,
    path = "/runtime/go-pilot/rollback",
    tag = "operation",
    request_body(content = Option<Why>, description = "Why; may be left out"),
    responses(
        (status = OK, description = "The pilot is rolled back", body = RollbackReport),
    ),
)]
async fn roll_back(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let body = body::read(request, MAX_REQUEST_BYTES).await?;
    let reason = reason(&body)?;
    let by = match &caller.id {
        Some(id) => format!("token {id}"),
        None => "a caller on loopback".to_owned(),
    };
    let rollback = Rollback::new(&reason, by, app.clock.now())
        .map_err(|error| Problem::new(ProblemKind::InvalidRequest, error.to_string()))?;
    tracing::warn!(
        by = rollback.by,
        reason = rollback.reason,
        "the pilot is rolled back"
    );
    change(&app, move |switch| switch.engage(rollback).map(|()| true)).await
}

/// Ends a rollback
///
/// The mode of the settings is in effect again.
#[utoipa::path(
    delete,
    path = "/runtime/go-pilot/rollback",
    tag = "operation",
    responses(
        (status = OK, description = "The pilot is not rolled back", body = RollbackReport),
    ),
)]
async fn clear(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    body::check_origin(&headers)?;
    tracing::warn!(by = caller.id.as_deref(), "the rollback is cleared");
    change(&app, |switch| switch.clear()).await
}

/// Changes the switch on a thread that may wait for a disk.
async fn change(
    app: &Arc<App>,
    change: impl FnOnce(&crate::rollback::RollbackSwitch) -> Result<bool, RollbackError> + Send + 'static,
) -> Result<Response, Problem> {
    let host = Arc::clone(&app.host);
    let done = tokio::task::spawn_blocking(move || {
        let done = change(host.rollback());
        done.map(|changed| RollbackReport::new(host.configured_mode(), host.rollback().get(), changed))
    });
    match done.await {
        Ok(Ok(report)) => Ok(answer::json(StatusCode::OK, &report)),
        Ok(Err(error)) => {
            tracing::error!(%error, "the rollback cannot be written down");
            Err(Problem::of(ProblemKind::RollbackNotKept))
        }
        Err(_) => Err(Problem::of(ProblemKind::Internal)),
    }
}

/// The reason in a body, which may be empty.
fn reason(body: &[u8]) -> Result<String, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(String::new());
    }
    let no_reason = || {
        let problem =
            format!("the body may hold `reason`, a line of at most {MAX_REASON_CHARACTERS} characters");
        Problem::new(ProblemKind::InvalidRequest, problem)
    };
    let why: Option<Why> = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            no_reason()
        } else {
            Problem::of(ProblemKind::InvalidJson)
        }
    })?;
    // The parser takes a list for an object whose members come in their order.
    if why.is_some() && !body.trim_ascii_start().starts_with(b"{") {
        return Err(no_reason());
    }
    Ok(why.unwrap_or_default().reason.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_in_an_object_or_there_is_none() {
        for none in ["", " \n", "null", "{}", r#"{"reason":null}"#] {
            assert_eq!(reason(none.as_bytes()).unwrap(), "", "{none}");
        }
        let given = reason(br#" {"reason":"parity"}"#).unwrap();
        assert_eq!(given, "parity");
        for (wrong, kind) in [
            ("{", ProblemKind::InvalidJson),
            ("[]", ProblemKind::InvalidRequest),
            ("[null]", ProblemKind::InvalidRequest),
            (r#"["parity"]"#, ProblemKind::InvalidRequest),
            (r#""parity""#, ProblemKind::InvalidRequest),
            (r#"{"reason":7}"#, ProblemKind::InvalidRequest),
            (r#"{"why":"parity"}"#, ProblemKind::InvalidRequest),
        ] {
            let problem = reason(wrong.as_bytes()).unwrap_err();
            assert_eq!(problem.document().type_uri, kind.type_uri(), "{wrong}");
        }
    }
}
