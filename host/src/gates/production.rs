//! The production report: the seven reports and what else production asks.
//!
//! Implements the governance specification, *Reports*, **production**.

use std::sync::Arc;

use serde::Serialize;

use super::{Check, Report, ReportKind, ReportStatus, Reports};
use crate::pilot::Mode;

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
    /// The report about `reports`.
    pub fn new(mode: Mode, reports: &Reports, policies: Result<usize, String>, access: ApiAccess) -> Self {
        let _ = (policies, access);
        let of = |kind| Arc::clone(reports.get(kind));
        Self {
            schema_version: "cavra.deployment.production_readiness.v1",
            product: "CAVRA",
            mode,
            status: ReportStatus::NeedsAttention,
            checks: Vec::new(),
            operator_notes: Vec::new(),
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
