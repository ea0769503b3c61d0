//! The rollback report: is there an approved way back?
//!
//! Implements the governance specification, *Reports*, **rollback**.

use serde::Serialize;

use super::{Check, ReportStatus, Signature};
use crate::pilot::Mode;

/// What the rollback plan says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PlanSummary {
    /// Whether the document is valid.
    pub valid: bool,
    /// Whether it says that it is approved.
    pub approved: bool,
    /// Whether no control is missing.
    pub controls_valid: bool,
    /// Its schema; empty if it has none.
    pub schema_version: String,
    /// The id of the approval; empty if it has none.
    pub approval_id: String,
    /// The mode that it goes back to.
    pub target_mode: String,
    /// The controls that it lacks.
    pub missing_controls: Vec<String>,
    /// What it refers to.
    pub evidence_refs: Vec<String>,
    /// What is to be done, step by step.
    pub rollback_steps: Vec<String>,
    /// How long going back may take, in minutes.
    pub max_recovery_minutes: Option<f64>,
    /// Why it is valid or not.
    pub message: String,
    /// Why it is approved or not.
    pub approval_message: String,
    /// What is missing of the controls.
    pub controls_message: String,
    /// Whether anybody vouches for the document.
    pub signature: Signature,
}

/// `cavra.go-backend-pilot.rollback-readiness.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RollbackReport {
    /// `cavra.go-backend-pilot.rollback-readiness.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// not_requested, ready or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub rollback_plan_path: String,
    /// What the document says.
    pub rollback: PlanSummary,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}
