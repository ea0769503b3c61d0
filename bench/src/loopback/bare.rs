//! What the service is compared with: a handler of the same framework that parses the
//! same request and writes the same answer, and judges nothing. Or judges, and does nothing
//! else of what a service does.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use cavra::config::Environment;
use cavra::host::Host;
use cavra::model::Request;
use cavra::pilot::{Evaluation, Mode};

use super::client::ROUTE;
use crate::contenders::sandbox;
use crate::workload::Workload;

/// Every answer of the workload, by what was asked.
type Answers = HashMap<(String, Option<String>), Evaluation>;

/// Serves until it is killed; says on standard output where.
pub(crate) fn serve(policies: &Path, mode: Mode, judges: bool) -> Result<()> {
    let host = sandbox::host_with(sandbox::flags(policies, mode), &Environment, None)?;
    let workload = Workload::bench(policies)?;
    let answers: Result<Answers> = workload
        .cases
        .iter()
        .map(|case| {
            let key = (case.request.action_type.clone(), case.request.target.clone());
            Ok((key, host.evaluate(&case.request)?))
        })
        .collect();
    let route = if judges {
        post(judge).with_state(Arc::new(host))
    } else {
        drop(host);
        post(answer).with_state(Arc::new(answers?))
    };
    let router = Router::new().route(ROUTE, route);
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

async fn answer(State(answers): State<Arc<Answers>>, body: Bytes) -> impl IntoResponse {
    let Ok(request) = Request::from_json(&body) else {
        return refused(StatusCode::BAD_REQUEST);
    };
    let answer = answers.get(&(request.action_type, request.target));
    answer.map_or_else(|| refused(StatusCode::NOT_FOUND), written)
}

async fn judge(State(host): State<Arc<Host>>, body: Bytes) -> impl IntoResponse {
    let Ok(request) = Request::from_json(&body) else {
        return refused(StatusCode::BAD_REQUEST);
    };
    let answer = host.evaluate(&request);
    answer.map_or_else(|_| refused(StatusCode::INTERNAL_SERVER_ERROR), |it| written(&it))
}

/// A status, the type of a body, and the body.
type Answer = (StatusCode, [(HeaderName, &'static str); 1], Vec<u8>);

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

fn written(answer: &Evaluation) -> Answer {
    serde_json::to_vec(answer).map_or_else(
        |_| refused(StatusCode::INTERNAL_SERVER_ERROR),
        |written| (StatusCode::OK, JSON, written),
    )
}

fn refused(status: StatusCode) -> Answer {
    (status, JSON, Vec::new())
}
