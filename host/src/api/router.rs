//! All routes, what stands before them, and the document that describes them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{App, Problem, ProblemKind, access, described, observe, openapi, routes};

/// The service, and the OpenAPI document of what it answers.
pub fn router(app: &Arc<App>) -> (Router, OpenApi) {
    let (router, api) = described().split_for_parts();
    let document = openapi::Document::of(&api);
    let router = router
        .route(
            openapi::PATH,
            axum::routing::get(openapi::get).with_state(document),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::clone(app))
        .layer(
            // What a request passes, from the outside to the route. The order:
            //   1.-3. correlation, log, trace and metrics
            //   4. a panic becomes an answer, so that all above see it
            //   5. who calls, and may they
            //   6. how often they may
            //   7. how much they may send: `body::read`, by route
            ServiceBuilder::new()
                .layer(from_fn_with_state(Arc::clone(app), observe::observe))
                .layer(CatchPanicLayer::custom(panicked))
                .layer(from_fn_with_state(Arc::clone(app), access::admit)),
        );
    (router, api)
}

/// The templates of all routes, for metrics.
pub fn templates() -> Vec<&'static str> {
    let api = described().into_openapi();
    let paths = api.paths.paths.into_keys().chain([openapi::PATH.to_owned()]);
    // A handful of words for the life of the process.
    paths.map(|path| &*path.leak()).collect()
}

/// Every route that the document describes.
fn described() -> OpenApiRouter<Arc<App>> {
    let mut router = OpenApiRouter::with_openapi(openapi::head())
        .merge(routes::evaluate::routes())
        .merge(routes::batch::routes())
        .merge(routes::reports::routes())
        .merge(routes::probes::routes())
        .merge(routes::operate::routes())
        .merge(routes::metrics::routes());
    described::with_access(router.get_openapi_mut());
    router
}

async fn not_found() -> Problem {
    Problem::of(ProblemKind::NotFound)
}

/// `allow` is added by the router.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::of(ProblemKind::MethodNotAllowed).into_response()
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::of(ProblemKind::Internal).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    /// Two types of one name would be described by one of them.
    #[test]
    fn what_is_alike_by_name_is_described_as_what_it_is() {
        let document = serde_json::to_value(described().into_openapi()).unwrap();
        let properties = |path: &str, method: &str| {
            let path = path.replace('/', "~1");
            let answer =
                format!("/paths/{path}/{method}/responses/200/content/application~1json/schema/$ref");
            let schema = document.pointer(&answer).unwrap().as_str().unwrap();
            let schema = document.pointer(schema.strip_prefix('#').unwrap()).unwrap();
            schema["properties"].clone()
        };
        for method in ["post", "delete"] {
            let rollback = properties("/runtime/go-pilot/rollback", method);
            assert!(rollback.get("rolled_back").is_some(), "{rollback}");
        }
        let readiness = properties("/runtime/go-pilot/rollback-readiness", "get");
        assert!(readiness.get("rollback_plan_path").is_some(), "{readiness}");
    }

    #[test]
    fn a_panic_becomes_an_answer() {
        async fn defect() -> StatusCode {
            panic!("secret words of a defect")
        }
        let router: Router = Router::new()
            .route("/", axum::routing::get(defect))
            .layer(CatchPanicLayer::custom(panicked));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (status, body) = runtime.block_on(async {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status();
            (
                status,
                axum::body::to_bytes(response.into_body(), 4096).await.unwrap(),
            )
        });
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(ProblemKind::Internal.type_uri()), "{body}");
        assert!(!body.contains("secret"), "{body}");
    }
}
