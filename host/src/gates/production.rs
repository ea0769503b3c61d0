//! The production report: the seven reports and what else production asks.
//!
//! Implements the governance specification, *Reports*, **production**.

use std::sync::Arc;

use serde::Serialize;

use super::{Check, Report, ReportKind, ReportStatus, Reports, checks};
use crate::config::Setting;
use crate::pilot::Mode;
use crate::signing::trust::SignatureStatus;

/// Who may call the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiAccess {
    /// Only programs of this machine can reach it.
    Loopback,
    /// Whoever calls must have a token.
    Tokens,
    /// Anybody who can reach it.
    Open,
}

/// `cavra.deployment.production_readiness.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ProductionReport {
    /// `cavra.deployment.production_readiness.v1`.
    pub schema_version: &'static str,
    /// `CAVRA`.
    pub product: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// ready or needs_attention.
    pub status: ReportStatus,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
    /// The readiness report.
    pub go_backend_pilot: Arc<Report>,
    /// The deployment report.
    pub go_backend_deployment: Arc<Report>,
    /// The promotion report.
    pub go_backend_promotion: Arc<Report>,
    /// The rollback report.
    pub go_backend_rollback: Arc<Report>,
    /// The rehearsal report.
    pub go_backend_rollback_rehearsal: Arc<Report>,
    /// The drill history report.
    pub go_backend_rollback_drill_history: Arc<Report>,
    /// The drill schedule report.
    pub go_backend_rollback_drill_schedule: Arc<Report>,
}

impl ProductionReport {
    /// The report about `reports`, with so many packs in the catalog, and `evidence` as
    /// what is found of the evidence log.
    pub fn new(
        mode: Mode,
        reports: &Reports,
        packs: Result<usize, String>,
        access: ApiAccess,
        evidence: Result<String, String>,
    ) -> Self {
        let mut checks = vec![
            Check::new(checks::POLICY_CATALOG, catalog(packs)),
            Check::new(checks::API_ACCESS_CONTROL, access.judged()),
            Check::new(checks::EVIDENCE_STORE, evidence),
            Check::new(checks::MODULE_TRUST, trust(mode, reports)),
        ];
        checks.extend(GATES.iter().map(|(id, kind, accepted)| {
            let status = reports.get(*kind).status();
            let told = format!("`cavra runtime {}` says {}", kind.command(), status.as_str());
            let fine = accepted(status, mode);
            Check::new(id, if fine { Ok(told) } else { Err(told) })
        }));
        let status = if checks.iter().all(Check::passes) {
            ReportStatus::Ready
        } else {
            ReportStatus::NeedsAttention
        };
        let of = |kind| Arc::clone(reports.get(kind));
        Self {
            schema_version: "cavra.deployment.production_readiness.v1",
            product: "CAVRA",
            mode,
            status,
            operator_notes: vec![match status {
                ReportStatus::Ready => "Nothing stands in the way of production.".to_owned(),
                _ => "Mend what the checks name; a disabled pilot is acceptable.".to_owned(),
            }],
            checks,
            go_backend_pilot: of(ReportKind::Readiness),
            go_backend_deployment: of(ReportKind::Deployment),
            go_backend_promotion: of(ReportKind::Promotion),
            go_backend_rollback: of(ReportKind::Rollback),
            go_backend_rollback_rehearsal: of(ReportKind::Rehearsal),
            go_backend_rollback_drill_history: of(ReportKind::DrillHistory),
            go_backend_rollback_drill_schedule: of(ReportKind::DrillSchedule),
        }
    }
}

/// A check about a report, and the statuses that it accepts.
type Gate = (&'static str, ReportKind, fn(ReportStatus, Mode) -> bool);

const GATES: [Gate; 7] = [
    (checks::GO_BACKEND_PILOT, ReportKind::Readiness, |status, _| {
        matches!(status, ReportStatus::Disabled | ReportStatus::Ready)
    }),
    (
        checks::GO_BACKEND_DEPLOYMENT_PATHS,
        ReportKind::Deployment,
        |status, mode| {
            status == ReportStatus::Ready || (mode == Mode::Disabled && status == ReportStatus::NotConfigured)
        },
    ),
    (
        checks::GO_BACKEND_PROMOTION_GATE,
        ReportKind::Promotion,
        unless_asked,
    ),
    (
        checks::GO_BACKEND_ROLLBACK_CONTROLS,
        ReportKind::Rollback,
        unless_asked,
    ),
    (
        checks::GO_BACKEND_ROLLBACK_REHEARSAL,
        ReportKind::Rehearsal,
        unless_asked,
    ),
    (
        checks::GO_BACKEND_ROLLBACK_DRILL_HISTORY,
        ReportKind::DrillHistory,
        unless_asked,
    ),
    (
        checks::GO_BACKEND_ROLLBACK_DRILL_SCHEDULE,
        ReportKind::DrillSchedule,
        |status, mode| status == ReportStatus::DueSoon || unless_asked(status, mode),
    ),
];

fn unless_asked(status: ReportStatus, _: Mode) -> bool {
    matches!(status, ReportStatus::NotRequested | ReportStatus::Ready)
}

fn catalog(packs: Result<usize, String>) -> Result<String, String> {
    match packs? {
        0 => Err("there is no pack".to_owned()),
        1 => Ok("there is one pack".to_owned()),
        many => Ok(format!("there are {many} packs")),
    }
}

fn trust(mode: Mode, reports: &Reports) -> Result<String, String> {
    if mode == Mode::Disabled {
        return Ok("the mode is disabled, so no module beside the reference is loaded".to_owned());
    }
    let signatures = match &**reports.get(ReportKind::Readiness) {
        Report::Readiness(it) => it.signatures.as_ref(),
        _ => None,
    };
    let Some(signatures) = signatures else {
        return Err(format!(
            "no trust policy says whose modules are taken; set {}",
            Setting::TrustPolicy
        ));
    };
    let refused: Vec<String> = signatures
        .iter()
        .filter(|it| it.status == SignatureStatus::Refused)
        .map(|it| format!("{} is {}", it.what, it.message))
        .collect();
    if !refused.is_empty() {
        return Err(refused.join("; "));
    }
    let told = signatures.iter().map(|it| format!("{}: {}", it.what, it.told()));
    Ok(told.collect::<Vec<_>>().join("; "))
}

impl ApiAccess {
    fn judged(self) -> Result<&'static str, &'static str> {
        match self {
            Self::Loopback => Ok("only this machine can call the service"),
            Self::Tokens => Ok("whoever calls the service must have a token"),
            Self::Open => Err("anybody who can reach the service can call it; configure tokens"),
        }
    }
}
