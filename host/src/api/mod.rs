//! The HTTP service: routes, problems, probes; decides nothing.
//!
//! Implements the wire contract, *HTTP*. A request walks one way:
//!
//! ```text
//! server ── connection ──> router ── middleware, in its order ──> route
//!                                                                   │ evaluations
//!            network threads                                     workers ── threads of their own
//! ```
//!
//! Threads that carry connections never judge and never wait: a probe is answered
//! at once whatever the evaluators do. See [`workers`] for who judges.

mod answer;
mod body;
mod described;
mod openapi;
mod phase;
mod problem;
mod router;
mod routes;
mod schema;
mod server;
pub mod warm;
pub mod workers;

pub use phase::Phase;
pub use problem::{Problem, ProblemKind};
pub use router::router;
pub use server::{Ended, Peer, Serve, ServeError, Transport};

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::gates::ApiAccess;
use crate::host::Host;
use workers::Workers;

/// What every route can reach. Made once, shared by all connections.
pub struct App {
    /// Judges.
    pub host: Arc<Host>,
    /// The threads that judge.
    pub workers: Workers,
    /// Where the service is between its start and its end.
    pub phase: Phase,
    /// Who may call: what the production report tells.
    pub access: ApiAccess,
    /// How many batches are judged at once.
    batches: Semaphore,
    /// How many reports are made at once.
    reports: Semaphore,
}

impl App {
    /// The state of a service whose `workers` judge with `host`.
    pub fn new(host: Arc<Host>, workers: Workers, access: ApiAccess) -> Self {
        Self {
            access,
            batches: Semaphore::new(workers.places()),
            reports: Semaphore::new(MAX_REPORTS),
            phase: Phase::default(),
            host,
            workers,
        }
    }
}

/// How many reports are made at once. They read files and hash them, and none is
/// needed twice at once.
const MAX_REPORTS: usize = 2;
