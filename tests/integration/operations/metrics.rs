//! `GET /metrics`: what a scraper reads, and that the page says the same.

use cavra::telemetry::{Kind, Metric};
use integration_tests::root;
use integration_tests::service::Service;
use serde_json::json;

use super::{EVALUATE, exposition, harmless, metric, serve};

#[test]
fn every_metric_is_documented_in_the_words_of_the_code() {
    let page = std::fs::read_to_string(root().join("docs/observability.md")).unwrap();
    let rows: Vec<String> = Metric::ALL
        .iter()
        .map(|it| {
            let labels: Vec<String> = it.labels().iter().map(|label| format!("`{label}`")).collect();
            format!(
                "| `{}` | {} | {} | {} |",
                it.name(),
                it.kind().as_str(),
                labels.join(", "),
                it.meaning()
            )
        })
        .collect();
    let table: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `cavra_"))
        .collect();
    assert_eq!(table, rows);
}

#[test]
fn a_strict_reader_reads_all_metrics_in_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()));
    for target in ["a", "b", "app/.env"] {
        service.evaluate(&json!({"action_type": "read_file", "target": target}));
    }
    service.post(EVALUATE, "{");
    service.get("/nothing/here");
    for open_metrics in [false, true] {
        let mut connection = service.connect();
        let accept = if open_metrics {
            "application/openmetrics-text; version=1.0.0"
        } else {
            "*/*"
        };
        connection.send(format!(
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n"
        ));
        let answer = connection.answer();
        let kind = answer.header("content-type").unwrap();
        assert!(kind.contains(if open_metrics {
            "application/openmetrics-text"
        } else {
            "version=0.0.4"
        }));
        let families = exposition::read(&answer.body, open_metrics);
        // There is no evidence store.
        let metrics = || Metric::ALL.iter().filter(|it| !it.is_of_store());
        let names: Vec<String> = metrics()
            .map(|it| match it.kind() {
                Kind::Counter if open_metrics => it.name().trim_end_matches("_total").to_owned(),
                _ => it.name().to_owned(),
            })
            .collect();
        assert_eq!(families.len(), names.len());
        for (name, metric) in names.iter().zip(metrics()) {
            let family = &families[name];
            assert_eq!(family.kind, metric.kind().as_str(), "{name}");
            assert_eq!(family.help, metric.meaning());
            for (_, labels) in family.series.keys() {
                let labels: Vec<&str> = labels
                    .iter()
                    .map(|(it, _)| it.as_str())
                    .filter(|it| *it != "le")
                    .collect();
                assert_eq!(labels, metric.labels(), "{name}");
            }
        }
    }
    let both = metric(
        &service,
        "cavra_evaluations_total{backend=\"go\",decision=\"allow\"}",
    );
    assert_eq!(both, 2.0);
    assert_eq!(
        metric(
            &service,
            "cavra_evaluations_total{backend=\"go\",decision=\"block\"}"
        ),
        1.0
    );
    assert_eq!(
        metric(
            &service,
            "cavra_parity_matches_total{rule=\"filesystem.read.block\"}"
        ),
        1.0
    );
    assert_eq!(metric(&service, "cavra_evaluation_duration_seconds_count"), 3.0);
    assert_eq!(
        metric(
            &service,
            "cavra_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"4xx\"}"
        ),
        1.0
    );
}

/// Whatever callers send, the metrics do not grow.
#[test]
fn what_callers_choose_is_no_label() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()));
    let series = || service.get("/metrics").body.lines().count();
    service.evaluate(&harmless());
    service.call("BREW", "/first");
    series();
    let before = series();
    for number in 0..20 {
        service.call(&format!("BREW{number}"), &format!("/path-{number}"));
        let request = json!({"action_type": format!("unknown_{number}"), "target": format!("t{number}")});
        service.evaluate(&request);
    }
    // At most the class of another status, and of another decision's method.
    assert!(series() <= before + 4, "{before} {}", series());
}
