//! What the OpenAPI document says about every route beside its own answer: the
//! problems that it can answer with.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Response, Type};
use utoipa_axum::router::UtoipaMethodRouter;

use super::ProblemKind;

/// Adds the problems of a route to its description, those of one status together.
pub(super) fn with_problems<S>(
    (schemas, mut paths, methods): UtoipaMethodRouter<S>,
    problems: &[ProblemKind],
) -> UtoipaMethodRouter<S> {
    for item in paths.paths.values_mut() {
        add(item, problems);
    }
    (schemas, paths, methods)
}

/// What any route can answer with, beside what it says of itself.
const ACCESS: [ProblemKind; 4] = [
    ProblemKind::Unauthorized,
    ProblemKind::Forbidden,
    ProblemKind::FromBrowser,
    ProblemKind::RateLimited,
];

/// Adds to every route who may call it: whoever there is, or the bearer of a token.
pub(super) fn with_access(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        add(item, &ACCESS);
    }
    let components = api.components.get_or_insert_default();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("Where the service has tokens; made by `cavra token create`.".to_owned());
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    api.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("token", Vec::<String>::new()),
    ]);
}

fn add(item: &mut PathItem, problems: &[ProblemKind]) {
    for operation in [&mut item.get, &mut item.post, &mut item.delete]
        .into_iter()
        .flatten()
    {
        for kind in problems {
            let status = kind.status().as_u16().to_string();
            let response = operation
                .responses
                .responses
                .entry(status)
                .or_insert_with(|| RefOr::T(Response::new("")));
            let RefOr::T(response) = response else { continue };
            let begins = format!("`{}`: ", kind.word());
            if response.description.contains(&begins) {
                continue;
            }
            if !response.description.is_empty() {
                response.description.push('\n');
            }
            response
                .description
                .push_str(&format!("`{}`: {}", kind.word(), kind.meaning()));
            let content = Content::new(Some(Ref::from_schema_name("Problem")));
            response
                .content
                .insert("application/problem+json".to_owned(), content.into());
            if matches!(kind, ProblemKind::Overloaded | ProblemKind::RateLimited) {
                let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
                let header = HeaderBuilder::new()
                    .schema(Some(seconds))
                    .description(Some(
                        "How many seconds to wait; always with `overloaded` and `rate-limited`.",
                    ))
                    .build();
                response.headers.insert("retry-after".to_owned(), header.into());
            }
        }
    }
}
