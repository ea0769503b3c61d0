//! The drill schedule report: is the next rollback drill planned, and not overdue?
//!
//! Implements the governance specification, *Reports*, **drill schedule**.

use serde::Serialize;
use serde_json::Value;

use super::drill_history::HistorySummary;
use super::{Check, ReportStatus, Signature};
use crate::pilot::Mode;

/// What the drill schedule says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ScheduleSummary {
    /// Whether the document is valid.
    pub valid: bool,
    /// Its schema; empty if it has none.
    pub schema_version: String,
    /// Its id.
    pub schedule_id: String,
    /// Where drills are made.
    pub environment: String,
    /// Its status.
    pub status: String,
    /// Whether that is active.
    pub active: bool,
    /// Whether there is an interval.
    pub cadence_valid: bool,
    /// How many days apart drills are.
    pub interval_days: Option<f64>,
    /// When the next drill is due.
    pub next_due_at: String,
    /// How many days ahead that is, to four decimals; negative when it is past.
    pub days_until_due: Option<f64>,
    /// Whether it is past, or unknown.
    pub stale: bool,
    /// Whether it is within the window of the settings.
    pub due_soon: bool,
    /// Whether there is somebody to tell, and a way to.
    pub notification_routes_valid: bool,
    /// Who is told.
    pub owners: Vec<String>,
    /// By what.
    pub notification_providers: Vec<String>,
    /// How each owner is reached, as the document says it.
    pub owner_routes: Value,
    /// When no drills are made, as the document says it.
    pub maintenance_windows: Value,
    /// The owners' calendars, as the document says it.
    pub owner_calendars: Value,
    /// The runbook.
    pub runbook_ref: String,
    /// Why it is valid or not.
    pub message: String,
    /// Whether anybody vouches for the document.
    pub signature: Signature,
}

/// `cavra.go-backend-pilot.rollback-drill-schedule.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DrillScheduleReport {
    /// `cavra.go-backend-pilot.rollback-drill-schedule.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// not_requested, ready, due_soon or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub rollback_drill_schedule_path: String,
    /// The setting: how many days ahead counts as due soon.
    pub rollback_drill_due_soon_days: f64,
    /// What the document says.
    pub schedule: ScheduleSummary,
    /// What the drill history says.
    pub history: HistorySummary,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}
