//! The rollback report: is there an approved way back?
//!
//! Implements the governance specification, *Reports*, **rollback**.

use serde::Serialize;

use super::document::promotion::Approved;
use super::document::rollback::RollbackPlan;
use super::document::shape::RollbackControls;
use super::document::{Fault, Judged, clip, clip_all};
use super::promotion::approval;
use super::{
    Check, ReadinessReport, ReportKind, ReportStatus, Vouched, checks, conclude, notes, requested, setting,
};
use crate::config::{Config, Setting};
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
    #[serde(flatten)]
    pub vouched: Vouched,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
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

impl RollbackReport {
    /// The report about the plan, beside what is loaded.
    pub(super) fn new(config: &Config, readiness: &ReadinessReport, plan: &Judged<'_, RollbackPlan>) -> Self {
        let asked = requested(config, Setting::RollbackPlan);
        let approval = approval(plan, |it| Approved::of(&it.approved, &it.approval));
        let controls = plan.at(&["/controls"]);
        let told = |result: &Result<(), String>, passes: &str| result.clone().map(|()| passes.to_owned());
        let checks = vec![
            asked.check(checks::GO_ROLLBACK_REQUESTED),
            Check::new(checks::PYTHON_FALLBACK_AVAILABLE, readiness.reference()),
            plan.validity(checks::GO_ROLLBACK_PLAN),
            Check::new(checks::GO_ROLLBACK_APPROVAL, approval.clone()),
            Check::new(
                checks::GO_ROLLBACK_DISABLE_PATH,
                told(&plan.at(&["/target_mode"]), "the plan goes back to `disabled`"),
            ),
            Check::new(
                checks::GO_ROLLBACK_CONTROLS,
                told(&controls, "no control is missing"),
            ),
        ];
        let status = conclude(&asked, &checks);
        let held = plan.model().and_then(|it| it.controls.given());
        let missing = held.map_or(RollbackControls::REQUIRED.to_vec(), RollbackControls::missing);
        let shown = plan.told();
        let steps = shown.and_then(|it| it.rollback_steps.given());
        Self {
            schema_version: ReportKind::Rollback.schema_version(),
            mode: config.mode,
            status,
            rollback_plan_path: setting(config, Setting::RollbackPlan),
            rollback: PlanSummary {
                valid: plan.is_valid(),
                approved: approval.is_ok(),
                controls_valid: controls.is_ok(),
                schema_version: plan.schema_version(),
                approval_id: shown
                    .and_then(RollbackPlan::approval_id)
                    .map(|id| clip(&id.0))
                    .unwrap_or_default(),
                target_mode: plan.text("target_mode"),
                missing_controls: missing.into_iter().map(str::to_owned).collect(),
                evidence_refs: clip_all(
                    shown
                        .into_iter()
                        .flat_map(|it| it.evidence_refs.given())
                        .flatten(),
                ),
                rollback_steps: clip_all(steps.into_iter().flat_map(|steps| &steps.0)),
                max_recovery_minutes: shown
                    .and_then(|it| it.max_recovery_minutes.given())
                    .map(|minutes| minutes.0),
                message: plan.message(),
                approval_message: approval.unwrap_or_else(|problem| problem),
                controls_message: controls.err().unwrap_or_default(),
                vouched: plan.vouched(),
                faults: plan.faults().to_vec(),
            },
            operator_notes: notes(config, ReportKind::Rollback, status, asked.path_is_set),
            checks,
        }
    }
}
