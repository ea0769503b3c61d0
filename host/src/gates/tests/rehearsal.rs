//! The rehearsal report, one change at a time.

use std::fs;

use serde_json::json;

use super::*;

#[test]
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    each_alone(
        ReportKind::Rehearsal,
        vec![
            (
                D::RollbackRehearsal,
                "/simulated",
                json!("true"),
                &[
                    "go_rollback_rehearsal_evidence",
                    "go_rollback_rehearsal_simulated",
                ],
            ),
            (
                D::RollbackRehearsal,
                "/fallback_verified",
                json!(1),
                &[
                    "go_rollback_rehearsal_evidence",
                    "go_rollback_rehearsal_fallback_verified",
                ],
            ),
            (D::RollbackRehearsal, "/recovery_minutes", json!(15), &[]),
            (
                D::RollbackRehearsal,
                "/recovery_minutes",
                json!(15.01),
                &[
                    "go_rollback_rehearsal_evidence",
                    "go_rollback_rehearsal_recovery_sla",
                ],
            ),
            (D::RollbackRehearsal, "/max_recovery_minutes", json!(60), &[]),
            (
                D::RollbackRehearsal,
                "/max_recovery_minutes",
                json!(1),
                &[
                    "go_rollback_rehearsal_evidence",
                    "go_rollback_rehearsal_recovery_sla",
                ],
            ),
            (
                D::RollbackRehearsal,
                "/max_recovery_minutes",
                json!(0),
                &[
                    "go_rollback_rehearsal_evidence",
                    "go_rollback_rehearsal_recovery_sla",
                ],
            ),
            (
                D::RollbackRehearsal,
                "/plan_approval_id",
                json!("other"),
                &["go_rollback_rehearsal_evidence"],
            ),
            (
                D::RollbackRehearsal,
                "/evidence_refs",
                json!([]),
                &[
                    "go_rollback_rehearsal_evidence",
                    "go_rollback_rehearsal_evidence_refs",
                ],
            ),
            (
                D::RollbackRehearsal,
                "/runbook_ref",
                json!(""),
                &["go_rollback_rehearsal_evidence"],
            ),
        ],
    );
}

#[test]
fn one_limit_of_recovery_must_be_there() {
    let set_up = SetUp::new();
    set_up.remove(DocumentKind::RollbackRehearsal, "max_recovery_minutes");
    assert_eq!(
        status(&set_up.reports(), ReportKind::Rehearsal),
        ReportStatus::Ready
    );
    fs::remove_file(set_up.path(DocumentKind::RollbackPlan)).unwrap();
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Rehearsal),
        [
            "go_rollback_rehearsal_evidence",
            "go_rollback_rehearsal_recovery_sla"
        ]
    );
}

#[test]
fn a_plan_that_cannot_be_used_is_not_taken_for_none() {
    let mut set_up = SetUp::new();
    let plan = set_up.path(DocumentKind::RollbackPlan);
    for broken in ["{", "[]", r#"{"schema_version":"another"}"#] {
        fs::write(&plan, broken).unwrap();
        assert_eq!(
            warnings(&set_up.reports(), ReportKind::Rehearsal),
            [
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_recovery_sla"
            ],
            "{broken}"
        );
    }
    set_up.flags.remove(&Setting::RollbackPlan);
    assert_eq!(
        status(&set_up.reports(), ReportKind::Rehearsal),
        ReportStatus::Ready,
        "where there is none, the rehearsal stands for itself"
    );
}
