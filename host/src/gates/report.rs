//! One report of seven, and all seven together.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::deployment::{DeploymentReport, MetadataPaths};
use super::drill_history::{DrillHistoryReport, HistorySummary};
use super::drill_schedule::{DrillScheduleReport, ScheduleSummary};
use super::promotion::{EvidenceSummary, PromotionReport};
use super::rehearsal::{RehearsalReport, RehearsalSummary};
use super::rollback::{PlanSummary, RollbackReport};
use super::{Check, ReadinessReport, ReportKind, ReportStatus};
use crate::config::Config;

/// One of the seven reports.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Report {
    /// Whether the fast path can be run at all.
    Readiness(Arc<ReadinessReport>),
    /// The deployment documents.
    Deployment(DeploymentReport),
    /// Evidence and approval of the promotion.
    Promotion(PromotionReport),
    /// The way back.
    Rollback(RollbackReport),
    /// Its rehearsal.
    Rehearsal(RehearsalReport),
    /// The drills that were made.
    DrillHistory(DrillHistoryReport),
    /// The drills that are to be made.
    DrillSchedule(DrillScheduleReport),
}

impl Report {
    /// Which one.
    pub fn kind(&self) -> ReportKind {
        match self {
            Self::Readiness(_) => ReportKind::Readiness,
            Self::Deployment(_) => ReportKind::Deployment,
            Self::Promotion(_) => ReportKind::Promotion,
            Self::Rollback(_) => ReportKind::Rollback,
            Self::Rehearsal(_) => ReportKind::Rehearsal,
            Self::DrillHistory(_) => ReportKind::DrillHistory,
            Self::DrillSchedule(_) => ReportKind::DrillSchedule,
        }
    }

    /// What it comes to.
    pub fn status(&self) -> ReportStatus {
        match self {
            Self::Readiness(it) => it.status,
            Self::Deployment(it) => it.status,
            Self::Promotion(it) => it.status,
            Self::Rollback(it) => it.status,
            Self::Rehearsal(it) => it.status,
            Self::DrillHistory(it) => it.status,
            Self::DrillSchedule(it) => it.status,
        }
    }

    /// Its checks, in the order of the contract.
    pub fn checks(&self) -> &[Check] {
        match self {
            Self::Readiness(it) => &it.checks,
            Self::Deployment(it) => &it.checks,
            Self::Promotion(it) => &it.checks,
            Self::Rollback(it) => &it.checks,
            Self::Rehearsal(it) => &it.checks,
            Self::DrillHistory(it) => &it.checks,
            Self::DrillSchedule(it) => &it.checks,
        }
    }

    /// What to do next.
    pub fn operator_notes(&self) -> &[String] {
        match self {
            Self::Readiness(it) => &it.operator_notes,
            Self::Deployment(it) => &it.operator_notes,
            Self::Promotion(it) => &it.operator_notes,
            Self::Rollback(it) => &it.operator_notes,
            Self::Rehearsal(it) => &it.operator_notes,
            Self::DrillHistory(it) => &it.operator_notes,
            Self::DrillSchedule(it) => &it.operator_notes,
        }
    }
}

/// All seven reports, computed from one snapshot of settings, files and clock.
#[derive(Clone, Debug)]
pub struct Reports {
    made_at: Timestamp,
    readiness: Arc<Report>,
    deployment: Arc<Report>,
    promotion: Arc<Report>,
    rollback: Arc<Report>,
    rehearsal: Arc<Report>,
    drill_history: Arc<Report>,
    drill_schedule: Arc<Report>,
}

impl Reports {
    /// The reports under `config`, about what is loaded, at `now`.
    pub fn new(config: &Config, readiness: Arc<ReadinessReport>, now: Timestamp) -> Self {
        let mode = config.mode;
        let status = ReportStatus::NeedsAttention;
        let (checks, operator_notes) = (Vec::new, Vec::new);
        let schema = ReportKind::schema_version;
        Self {
            made_at: now,
            deployment: Arc::new(Report::Deployment(DeploymentReport {
                schema_version: schema(ReportKind::Deployment),
                mode,
                status,
                package_dir: String::new(),
                metadata_paths: MetadataPaths::default(),
                ci_runner_targets: Vec::new(),
                workstation_targets: Vec::new(),
                channels: Vec::new(),
                checks: checks(),
                operator_notes: operator_notes(),
            })),
            promotion: Arc::new(Report::Promotion(PromotionReport {
                schema_version: schema(ReportKind::Promotion),
                mode,
                status,
                promotion_evidence_path: String::new(),
                backend_status: readiness.status,
                deployment_status: status,
                evidence: EvidenceSummary::default(),
                checks: checks(),
                operator_notes: operator_notes(),
            })),
            rollback: Arc::new(Report::Rollback(RollbackReport {
                schema_version: schema(ReportKind::Rollback),
                mode,
                status,
                rollback_plan_path: String::new(),
                rollback: PlanSummary::default(),
                checks: checks(),
                operator_notes: operator_notes(),
            })),
            rehearsal: Arc::new(Report::Rehearsal(RehearsalReport {
                schema_version: schema(ReportKind::Rehearsal),
                mode,
                status,
                rollback_rehearsal_path: String::new(),
                rehearsal: RehearsalSummary::default(),
                checks: checks(),
                operator_notes: operator_notes(),
            })),
            drill_history: Arc::new(Report::DrillHistory(DrillHistoryReport {
                schema_version: schema(ReportKind::DrillHistory),
                mode,
                status,
                rollback_drill_history_path: String::new(),
                rollback_drill_max_age_days: config.drill_max_age_days,
                history: HistorySummary::default(),
                checks: checks(),
                operator_notes: operator_notes(),
            })),
            drill_schedule: Arc::new(Report::DrillSchedule(DrillScheduleReport {
                schema_version: schema(ReportKind::DrillSchedule),
                mode,
                status,
                rollback_drill_schedule_path: String::new(),
                rollback_drill_due_soon_days: config.drill_due_soon_days,
                schedule: ScheduleSummary::default(),
                history: HistorySummary::default(),
                checks: checks(),
                operator_notes: operator_notes(),
            })),
            readiness: Arc::new(Report::Readiness(readiness)),
        }
    }

    /// One of them.
    pub fn get(&self, kind: ReportKind) -> &Arc<Report> {
        match kind {
            ReportKind::Readiness => &self.readiness,
            ReportKind::Deployment => &self.deployment,
            ReportKind::Promotion => &self.promotion,
            ReportKind::Rollback => &self.rollback,
            ReportKind::Rehearsal => &self.rehearsal,
            ReportKind::DrillHistory => &self.drill_history,
            ReportKind::DrillSchedule => &self.drill_schedule,
        }
    }

    /// When they were computed.
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }
}
