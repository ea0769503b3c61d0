//! `cavra runtime`: the pilot under the contract's names.

use clap::{Args, Subcommand};

use super::evaluate::EvaluateArgs;
use super::rollback::RollbackArgs;
use super::settings::SettingsArgs;
use super::{Exit, Failure, open_reporting_host, output};
use crate::gates::{Check, ReportKind, ReportStatus};
use crate::rollback::InForce;

#[derive(Debug, Subcommand)]
pub(super) enum RuntimeCommand {
    /// Whether the fast path can be run at all
    GoPilotReadiness(ReportArgs),
    /// Whether the deployment documents are complete and agree
    GoDeploymentReadiness(ReportArgs),
    /// Whether promotion is evidenced and approved
    GoPromotionReadiness(ReportArgs),
    /// Whether there is an approved way back
    GoRollbackReadiness(ReportArgs),
    /// Whether the way back was rehearsed in time
    GoRollbackRehearsal(ReportArgs),
    /// Whether the latest rollback drill passed and is fresh
    GoRollbackDrills(ReportArgs),
    /// Whether the next rollback drill is planned and not overdue
    GoRollbackDrillSchedule(ReportArgs),
    /// Judge one request, or many from standard input (as `cavra evaluate`)
    GoPilotEvaluate(Box<EvaluateArgs>),
    /// Force the pilot into `disabled`, at once and over restarts; or end that
    Rollback(RollbackArgs),
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Exit with 2 unless the report is ready, or due_soon
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
}

impl ReportArgs {
    /// The exit status that a report stands for.
    pub(super) fn exit(&self, status: ReportStatus) -> Exit {
        if self.check && !status.is_ready() {
            Exit::Blocked
        } else {
            Exit::Done
        }
    }
}

impl RuntimeCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::GoPilotEvaluate(args) => args.run(),
            Self::GoPilotReadiness(args) => report(ReportKind::Readiness, &args),
            Self::GoDeploymentReadiness(args) => report(ReportKind::Deployment, &args),
            Self::GoPromotionReadiness(args) => report(ReportKind::Promotion, &args),
            Self::GoRollbackReadiness(args) => report(ReportKind::Rollback, &args),
            Self::GoRollbackRehearsal(args) => report(ReportKind::Rehearsal, &args),
            Self::GoRollbackDrills(args) => report(ReportKind::DrillHistory, &args),
            Self::GoRollbackDrillSchedule(args) => report(ReportKind::DrillSchedule, &args),
            Self::Rollback(args) => args.run(),
        }
    }
}

fn report(kind: ReportKind, args: &ReportArgs) -> Result<Exit, Failure> {
    let config = args.settings.config()?;
    let host = open_reporting_host(config)?;
    let (mode, rollback) = (host.mode(), host.rollback().get());
    let reports = host.reports();
    let report = reports.get(kind);
    if args.json {
        output::json(&InForce::report(kind, &**report, rollback))?;
    } else {
        if let Some(rollback) = rollback {
            output::text(&rollback.note())?;
        }
        let title = format!("{} in mode {mode}: {}", kind.route(), report.status().as_str());
        show(&title, report.checks(), report.operator_notes())?;
    }
    Ok(args.exit(report.status()))
}

/// Prints checks as a table for people.
pub(super) fn show(title: &str, checks: &[Check], notes: &[String]) -> Result<(), Failure> {
    let mut table = output::table(&["check", "status", "message"]);
    for check in checks {
        let status = if check.passes() { "pass" } else { "warn" };
        table.add_row(vec![
            check.id.into(),
            output::mark(status, check.passes()),
            output::short(&check.message, 200).into(),
        ]);
    }
    let notes: String = notes.iter().map(|note| format!("\n  {note}")).collect();
    output::text(&format!("{title}\n{table}{notes}"))
}
