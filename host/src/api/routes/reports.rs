//! The reports.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{App, Problem, ProblemKind, answer};

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(readiness))
}

/// Whether the fast path can be run at all
#[utoipa::path(get, path = "/runtime/go-pilot/readiness", responses((status = OK)))]
async fn readiness(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let report = app.report(|host| host.readiness()).await?;
    Ok(answer::json(StatusCode::OK, &*report))
}

impl App {
    /// Lets a thread of its own make a report: it may read files and load modules.
    async fn report<T: Send + 'static>(
        &self,
        make: impl FnOnce(&crate::host::Host) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let lost = || Problem::of(ProblemKind::Internal);
        let _permit = self.reports.acquire().await.map_err(|_| lost())?;
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || make(&host))
            .await
            .map_err(|_| lost())
    }
}
