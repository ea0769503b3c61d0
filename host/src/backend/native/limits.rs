//! What a native runtime may use.

use std::time::Duration;

use super::protocol::Confinement;

/// The limits of one run of a native runtime; see [`NativeLimits::default`].
///
/// All but the deadline are Linux resource limits, which hold for each process
/// of the run by itself. A limit that the host has itself is never raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeLimits {
    /// Wall-clock time of one evaluation, from the call to the decision. CPU time
    /// is limited to this, rounded up to whole seconds, and one second more.
    pub deadline: Duration,
    /// Address space (`RLIMIT_AS`), in bytes. Reserved memory counts, used or not.
    pub address_space_bytes: u64,
    /// Size of a file that it writes (`RLIMIT_FSIZE`), in bytes.
    pub file_size_bytes: u64,
    /// Descriptors open at a time (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Processes and threads beyond those that run on the machine when it starts
    /// (`RLIMIT_NPROC`). The kernel does not hold the superuser to it.
    pub processes: u64,
}

impl Default for NativeLimits {
    /// 5 s, 2 GiB of address space, files of 1 MiB, 64 descriptors, 64 processes.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            address_space_bytes: 2 << 30,
            file_size_bytes: 1 << 20,
            open_files: 64,
            processes: 64,
        }
    }
}

impl NativeLimits {
    /// The deadline in whole milliseconds.
    pub(super) fn deadline_ms(&self) -> u64 {
        u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)
    }

    /// What the supervisor is told to hold the binary to.
    pub(super) fn confinement(&self) -> Confinement {
        let whole_seconds = self.deadline.as_nanos().div_ceil(1_000_000_000);
        Confinement {
            cpu_seconds: u64::try_from(whole_seconds).unwrap_or(u64::MAX).saturating_add(1),
            address_space_bytes: self.address_space_bytes,
            file_size_bytes: self.file_size_bytes,
            open_files: self.open_files,
            processes: self.processes,
        }
    }
}
