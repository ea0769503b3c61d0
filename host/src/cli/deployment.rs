//! `cavra deployment`: whether all of it is fit for production.

use clap::Subcommand;

use super::runtime::{ReportArgs, show};
use super::{Exit, Failure, open_host, output};
use crate::evidence::OnFailure;
use crate::gates::ApiAccess;
use crate::rollback::InForce;
use crate::sandbox::Allocation;

#[derive(Debug, Subcommand)]
pub(super) enum DeploymentCommand {
    /// The seven reports, and what else production asks
    ProductionReadiness(ReportArgs),
}

impl DeploymentCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let Self::ProductionReadiness(args) = self;
        let mut config = args.settings.config()?;
        if let Some(evidence) = &mut config.evidence {
            // A log that cannot be opened is what the report is to tell.
            evidence.on_failure = OnFailure::Continue;
        }
        let host = open_host(config, Allocation::OnDemand)?;
        // The command line serves nobody else.
        let report = host.production_readiness(ApiAccess::Loopback);
        if args.json {
            output::json(&InForce::new(&report, host.rollback().get()))?;
        } else {
            let title = format!("production in mode {}: {}", report.mode, report.status.as_str());
            show(&title, &report.checks, &report.operator_notes)?;
        }
        Ok(args.exit(report.status))
    }
}
