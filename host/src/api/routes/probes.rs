//! What those ask who run the service: does it live, is it ready, which one is it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{App, answer, warm};

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(version))
        .routes(routes!(livez))
        .routes(routes!(readyz))
}

/// What the service is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`
    status: &'static str,
    /// `CAVRA`
    product: &'static str,
}

/// Which release it is.
#[derive(Serialize, ToSchema)]
struct Version {
    /// The release.
    version: &'static str,
    /// `cavra`
    name: &'static str,
}

/// That it lives.
#[derive(Serialize, ToSchema)]
struct Alive {
    /// `alive`
    status: &'static str,
}

/// Whether it is ready.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether requests are judged without waiting for anything to be loaded.
    ready: bool,
    /// `starting`, `serving`, `stopping`
    phase: &'static str,
}

/// That this is CAVRA
#[utoipa::path(get, path = "/health", responses((status = OK, description = "The words", body = Health)))]
async fn health() -> Response {
    let health = Health {
        status: "ok",
        product: "CAVRA",
    };
    answer::json(StatusCode::OK, &health)
}

/// The release that answers
#[utoipa::path(get, path = "/version", responses((status = OK, description = "The release", body = Version)))]
async fn version() -> Response {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        name: env!("CARGO_PKG_NAME"),
    };
    answer::json(StatusCode::OK, &version)
}

/// Whether the process still answers; restart it if not
#[utoipa::path(get, path = "/livez", responses((status = OK, description = "It does", body = Alive)))]
async fn livez() -> Response {
    answer::json(StatusCode::OK, &Alive { status: "alive" })
}

/// Whether modules are loaded and the reference has decided a probe
#[utoipa::path(get, path = "/readyz", responses(
    (status = OK, description = "They are", body = Readiness),
    (status = SERVICE_UNAVAILABLE, description = "Not yet, or not any more", body = Readiness),
))]
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let stopping = app.phase.is_stopping();
    let ready = !stopping && app.host.is_ready();
    if !ready && !stopping {
        warm::start(&app);
    }
    let phase = match (stopping, ready) {
        (true, _) => "stopping",
        (false, true) => "serving",
        (false, false) => "starting",
    };
    let readiness = Readiness { ready, phase };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer::json(status, &readiness)
}
