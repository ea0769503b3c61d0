//! The drill history report: did the latest rollback drill pass, and is it fresh?
//!
//! Implements the governance specification, *Reports*, **drill history**.

use serde::Serialize;

use super::date::Moment;
use super::document::drills::{DrillHistory, Drills};
use super::document::{Fault, Judged, Loaded, SKEW_DAYS, clip, clip_all};
use super::{Check, ReportKind, ReportStatus, Vouched, checks, conclude, notes, requested, rounded, setting};
use crate::config::{Config, Setting};
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
    #[serde(flatten)]
    pub vouched: Vouched,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
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

impl DrillHistoryReport {
    /// The report about the drills, and when the latest was, as far as that counts
    /// for the schedule.
    pub(super) fn new(
        config: &Config,
        mut history: Judged<'_, DrillHistory>,
        loaded: &Loaded<'_>,
    ) -> (Self, Option<Moment>) {
        let asked = requested(config, Setting::RollbackDrillHistory);
        let drills = history.model().and_then(|it| it.drills.given());
        let in_time = drills.is_some_and(|drills| recovered_in_time(&mut history, drills));
        // That time has passed takes nothing from what the document says.
        let counting = history
            .counting()
            .and(drills)
            .map(|drills| drills.latest_at.moment);
        let age = drills.map(|drills| loaded.now.days_after(drills.latest_at.moment));
        if let (Some(drills), Some(age)) = (drills, age) {
            judge_age(&mut history, drills, age, config.drill_max_age_days);
        }
        let told = |field: &str, passes: &str| {
            // Where there is no latest drill, every check fails for the same reason.
            let pointer = drills.map_or("/drills".to_owned(), |it| format!("{}{field}", it.pointer()));
            history.at(&[&pointer]).map(|()| passes.to_owned())
        };
        let recovery = told("/recovery_minutes", "")
            .and_then(|_| told("/max_recovery_minutes", "recovery took no longer than it may"));
        let fallback = told("/fallback_verified", "the fallback was seen to work");
        let fresh = told(
            "/executed_at",
            "the latest drill is neither too old nor in the future",
        );
        let checks = vec![
            asked.check(checks::GO_ROLLBACK_DRILL_HISTORY_REQUESTED),
            history.validity(checks::GO_ROLLBACK_DRILL_HISTORY_FILE),
            Check::new(
                checks::GO_ROLLBACK_DRILL_LATEST_PASSED,
                told("/status", "the latest drill passed"),
            ),
            Check::new(
                checks::GO_ROLLBACK_DRILL_DISABLED_TARGET,
                told("/target_mode", "the latest drill went back to `disabled`"),
            ),
            Check::new(checks::GO_ROLLBACK_DRILL_FALLBACK_VERIFIED, fallback.clone()),
            Check::new(checks::GO_ROLLBACK_DRILL_RECOVERY_SLA, recovery.clone()),
            Check::new(checks::GO_ROLLBACK_DRILL_FRESHNESS, fresh.clone()),
        ];
        let status = conclude(&asked, &checks);
        let report = Self {
            schema_version: ReportKind::DrillHistory.schema_version(),
            mode: config.mode,
            status,
            rollback_drill_history_path: setting(config, Setting::RollbackDrillHistory),
            rollback_drill_max_age_days: config.drill_max_age_days,
            history: HistorySummary {
                age_days: age.map(rounded),
                fresh: fresh.is_ok(),
                fallback_verified: fallback.is_ok(),
                recovery_sla_met: recovery.is_ok() && in_time,
                ..summary(&history)
            },
            operator_notes: notes(config, ReportKind::DrillHistory, status, asked.path_is_set),
            checks,
        };
        (report, counting)
    }
}

/// Whether recovery took no longer than it may; a fault if it did.
fn recovered_in_time(history: &mut Judged<'_, DrillHistory>, drills: &Drills) -> bool {
    let taken = drills.latest.recovery_minutes.given().map(|minutes| minutes.0);
    let limit = drills
        .latest
        .max_recovery_minutes
        .given()
        .map(|minutes| minutes.0);
    let (Some(taken), Some(limit)) = (taken, limit) else {
        return false;
    };
    if taken > limit {
        history.fault(
            format!("{}/recovery_minutes", drills.pointer()),
            format!("is {taken}, and recovery may take {limit} minutes"),
        );
    }
    taken <= limit
}

fn judge_age(history: &mut Judged<'_, DrillHistory>, drills: &Drills, age: f64, most: f64) {
    let problem = if age < -SKEW_DAYS {
        format!("is {} days in the future", rounded(-age))
    } else if age > most {
        format!(
            "is {} days ago; the latest drill may be {most} days old ({})",
            rounded(age),
            Setting::RollbackDrillMaxAgeDays
        )
    } else {
        return;
    };
    history.fault(format!("{}/executed_at", drills.pointer()), problem);
}

/// What can be told of the document itself.
fn summary(history: &Judged<'_, DrillHistory>) -> HistorySummary {
    let shown = history.told();
    let drills = shown.and_then(|it| it.drills.given());
    let latest = |field: &str| {
        drills.map_or(String::new(), |it| {
            history.text_at(&format!("{}/{field}", it.pointer()))
        })
    };
    let drill = drills.map(|drills| &drills.latest);
    let refs = drill.and_then(|it| it.evidence_refs.given());
    HistorySummary {
        valid: history.is_valid(),
        schema_version: history.schema_version(),
        environment: history.text("environment"),
        drill_count: drills.map_or(0, |drills| drills.count),
        latest_drill_id: latest("drill_id"),
        latest_status: latest("status"),
        latest_target_mode: latest("target_mode"),
        latest_executed_at: drills.map_or(String::new(), |drills| clip(&drills.latest_at.text)),
        recovery_minutes: drill
            .and_then(|it| it.recovery_minutes.given())
            .map(|minutes| minutes.0),
        max_recovery_minutes: drill
            .and_then(|it| it.max_recovery_minutes.given())
            .map(|minutes| minutes.0),
        runbook_ref: latest("runbook_ref"),
        evidence_refs: clip_all(refs.into_iter().flat_map(|refs| &refs.0)),
        message: history.message(),
        vouched: history.vouched(),
        faults: history.faults().to_vec(),
        ..HistorySummary::default()
    }
}
