//! An evaluation in two halves, for callers that ask the fast path in its turn.

use std::sync::Arc;
use std::time::Duration;

use super::governance::GatesNow;
use super::{Host, HostError, Judged, Pack, State};
use crate::backend::Attempt;
use crate::fault::Fault;
use crate::model::{DEFAULT_POLICY_PACK, Request};
use crate::pilot::{self, Mode, Stamps};
use crate::rollback::Rollback;

/// How far an evaluation came without the fast path.
#[derive(Debug)]
pub enum Begun {
    /// To its end.
    Decided(Judged),
    /// The reference has decided; the fast path is to be asked.
    Open(OpenEvaluation),
}

/// An evaluation in which the fast path is to be asked.
#[derive(Debug)]
pub struct OpenEvaluation {
    open: pilot::Open,
    /// What was drawn, where it is recorded.
    drawn: Option<Vec<String>>,
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
        let start = self.start(state, pack, request);
        let reference = start.pack.reference.evaluate(request);
        Ok(start.begun(request, reference))
    }

    /// As [`Self::begin`], on a thread that others wait for. `None` where it would, or
    /// may, take longer than a moment; then nothing was done.
    pub fn begin_briefly(&self, request: &Request) -> Option<Begun> {
        let state = self.state.load_full();
        let pack = state.packs.load().get(&request.policy_pack).map(Arc::clone)?;
        if !state.is_prepared(&pack) {
            return None;
        }
        let start = self.start(state, pack, request);
        if !start.state.gates_at_hand(start.stamps.now()) {
            return None;
        }
        let reference = start.pack.reference.evaluate_briefly(request)?;
        Some(start.begun(request, reference))
    }

    /// What is settled before the reference is asked.
    fn start(&self, state: Arc<State>, pack: Arc<Pack>, request: &Request) -> Start {
        let stamps = Stamps::draw(&*self.base.clock, &*self.base.ids);
        let stamps = stamps.correlated(request.correlation.as_ref());
        Start {
            drawn: self.base.evidence.is_some().then(|| stamps.drawn()),
            stamps,
            rollback: self.base.rollback.get(),
            state,
            pack,
        }
    }

    /// Whether everything that a request for this pack needs is loaded, so that
    /// judging it takes as long as judging takes and no longer.
    pub fn is_prepared(&self, pack: &str) -> bool {
        let state = self.state.load();
        let packs = state.packs.load();
        packs.get(pack).is_some_and(|pack| state.is_prepared(pack))
    }

    /// Whether requests for the default pack find everything loaded, and the reference
    /// has decided a probe. Asks nothing that takes time.
    pub fn is_ready(&self) -> bool {
        let state = self.state.load();
        let report = state.readiness.get().or(state.rolled_back_readiness.get());
        self.is_prepared(DEFAULT_POLICY_PACK) && report.is_some_and(|it| it.reference_decided())
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

impl State {
    fn is_prepared(&self, pack: &Pack) -> bool {
        let pilot_off = self.mode() == Mode::Disabled;
        pilot_off || (pack.fast_path.get().is_some() && self.readiness.get().is_some())
    }
}

/// An evaluation whose reference is to be asked.
struct Start {
    stamps: Stamps,
    /// The ids that were drawn, where they are recorded.
    drawn: Option<Vec<String>>,
    rollback: Option<Arc<Rollback>>,
    state: Arc<State>,
    pack: Arc<Pack>,
}

impl Start {
    /// What the reference's attempt comes to.
    fn begun(self, request: &Request, reference: Attempt) -> Begun {
        let mode = match self.rollback {
            Some(_) => Mode::Disabled,
            None => self.state.config.mode,
        };
        let gates = GatesNow::new(&self.state, self.stamps.now());
        match pilot::begin(mode, reference, &gates, request, self.stamps) {
            pilot::Begun::Decided(mut answer) => {
                answer.rollback = self.rollback;
                Begun::Decided(Judged::new(&self.state, request, answer, self.drawn))
            }
            pilot::Begun::Open(open) => Begun::Open(OpenEvaluation {
                open,
                drawn: self.drawn,
                turn: Turn {
                    state: self.state,
                    pack: self.pack,
                },
            }),
        }
    }
}

impl OpenEvaluation {
    /// What asks the fast path.
    pub fn turn(&self) -> &Turn {
        &self.turn
    }

    /// What the fast path's attempt comes to.
    pub fn conclude(self, request: &Request, attempt: Attempt) -> Judged {
        let answer = self.open.conclude(request, attempt);
        Judged::new(&self.turn.state, request, answer, self.drawn)
    }

    /// The answer where the fast path was not asked in the end.
    pub fn give_up(self, request: &Request, fault: &Fault) -> Judged {
        let answer = self.open.give_up(fault);
        Judged::new(&self.turn.state, request, answer, self.drawn)
    }
}

impl Turn {
    /// Asks the fast path, which is loaded where it was not yet.
    pub fn run(&self, request: &Request) -> Attempt {
        self.state.fast_path(&self.pack).evaluate(request)
    }

    /// The same on a thread that others wait for; `None` where it would, or may, take
    /// longer than a moment.
    pub fn run_briefly(&self, request: &Request) -> Option<Attempt> {
        self.pack.fast_path.get()?.evaluate_briefly(request)
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
