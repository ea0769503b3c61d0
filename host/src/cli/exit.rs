//! Exit statuses: one documented enum.

/// How the program ends. Implements the wire contract, *Commands*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done; with `--check`: and ready, or allowed.
    Done = 0,
    /// Something failed that is not the caller's fault.
    Failure = 1,
    /// With `--check`: the decision is `block`, the report is not ready, or a replay differs.
    Blocked = 2,
    /// Bad usage, configuration or input.
    Usage = 3,
    /// With `--check`: the decision is `require_approval`.
    Approval = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
