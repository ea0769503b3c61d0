//! What the OpenAPI document says about every route beside its own answer: the
//! problems that it can answer with.

use utoipa::openapi::{Content, HeaderBuilder, ObjectBuilder, PathItem, Ref, RefOr, Response, Type};
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

fn add(item: &mut PathItem, problems: &[ProblemKind]) {
    for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
        for kind in problems {
            let status = kind.status().as_u16().to_string();
            let response = operation
                .responses
                .responses
                .entry(status)
                .or_insert_with(|| RefOr::T(Response::new("")));
            let RefOr::T(response) = response else { continue };
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
            if *kind == ProblemKind::Overloaded {
                let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
                let header = HeaderBuilder::new()
                    .schema(Some(seconds))
                    .description(Some("With `overloaded`: how many seconds to wait."))
                    .build();
                response.headers.insert("retry-after".to_owned(), header.into());
            }
        }
    }
}
