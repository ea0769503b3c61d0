//! An evaluation in two halves, for callers that ask the fast path in its turn.

use std::sync::Arc;
use std::time::Duration;

use super::governance::GatesNow;
use super::{Host, HostError, Pack, State};
use crate::backend::Attempt;
use crate::fault::Fault;
use crate::model::Request;
use crate::pilot::{self, Evaluation, Mode, Stamps};

/// How far an evaluation came without the fast path.
#[derive(Debug)]
pub enum Begun {
    /// To its end.
    Decided(Evaluation),
    /// The reference has decided; the fast path is to be asked.
    Open(OpenEvaluation),
}

/// An evaluation in which the fast path is to be asked.
#[derive(Debug)]
pub struct OpenEvaluation {
    open: pilot::Open,
    turn: Turn,
}

/// What asks the fast path: on any thread, and still under the settings under
/// which the evaluation has begun. Cheap to clone.
#[derive(Clone)]
pub struct Turn {
    state: Arc<State>,
    pack: Arc<Pack>,
}

impl Host {
    /// The first half of [`Self::evaluate`]: everything but the fast path.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn begin(&self, request: &Request) -> Result<Begun, HostError> {
        let state = self.state.load_full();
        let pack = state.pack(&request.policy_pack)?;
        let stamps = Stamps::draw(&*self.base.clock, &*self.base.ids);
        let stamps = stamps.correlated(request.correlation.as_ref());
        let rollback = self.base.rollback.get();
        let mode = match rollback {
            Some(_) => Mode::Disabled,
            None => state.config.mode,
        };
        let gates = GatesNow::new(&state, stamps.now());
        let begun = pilot::begin(mode, &*pack.reference, &gates, request, stamps);
        Ok(match begun {
            pilot::Begun::Decided(mut answer) => {
                answer.rollback = rollback;
                Begun::Decided(answer)
            }
            pilot::Begun::Open(open) => Begun::Open(OpenEvaluation {
                open,
                turn: Turn { state, pack },
            }),
        })
    }

    /// Whether everything that a request for this pack needs is loaded, so that
    /// judging it takes as long as judging takes and no longer.
    pub fn is_prepared(&self, pack: &str) -> bool {
        let state = self.state.load();
        let packs = state.packs.load();
        let pilot_off = state.mode() == Mode::Disabled;
        packs.get(pack).is_some_and(|pack| {
            pilot_off || (pack.fast_path.get().is_some() && state.readiness.get().is_some())
        })
    }

    /// Loads everything that a request for this pack needs. Takes up to seconds.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn prepare(&self, pack: &str) -> Result<(), HostError> {
        let state = self.state.load_full();
        let pack = state.pack(pack)?;
        if state.mode() != Mode::Disabled {
            state.fast_path(&pack);
            state.readiness();
        }
        Ok(())
    }
}

impl OpenEvaluation {
    /// What asks the fast path.
    pub fn turn(&self) -> &Turn {
        &self.turn
    }

    /// What the fast path's attempt comes to.
    pub fn conclude(self, request: &Request, attempt: Attempt) -> Evaluation {
        self.open.conclude(request, attempt)
    }

    /// The answer where the fast path was not asked in the end.
    pub fn give_up(self, fault: &Fault) -> Evaluation {
        self.open.give_up(fault)
    }
}

impl Turn {
    /// Asks the fast path, which is loaded where it was not yet.
    pub fn run(&self, request: &Request) -> Attempt {
        self.state.fast_path(&self.pack).evaluate(request)
    }

    /// How long an evaluation by the fast path may take.
    pub fn deadline(&self) -> Duration {
        self.state.config.limits.wall_clock
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("pack", &self.pack.id)
            .finish_non_exhaustive()
    }
}
