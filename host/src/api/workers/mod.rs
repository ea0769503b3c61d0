//! The threads that judge, and who waits for what.
//!
//! What must hold, whatever a fast path does: references are decided, and probes
//! answered. So:
//!
//! - An evaluation that takes no longer than a moment runs where its request was read,
//!   on a thread of the network: handing it over and back would take longer. Its limits
//!   are those of a moment, too; where it comes to their end, nothing came of it, and it
//!   runs as all others do. A backend that took longer the last time is not tried so, and
//!   a native one never is. Where evidence is kept, it is written there, too, as long as
//!   writing takes no longer than a moment. Of such requests only so many wait for each
//!   other.
//! - All others run on threads of their own. There are
//!   *places* for fast paths, one for each processor, and twice as many threads: when
//!   every place is held by a fast path that hangs, as many threads as there are
//!   processors go on deciding references.
//! - In healthy times as many threads are awake as there are processors; the others are
//!   woken when a job waits and none was taken for [`HELD_UP`].
//! - A thread that has decided a reference and finds a place free goes straight on: in
//!   healthy times one request is one job for one thread.
//! - Where no place is free, the evaluation waits for its turn without a thread, at
//!   most until the fast path's deadline. The deadline is for waiting and running
//!   together, so a client never waits longer than that. Then it is answered by the
//!   reference, `timeout_wall_clock`, and the answer says how many were before it.
//! - As many may wait as requests in the queue. Where more come, they are not made to
//!   wait for nothing: they are answered by the reference at once.
//! - A request for whose pack something has to be loaded first, which takes up to
//!   seconds, is prepared on another thread, one at a time.
//!
//! There is no memory of past failures that would switch the fast path off for a while:
//! what a request is answered depends on what is running, and on nothing before.

mod queue;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError, oneshot};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::host::{Begun, Host, HostError, Judged, OpenEvaluation};
use crate::model::Request;
use crate::pilot::Evaluation;
use queue::{Lane, Queue};

/// After what time a job that is not done may be waiting for threads that are held up.
const HELD_UP: Duration = Duration::from_millis(2);
/// How many requests wait for each other on the network's threads.
const HERE: usize = 128;
/// How often that is looked at in the end, where something takes long.
const SELDOM: Duration = Duration::from_millis(64);

/// How much runs and waits at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many evaluations by the fast path run at once, and how many threads are
    /// left for references while they do.
    pub places: NonZeroUsize,
    /// How many requests wait for a thread, and how many evaluations for their turn.
    pub queue: NonZeroUsize,
}

impl Size {
    /// How many threads judge.
    pub fn threads(self) -> usize {
        self.places.get().saturating_mul(2)
    }

    /// How many threads can be in a sandbox at once: those, the one that loads, and as
    /// many `others` as carry connections.
    pub fn sandboxes(self, others: usize) -> u32 {
        u32::try_from(self.threads().saturating_add(others).saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// How many requests wait for each other on the network's threads: so few that a
    /// probe behind them is answered in milliseconds.
    fn here(self) -> usize {
        self.queue.get().min(HERE)
    }
}

/// Why a request was not judged.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Too many wait already.
    #[error("{waiting} requests wait already; ask again later")]
    Overloaded {
        /// How many.
        waiting: usize,
    },
    /// No such pack, or it is unusable.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The thread that judged panicked, or the service is at its end.
    #[error("the evaluation was lost")]
    Lost,
}

/// Who may wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// One request: where there is no room, it is refused at once.
    None,
    /// Part of a batch, which was let in as a whole.
    Batch,
}

/// The threads that judge. Dropping it lets them end.
pub struct Workers {
    host: Arc<Host>,
    size: Size,
    queue: Arc<Queue>,
    /// One permit for each request that may be judged, or wait for it, on a thread of
    /// the network.
    here: Semaphore,
    /// One permit for each request that may wait for a thread.
    room: Arc<Semaphore>,
    /// How much of that room batches may fill together.
    batches: Semaphore,
    /// One permit for each fast path that may run.
    places: Arc<Semaphore>,
    /// One permit for each evaluation that may wait for a place.
    turns: Arc<Semaphore>,
    /// One permit for whoever loads something.
    loader: Semaphore,
    /// Jobs that were not begun because nobody waited any more.
    abandoned: Arc<AtomicU64>,
}

/// What a thread made of a request.
enum Done {
    Judged(Box<Judged>),
    /// The reference has decided, and no place was free.
    NoPlace(Box<(OpenEvaluation, Request)>),
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(host: Arc<Host>, size: Size) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(size.threads(), size.places.get()));
        let started = Self {
            host,
            size,
            queue: Arc::clone(&queue),
            here: Semaphore::new(size.here()),
            room: Arc::new(Semaphore::new(size.queue.get())),
            batches: Semaphore::new(size.queue.get().div_ceil(8)),
            places: Arc::new(Semaphore::new(size.places.get())),
            turns: Arc::new(Semaphore::new(size.queue.get())),
            loader: Semaphore::new(1),
            abandoned: Arc::default(),
        };
        for number in 0..size.threads() {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("judge-{number}"))
                .spawn(move || judge(&queue))?;
        }
        Ok(started)
    }

    /// How many evaluations by the fast path run at once.
    pub fn places(&self) -> usize {
        self.size.places.get()
    }

    /// How many evaluations are being made.
    pub fn busy(&self) -> usize {
        let here = self.size.here().saturating_sub(self.here.available_permits());
        self.size
            .threads()
            .saturating_sub(self.queue.idle())
            .saturating_add(here)
    }

    /// How many evaluations were not begun because the client had gone.
    pub fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// How many jobs wait for a thread.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many evaluations wait for the fast path's turn.
    pub fn waiting_for_turn(&self) -> usize {
        self.size
            .queue
            .get()
            .saturating_sub(self.turns.available_permits())
    }

    /// How many fast paths run.
    pub fn running_fast_paths(&self) -> usize {
        self.size
            .places
            .get()
            .saturating_sub(self.places.available_permits())
    }

    /// Judges one request. Dropping the future gives it up: what has not been
    /// started then never is.
    ///
    /// # Errors
    /// [`Refused`] says why nothing was decided.
    pub async fn evaluate(&self, request: Request, patience: Patience) -> Result<Evaluation, Refused> {
        if !self.host.is_prepared(&request.policy_pack) {
            self.prepare(request.policy_pack.clone(), patience).await?;
        }
        match self.briefly(&request, patience).await {
            Some(Begun::Decided(judged)) => return Ok(judged.answered().await?),
            Some(Begun::Open(open)) => {
                return Ok(self.ask(open, request).await?.answered().await?);
            }
            None => {}
        }
        let batch = self.part_of_batch(patience).await?;
        let room = self.room(patience).await?;
        let host = Arc::clone(&self.host);
        let places = Arc::clone(&self.places);
        let done = self.run(Lane::Requests, move || {
            drop(room);
            begin(&host, places, request)
        });
        let done = done.await.ok_or(Refused::Lost)??;
        drop(batch);
        match done {
            Done::Judged(judged) => Ok(judged.answered().await?),
            Done::NoPlace(open) => {
                let (open, request) = *open;
                Ok(self.in_turn(open, request).await?.answered().await?)
            }
        }
    }

    /// Judges on this thread as far as that takes no longer than a moment, which may be
    /// not at all. A batch, which is a thousand moments, is not judged so.
    async fn briefly(&self, request: &Request, patience: Patience) -> Option<Begun> {
        if patience == Patience::Batch {
            return None;
        }
        let _here = self.here.try_acquire().ok()?;
        let waiting = Waiting(&self.abandoned);
        // Whoever polls the connection sees meanwhile whether the client has gone.
        tokio::task::yield_now().await;
        std::mem::forget(waiting);
        Some(match self.host.begin_briefly(request)? {
            Begun::Open(open) => match open.turn().run_briefly(request) {
                Some(attempt) => Begun::Decided(open.conclude(request, attempt)),
                None => Begun::Open(open),
            },
            decided @ Begun::Decided(_) => decided,
        })
    }

    /// A part of a batch waits until the batches leave it some of the room.
    async fn part_of_batch(&self, patience: Patience) -> Result<Option<SemaphorePermit<'_>>, Refused> {
        match patience {
            Patience::None => Ok(None),
            Patience::Batch => Ok(Some(self.batches.acquire().await.map_err(|_| Refused::Lost)?)),
        }
    }

    async fn room(&self, patience: Patience) -> Result<OwnedSemaphorePermit, Refused> {
        let room = Arc::clone(&self.room);
        match patience {
            Patience::None => room.try_acquire_owned().map_err(|error| match error {
                TryAcquireError::NoPermits => self.overloaded(),
                TryAcquireError::Closed => Refused::Lost,
            }),
            Patience::Batch => room.acquire_owned().await.map_err(|_| Refused::Lost),
        }
    }

    fn overloaded(&self) -> Refused {
        Refused::Overloaded {
            waiting: self.size.queue.get(),
        }
    }

    /// Loads what a request for this pack needs, one pack at a time. Holds a place in
    /// the queue as long, so that no more wait here than there.
    async fn prepare(&self, pack: String, patience: Patience) -> Result<(), Refused> {
        let _batch = self.part_of_batch(patience).await?;
        let _room = self.room(patience).await?;
        let _loader = self.loader.acquire().await.map_err(|_| Refused::Lost)?;
        if self.host.is_prepared(&pack) {
            return Ok(());
        }
        let host = Arc::clone(&self.host);
        let prepared = tokio::task::spawn_blocking(move || host.prepare(&pack)).await;
        Ok(prepared.map_err(|_| Refused::Lost)??)
    }

    /// Asks the fast path: at once if there is a place, or when its turn comes.
    async fn ask(&self, open: OpenEvaluation, request: Request) -> Result<Judged, Refused> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.in_turn(open, request).await;
        };
        let asked = self.run(Lane::Turns, move || {
            let attempt = open.turn().run(&request);
            drop(place);
            open.conclude(&request, attempt).hand_over()
        });
        asked.await.ok_or(Refused::Lost)
    }

    /// Asks the fast path when its turn comes, until its deadline.
    async fn in_turn(&self, open: OpenEvaluation, request: Request) -> Result<Judged, Refused> {
        let deadline = open.turn().deadline();
        let ahead = self.running_fast_paths().saturating_add(self.waiting_for_turn());
        let Ok(_waiting) = self.turns.try_acquire() else {
            return Ok(open.give_up(&request, &no_turn(deadline, ahead)));
        };
        let request = Arc::new(request);
        let attempt = async {
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            let (turn, request) = (open.turn().clone(), Arc::clone(&request));
            self.run(Lane::Turns, move || {
                let attempt = turn.run(&request);
                drop(place);
                attempt
            })
            .await
        };
        // Too far away for a clock is no deadline.
        let attempt = match Instant::now().checked_add(deadline) {
            Some(at) => tokio::time::timeout_at(at, attempt).await,
            None => Ok(attempt.await),
        };
        match attempt {
            Ok(Some(attempt)) => Ok(open.conclude(&request, attempt)),
            Ok(None) => Err(Refused::Lost),
            Err(_) => Ok(open.give_up(&request, &no_turn(deadline, ahead))),
        }
    }

    /// Lets a thread do `work`, unless the future is dropped before it begins. `None`
    /// if it panicked.
    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, done) = oneshot::channel();
        let abandoned = Arc::clone(&self.abandoned);
        let job = move || {
            if reply.is_closed() {
                abandoned.fetch_add(1, Ordering::Relaxed);
            } else {
                // Nobody may wait any more; then nobody is told.
                let _ = reply.send(work());
            }
        };
        let mut taken = self.queue.put(lane, Box::new(job));
        let mut done = std::pin::pin!(done);
        let mut pause = HELD_UP;
        loop {
            if let Ok(done) = tokio::time::timeout(pause, done.as_mut()).await {
                return done.ok();
            }
            taken = self.queue.nudge(taken);
            pause = pause.saturating_mul(2).min(SELDOM);
        }
    }
}

/// Counts what is given up before it has begun.
struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn begin(host: &Host, places: Arc<Semaphore>, request: Request) -> Result<Done, HostError> {
    Ok(match host.begin(&request)? {
        // The record is handed over here, where waiting is allowed, and whether or not
        // anybody still waits for the answer.
        Begun::Decided(judged) => Done::Judged(Box::new(judged.hand_over())),
        Begun::Open(open) => match places.try_acquire_owned() {
            Ok(place) => {
                let attempt = open.turn().run(&request);
                drop(place);
                Done::Judged(Box::new(open.conclude(&request, attempt).hand_over()))
            }
            Err(_) => Done::NoPlace(Box::new((open, request))),
        },
    })
}

fn no_turn(deadline: Duration, ahead: usize) -> Fault {
    Fault::NoTurn {
        limit_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        ahead,
    }
}

/// The life of a thread. What panics is lost; the thread goes on.
fn judge(queue: &Queue) {
    while let Some(job) = queue.take() {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::*;
    use crate::clock::{RandomIds, SystemClock};
    use crate::config::{Config, Setting};
    use crate::host::Surroundings;
    use crate::model::DEFAULT_POLICY_PACK;
    use crate::sandbox::Allocation;

    fn workers() -> Workers {
        let nothing: BTreeMap<Setting, String> = BTreeMap::new();
        let surroundings = Surroundings {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            allocation: Allocation::OnDemand,
            cache: None,
            module_store: None,
            evidence: None,
            supervisor: PathBuf::new(),
        };
        let host = Host::open(Config::read(&nothing, &nothing).unwrap(), surroundings).unwrap();
        let size = Size {
            places: NonZeroUsize::MIN,
            queue: NonZeroUsize::MIN,
        };
        Workers::start(Arc::new(host), size).unwrap()
    }

    fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) {
        assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun() {
        let workers = workers();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let begun = Arc::new(AtomicUsize::new(0));
        // Both threads are busy until they are told.
        let mut busy = Vec::new();
        for _ in 0..workers.size.threads() {
            let (tell, told) = mpsc::channel::<()>();
            let counted = Arc::clone(&begun);
            let mut job = Box::pin(workers.run(Lane::Requests, move || {
                counted.fetch_add(1, Ordering::SeqCst);
                told.recv()
            }));
            poll_once(job.as_mut());
            busy.push((tell, job));
            // Nobody drives the timer that would do this.
            while begun.load(Ordering::SeqCst) < busy.len() {
                let taken = workers.queue.nudge(u64::MAX);
                workers.queue.nudge(taken);
                std::thread::yield_now();
            }
        }
        let job = || {
            let begun = Arc::clone(&begun);
            Box::pin(workers.run(Lane::Requests, move || begun.fetch_add(1, Ordering::SeqCst)))
        };
        let mut gone = job();
        poll_once(gone.as_mut());
        drop(gone);
        let mut last = job();
        poll_once(last.as_mut());
        drop(busy);
        drop(entered);
        assert_eq!(runtime.block_on(last), Some(2), "two before it, not three");
    }

    #[test]
    fn who_goes_before_its_turn_on_this_thread_is_not_judged() {
        let workers = workers();
        let request = Request {
            policy_pack: DEFAULT_POLICY_PACK.to_owned(),
            ..Request::default()
        };
        workers.host.prepare(&request.policy_pack).unwrap();
        let mut gone = Box::pin(workers.evaluate(request, Patience::None));
        poll_once(gone.as_mut());
        assert_eq!(workers.abandoned(), 0);
        drop(gone);
        assert_eq!(workers.abandoned(), 1);
    }

    #[test]
    fn a_thread_survives_what_panics_in_it() {
        let workers = workers();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        for _ in 0..4 {
            let lost: Option<()> = runtime.block_on(workers.run(Lane::Requests, || panic!("a defect")));
            assert_eq!(lost, None);
        }
        assert_eq!(runtime.block_on(workers.run(Lane::Turns, || 7)), Some(7));
    }
}
