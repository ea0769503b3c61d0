//! What the service is compared with: a handler of the same framework that parses the
//! same request and writes the same answer, and judges nothing.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use cavra::config::Environment;
use cavra::model::Request;
use cavra::pilot::Evaluation;

use super::client::ROUTE;
use crate::contenders::sandbox;
use crate::workload::Workload;

/// Every answer of the workload, by what was asked.
type Answers = Arc<HashMap<(String, Option<String>), Evaluation>>;

/// Serves until it is killed; says on standard output where.
pub(crate) fn serve(policies: &Path) -> Result<()> {
    let host = sandbox::host(policies, &Environment, None)?;
    let workload = Workload::bench(policies)?;
    let answers: Result<HashMap<_, _>> = workload
        .cases
        .iter()
        .map(|case| {
            let key = (case.request.action_type.clone(), case.request.target.clone());
            Ok((key, host.evaluate(&case.request)?))
        })
        .collect();
    drop(host);
    let router = Router::new()
        .route(ROUTE, post(answer))
        .with_state(Arc::new(answers?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        writeln!(
            std::io::stdout(),
            "listening on http://{}",
            listener.local_addr()?
        )?;
        axum::serve(listener, router).await.context("the bare server")
    })
}

async fn answer(State(answers): State<Answers>, body: Bytes) -> impl IntoResponse {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let Ok(request) = Request::from_json(&body) else {
        return (StatusCode::BAD_REQUEST, json, Vec::new());
    };
    let Some(answer) = answers.get(&(request.action_type, request.target)) else {
        return (StatusCode::NOT_FOUND, json, Vec::new());
    };
    match serde_json::to_vec(answer) {
        Ok(written) => (StatusCode::OK, json, written),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, json, Vec::new()),
    }
}
