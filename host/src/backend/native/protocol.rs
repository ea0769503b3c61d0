//! What the host and the supervisor process say to each other.
//!
//! The host gives [`Confinement`] as the supervisor's first argument; the
//! supervisor writes one [`Report`] to its standard error and exits. Closing the
//! other end of that pipe is how the host calls a run off, and what happens by
//! itself when the host dies.

use serde::{Deserialize, Serialize};

/// How much of the binary's standard error is kept, in bytes.
pub(super) const STDERR_KEPT: usize = 4 * 1024;

/// The longest report, in bytes: [`STDERR_KEPT`] with every byte escaped, and the rest.
pub(super) const REPORT_LIMIT: usize = 64 * 1024;

/// What the binary is held to, as the supervisor's command line carries it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confinement {
    /// `RLIMIT_CPU`, in seconds.
    pub(super) cpu_seconds: u64,
    /// `RLIMIT_AS`, in bytes.
    pub(super) address_space_bytes: u64,
    /// `RLIMIT_FSIZE`, in bytes.
    pub(super) file_size_bytes: u64,
    /// `RLIMIT_NOFILE`.
    pub(super) open_files: u64,
    /// `RLIMIT_NPROC`, beyond the tasks that run already.
    pub(super) processes: u64,
}

/// How a run ended, in the supervisor's words.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Report {
    /// The binary could not be started under supervision.
    NotStarted {
        /// Why.
        error: String,
    },
    /// The binary has ended, or was killed when the host called the run off.
    Ended {
        /// The status as `wait` gave it.
        wait_status: i32,
        /// The beginning of its standard error.
        stderr: String,
        /// Whether no process of the run is left.
        all_gone: bool,
    },
}
