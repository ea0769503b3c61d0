//! The report on the drill history, one change at a time.

use std::fs;

use serde_json::{Value, json};

use super::*;

#[test]
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    each_alone(
        ReportKind::DrillHistory,
        vec![
            (
                D::DrillHistory,
                "/environment",
                json!(false),
                &["go_rollback_drill_history_file"],
            ),
            (
                D::DrillHistory,
                "/drills/0/status",
                json!("fail"),
                &[
                    "go_rollback_drill_history_file",
                    "go_rollback_drill_latest_passed",
                ],
            ),
            (
                D::DrillHistory,
                "/drills/0/recovery_minutes",
                json!(16),
                &["go_rollback_drill_history_file", "go_rollback_drill_recovery_sla"],
            ),
            (
                D::DrillHistory,
                "/drills/0/max_recovery_minutes",
                json!(null),
                &["go_rollback_drill_history_file", "go_rollback_drill_recovery_sla"],
            ),
            (
                D::DrillHistory,
                "/drills/0/evidence_refs",
                json!([]),
                &["go_rollback_drill_history_file"],
            ),
            (
                D::DrillHistory,
                "/drills/0/executed_at",
                json!("2030-06-01T12:04:00Z"),
                &[],
            ),
            (
                D::DrillHistory,
                "/drills/0/executed_at",
                json!("2030-06-01T12:06:00Z"),
                &["go_rollback_drill_history_file", "go_rollback_drill_freshness"],
            ),
            (
                D::DrillHistory,
                "/drills/0/subject/runtime_sha256",
                json!("00"),
                &["go_rollback_drill_history_file"],
            ),
        ],
    );
}

#[test]
fn the_latest_drill_counts_and_of_equal_dates_the_last() {
    let drill = |set_up: &SetUp, at: &str, status: &str| {
        let text = fs::read(set_up.path(DocumentKind::DrillHistory)).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        let mut drill = document["drills"][0].clone();
        drill["executed_at"] = json!(at);
        drill["status"] = json!(status);
        drill
    };
    let set_up = SetUp::new();
    let passed = drill(&set_up, "2030-05-20T00:00:00Z", "pass");
    let failed = drill(&set_up, "2030-05-20T02:00:00+02:00", "fail");
    let older = json!({"executed_at": "2030-05-19T23:59:59", "status": 7});
    for (drills, fine) in [
        (json!([passed, older]), true),
        (json!([failed, passed, older]), true),
        (json!([passed, failed]), false),
        (json!([failed, older]), false),
    ] {
        set_up.set(DocumentKind::DrillHistory, "/drills", drills.clone());
        let found = warnings(&set_up.reports(), ReportKind::DrillHistory);
        assert_eq!(found.is_empty(), fine, "{drills}: {found:?}");
    }
    for other in [
        json!("x"),
        json!({}),
        json!({"executed_at": "yesterday"}),
        json!(null),
    ] {
        set_up.set(DocumentKind::DrillHistory, "/drills", json!([passed, other]));
        let found = warnings(&set_up.reports(), ReportKind::DrillHistory);
        assert_eq!(found.len(), 6, "one without a date may be the latest: {other}");
    }
}
