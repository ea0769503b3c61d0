//! Every report, over a set-up that is ready and one change at a time. Here is what
//! concerns several of them; each has a file for what concerns it alone.

mod deployment;
mod drill_history;
mod drill_schedule;
mod production;
mod promotion;
mod rehearsal;
mod rollback;
mod set_up;

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use set_up::{SetUp, each_alone, status, warnings};

use super::*;
use crate::fault::Fault;

const GATES: [ReportKind; 5] = [
    ReportKind::Promotion,
    ReportKind::Rollback,
    ReportKind::Rehearsal,
    ReportKind::DrillHistory,
    ReportKind::DrillSchedule,
];

#[test]
fn what_is_scaffolded_is_ready() {
    let reports = SetUp::new().reports();
    for kind in ReportKind::ALL {
        assert_eq!(
            status(&reports, kind),
            ReportStatus::Ready,
            "{:?}",
            reports.get(kind)
        );
    }
    for document in reports.documents() {
        assert!(
            document.faults.is_empty() && !document.path.is_empty(),
            "{document:?}"
        );
    }
}

#[test]
fn reports_have_the_checks_of_the_contract_in_its_order() {
    let reports = SetUp::new().reports();
    let ids = |kind| -> Vec<&str> { reports.get(kind).checks().iter().map(|check| check.id).collect() };
    assert_eq!(
        ids(ReportKind::Deployment),
        [
            "go_deployment_metadata_configured",
            "go_release_package_dir",
            "go_endpoint_deployment_manifest",
            "go_ci_runner_bundles",
            "go_workstation_channels",
            "go_workstation_updater_policy",
        ]
    );
    assert_eq!(
        ids(ReportKind::Promotion),
        [
            "go_promotion_requested",
            "go_runtime_ready",
            "go_deployment_ready",
            "go_parity_evidence",
            "go_promotion_approval",
        ]
    );
    assert_eq!(
        ids(ReportKind::Rollback),
        [
            "go_rollback_requested",
            "python_fallback_available",
            "go_rollback_plan",
            "go_rollback_approval",
            "go_rollback_disable_path",
            "go_rollback_controls",
        ]
    );
    assert_eq!(
        ids(ReportKind::Rehearsal),
        [
            "go_rollback_rehearsal_requested",
            "go_rollback_rehearsal_evidence",
            "go_rollback_rehearsal_simulated",
            "go_rollback_rehearsal_fallback_verified",
            "go_rollback_rehearsal_recovery_sla",
            "go_rollback_rehearsal_evidence_refs",
        ]
    );
    assert_eq!(
        ids(ReportKind::DrillHistory),
        [
            "go_rollback_drill_history_requested",
            "go_rollback_drill_history_file",
            "go_rollback_drill_latest_passed",
            "go_rollback_drill_disabled_target",
            "go_rollback_drill_fallback_verified",
            "go_rollback_drill_recovery_sla",
            "go_rollback_drill_freshness",
        ]
    );
    assert_eq!(
        ids(ReportKind::DrillSchedule),
        [
            "go_rollback_drill_schedule_requested",
            "go_rollback_drill_schedule_file",
            "go_rollback_drill_schedule_active",
            "go_rollback_drill_schedule_cadence",
            "go_rollback_drill_schedule_next_due",
            "go_rollback_drill_schedule_not_stale",
            "go_rollback_drill_notification_routes",
        ]
    );
}

#[test]
fn a_document_that_is_no_use_fails_every_check_that_reads_it() {
    for kind in DocumentKind::ALL {
        for text in ["", "{", "[]", "{}", r#"{"schema_version":"other"}"#] {
            let set_up = SetUp::new();
            fs::write(set_up.path(kind), text).unwrap();
            let reports = set_up.reports();
            let failing = |report| warnings(&reports, report);
            match kind {
                DocumentKind::EndpointDeployment => assert_eq!(
                    failing(ReportKind::Deployment),
                    ["go_endpoint_deployment_manifest", "go_ci_runner_bundles"]
                ),
                DocumentKind::CiRunnerBundles => {
                    assert_eq!(failing(ReportKind::Deployment), ["go_ci_runner_bundles"]);
                }
                DocumentKind::WorkstationChannels => assert_eq!(
                    failing(ReportKind::Deployment),
                    ["go_workstation_channels", "go_workstation_updater_policy"]
                ),
                DocumentKind::UpdaterPolicy => {
                    assert_eq!(failing(ReportKind::Deployment), ["go_workstation_updater_policy"]);
                }
                DocumentKind::PromotionEvidence => assert_eq!(failing(ReportKind::Promotion).len(), 2),
                DocumentKind::RollbackPlan => assert_eq!(failing(ReportKind::Rollback).len(), 4),
                DocumentKind::RollbackRehearsal => assert_eq!(failing(ReportKind::Rehearsal).len(), 5),
                DocumentKind::DrillHistory => assert_eq!(failing(ReportKind::DrillHistory).len(), 6),
                DocumentKind::DrillSchedule => assert_eq!(failing(ReportKind::DrillSchedule).len(), 6),
            }
        }
    }
}

#[test]
fn nothing_of_an_invalid_document_counts_for_another() {
    // The plan's limit would be smaller than what the rehearsal took.
    let set_up = SetUp::new();
    set_up.set(DocumentKind::RollbackPlan, "/max_recovery_minutes", json!(1));
    assert_eq!(
        status(&set_up.reports(), ReportKind::Rehearsal),
        ReportStatus::NeedsAttention
    );
    set_up.set(DocumentKind::RollbackPlan, "/status", json!("draft"));
    assert_eq!(
        status(&set_up.reports(), ReportKind::Rehearsal),
        ReportStatus::Ready
    );

    // A schedule that counts from a history which is not valid has nothing to count from.
    let set_up = SetUp::new();
    set_up.remove(DocumentKind::DrillSchedule, "next_due_at");
    assert_eq!(
        status(&set_up.reports(), ReportKind::DrillSchedule),
        ReportStatus::Ready
    );
    set_up.set(DocumentKind::DrillHistory, "/environment", json!(""));
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::DrillSchedule),
        [
            "go_rollback_drill_schedule_file",
            "go_rollback_drill_schedule_next_due",
            "go_rollback_drill_schedule_not_stale"
        ]
    );
}

#[test]
fn both_spellings_are_read_and_the_flat_one_first() {
    let set_up = SetUp::new();
    set_up.remove(DocumentKind::PromotionEvidence, "parity_status");
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Promotion),
        ["go_parity_evidence"]
    );
    set_up.set(
        DocumentKind::PromotionEvidence,
        "/parity",
        json!({"status": "pass"}),
    );
    assert_eq!(
        status(&set_up.reports(), ReportKind::Promotion),
        ReportStatus::Ready
    );
    set_up.set(
        DocumentKind::PromotionEvidence,
        "/parity",
        json!({"status": "fail"}),
    );
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Promotion),
        ["go_parity_evidence"]
    );
    set_up.set(DocumentKind::PromotionEvidence, "/parity_status", json!("pass"));
    assert_eq!(
        status(&set_up.reports(), ReportKind::Promotion),
        ReportStatus::Ready
    );
    set_up.set(DocumentKind::PromotionEvidence, "/parity_status", json!(null));
    set_up.set(
        DocumentKind::PromotionEvidence,
        "/parity",
        json!({"status": "pass"}),
    );
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Promotion),
        ["go_parity_evidence"]
    );

    let set_up = SetUp::new();
    set_up.remove(DocumentKind::RollbackPlan, "approval");
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Rollback),
        ["go_rollback_approval"]
    );
    set_up.set(DocumentKind::RollbackPlan, "/approved", json!(true));
    set_up.set(
        DocumentKind::RollbackPlan,
        "/approval_id",
        json!("scaffold-rollback-approved-by-nobody"),
    );
    let reports = set_up.reports();
    assert_eq!(status(&reports, ReportKind::Rollback), ReportStatus::Ready);
    assert_eq!(status(&reports, ReportKind::Rehearsal), ReportStatus::Ready);
}

#[test]
fn time_closes_gates_by_itself() {
    let mut set_up = SetUp::new();
    set_up.later(17 * 24);
    for (kind, field) in [
        (DocumentKind::PromotionEvidence, "expires_at"),
        (DocumentKind::RollbackPlan, "expires_at"),
        (DocumentKind::RollbackRehearsal, "expires_at"),
        (DocumentKind::DrillHistory, "expires_at"),
    ] {
        let report = match kind {
            DocumentKind::PromotionEvidence => ReportKind::Promotion,
            DocumentKind::RollbackPlan => ReportKind::Rollback,
            DocumentKind::RollbackRehearsal => ReportKind::Rehearsal,
            _ => ReportKind::DrillHistory,
        };
        assert_eq!(
            status(&set_up.reports(), report),
            ReportStatus::NeedsAttention,
            "{kind} has expired"
        );
        set_up.remove(kind, field);
        assert_eq!(
            status(&set_up.reports(), report),
            ReportStatus::Ready,
            "{kind} does not expire"
        );
    }
    assert_eq!(
        status(&set_up.reports(), ReportKind::DrillSchedule),
        ReportStatus::DueSoon,
        "13 of 30 days are left"
    );
    set_up.later(13 * 24);
    assert_eq!(
        status(&set_up.reports(), ReportKind::DrillSchedule),
        ReportStatus::DueSoon,
        "it is due now"
    );
    set_up.later(1);
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::DrillSchedule),
        [
            "go_rollback_drill_schedule_file",
            "go_rollback_drill_schedule_not_stale"
        ]
    );
    set_up.later(60 * 24 - 1);
    assert_eq!(
        status(&set_up.reports(), ReportKind::DrillHistory),
        ReportStatus::Ready,
        "90 days old"
    );
    set_up.later(1);
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::DrillHistory),
        ["go_rollback_drill_history_file", "go_rollback_drill_freshness"]
    );
}

#[test]
fn another_runtime_policy_reference_or_engine_closes_what_is_about_the_old() {
    type Change = fn(&mut ReadinessSubject);
    let changes: [Change; 5] = [
        |it| it.runtime = Ok("00".repeat(32)),
        |it| it.policy = Ok("00".repeat(32)),
        |it| it.reference = Ok("00".repeat(32)),
        |it| it.engine_fingerprint = "sha256:00".to_owned(),
        |it| it.runtime = Err(Fault::MissingRuntime("gone".to_owned())),
    ];
    for change in changes {
        let mut set_up = SetUp::new();
        change(&mut set_up.subject);
        let reports = set_up.reports();
        for kind in [
            ReportKind::Promotion,
            ReportKind::Rollback,
            ReportKind::Rehearsal,
            ReportKind::DrillHistory,
        ] {
            assert_eq!(status(&reports, kind), ReportStatus::NeedsAttention, "{kind:?}");
        }
    }
}

#[test]
fn what_nobody_asks_for_is_not_requested() {
    for mode in ["disabled", "shadow", "enforce"] {
        let mut set_up = SetUp::new();
        set_up.flags = BTreeMap::from([(Setting::Mode, mode.to_owned())]);
        let reports = set_up.reports();
        for kind in GATES {
            assert_eq!(
                status(&reports, kind),
                ReportStatus::NotRequested,
                "{mode} {kind:?}"
            );
            let requested = &reports.get(kind).checks()[0];
            assert!(!requested.passes(), "{requested:?}");
        }
        let deployment = status(&reports, ReportKind::Deployment);
        let wanted = if mode == "disabled" {
            ReportStatus::NotConfigured
        } else {
            ReportStatus::NeedsAttention
        };
        assert_eq!(deployment, wanted);
        assert_eq!(
            warnings(&reports, ReportKind::Deployment).contains(&"go_deployment_metadata_configured"),
            mode != "disabled"
        );
    }
    let mut set_up = SetUp::new();
    set_up.flags.insert(Setting::Mode, "shadow".to_owned());
    for kind in GATES {
        assert_eq!(
            status(&set_up.reports(), kind),
            ReportStatus::Ready,
            "its path is set"
        );
    }
}

#[test]
fn a_secret_is_told_nowhere_in_any_report() {
    for kind in DocumentKind::ALL {
        let set_up = SetUp::new();
        set_up.set(kind, "/note", json!({"api_password": "swordfish-1"}));
        // Also where a report would tell a field of the document.
        for field in ["approval_id", "runbook_ref", "environment", "status"] {
            set_up.set(kind, &format!("/{field}"), json!("Bearer swordfish-2"));
        }
        let reports = set_up.reports();
        let told: String = ReportKind::ALL
            .iter()
            .map(|it| serde_json::to_string(&**reports.get(*it)).unwrap())
            .collect();
        assert!(!told.contains("swordfish"), "{kind}");
        let document = reports
            .documents()
            .into_iter()
            .find(|it| it.kind == kind)
            .unwrap();
        assert!(
            document
                .faults
                .iter()
                .any(|fault| fault.pointer == "/note/api_password"),
            "{kind}"
        );
    }
}
