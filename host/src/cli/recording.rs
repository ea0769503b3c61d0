//! The evidence log that the settings name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;
use jiff::SignedDuration;

use super::Failure;
use crate::clock::Clock;
use crate::config::{EvidenceConfig, Setting};
use crate::evidence::{Durability, Options, Recorder, log};

/// Starts the writer of the log, if the settings name one.
pub(super) fn start(
    config: Option<&EvidenceConfig>,
    clock: Arc<dyn Clock>,
) -> Result<Option<Recorder>, Failure> {
    let Some(config) = config else {
        return Ok(None);
    };
    let recorder = Recorder::start(options(config)?, clock)?;
    if recorder.stats().failing() {
        super::output::warn("the evidence log cannot be opened; decisions go on without it");
    }
    for torn in recorder.recovered() {
        super::output::warn(&format!(
            "{} bytes at the end of {} were part of a record that a crash had left; they are set aside in the log's directory",
            torn.bytes, torn.segment
        ));
    }
    Ok(Some(recorder))
}

/// How the log is written.
fn options(config: &EvidenceConfig) -> Result<Options, Failure> {
    Ok(Options {
        dir: config.dir.clone(),
        key: key(&config.key)?,
        log: log::Options {
            segment_bytes: config.segment_bytes,
            segment_age: signed(config.segment_age),
            retention: config.retention.map(signed),
            checkpoint_entries: config.checkpoint_records,
            sync: config.durability == Durability::Fsync,
        },
        checkpoint_interval: config.checkpoint_interval,
        durability: config.durability,
        on_failure: config.on_failure,
        mask: config.mask.clone(),
        seal: config.seal.clone(),
    })
}

fn key(setting: &str) -> Result<PathBuf, Failure> {
    if setting != "auto" {
        return Ok(PathBuf::from(setting));
    }
    let state = Xdg::new().ok().and_then(|user| user.state_dir());
    let state = state.ok_or_else(|| {
        Failure::Input(format!(
            "there is no home directory to keep the key of the evidence log in; name a file by {}",
            Setting::EvidenceKey
        ))
    })?;
    Ok(state.join("cavra/evidence.key"))
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
