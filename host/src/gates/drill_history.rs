//! The drill history report: did the latest rollback drill pass, and is it fresh?
//!
//! Implements the governance specification, *Reports*, **drill history**.

use serde::Serialize;

use super::{Check, ReportStatus, Signature};
use crate::pilot::Mode;

/// What the drill history says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct HistorySummary {
    /// Whether the document is valid.
    pub valid: bool,
    /// Its schema; empty if it has none.
    pub schema_version: String,
    /// Where the drills were made.
    pub environment: String,
    /// How many there are.
    pub drill_count: usize,
    /// The latest one.
    pub latest_drill_id: String,
    /// How it went.
    pub latest_status: String,
    /// The mode that it went back to.
    pub latest_target_mode: String,
    /// When it was.
    pub latest_executed_at: String,
    /// How many days ago that is, to four decimals; negative in the future.
    pub age_days: Option<f64>,
    /// Whether that is neither too long ago nor in the future.
    pub fresh: bool,
    /// Whether the fallback was seen to work.
    pub fallback_verified: bool,
    /// Whether recovery took no longer than it may.
    pub recovery_sla_met: bool,
    /// How long recovery took, in minutes.
    pub recovery_minutes: Option<f64>,
    /// How long it may take.
    pub max_recovery_minutes: Option<f64>,
    /// The runbook.
    pub runbook_ref: String,
    /// What the drill refers to.
    pub evidence_refs: Vec<String>,
    /// Why it is valid or not.
    pub message: String,
    /// Whether anybody vouches for the document.
    pub signature: Signature,
}

/// `cavra.go-backend-pilot.rollback-drill-history.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DrillHistoryReport {
    /// `cavra.go-backend-pilot.rollback-drill-history.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// not_requested, ready or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub rollback_drill_history_path: String,
    /// The setting: how old the latest drill may be.
    pub rollback_drill_max_age_days: f64,
    /// What the document says.
    pub history: HistorySummary,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}
