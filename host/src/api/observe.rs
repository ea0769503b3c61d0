//! What is told of a request: its correlation, a log line, metrics, a span.
//!
//! Never its body, its target or its token. Of its path only the route's template.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::KeyValue;
use tracing::Level;

use super::access::{Caller, Need};
use super::{App, Peer};
use crate::fault::FallbackCode;
use crate::model::Verdict;
use crate::pilot::{Evaluation, SelectedBackend};
use crate::telemetry::{
    AccessReason, CORRELATION_HEADER, Correlation, Parent, RequestLine, TRACEPARENT, Traces,
};

/// What of an evaluation is told: in the extensions of its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    verdict: Verdict,
    backend: SelectedBackend,
    fallback: Option<FallbackCode>,
    parity: Option<bool>,
    reference_us: Option<u64>,
    fastpath_us: Option<u64>,
}

impl Told {
    pub(super) fn of(answer: &Evaluation) -> Self {
        let took = |usage: &Option<crate::backend::Usage>| usage.as_ref().map(|it| it.microseconds);
        Self {
            verdict: answer.effective_decision.decision.verdict,
            backend: answer.selected_backend,
            fallback: answer.fallback_code,
            parity: answer.parity_match,
            reference_us: took(&answer.sandbox.reference),
            fastpath_us: took(&answer.sandbox.fastpath),
        }
    }

    fn attributes(self) -> impl Iterator<Item = KeyValue> {
        let number = |name, value: Option<u64>| {
            let value = i64::try_from(value?).unwrap_or(i64::MAX);
            Some(KeyValue::new(name, value))
        };
        [
            Some(KeyValue::new("cavra.decision", self.verdict.as_str())),
            Some(KeyValue::new("cavra.backend", self.backend.as_str())),
            self.fallback
                .map(|code| KeyValue::new("cavra.fallback_code", code.as_str())),
            self.parity
                .map(|agree| KeyValue::new("cavra.parity_match", agree)),
            number("cavra.reference.microseconds", self.reference_us),
            number("cavra.fastpath.microseconds", self.fastpath_us),
        ]
        .into_iter()
        .flatten()
    }
}

/// The middleware.
pub(super) async fn observe(State(app): State<Arc<App>>, mut request: Request<Body>, next: Next) -> Response {
    let begun = Instant::now();
    let headers = request.headers();
    let parent = text(headers, TRACEPARENT).and_then(Parent::read);
    let correlation = Correlation::of(text(headers, CORRELATION_HEADER), parent, &*app.ids);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let template = route.as_ref().map(MatchedPath::as_str);
    let place = app.metrics.route(template);
    let template = template.unwrap_or("unmatched");
    let span = app
        .traces
        .as_ref()
        .map(|traces| traces.begin(method.as_str(), template, parent, &correlation));
    let peer = request.extensions().get::<Peer>().map(|peer| peer.addr.ip());
    request.extensions_mut().insert(correlation.clone());

    let mut response = next.run(request).await;

    let took = begun.elapsed();
    let status = response.status().as_u16();
    app.metrics.request(place, method.as_str(), status, took);
    if let Ok(value) = HeaderValue::from_str(correlation.header()) {
        let name = const { HeaderName::from_static(CORRELATION_HEADER) };
        response.headers_mut().insert(name, value);
    }
    let told = response.extensions().get::<Told>().copied();
    if let Some(span) = span {
        Traces::end(span, status, told.into_iter().flat_map(Told::attributes));
    }
    let extensions = response.extensions();
    let line = RequestLine {
        correlation_id: &correlation.id,
        method: method.as_str(),
        route: template,
        status,
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        peer,
        caller: extensions.get::<Caller>().and_then(|it| it.id.as_deref()),
        refused: extensions.get::<AccessReason>().map(|it| it.as_str()),
        decision: told.map(|it| it.verdict.as_str()),
        backend: told.map(|it| it.backend.as_str()),
        fallback_code: told.and_then(|it| it.fallback).map(FallbackCode::as_str),
    };
    tell(&app, &line);
    response
}

/// Under which id a request is known.
pub(super) fn correlation<B>(request: &Request<B>) -> Option<Arc<str>> {
    let correlation = request.extensions().get::<Correlation>()?;
    Some(Arc::clone(&correlation.id))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

macro_rules! line {
    ($level:ident, $it:expr) => {
        tracing::$level!(
            correlation_id = $it.correlation_id,
            method = $it.method,
            route = $it.route,
            status = $it.status,
            duration_us = $it.duration_us,
            peer = $it.peer.map(tracing::field::display),
            caller = $it.caller,
            refused = $it.refused,
            decision = $it.decision,
            backend = $it.backend,
            fallback_code = $it.fallback_code,
            "request"
        )
    };
}

/// Writes the log line of a request.
fn tell(app: &App, line: &RequestLine<'_>) {
    let level = if Need::of(Some(line.route)) == Need::Nothing {
        // Every few seconds, for ever.
        Level::DEBUG
    } else if line.status >= 500 {
        Level::WARN
    } else {
        Level::INFO
    };
    match &app.request_log {
        Some(log) => log.write(level, app.clock.now(), line),
        None if level == Level::DEBUG => line!(debug, line),
        None if level == Level::WARN => line!(warn, line),
        None => line!(info, line),
    }
}
