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
//! Threads that carry connections never wait, and judge only what takes a moment: a
//! probe is answered at once whatever the evaluators do. See [`workers`] for who judges.

mod access;
mod answer;
mod body;
mod described;
mod follow;
mod network;
mod observe;
mod openapi;
mod operate;
mod phase;
mod problem;
mod router;
mod routes;
mod schema;
mod server;
mod tls;
mod warm;
pub mod workers;

pub use access::{Access, Caller, Need, TooOften};
pub use follow::{Followed, Following, follow};
pub use network::Network;
pub use operate::{Operations, ReloadError};
pub use phase::Phase;
pub use problem::{Problem, ProblemKind};
pub use router::{router, templates};
pub use server::{Ended, Peer, Serve, ServeError, Transport};
pub use tls::{Tls, TlsError};

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use tokio::sync::Semaphore;

use crate::clock::{Clock, IdSource};
use crate::host::Host;
use crate::model::Request;
use crate::pilot::Evaluation;
use crate::telemetry::{Dropped, Metrics, RequestLog, Traces};
use workers::{Patience, Refused, Workers};

/// What every route can reach. Made once, shared by all connections.
pub struct App {
    /// Judges.
    pub host: Arc<Host>,
    /// The threads that judge.
    pub workers: Workers,
    /// Where the service is between its start and its end.
    pub phase: Phase,
    /// Who may call.
    pub access: Arc<Access>,
    /// What operators do.
    pub operations: Arc<Operations>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where spans go; none: nowhere.
    pub traces: Option<Traces>,
    /// What counts log lines that were dropped; none: nothing is logged.
    pub log: Option<Dropped>,
    /// What writes the lines of requests; none: as all others are written.
    pub request_log: Option<RequestLog>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How many connections are open.
    pub connections: AtomicU64,
    /// One permit for whoever loads what the first request needs.
    warming: Arc<Semaphore>,
    /// How many batches are judged at once.
    batches: Semaphore,
    /// How many reports are made at once.
    reports: Semaphore,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// Judges.
    pub host: Arc<Host>,
    /// The threads that judge.
    pub workers: Workers,
    /// Who may call.
    pub access: Arc<Access>,
    /// What operators do.
    pub operations: Arc<Operations>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where spans go.
    pub traces: Option<Traces>,
    /// What counts log lines that were dropped.
    pub log: Option<Dropped>,
    /// What writes the lines of requests.
    pub request_log: Option<RequestLog>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl App {
    /// The state of a service.
    pub fn new(parts: Parts) -> Self {
        Self {
            batches: Semaphore::new(parts.workers.places()),
            reports: Semaphore::new(MAX_REPORTS),
            warming: Arc::new(Semaphore::new(1)),
            phase: Phase::default(),
            host: parts.host,
            workers: parts.workers,
            access: parts.access,
            operations: parts.operations,
            metrics: parts.metrics,
            traces: parts.traces,
            log: parts.log,
            request_log: parts.request_log,
            ids: parts.ids,
            clock: parts.clock,
            connections: AtomicU64::default(),
        }
    }

    /// Judges one request and counts what came of it.
    async fn evaluate(&self, request: Request, patience: Patience) -> Result<Evaluation, Refused> {
        let begun = Instant::now();
        let judged = self.workers.evaluate(request, patience).await;
        match &judged {
            Ok(answer) => self.metrics.evaluated(answer, begun.elapsed()),
            Err(Refused::Overloaded { .. }) => self.metrics.rejected(),
            Err(Refused::Host(_) | Refused::Lost) => {}
        }
        judged
    }
}

/// How many reports are made at once. They read files and hash them, and none is
/// needed twice at once.
const MAX_REPORTS: usize = 2;
