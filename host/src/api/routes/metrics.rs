//! `GET /metrics`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::described::with_problems;
use crate::api::{App, Problem, ProblemKind, answer};
use crate::gates::ReportKind;
use crate::telemetry::{Exposition, Live, Shipping};

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(with_problems(routes!(metrics), &[ProblemKind::Internal]))
}

/// What the service counts, for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses(
        (status = OK, description = "Prometheus text, or OpenMetrics where it is accepted", body = String, content_type = "text/plain"),
    ),
)]
async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    let exposition = Exposition::accepted(accept);
    let gates = app
        .report(|host| {
            let reports = host.reports();
            ReportKind::ALL.map(|kind| (kind.route(), reports.get(kind).status().is_ready()))
        })
        .await?;
    let number = |it: usize| it as u64;
    let live = Live {
        gates: gates.to_vec(),
        mode: app.host.mode(),
        rolled_back: app.host.rollback().engaged(),
        in_flight: number(app.workers.busy()),
        queue_depth: number(
            app.workers
                .queued()
                .saturating_add(app.workers.waiting_for_turn()),
        ),
        connections: app.connections.load(Ordering::Relaxed),
        abandoned: app.workers.abandoned(),
        evidence: app.host.evidence().map(|it| Arc::clone(it.stats())),
        log_lines_dropped: app.log.as_ref().map_or(0, crate::telemetry::Dropped::count),
        shipping: app.host.evidence().and_then(|recorder| {
            let sent = recorder.sent()?;
            Some(Shipping {
                up: sent.connected(),
                unsent: recorder.unsent(),
                forked: sent.forked(),
            })
        }),
        engine: app.host.engine_fingerprint().to_owned(),
    };
    let text = app.metrics.render(live, exposition);
    Ok(answer::document(StatusCode::OK, exposition.content_type(), text))
}
