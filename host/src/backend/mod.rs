//! What can produce a decision: a sandboxed component or a native process.

mod component;
mod native;

pub use component::MissingBackend;
pub use native::{NativeLimits, NativeRuntime, supervisor};

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::fault::Fault;
use crate::model::{Decision, Request};

/// Something that judges requests.
///
/// An implementation checks that its answer keeps the contract's form; whether
/// the answer is about what was asked, and whether it may be used, is judged by
/// the pilot.
pub trait Backend: Send + Sync {
    /// Judges one request.
    ///
    /// Returns what the attempt cost, whether or not it gave a decision.
    fn evaluate(&self, request: &Request) -> Attempt;

    /// The same attempt, where it takes no longer than a thread that others wait for can
    /// spare: well under a millisecond. `None`: it would, or it may, take longer; nothing
    /// came of it, and [`evaluate`](Self::evaluate) is to be asked, on a thread that may
    /// wait.
    fn evaluate_briefly(&self, request: &Request) -> Option<Attempt> {
        let _ = request;
        None
    }
}

/// One attempt at a decision.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The decision, or why there is none.
    pub outcome: Result<Decision, Fault>,
    /// What it cost.
    pub usage: Usage,
}

/// What an evaluation was made with and what it cost: the `sandbox` field of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Usage {
    /// `component` or `native`.
    pub kind: &'static str,
    /// SHA-256 of the module or binary.
    #[schema(value_type = String)]
    pub module_sha256: Arc<str>,
    /// SHA-256 of the compiled policy's canonical JSON; empty where there was none to load.
    #[schema(value_type = String)]
    pub policy_sha256: Arc<str>,
    /// Fuel used by `evaluate`; none for a native process, and where it did not get so far.
    pub fuel_used: Option<u64>,
    /// Wall-clock time of the whole attempt, in microseconds.
    pub microseconds: u64,
    /// Whether the instance began with its policy; false where it loaded it first.
    /// None for a native process.
    pub baked: Option<bool>,
    /// Where the time went; none for a native process.
    pub stages: Option<Stages>,
    /// The largest size of all linear memories together, in bytes; none for a native process.
    pub peak_memory_bytes: Option<u64>,
    /// The engine's configuration: fuel is equal only where this is. None for a native process.
    #[schema(value_type = Option<String>)]
    pub engine_fingerprint: Option<Arc<str>>,
}

/// How long the stages of one evaluation in a sandbox took, in nanoseconds; 0
/// where it did not get so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stages {
    /// Making the store and the instance.
    pub instantiate_ns: u64,
    /// Handing over policy and registry.
    pub load_ns: u64,
    /// Judging.
    pub evaluate_ns: u64,
    /// Taking instance and store away.
    pub drop_ns: u64,
}

impl Usage {
    /// Sets the time from a duration.
    pub fn took(&mut self, time: Duration) {
        self.microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    }
}
