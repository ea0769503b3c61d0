//! The seven reports, and the one about production.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::path::{OperationBuilder, Paths};
use utoipa::openapi::{Content, HttpMethod, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::api::described::with_problems;
use crate::api::{App, Problem, ProblemKind, answer};
use crate::gates::{
    DeploymentReport, DrillHistoryReport, DrillScheduleReport, ProductionReport, PromotionReport,
    ReadinessReport, RehearsalReport, ReportKind, RollbackReport,
};
use crate::host::Host;

const PROBLEMS: [ProblemKind; 1] = [ProblemKind::Internal];
use crate::rollback::InForce;

pub(in crate::api) fn routes() -> OpenApiRouter<Arc<App>> {
    let reports = ReportKind::ALL
        .into_iter()
        .fold(OpenApiRouter::new(), |router, kind| router.routes(route(kind)));
    reports.routes(with_problems(routes!(production), &PROBLEMS))
}

/// The route of one report, and its description.
fn route(kind: ReportKind) -> UtoipaMethodRouter<Arc<App>> {
    let (name, schemas) = schemas(kind);
    let response = ResponseBuilder::new().description("The report").content(
        "application/json",
        Content::new(Some(Ref::from_schema_name(name))),
    );
    let operation = OperationBuilder::new()
        .summary(Some(kind.meaning()))
        .operation_id(Some(kind.command()))
        .response("200", response);
    let mut paths = Paths::new();
    let path = format!("/runtime/go-pilot/{}", kind.route());
    paths.add_path_operation(path, vec![HttpMethod::Get], operation);
    let methods = get(move |State(app): State<Arc<App>>| async move {
        let report = app
            .report(move |host| Arc::clone(host.reports().get(kind)))
            .await?;
        let document = InForce::report(kind, &*report, app.host.rollback().get());
        Ok::<_, Problem>(answer::json(StatusCode::OK, &document))
    });
    with_problems((schemas, paths, methods), &PROBLEMS)
}

/// The name of a report's schema, and all schemas that it needs.
fn schemas(kind: ReportKind) -> (String, Vec<(String, RefOr<Schema>)>) {
    fn of<T: ToSchema + PartialSchema>() -> (String, Vec<(String, RefOr<Schema>)>) {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        (T::name().into_owned(), schemas)
    }
    match kind {
        ReportKind::Readiness => of::<ReadinessReport>(),
        ReportKind::Deployment => of::<DeploymentReport>(),
        ReportKind::Promotion => of::<PromotionReport>(),
        ReportKind::Rollback => of::<RollbackReport>(),
        ReportKind::Rehearsal => of::<RehearsalReport>(),
        ReportKind::DrillHistory => of::<DrillHistoryReport>(),
        ReportKind::DrillSchedule => of::<DrillScheduleReport>(),
    }
}

/// Whether this is fit for production: all seven reports, and what else it takes
#[utoipa::path(get, path = "/deployment/production-readiness", responses((status = OK, description = "The report", body = ProductionReport)))]
async fn production(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let access = app.access.kind();
    let report = app.report(move |host| host.production_readiness(access)).await?;
    let document = InForce::new(&report, app.host.rollback().get());
    Ok(answer::json(StatusCode::OK, &document))
}

impl App {
    /// Lets a thread of its own make a report: it may read files and load modules.
    pub(in crate::api) async fn report<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Host) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let lost = || Problem::of(ProblemKind::Internal);
        let _permit = self.reports.acquire().await.map_err(|_| lost())?;
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || make(&host))
            .await
            .map_err(|_| lost())
    }
}
