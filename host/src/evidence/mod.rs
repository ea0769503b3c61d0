//! The evidence log: what was decided, recorded so that nobody can quietly change it.
//!
//! A log is a directory of append-only segments of [`Entry`] lines. Each entry carries
//! the hash of the one before; that hash is also its leaf in a Merkle tree (RFC 6962).

mod hash;
pub mod reader;
mod record;

pub use hash::{Hash, NotAHash};
pub use record::{
    BackendRecord, Backends, DecisionRecord, DifferenceRecord, Entry, EvaluationRecord, Event, Gap,
    IdentityRecord, LimitsRecord, Masked, Masking, Measured, MeasuredBackend, Outcome, Recovered, SCHEMA,
    Settings, schema,
};

use std::path::{Path, PathBuf};

/// What can go wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The file system refuses.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// Something cannot be written as canonical JSON.
    #[error("a record cannot be written as canonical JSON: {0}")]
    Canonical(serde_json::Error),
    /// A line is no entry.
    #[error("{segment}:{line}: this is no entry of an evidence log: {source}")]
    NoEntry {
        /// The segment's file name.
        segment: String,
        /// The line, from 1.
        line: u64,
        /// What the parser said.
        source: serde_json::Error,
    },
}

impl EvidenceError {
    fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io {
            path: path.clone(),
            error,
        }
    }

    fn canonical(error: serde_json::Error) -> Self {
        Self::Canonical(error)
    }
}
