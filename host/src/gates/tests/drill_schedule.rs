//! The report on the drill schedule, one change at a time.

use std::fs;

use jiff::SignedDuration;
use serde_json::json;

use super::*;

#[test]
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    each_alone(
        ReportKind::DrillSchedule,
        vec![
            (
                D::DrillSchedule,
                "/status",
                json!("paused"),
                &[
                    "go_rollback_drill_schedule_file",
                    "go_rollback_drill_schedule_active",
                ],
            ),
            (
                D::DrillSchedule,
                "/interval_days",
                json!("30"),
                &[
                    "go_rollback_drill_schedule_file",
                    "go_rollback_drill_schedule_cadence",
                ],
            ),
            (
                D::DrillSchedule,
                "/next_due_at",
                json!("2030-07-02T12:00:00Z"),
                &[
                    "go_rollback_drill_schedule_file",
                    "go_rollback_drill_schedule_next_due",
                ],
            ),
            (
                D::DrillSchedule,
                "/next_due_at",
                json!("2030-07-01T12:00:00Z"),
                &[],
            ),
            (
                D::DrillSchedule,
                "/next_due_at",
                json!("2030-06-01T11:59:59Z"),
                &[
                    "go_rollback_drill_schedule_file",
                    "go_rollback_drill_schedule_not_stale",
                ],
            ),
            (
                D::DrillSchedule,
                "/next_due_at",
                json!("soon"),
                &[
                    "go_rollback_drill_schedule_file",
                    "go_rollback_drill_schedule_next_due",
                    "go_rollback_drill_schedule_not_stale",
                ],
            ),
            (
                D::DrillSchedule,
                "/owners",
                json!([]),
                &[
                    "go_rollback_drill_schedule_file",
                    "go_rollback_drill_notification_routes",
                ],
            ),
            (
                D::DrillSchedule,
                "/owner_routes",
                json!(null),
                &["go_rollback_drill_schedule_file"],
            ),
            (D::DrillSchedule, "/owner_routes", json!([]), &[]),
            (D::DrillSchedule, "/environment", json!(7), &[]),
        ],
    );
}

#[test]
fn a_history_that_cannot_be_used_is_not_taken_for_none() {
    let mut set_up = SetUp::new();
    set_up.set(
        DocumentKind::DrillSchedule,
        "/next_due_at",
        json!((set_up.now + SignedDuration::from_hours(24 * 20)).to_string()),
    );
    assert_eq!(
        status(&set_up.reports(), ReportKind::DrillSchedule),
        ReportStatus::Ready
    );
    fs::write(set_up.path(DocumentKind::DrillHistory), "{").unwrap();
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::DrillSchedule),
        [
            "go_rollback_drill_schedule_file",
            "go_rollback_drill_schedule_next_due"
        ]
    );
    set_up.flags.remove(&Setting::RollbackDrillHistory);
    assert_eq!(
        status(&set_up.reports(), ReportKind::DrillSchedule),
        ReportStatus::Ready
    );
}
