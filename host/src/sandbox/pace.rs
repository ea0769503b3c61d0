//! Whether an evaluator can be asked by a thread that others wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::engine::Engine;
use super::limits::Limits;
use crate::backend::Usage;
use crate::fault::Fault;
use crate::model::Decision;

/// The fuel of a brief evaluation: some hundred microseconds, and several times what
/// the built-in evaluators use for ordinary requests under the built-in packs.
const BRIEF_FUEL: u64 = 1_000_000;
/// What ends a brief evaluation that takes time without using fuel, as copying much
/// memory does: one tick of the epoch.
const BRIEF_DEADLINE: Duration = Duration::from_millis(10);
/// What a brief evaluation takes at most, on a machine that does other things, too.
const BRIEF_MICROSECONDS: u64 = 2_000;

/// What is known of how long an evaluator takes: that the next evaluation will take as
/// long as the last. Where that is wrong, the limits end it, and only time is lost: what
/// is decided never depends on it.
#[derive(Debug)]
pub(super) struct Pace {
    /// The evaluator's engine with the limits of a brief evaluation.
    engine: Engine,
    brief: AtomicBool,
}

impl Pace {
    /// The pace of an evaluator that has judged nothing yet, and so is not known to be brief.
    pub(super) fn new(engine: &Engine) -> Self {
        let limits = *engine.limits();
        Self {
            engine: engine.with_limits(Limits {
                evaluate_fuel: limits.evaluate_fuel.min(BRIEF_FUEL),
                wall_clock: limits.wall_clock.min(BRIEF_DEADLINE),
                ..limits
            }),
            brief: AtomicBool::new(false),
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn is_brief(&self) -> bool {
        self.brief.load(Ordering::Relaxed)
    }

    /// Takes note of what an evaluation took.
    pub(super) fn saw(&self, usage: &Usage) {
        let brief = usage.microseconds <= BRIEF_MICROSECONDS
            && usage.fuel_used.is_some_and(|fuel| fuel <= BRIEF_FUEL);
        self.set(brief);
    }

    /// Whether a brief evaluation came to the end of its limits.
    pub(super) fn cut_short(&self, outcome: &Result<Decision, Fault>) -> bool {
        // No room for an instance is told as a missing runtime; here nobody waits for room.
        let cut = matches!(
            outcome,
            Err(Fault::OutOfFuel { .. } | Fault::WallClock { .. } | Fault::MissingRuntime(_))
        );
        if cut {
            self.set(false);
        }
        cut
    }

    /// Written only where it changes, so that the line stays shared between cores.
    fn set(&self, brief: bool) {
        if self.is_brief() != brief {
            self.brief.store(brief, Ordering::Relaxed);
        }
    }
}
