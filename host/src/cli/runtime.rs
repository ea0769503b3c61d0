//! `cavra runtime`: the pilot under the contract's names.

use clap::{Args, Subcommand};

use super::evaluate::EvaluateArgs;
use super::settings::SettingsArgs;
use super::{Exit, Failure, open_host, output};
use crate::gates::{ReadinessReport, ReportStatus};
use crate::sandbox::Allocation;

#[derive(Debug, Subcommand)]
pub(super) enum RuntimeCommand {
    /// Whether the fast path can be run at all
    GoPilotReadiness(ReportArgs),
    /// Judge one request, or many from standard input (as `cavra evaluate`)
    GoPilotEvaluate(Box<EvaluateArgs>),
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 2 unless the report is ready
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl RuntimeCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::GoPilotEvaluate(args) => args.run(),
            Self::GoPilotReadiness(args) => {
                let host = open_host(args.settings.config()?, Allocation::OnDemand)?;
                let report = host.readiness();
                if args.json {
                    output::json(&*report)?;
                } else {
                    show(&report)?;
                }
                let ready = report.status == ReportStatus::Ready;
                Ok(if args.check && !ready {
                    Exit::Blocked
                } else {
                    Exit::Done
                })
            }
        }
    }
}

fn show(report: &ReadinessReport) -> Result<(), Failure> {
    let mut table = output::table(&["check", "status", "message"]);
    for check in &report.checks {
        let status = if check.passes() { "pass" } else { "warn" };
        table.add_row(vec![
            check.id.into(),
            output::mark(status, check.passes()),
            output::short(&check.message, 160).into(),
        ]);
    }
    let notes: String = report
        .operator_notes
        .iter()
        .map(|note| format!("\n  {note}"))
        .collect();
    output::text(&format!(
        "readiness in mode {}: {}\n{table}{notes}",
        report.mode,
        report.status.as_str()
    ))
}
