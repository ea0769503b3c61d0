//! Traces, to a collector that is a socket of this test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use integration_tests::service::Service;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustix::process::Signal;

use super::{EVALUATE, serve, signal};

/// Where it listens, and what it gets.
pub(crate) fn collector() -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (got, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let got = got.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                loop {
                    let (mut head, mut length) = (String::new(), 0);
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                        if let Some(("content-length", text)) =
                            line.to_lowercase().trim_end().split_once(": ")
                        {
                            length = text.parse().unwrap();
                        }
                        if line == "\r\n" {
                            break;
                        }
                        head.push_str(&line);
                    }
                    assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
                    assert!(
                        head.to_lowercase()
                            .contains("content-type: application/x-protobuf"),
                        "{head}"
                    );
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let _ = got.send(ExportTraceServiceRequest::decode(&*body).unwrap());
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                    stream.get_mut().write_all(answer).unwrap();
                }
            });
        }
    });
    (format!("http://{addr}"), requests)
}

fn spans(requests: &Receiver<ExportTraceServiceRequest>, wanted: impl Fn(&Span) -> bool) -> Span {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let Ok(request) = requests.recv_timeout(Duration::from_secs(1)) else {
            continue;
        };
        for spans in request.resource_spans {
            let service = spans
                .resource
                .unwrap()
                .attributes
                .into_iter()
                .find(|it| it.key == "service.name");
            assert_eq!(
                service.unwrap().value.unwrap().value,
                Some(Value::StringValue("cavra".to_owned()))
            );
            let mut all = spans.scope_spans.into_iter().flat_map(|it| it.spans);
            if let Some(span) = all.find(&wanted) {
                return span;
            }
        }
    }
    panic!("no such span came");
}

fn attribute(span: &Span, name: &str) -> Option<Value> {
    let found = span.attributes.iter().find(|it| it.key == name)?;
    found.value.clone()?.value
}

#[test]
fn a_request_is_a_span_of_its_callers_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (endpoint, requests) = collector();
    let service = Service::ready(
        serve(dir.path())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100"),
    );
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let body = r#"{"action_type":"execute_command","target":"terraform apply hunter2"}"#;
    assert_eq!(service.post_with(EVALUATE, trace, body).status, 200);
    let span = spans(&requests, |span| span.name.contains(EVALUATE));
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(span.name, format!("POST {EVALUATE}"));
    let text = |name: &str| match attribute(&span, name) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(text("http.route"), EVALUATE);
    assert_eq!(text("cavra.decision"), "block");
    assert_eq!(text("cavra.backend"), "go");
    assert_eq!(
        text("cavra.correlation_id"),
        "corr_4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(
        attribute(&span, "http.response.status_code"),
        Some(Value::IntValue(200))
    );
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    assert!(!format!("{span:?}").contains("hunter2"));

    // Whoever says that it is not to be sampled is heard; what is last is sent at the end.
    service.post_with(
        EVALUATE,
        "traceparent: 00-11111111111111111111111111111111-2222222222222222-00\r\n",
        body,
    );
    service.get("/version");
    signal(&service, Signal::TERM);
    let last = spans(&requests, |span| {
        assert_ne!(hex(&span.trace_id), "1".repeat(32));
        span.name == "GET /version"
    });
    assert_eq!(last.parent_span_id, Vec::<u8>::new());
    assert_eq!(service.wait(), Some(0));
}

#[test]
fn a_collector_that_is_not_there_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    let body = r#"{"action_type":"read_file","target":"a"}"#;
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(service.post(EVALUATE, body).status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    signal(&service, Signal::TERM);
    assert_eq!(service.wait(), Some(0));
}

#[test]
fn an_endpoint_that_cannot_be_used_is_told_by_the_service_alone() {
    let dir = tempfile::tempdir().unwrap();
    let refused = serve(dir.path())
        .args(["--addr", "127.0.0.1:0"])
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://user:hunter2@collector.example",
        )
        .run();
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.contains("--otlp-endpoint") && !refused.stderr.contains("hunter2"));
    let refused = serve(dir.path())
        .args([
            "--addr",
            "127.0.0.1:0",
            "--otlp-endpoint",
            "ftp://collector.example",
        ])
        .run();
    assert!(
        refused.stderr.contains("`ftp://collector.example`"),
        "{}",
        refused.stderr
    );
    let other = integration_tests::cavra(["evaluate", "read_file", "a"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example")
        .run();
    assert_eq!(other.code, Some(0), "{other:?}");
}
