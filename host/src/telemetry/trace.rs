//! Traces for OpenTelemetry, where a collector is named: one span a request, sent in
//! batches by a thread of its own.

use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use super::{Correlation, Parent};

/// How long the last spans may take to be sent at the end.
const LAST: Duration = Duration::from_secs(3);

/// Traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint is none that can be used.
    #[error(
        "--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) is `{0}` and must begin with http://; \
         name a collector beside the service, which may speak TLS onwards"
    )]
    Endpoint(String),
    /// The exporter cannot be made.
    #[error("--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) cannot be used: {0}")]
    Exporter(String),
}

/// Makes and sends spans.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends spans to the collector at `endpoint`, by OTLP over HTTP. The other
    /// variables of OpenTelemetry (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`) count too.
    ///
    /// # Errors
    /// When the endpoint cannot be used. That nobody listens there is no error.
    pub fn open(endpoint: &str) -> Result<Self, TraceError> {
        let endpoint = endpoint.trim();
        if endpoint.strip_prefix("http://").is_none_or(str::is_empty) {
            // It may name a user and a password.
            let shown = if endpoint.contains('@') {
                "[hidden]"
            } else {
                endpoint
            };
            return Err(TraceError::Endpoint(shown.to_owned()));
        }
        // The client asks for one even where it speaks no TLS; one that is there already stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Redirects are not followed: spans go where the operator said.
        let client = std::thread::spawn(|| {
            reqwest::blocking::Client::builder()
                .timeout(Duration::from_secs(10))
                .redirect(reqwest::redirect::Policy::none())
                // The endpoint has no TLS: the system's certificates need not be there.
                .tls_certs_only([])
                .build()
        });
        let client = client
            .join()
            .map_err(|_| TraceError::Exporter("its thread failed".to_owned()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client.map_err(|e| TraceError::Exporter(e.to_string()))?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .map_err(|e| TraceError::Exporter(e.to_string()))?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let given = Resource::builder().with_attribute(version.clone()).build();
        // What `OTEL_SERVICE_NAME` says wins.
        let named = given
            .get(&Key::from_static_str("service.name"))
            .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        let resource = if named {
            given
        } else {
            Resource::builder()
                .with_attribute(version)
                .with_service_name("cavra")
                .build()
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self {
            tracer: provider.tracer("cavra"),
            provider,
        })
    }

    /// Begins the span of a request.
    pub fn begin(
        &self,
        method: &str,
        route: &str,
        parent: Option<Parent<'_>>,
        correlation: &Correlation,
    ) -> Span {
        let context = parent.and_then(remote).unwrap_or_default();
        self.tracer
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("http.route", route.to_owned()),
                KeyValue::new("cavra.correlation_id", correlation.id.to_string()),
            ])
            .start_with_context(&self.tracer, &context)
    }

    /// Ends the span of a request, with what became of it.
    pub fn end(mut span: Span, status: u16, attributes: impl IntoIterator<Item = KeyValue>) {
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        span.set_attributes(attributes);
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }

    /// Sends what is left. Takes up to three seconds.
    ///
    /// # Errors
    /// When not all could be sent.
    pub fn shutdown(&self) -> Result<(), TraceError> {
        let done = self.provider.shutdown_with_timeout(LAST);
        done.map_err(|e| TraceError::Exporter(e.to_string()))
    }
}

fn remote(parent: Parent<'_>) -> Option<Context> {
    let span = SpanContext::new(
        TraceId::from_hex(parent.trace_id).ok()?,
        SpanId::from_hex(parent.span_id).ok()?,
        TraceFlags::new(parent.flags & 1),
        true,
        TraceState::NONE,
    );
    Some(Context::new().with_remote_span_context(span))
}
