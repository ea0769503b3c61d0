//! The drill schedule report: is the next rollback drill planned, and not overdue?
//!
//! Implements the governance specification, *Reports*, **drill schedule**.

use serde::Serialize;
use serde_json::Value;

use super::date::Moment;
use super::document::drills::DrillSchedule;
use super::document::{Fault, Judged, Loaded, clip_all};
use super::drill_history::HistorySummary;
use super::{Check, ReportKind, ReportStatus, Vouched, checks, conclude, notes, requested, rounded, setting};
use crate::config::{Config, Setting};
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
    #[serde(flatten)]
    pub vouched: Vouched,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
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

/// The largest container of a document that a report tells, in bytes of JSON.
const MOST_BYTES: usize = 16 * 1024;

impl DrillScheduleReport {
    /// The report about the schedule, beside what the history says and when the latest
    /// drill was, if that counts; or where nothing of the history can be used, why.
    pub(super) fn new(
        config: &Config,
        mut schedule: Judged<'_, DrillSchedule>,
        (history, latest): (HistorySummary, Option<Moment>),
        broken_history: Option<&str>,
        loaded: &Loaded<'_>,
    ) -> Self {
        let asked = requested(config, Setting::RollbackDrillSchedule);
        if let Some(broken) = broken_history {
            schedule.fault("/next_due_at".to_owned(), format!("cannot be compared: {broken}"));
        }
        let due = next_due(&mut schedule, latest);
        let ahead = due.map(|due| due.days_after(loaded.now));
        let planned = schedule.at(&["/next_due_at"]);
        let stale = stale(&mut schedule, ahead);
        let told = |pointers: &[&str], passes: &str| schedule.at(pointers).map(|()| passes.to_owned());
        let active = told(&["/status"], "the schedule is active");
        let cadence = told(&["/interval_days"], "there is an interval");
        let routes = told(
            &["/owners", "/notification_providers"],
            "there is somebody to tell, and a way to",
        );
        let checks = vec![
            asked.check(checks::GO_ROLLBACK_DRILL_SCHEDULE_REQUESTED),
            schedule.validity(checks::GO_ROLLBACK_DRILL_SCHEDULE_FILE),
            Check::new(checks::GO_ROLLBACK_DRILL_SCHEDULE_ACTIVE, active.clone()),
            Check::new(checks::GO_ROLLBACK_DRILL_SCHEDULE_CADENCE, cadence.clone()),
            Check::new(
                checks::GO_ROLLBACK_DRILL_SCHEDULE_NEXT_DUE,
                planned.map(|()| "the next drill is planned within an interval"),
            ),
            Check::new(
                checks::GO_ROLLBACK_DRILL_SCHEDULE_NOT_STALE,
                stale.clone().map(|()| "the next drill is not overdue"),
            ),
            Check::new(checks::GO_ROLLBACK_DRILL_NOTIFICATION_ROUTES, routes.clone()),
        ];
        let soon = ahead.is_some_and(|ahead| ahead >= 0.0 && ahead <= config.drill_due_soon_days);
        let status = match conclude(&asked, &checks) {
            ReportStatus::Ready if soon => ReportStatus::DueSoon,
            status => status,
        };
        let shown = schedule.told();
        let owners = shown.and_then(|it| it.owners.given());
        let providers = shown.and_then(|it| it.notification_providers.given());
        let routing = |name| schedule.value(name, MOST_BYTES);
        Self {
            schema_version: ReportKind::DrillSchedule.schema_version(),
            mode: config.mode,
            status,
            rollback_drill_schedule_path: setting(config, Setting::RollbackDrillSchedule),
            rollback_drill_due_soon_days: config.drill_due_soon_days,
            schedule: ScheduleSummary {
                valid: schedule.is_valid(),
                schema_version: schedule.schema_version(),
                schedule_id: schedule.text("schedule_id"),
                environment: schedule.text("environment"),
                status: schedule.text("status"),
                active: active.is_ok(),
                cadence_valid: cadence.is_ok(),
                interval_days: shown.and_then(|it| it.interval_days.given()).map(|days| days.0),
                next_due_at: due
                    .filter(|_| shown.is_some())
                    .map(|due| due.to_string())
                    .unwrap_or_default(),
                days_until_due: ahead.map(rounded),
                stale: stale.is_err(),
                due_soon: soon,
                notification_routes_valid: routes.is_ok(),
                owners: clip_all(owners.into_iter().flat_map(|owners| &owners.0)),
                notification_providers: clip_all(providers.into_iter().flat_map(|it| &it.0)),
                owner_routes: routing("owner_routes")
                    .or_else(|| routing("routing_rules"))
                    .unwrap_or_default(),
                maintenance_windows: routing("maintenance_windows").unwrap_or_default(),
                owner_calendars: routing("owner_calendars").unwrap_or_default(),
                runbook_ref: schedule.text("runbook_ref"),
                message: schedule.message(),
                vouched: schedule.vouched(),
                faults: schedule.faults().to_vec(),
            },
            history,
            operator_notes: notes(config, ReportKind::DrillSchedule, status, asked.path_is_set),
            checks,
        }
    }
}

/// When the next drill is due, as the schedule says or an interval after the latest
/// drill; a fault where that cannot be said, or is too far ahead.
fn next_due(schedule: &mut Judged<'_, DrillSchedule>, latest: Option<Moment>) -> Option<Moment> {
    let it = schedule.model()?;
    let interval = it.interval_days.given().map(|days| days.0);
    let after_latest = match (latest, interval) {
        (Some(latest), Some(interval)) => latest.plus_days(interval),
        _ => None,
    };
    if it.next_due_at.is_absent() {
        if after_latest.is_none() {
            let why = if interval.is_none() {
                "there is no interval"
            } else if latest.is_none() {
                "there is no valid drill history to count from"
            } else {
                "an interval after the latest drill is past the end of the calendar"
            };
            schedule.fault("/next_due_at".to_owned(), format!("is missing, and {why}"));
        }
        return after_latest;
    }
    let due = it.next_due_at.given()?.moment;
    if let Some(most) = after_latest.filter(|most| due > *most) {
        schedule.fault(
            "/next_due_at".to_owned(),
            format!("is further ahead than an interval after the latest drill, {most}"),
        );
    }
    Some(due)
}

/// Whether the next drill is overdue, or when it is due is not known.
fn stale(schedule: &mut Judged<'_, DrillSchedule>, ahead: Option<f64>) -> Result<(), String> {
    if let Some(unusable) = schedule.unusable() {
        return Err(unusable);
    }
    match ahead {
        None => Err("when the next drill is due is not known".to_owned()),
        Some(ahead) if ahead < 0.0 => {
            let problem = format!("has passed: the next drill is {} days overdue", rounded(-ahead));
            schedule.fault("/next_due_at".to_owned(), problem.clone());
            Err(format!("in the drill schedule: `/next_due_at` {problem}"))
        }
        Some(_) => Ok(()),
    }
}
