//! `cavra runtime rollback`, and where the rollback is kept.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

use super::settings::SettingsArgs;
use super::{Exit, Failure, output};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Setting};
use crate::rollback::{Rollback, RollbackError, RollbackFile, RollbackReport};

const AUTO: &str = "auto";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cavra runtime rollback --reason \"parity mismatches in production\"
  cavra runtime rollback --clear

Every command and service with the same state directory follows: running services within a second, and
after a restart, until it is cleared.")]
pub(super) struct RollbackArgs {
    /// Why, for people; one line
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// End the rollback: the mode of the settings is in effect again
    #[arg(long, conflicts_with = "reason")]
    clear: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl From<RollbackError> for Failure {
    fn from(error: RollbackError) -> Self {
        Self::Input(error.to_string())
    }
}

/// Where the rollback is kept; none where no directory can be found, and so nobody can
/// have rolled back.
pub(super) fn file(config: &Config) -> Option<RollbackFile> {
    let dir = match config.state_dir.as_str() {
        AUTO => Xdg::new().ok()?.state_dir()?.join("cavra"),
        path => PathBuf::from(path),
    };
    Some(RollbackFile::new(dir))
}

/// Where the rollback is kept, for those who must have it.
pub(super) fn required(config: &Config) -> Result<RollbackFile, Failure> {
    file(config).ok_or_else(|| {
        Failure::Input(format!(
            "no state directory can be found; set {}",
            Setting::StateDir
        ))
    })
}

impl RollbackArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        // An incident is no time to be refused for another setting.
        let file = required(&self.settings.only(Setting::StateDir)?)?;
        let mode = self
            .settings
            .config()
            .map(|config| config.mode)
            .unwrap_or_default();
        let changed = if self.clear {
            file.clear()?
        } else {
            let by = format!("uid {}", rustix::process::geteuid().as_raw());
            let rollback = Rollback::new(&self.reason, by, SystemClock.now())
                .map_err(|error| Failure::Input(error.to_string()))?;
            file.write(&rollback)?;
            true
        };
        let report = RollbackReport::new(mode, file.read().map(Arc::new), changed);
        if self.json {
            output::json(&report)?;
            return Ok(Exit::Done);
        }
        output::text(&match &report.rollback {
            Some(rollback) => rollback.note(),
            None if changed => {
                "The rollback is cleared; the mode of the settings is in effect again.".to_owned()
            }
            None => "The pilot was not rolled back.".to_owned(),
        })?;
        Ok(Exit::Done)
    }
}
