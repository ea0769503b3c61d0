//! The rollback report, one change at a time.

use serde_json::json;

use super::*;

#[test]
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    each_alone(
        ReportKind::Rollback,
        vec![
            (D::RollbackPlan, "/status", json!("READY"), &["go_rollback_plan"]),
            (
                D::RollbackPlan,
                "/target_mode",
                json!("Disabled"),
                &["go_rollback_plan", "go_rollback_disable_path"],
            ),
            (
                D::RollbackPlan,
                "/controls/2",
                json!(null),
                &["go_rollback_plan", "go_rollback_controls"],
            ),
            (
                D::RollbackPlan,
                "/max_recovery_minutes",
                json!(true),
                &["go_rollback_plan"],
            ),
            (
                D::RollbackPlan,
                "/max_recovery_minutes",
                json!("15"),
                &["go_rollback_plan"],
            ),
            (
                D::RollbackPlan,
                "/max_recovery_minutes",
                json!(0),
                &["go_rollback_plan"],
            ),
            (
                D::RollbackPlan,
                "/rollback_steps/0",
                json!(""),
                &["go_rollback_plan"],
            ),
            (
                D::RollbackPlan,
                "/approved",
                json!(false),
                &["go_rollback_approval"],
            ),
            (
                D::RollbackPlan,
                "/expires_at",
                json!("2030-05-31"),
                &["go_rollback_plan"],
            ),
        ],
    );
}
