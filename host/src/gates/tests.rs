//! Every report, over a set-up that is ready and one change at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::fault::Fault;

/// A set-up that was scaffolded at a time, in a folder of its own.
struct SetUp {
    dir: tempfile::TempDir,
    flags: BTreeMap<Setting, String>,
    subject: ReadinessSubject,
    now: Timestamp,
}

fn subject() -> ReadinessSubject {
    ReadinessSubject {
        runtime: Ok("aa".repeat(32)),
        policy: Ok("bb".repeat(32)),
        registry: None,
        reference: Ok("cc".repeat(32)),
        engine_fingerprint: "sha256:dd".to_owned(),
        signatures: None,
    }
}

impl SetUp {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut set_up = Self {
            dir,
            flags: BTreeMap::from([(Setting::Mode, "promoted".to_owned())]),
            subject: subject(),
            now: "2030-06-01T12:00:00Z".parse().unwrap(),
        };
        let digests = set_up.readiness().digests.clone();
        for kind in DocumentKind::ALL {
            let text = Scaffold {
                digests: &digests,
                now: set_up.now,
                recovery_minutes: 2.0,
                approved: true,
            }
            .document(kind)
            .unwrap();
            let path = set_up.path(kind);
            fs::write(&path, text).unwrap();
            set_up.flags.insert(kind.setting(), path.display().to_string());
        }
        set_up
    }

    fn path(&self, kind: DocumentKind) -> PathBuf {
        self.dir.path().join(kind.file())
    }

    fn config(&self) -> Config {
        Config::read(&self.flags, &BTreeMap::new()).unwrap()
    }

    fn readiness(&self) -> Arc<ReadinessReport> {
        Arc::new(ReadinessReport::new(&self.config(), &self.subject))
    }

    fn reports(&self) -> Reports {
        let (config, readiness) = (self.config(), self.readiness());
        let digests = readiness.digests.clone();
        Reports::new(&config, readiness, &digests, &Documents::read(&config), self.now)
    }

    fn later(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }

    fn change(&self, kind: DocumentKind, change: impl Fn(&mut Value)) {
        let path = self.path(kind);
        let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut document);
        fs::write(&path, document.to_string()).unwrap();
    }

    fn set(&self, kind: DocumentKind, pointer: &str, value: Value) {
        self.change(kind, |document| put(document, pointer, value.clone()));
    }

    fn remove(&self, kind: DocumentKind, field: &str) {
        self.change(kind, |document| {
            document.as_object_mut().unwrap().remove(field).unwrap();
        });
    }
}

/// Sets what a pointer points to, making the last member if there is none.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(object) => {
            object.insert(last.to_owned(), value);
        }
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no members"),
    }
}

/// The checks of a report that do not pass.
fn warnings(reports: &Reports, kind: ReportKind) -> Vec<&'static str> {
    let checks = reports.get(kind).checks().iter();
    checks
        .filter(|check| !check.passes())
        .map(|check| check.id)
        .collect()
}

fn status(reports: &Reports, kind: ReportKind) -> ReportStatus {
    reports.get(kind).status()
}

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
fn one_change_fails_the_checks_that_read_it_and_no_others() {
    use DocumentKind as D;
    use ReportKind as R;
    type Case = (
        DocumentKind,
        &'static str,
        Value,
        ReportKind,
        &'static [&'static str],
    );
    let cases: Vec<Case> = vec![
        // Deployment.
        (
            D::EndpointDeployment,
            "/deployment_targets/0/platform",
            json!(""),
            R::Deployment,
            &["go_endpoint_deployment_manifest", "go_ci_runner_bundles"],
        ),
        (
            D::EndpointDeployment,
            "/deployment_targets/0/surface",
            json!("workstation"),
            R::Deployment,
            &["go_ci_runner_bundles"],
        ),
        (
            D::EndpointDeployment,
            "/deployment_targets",
            json!([]),
            R::Deployment,
            &["go_ci_runner_bundles"],
        ),
        (
            D::CiRunnerBundles,
            "/runner_bundles/0/required_outputs",
            json!(["release-governance-evidence-verification.json.txt"]),
            R::Deployment,
            &["go_ci_runner_bundles"],
        ),
        (
            D::CiRunnerBundles,
            "/runner_bundles/0/required_outputs",
            json!(["release-governance-evidence-verification.json"]),
            R::Deployment,
            &[],
        ),
        (
            D::CiRunnerBundles,
            "/controls/0",
            json!("other"),
            R::Deployment,
            &["go_ci_runner_bundles"],
        ),
        (
            D::WorkstationChannels,
            "/channels/0/auto_update",
            json!(null),
            R::Deployment,
            &["go_workstation_channels", "go_workstation_updater_policy"],
        ),
        (
            D::WorkstationChannels,
            "/channels/0/channel",
            json!("beta"),
            R::Deployment,
            &["go_workstation_updater_policy"],
        ),
        (
            D::UpdaterPolicy,
            "/policies/0/approval_required",
            json!(null),
            R::Deployment,
            &["go_workstation_updater_policy"],
        ),
        (
            D::UpdaterPolicy,
            "/policies/0/approval_required",
            json!(true),
            R::Deployment,
            &[],
        ),
        (
            D::UpdaterPolicy,
            "/default_auto_update",
            json!("false"),
            R::Deployment,
            &["go_workstation_updater_policy"],
        ),
        // Promotion.
        (
            D::PromotionEvidence,
            "/parity_status",
            json!("PASS"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/parity_status",
            json!(" pass"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/approved",
            json!(false),
            R::Promotion,
            &["go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/approved",
            json!("true"),
            R::Promotion,
            &["go_parity_evidence", "go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/approved",
            json!(null),
            R::Promotion,
            &["go_parity_evidence", "go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/approval/status",
            json!("denied"),
            R::Promotion,
            &["go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/approval/status",
            json!(true),
            R::Promotion,
            &["go_parity_evidence", "go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/approval",
            json!("approved"),
            R::Promotion,
            &["go_parity_evidence", "go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/approval/approval_id",
            json!(7),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/evidence_refs",
            json!([]),
            R::Promotion,
            &[],
        ),
        (
            D::PromotionEvidence,
            "/evidence_refs",
            json!([""]),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/schema_version",
            json!("v2"),
            R::Promotion,
            &["go_parity_evidence", "go_promotion_approval"],
        ),
        (
            D::PromotionEvidence,
            "/anything",
            json!({"deep": [1, null]}),
            R::Promotion,
            &[],
        ),
        (
            D::PromotionEvidence,
            "/note",
            json!("Bearer abcdef0123456789"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/subject/runtime_sha256",
            json!("00"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/subject/policy_sha256",
            json!("00"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/subject/reference_sha256",
            json!("00"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/subject/engine_fingerprint",
            json!("00"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (D::PromotionEvidence, "/subject", json!({}), R::Promotion, &[]),
        (
            D::PromotionEvidence,
            "/subject",
            json!("x"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/issued_at",
            json!("2030-06-01T12:04:00Z"),
            R::Promotion,
            &[],
        ),
        (
            D::PromotionEvidence,
            "/issued_at",
            json!("2030-06-01T12:06:00Z"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/expires_at",
            json!("2030-06-01T12:00:00Z"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        (
            D::PromotionEvidence,
            "/expires_at",
            json!("2030-06-01"),
            R::Promotion,
            &["go_parity_evidence"],
        ),
        // Rollback.
        (
            D::RollbackPlan,
            "/status",
            json!("READY"),
            R::Rollback,
            &["go_rollback_plan"],
        ),
        (
            D::RollbackPlan,
            "/target_mode",
            json!("Disabled"),
            R::Rollback,
            &["go_rollback_plan", "go_rollback_disable_path"],
        ),
        (
            D::RollbackPlan,
            "/controls/2",
            json!(null),
            R::Rollback,
            &["go_rollback_plan", "go_rollback_controls"],
        ),
        (
            D::RollbackPlan,
            "/max_recovery_minutes",
            json!(true),
            R::Rollback,
            &["go_rollback_plan"],
        ),
        (
            D::RollbackPlan,
            "/max_recovery_minutes",
            json!("15"),
            R::Rollback,
            &["go_rollback_plan"],
        ),
        (
            D::RollbackPlan,
            "/max_recovery_minutes",
            json!(0),
            R::Rollback,
            &["go_rollback_plan"],
        ),
        (
            D::RollbackPlan,
            "/rollback_steps/0",
            json!(""),
            R::Rollback,
            &["go_rollback_plan"],
        ),
        (
            D::RollbackPlan,
            "/approved",
            json!(false),
            R::Rollback,
            &["go_rollback_approval"],
        ),
        (
            D::RollbackPlan,
            "/expires_at",
            json!("2030-05-31"),
            R::Rollback,
            &["go_rollback_plan"],
        ),
        // Rehearsal.
        (
            D::RollbackRehearsal,
            "/simulated",
            json!("true"),
            R::Rehearsal,
            &[
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_simulated",
            ],
        ),
        (
            D::RollbackRehearsal,
            "/fallback_verified",
            json!(1),
            R::Rehearsal,
            &[
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_fallback_verified",
            ],
        ),
        (
            D::RollbackRehearsal,
            "/recovery_minutes",
            json!(15),
            R::Rehearsal,
            &[],
        ),
        (
            D::RollbackRehearsal,
            "/recovery_minutes",
            json!(15.01),
            R::Rehearsal,
            &[
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_recovery_sla",
            ],
        ),
        (
            D::RollbackRehearsal,
            "/max_recovery_minutes",
            json!(60),
            R::Rehearsal,
            &[],
        ),
        (
            D::RollbackRehearsal,
            "/max_recovery_minutes",
            json!(1),
            R::Rehearsal,
            &[
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_recovery_sla",
            ],
        ),
        (
            D::RollbackRehearsal,
            "/max_recovery_minutes",
            json!(0),
            R::Rehearsal,
            &[
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_recovery_sla",
            ],
        ),
        (
            D::RollbackRehearsal,
            "/plan_approval_id",
            json!("other"),
            R::Rehearsal,
            &["go_rollback_rehearsal_evidence"],
        ),
        (
            D::RollbackRehearsal,
            "/evidence_refs",
            json!([]),
            R::Rehearsal,
            &[
                "go_rollback_rehearsal_evidence",
                "go_rollback_rehearsal_evidence_refs",
            ],
        ),
        (
            D::RollbackRehearsal,
            "/runbook_ref",
            json!(""),
            R::Rehearsal,
            &["go_rollback_rehearsal_evidence"],
        ),
        // Drill history.
        (
            D::DrillHistory,
            "/environment",
            json!(false),
            R::DrillHistory,
            &["go_rollback_drill_history_file"],
        ),
        (
            D::DrillHistory,
            "/drills/0/status",
            json!("fail"),
            R::DrillHistory,
            &[
                "go_rollback_drill_history_file",
                "go_rollback_drill_latest_passed",
            ],
        ),
        (
            D::DrillHistory,
            "/drills/0/recovery_minutes",
            json!(16),
            R::DrillHistory,
            &["go_rollback_drill_history_file", "go_rollback_drill_recovery_sla"],
        ),
        (
            D::DrillHistory,
            "/drills/0/max_recovery_minutes",
            json!(null),
            R::DrillHistory,
            &["go_rollback_drill_history_file", "go_rollback_drill_recovery_sla"],
        ),
        (
            D::DrillHistory,
            "/drills/0/evidence_refs",
            json!([]),
            R::DrillHistory,
            &["go_rollback_drill_history_file"],
        ),
        (
            D::DrillHistory,
            "/drills/0/executed_at",
            json!("2030-06-01T12:04:00Z"),
            R::DrillHistory,
            &[],
        ),
        (
            D::DrillHistory,
            "/drills/0/executed_at",
            json!("2030-06-01T12:06:00Z"),
            R::DrillHistory,
            &["go_rollback_drill_history_file", "go_rollback_drill_freshness"],
        ),
        (
            D::DrillHistory,
            "/drills/0/subject/runtime_sha256",
            json!("00"),
            R::DrillHistory,
            &["go_rollback_drill_history_file"],
        ),
        // Drill schedule.
        (
            D::DrillSchedule,
            "/status",
            json!("paused"),
            R::DrillSchedule,
            &[
                "go_rollback_drill_schedule_file",
                "go_rollback_drill_schedule_active",
            ],
        ),
        (
            D::DrillSchedule,
            "/interval_days",
            json!("30"),
            R::DrillSchedule,
            &[
                "go_rollback_drill_schedule_file",
                "go_rollback_drill_schedule_cadence",
            ],
        ),
        (
            D::DrillSchedule,
            "/next_due_at",
            json!("2030-07-02T12:00:00Z"),
            R::DrillSchedule,
            &[
                "go_rollback_drill_schedule_file",
                "go_rollback_drill_schedule_next_due",
            ],
        ),
        (
            D::DrillSchedule,
            "/next_due_at",
            json!("2030-07-01T12:00:00Z"),
            R::DrillSchedule,
            &[],
        ),
        (
            D::DrillSchedule,
            "/next_due_at",
            json!("2030-06-01T11:59:59Z"),
            R::DrillSchedule,
            &[
                "go_rollback_drill_schedule_file",
                "go_rollback_drill_schedule_not_stale",
            ],
        ),
        (
            D::DrillSchedule,
            "/next_due_at",
            json!("soon"),
            R::DrillSchedule,
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
            R::DrillSchedule,
            &[
                "go_rollback_drill_schedule_file",
                "go_rollback_drill_notification_routes",
            ],
        ),
        (
            D::DrillSchedule,
            "/owner_routes",
            json!(null),
            R::DrillSchedule,
            &["go_rollback_drill_schedule_file"],
        ),
        (
            D::DrillSchedule,
            "/owner_routes",
            json!([]),
            R::DrillSchedule,
            &[],
        ),
        (D::DrillSchedule, "/environment", json!(7), R::DrillSchedule, &[]),
    ];
    for (document, pointer, value, report, expected) in cases {
        let set_up = SetUp::new();
        set_up.set(document, pointer, value.clone());
        let reports = set_up.reports();
        assert_eq!(
            warnings(&reports, report),
            expected,
            "{document} {pointer} = {value}"
        );
        let wanted = if expected.is_empty() {
            ReportStatus::Ready
        } else {
            ReportStatus::NeedsAttention
        };
        assert_eq!(status(&reports, report), wanted, "{document} {pointer} = {value}");
    }
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
fn a_package_directory_is_looked_into_and_a_path_wins() {
    let mut set_up = SetUp::new();
    for setting in [
        Setting::EndpointDeployment,
        Setting::CiRunnerBundles,
        Setting::WorkstationChannels,
        Setting::WorkstationUpdaterPolicy,
    ] {
        set_up.flags.remove(&setting);
    }
    let package = set_up.dir.path().display().to_string();
    set_up.flags.insert(Setting::PackageDir, package.clone());
    assert_eq!(
        status(&set_up.reports(), ReportKind::Deployment),
        ReportStatus::Ready
    );
    set_up
        .flags
        .insert(Setting::CiRunnerBundles, format!("{package}/nothing.json"));
    assert_eq!(
        warnings(&set_up.reports(), ReportKind::Deployment),
        ["go_ci_runner_bundles"]
    );
    set_up.flags.remove(&Setting::CiRunnerBundles);
    set_up
        .flags
        .insert(Setting::PackageDir, format!("{package}/nowhere"));
    assert_eq!(warnings(&set_up.reports(), ReportKind::Deployment).len(), 5);
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

#[test]
fn the_production_report_says_what_is_missing() {
    let set_up = SetUp::new();
    let report = ProductionReport::new(
        Mode::Promoted,
        &set_up.reports(),
        Ok(3),
        ApiAccess::Tokens,
        Err("no log".to_owned()),
    );
    let failing: Vec<&str> = report
        .checks
        .iter()
        .filter(|it| !it.passes())
        .map(|it| it.id)
        .collect();
    assert_eq!(failing, ["evidence_store", "module_trust"], "there is neither");
    assert_eq!(report.status, ReportStatus::NeedsAttention);
    let report = ProductionReport::new(
        Mode::Promoted,
        &set_up.reports(),
        Ok(0),
        ApiAccess::Open,
        Ok("a log".to_owned()),
    );
    assert!(!report.checks[0].passes() && !report.checks[1].passes());
    let document = serde_json::to_value(&report).unwrap();
    for kind in ReportKind::ALL {
        assert_eq!(
            document[kind.production_key()]["schema_version"],
            kind.schema_version()
        );
    }

    let mut disabled = SetUp::new();
    disabled.flags = BTreeMap::new();
    let report = ProductionReport::new(
        Mode::Disabled,
        &disabled.reports(),
        Ok(3),
        ApiAccess::Loopback,
        Err("no log".to_owned()),
    );
    let failing: Vec<&str> = report
        .checks
        .iter()
        .filter(|it| !it.passes())
        .map(|it| it.id)
        .collect();
    assert_eq!(failing, ["evidence_store"], "a disabled pilot is acceptable");
}
