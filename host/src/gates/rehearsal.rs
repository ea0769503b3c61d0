//! The rehearsal report: was the way back rehearsed, and in time?
//!
//! Implements the governance specification, *Reports*, **rehearsal**.

use serde::Serialize;

use super::document::rollback::{RollbackPlan, RollbackRehearsal};
use super::document::{Fault, Judged, clip, clip_all};
use super::{Check, ReportKind, ReportStatus, Vouched, checks, conclude, notes, requested, setting};
use crate::config::{Config, Setting};
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
    #[serde(flatten)]
    pub vouched: Vouched,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
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

impl RehearsalReport {
    /// The report about the rehearsal, beside the plan, or where nothing of that can be
    /// used, why.
    pub(super) fn new(
        config: &Config,
        plan: &Judged<'_, RollbackPlan>,
        broken_plan: Option<&str>,
        mut rehearsal: Judged<'_, RollbackRehearsal>,
    ) -> Self {
        let asked = requested(config, Setting::RollbackRehearsal);
        if let Some(broken) = broken_plan {
            // A plan that is not set asks for nothing; what this one asks for is not known.
            for pointer in ["/plan_approval_id", "/max_recovery_minutes"] {
                rehearsal.fault(pointer.to_owned(), format!("cannot be compared: {broken}"));
            }
        }
        let limit = relate(&mut rehearsal, plan.counting());
        let told = |pointers: &[&str], passes: &str| rehearsal.at(pointers).map(|()| passes.to_owned());
        let recovery = told(
            &["/recovery_minutes", "/max_recovery_minutes"],
            "recovery took no longer than it may",
        );
        let simulated = told(&["/simulated"], "a failure was simulated");
        let fallback = told(&["/fallback_verified"], "the fallback was seen to work");
        let checks = vec![
            asked.check(checks::GO_ROLLBACK_REHEARSAL_REQUESTED),
            rehearsal.validity(checks::GO_ROLLBACK_REHEARSAL_EVIDENCE),
            Check::new(checks::GO_ROLLBACK_REHEARSAL_SIMULATED, simulated.clone()),
            Check::new(checks::GO_ROLLBACK_REHEARSAL_FALLBACK_VERIFIED, fallback.clone()),
            Check::new(checks::GO_ROLLBACK_REHEARSAL_RECOVERY_SLA, recovery.clone()),
            Check::new(
                checks::GO_ROLLBACK_REHEARSAL_EVIDENCE_REFS,
                told(&["/evidence_refs"], "there is evidence"),
            ),
        ];
        let status = conclude(&asked, &checks);
        let shown = rehearsal.told();
        let refs = shown.and_then(|it| it.evidence_refs.given());
        Self {
            schema_version: ReportKind::Rehearsal.schema_version(),
            mode: config.mode,
            status,
            rollback_rehearsal_path: setting(config, Setting::RollbackRehearsal),
            rehearsal: RehearsalSummary {
                valid: rehearsal.is_valid(),
                schema_version: rehearsal.schema_version(),
                status: rehearsal.text("status"),
                plan_approval_id: shown
                    .and_then(RollbackRehearsal::plan_approval_id)
                    .map(|id| clip(&id.0))
                    .unwrap_or_default(),
                simulated: simulated.is_ok(),
                fallback_verified: fallback.is_ok(),
                recovery_sla_met: recovery.is_ok(),
                recovery_minutes: shown
                    .and_then(|it| it.recovery_minutes.given())
                    .map(|minutes| minutes.0),
                max_recovery_minutes: limit,
                evidence_refs: clip_all(refs.into_iter().flat_map(|refs| &refs.0)),
                runbook_ref: rehearsal.text("runbook_ref"),
                message: rehearsal.message(),
                vouched: rehearsal.vouched(),
                faults: rehearsal.faults().to_vec(),
            },
            operator_notes: notes(config, ReportKind::Rehearsal, status, asked.path_is_set),
            checks,
        }
    }
}

/// Holds the rehearsal to the plan, as far as there is a valid one, and says how
/// long recovery may take.
fn relate(rehearsal: &mut Judged<'_, RollbackRehearsal>, plan: Option<&RollbackPlan>) -> Option<f64> {
    let it = rehearsal.model()?;
    let own = it.max_recovery_minutes.given().map(|minutes| minutes.0);
    let planned = plan
        .and_then(|plan| plan.max_recovery_minutes.given())
        .map(|minutes| minutes.0);
    let limit = own.into_iter().chain(planned).reduce(f64::min);
    let taken = it.recovery_minutes.given().map(|minutes| minutes.0);
    match (limit, taken) {
        (None, _) if it.max_recovery_minutes.is_absent() => rehearsal.fault(
            "/max_recovery_minutes".to_owned(),
            "is missing, and there is no valid rollback plan that has one".to_owned(),
        ),
        (Some(limit), Some(taken)) if taken > limit => rehearsal.fault(
            "/recovery_minutes".to_owned(),
            format!("is {taken}, and recovery may take {limit} minutes"),
        ),
        _ => {}
    }
    if let Some(id) = plan.and_then(RollbackPlan::approval_id)
        && it.plan_approval_id() != Some(id)
    {
        rehearsal.fault(
            "/plan_approval_id".to_owned(),
            format!("is not that of the rollback plan, `{}`", clip(&id.0)),
        );
    }
    limit
}
