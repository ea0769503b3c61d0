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

use super::access::{Caller, Need};
use super::{App, Peer};
use crate::fault::FallbackCode;
use crate::model::Verdict;
use crate::pilot::{Evaluation, SelectedBackend};
use crate::telemetry::{AccessReason, CORRELATION_HEADER, Correlation, Parent, TRACEPARENT, Traces};

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
    let line = Line {
        correlation: &correlation,
        method: method.as_str(),
        route: template,
        status,
        microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        peer,
        caller: extensions.get::<Caller>().and_then(|it| it.id.as_deref()),
        refused: extensions.get::<AccessReason>().copied(),
        told,
    };
    line.write();
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

/// The log line of a request.
struct Line<'a> {
    correlation: &'a Correlation,
    method: &'a str,
    route: &'a str,
    status: u16,
    microseconds: u64,
    peer: Option<std::net::IpAddr>,
    caller: Option<&'a str>,
    refused: Option<AccessReason>,
    told: Option<Told>,
}

macro_rules! line {
    ($level:ident, $it:expr) => {
        tracing::$level!(
            correlation_id = &*$it.correlation.id,
            method = $it.method,
            route = $it.route,
            status = $it.status,
            duration_us = $it.microseconds,
            peer = $it.peer.map(tracing::field::display),
            caller = $it.caller,
            refused = $it.refused.map(AccessReason::as_str),
            decision = $it.told.map(|it| it.verdict.as_str()),
            backend = $it.told.map(|it| it.backend.as_str()),
            fallback_code = $it.told.and_then(|it| it.fallback).map(FallbackCode::as_str),
            "request"
        )
    };
}

impl Line<'_> {
    fn write(&self) {
        if Need::of(Some(self.route)) == Need::Nothing {
            // Every few seconds, for ever.
            line!(debug, self);
        } else if self.status >= 500 {
            line!(warn, self);
        } else {
            line!(info, self);
        }
    }
}
