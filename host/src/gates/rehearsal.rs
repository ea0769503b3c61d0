//! The rehearsal report: was the way back rehearsed, and in time?
//!
//! Implements the governance specification, *Reports*, **rehearsal**.

use serde::Serialize;

use super::{Check, ReportStatus, Signature};
use crate::pilot::Mode;

/// What the rehearsal says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RehearsalSummary {
    /// Whether the document is valid.
    pub valid: bool,
    /// Its schema; empty if it has none.
    pub schema_version: String,
    /// How it went.
    pub status: String,
    /// The approval of the plan that was rehearsed.
    pub plan_approval_id: String,
    /// Whether a failure was simulated.
    pub simulated: bool,
    /// Whether the fallback was seen to work.
    pub fallback_verified: bool,
    /// Whether recovery took no longer than it may.
    pub recovery_sla_met: bool,
    /// How long recovery took, in minutes.
    pub recovery_minutes: Option<f64>,
    /// How long it may take: the smaller of what rehearsal and plan say.
    pub max_recovery_minutes: Option<f64>,
    /// What it refers to.
    pub evidence_refs: Vec<String>,
    /// The runbook.
    pub runbook_ref: String,
    /// Why it is valid or not.
    pub message: String,
    /// Whether anybody vouches for the document.
    pub signature: Signature,
}

/// `cavra.go-backend-pilot.rollback-rehearsal.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RehearsalReport {
    /// `cavra.go-backend-pilot.rollback-rehearsal.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// not_requested, ready or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub rollback_rehearsal_path: String,
    /// What the document says.
    pub rehearsal: RehearsalSummary,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}
