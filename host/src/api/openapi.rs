//! The OpenAPI 3.1 document, made from the routes.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::answer;
use super::problem::ProblemDocument;

/// Where it is.
pub(super) const PATH: &str = "/openapi.json";

/// The document, written once.
#[derive(Clone)]
pub(super) struct Document(Bytes);

impl Document {
    pub(super) fn of(api: &OpenApi) -> Self {
        Self(serde_json::to_vec_pretty(api).unwrap_or_default().into())
    }
}

/// `GET /openapi.json`
pub(super) async fn get(State(document): State<Document>) -> Response {
    answer::document(StatusCode::OK, "application/json", document.0)
}

/// What stands before the routes.
pub(super) fn head() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    let info = InfoBuilder::new()
        .title("CAVRA")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Decides what AI agents may do: every decision made twice, in two sandboxes.",
        ))
        .license(Some(license))
        .build();
    let problem = (ProblemDocument::name(), ProblemDocument::schema());
    let components = ComponentsBuilder::new().schema(problem.0, problem.1).build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}
