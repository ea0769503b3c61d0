//! Faults and the fallback codes they become.
//!
//! Implements the sandbox specification, *Faults → fallback*: one closed list of
//! words, the same in answers, evidence, metrics and documentation.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! fallback_codes {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// Why the fast path's answer was not used.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum FallbackCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl FallbackCode {
            /// Every code with its word and meaning, in the order of the documentation.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in every document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

fallback_codes! {
    Disabled "disabled" "The pilot's mode is `disabled`.",
    NotReady "not_ready" "A readiness check fails that has no code of its own.",
    PromotionNotReady "promotion_not_ready" "`promoted` mode: the promotion report is not ready.",
    RollbackNotReady "rollback_not_ready" "`promoted` mode: the rollback report is not ready.",
    RehearsalNotReady "rehearsal_not_ready" "`promoted` mode: the rollback rehearsal is not ready.",
    DrillHistoryNotReady "drill_history_not_ready" "`promoted` mode: the rollback drill history is not ready.",
    DrillScheduleNotReady "drill_schedule_not_ready" "`promoted` mode: the rollback drill schedule is neither ready nor due soon.",
    MissingRuntime "missing_runtime" "There is no usable module: no file, unreadable, not a component, another world or version, a refused import, or it failed to compile, instantiate or load.",
    MissingPolicy "missing_policy" "There is no usable compiled policy for the pack, or the trust registry is unusable.",
    TimeoutFuel "timeout_fuel" "The evaluation used up its fuel.",
    TimeoutWallClock "timeout_wall_clock" "The evaluation passed its wall-clock deadline; in the service, waiting for its turn counts.",
    MemoryLimit "memory_limit" "The instance wanted more linear memory than it may have.",
    Trap "trap" "The module trapped.",
    OutputInvalid "output_invalid" "The answer is outside the contract, or about another action, target or pack than was asked.",
    NativeFailed "native_failed" "The native runtime could not be started, was killed, or exited with another status than 0.",
    ParityMismatch "parity_mismatch" "The fast path decided otherwise than the reference.",
}

impl fmt::Display for FallbackCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What went wrong in a backend. Each fault has exactly one [`FallbackCode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no usable module or binary.
    #[error("missing runtime: {0}")]
    MissingRuntime(String),
    /// There is no usable policy or registry.
    #[error("missing policy: {0}")]
    MissingPolicy(String),
    /// `evaluate` used up its fuel.
    #[error("the evaluation used up its fuel of {limit}")]
    OutOfFuel {
        /// The fuel it had.
        limit: u64,
    },
    /// The wall-clock deadline passed.
    #[error("the evaluation passed its deadline of {limit_ms} ms")]
    WallClock {
        /// The time it had, in milliseconds.
        limit_ms: u64,
    },
    /// The fast path was not asked: its turn would not have come before the deadline.
    #[error(
        "the evaluation would not have had its turn within {limit_ms} ms; {ahead} others were running or waiting"
    )]
    NoTurn {
        /// The time it had, in milliseconds.
        limit_ms: u64,
        /// How many others were running or waiting.
        ahead: usize,
    },
    /// More linear memory was wanted than all memories of an instance may have together.
    #[error("the module wanted {wanted} bytes of memory; it may have {limit}")]
    MemoryLimit {
        /// What all memories together would have held, in bytes.
        wanted: u64,
        /// What they may hold, in bytes.
        limit: u64,
    },
    /// The module trapped.
    #[error("the module trapped: {0}")]
    Trap(String),
    /// The answer is outside the contract.
    #[error("invalid output: {0}")]
    OutputInvalid(String),
    /// The native process failed.
    #[error("the native runtime failed: {0}")]
    NativeFailed(String),
}

impl Fault {
    /// The word for this fault.
    pub fn code(&self) -> FallbackCode {
        match self {
            Self::MissingRuntime(_) => FallbackCode::MissingRuntime,
            Self::MissingPolicy(_) => FallbackCode::MissingPolicy,
            Self::OutOfFuel { .. } => FallbackCode::TimeoutFuel,
            Self::WallClock { .. } | Self::NoTurn { .. } => FallbackCode::TimeoutWallClock,
            Self::MemoryLimit { .. } => FallbackCode::MemoryLimit,
            Self::Trap(_) => FallbackCode::Trap,
            Self::OutputInvalid(_) => FallbackCode::OutputInvalid,
            Self::NativeFailed(_) => FallbackCode::NativeFailed,
        }
    }
}
