//! The evidence log that the settings name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;
use jiff::SignedDuration;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, EvidenceConfig, Setting};
use crate::evidence::fleet::Shipper;
use crate::evidence::log::{self, Log};
use crate::evidence::{Durability, EvidenceError, Options, Recorder};

/// Starts the writer of the log, if the settings name one.
pub(super) fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Recorder>, Failure> {
    let store = config.evidence_store.as_ref();
    let Some(config) = &config.evidence else {
        return match store {
            None => Ok(None),
            Some(_) => Err(Failure::Input(format!(
                "{} needs {}: what is sent is read from there",
                Setting::EvidenceStore,
                Setting::EvidenceDir
            ))),
        };
    };
    let options = Options {
        sent: store.map(|_| Arc::default()),
        ..options(config)?
    };
    let recorder = Recorder::start(options, clock)?;
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

/// Starts to send the log to the store, if the settings name one.
pub(super) fn send(config: &Config, recorder: Option<&Recorder>) -> Result<Option<Shipper>, Failure> {
    let (Some(store), Some(recorder)) = (&config.evidence_store, recorder) else {
        return Ok(None);
    };
    let Some(state) = recorder.sent() else {
        return Ok(None);
    };
    let dir = recorder.dir().to_owned();
    Ok(Some(Shipper::start(
        store.clone(),
        dir,
        machine(),
        Arc::clone(state),
    )?))
}

/// This machine's name, by which people know whose log it is.
pub(super) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

/// The log by itself, for what is done to it without recording anything.
pub(super) fn open_log(config: &EvidenceConfig) -> Result<Log, Failure> {
    let options = options(config)?;
    let seed = crate::cache::own_key(&options.key).map_err(EvidenceError::key)?;
    Ok(Log::open(&options.dir, &seed, options.log)?)
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
        sent: None,
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
