//! The evidence log: what was decided, recorded so that nobody can quietly change it.
//!
//! A log is a directory of append-only segments of [`Entry`] lines. Each entry carries
//! the hash of the one before; that hash is also its leaf in a Merkle tree (RFC 6962).

mod canonical;
pub mod checkpoints;
pub mod counts;
mod durability;
pub mod export;
mod files;
pub mod fleet;
mod hash;
pub mod log;
mod make;
pub mod mask;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod query;
pub mod reader;
mod record;
mod recorder;
pub mod retention;
mod rules;
pub mod sealed;
mod stats;
#[cfg(test)]
mod testing;
pub mod verify;
mod walk;
pub mod watch;
mod writer;

pub use hash::{Hash, NotAHash};
pub use record::{
    BackendRecord, Backends, DecisionRecord, DifferenceRecord, Entry, EvaluationRecord, Event, Gap,
    IdentityRecord, LimitsRecord, Masked, Masking, Measured, MeasuredBackend, Outcome, Pruned, Recovered,
    SCHEMA, Sealed, Settings, schema,
};

pub use durability::{Durability, OnFailure, UnknownWord};
pub use make::Subject;
pub use recorder::{Options, Prepared, Recorder, Ticket, Unrecorded};
pub(crate) use rules::has_form_of_secret;
pub use stats::Stats;

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
    /// There is no directory to read.
    #[error("there is no evidence log in `{}`: {error}; name its directory by --evidence-dir", .dir.display())]
    NoLog {
        /// Where it was looked for.
        dir: PathBuf,
        /// What the file system said.
        error: std::io::Error,
    },
    /// Something cannot be written as canonical JSON.
    #[error("a record cannot be written as canonical JSON: {0}")]
    Canonical(serde_json::Error),
    /// Others may change the log.
    #[error("`{}` can be written by other users; take that from them (mode 0700)", .path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
    },
    /// No key can be made of the seed.
    #[error("the key of the log is unusable; name another file by --evidence-key")]
    Seed,
    /// The key cannot be read or made.
    #[error("the key of the log: {0}")]
    Key(String),
    /// The log belongs to another key.
    #[error(
        "the log in `{}` is signed with another key; give that key by --evidence-key, or another directory",
        .dir.display()
    )]
    ForeignKey {
        /// The directory.
        dir: PathBuf,
    },
    /// Entries are missing that a checkpoint was signed for.
    #[error(
        "the log in `{}` has {entries} entries, and {signed} when it was last signed;          `cavra evidence verify` tells more. Put it back, or begin another",
        .dir.display()
    )]
    Shrunk {
        /// The directory.
        dir: PathBuf,
        /// How many there are, at most.
        entries: u64,
        /// How many there were.
        signed: u64,
    },
    /// Segments have been removed, and no checkpoint says what they were.
    #[error("the log in `{}` has lost its checkpoints; put them back, or begin another", .dir.display())]
    NoCheckpoint {
        /// The directory.
        dir: PathBuf,
    },
    /// A file is not as it was left.
    #[error("`{}` was changed by somebody else; `cavra evidence verify` tells more", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A rule of masking is no pattern.
    #[error("a masking rule is unusable: {0}")]
    Rule(#[from] regex::Error),
    /// A record could not be sealed.
    #[error("a masked record cannot be sealed: {0}")]
    Seal(String),
    /// A file holds no key to open sealed records with.
    #[error("`{}` is no identity file of age: {problem}", .path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The last record could not be written.
    #[error("the last record could not be written; the service's log says why")]
    Failing,
    /// No such entry.
    #[error("the log has no evaluation `{0}`")]
    Unknown(String),
    /// It is in the log, and no checkpoint is about it yet.
    #[error("no checkpoint is about the evaluation `{0}` yet; ask again once one is signed")]
    Unsigned(String),
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

    /// What the log in `dir` cannot be read for: where there is nothing of that name, that.
    fn reading(dir: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let told = Self::io(dir);
        let dir = dir.to_owned();
        move |error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Self::NoLog {
                dir: dir.clone(),
                error,
            },
            _ => told(error),
        }
    }

    pub(crate) fn key(error: crate::cache::CacheError) -> Self {
        use crate::cache::CacheError;
        Self::Key(match error {
            CacheError::Exposed { path, problem } => format!("`{}` {problem}", path.display()),
            other => other.to_string(),
        })
    }

    fn canonical(error: serde_json::Error) -> Self {
        Self::Canonical(error)
    }
}
