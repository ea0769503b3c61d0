//! Who writes: one at a time, in batches, so that evaluations do not wait for each other.
//!
//! A record is masked and written as JSON by the thread that has judged, and put where
//! records wait. Where answers wait for the operating system (`flush`), that same thread
//! then writes all that waits, unless another is at it: nobody has to be woken for a
//! write that takes as long as waking. Where they wait for the disk (`fsync`) or for
//! nothing (`async`), a thread of the log's own writes, so that judging goes on.
//!
//! A thread that others wait for, such as one that carries connections, does the same where
//! writing can be expected to take no longer than a moment: the log is free and open, no
//! segment is at its end, and the last writes were quick. Where not, it leaves its record to
//! the log's thread.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::fleet::ShipState;
use super::log::{self, Log, Written};
use super::mask::Masker;
use super::sealed::Sealer;
use super::stats::Stats;
use super::watch::Watch;
use super::writer::{Job, Writer};
use super::{Durability, EvaluationRecord, Event, EvidenceError, OnFailure, Recovered};
use crate::clock::Clock;

/// How many records wait to be written; who has one more waits to hand it over.
const QUEUE: usize = 1024;
/// How many records are written at once.
const BATCH: usize = 256;
/// How long records that nobody waits for are gathered before they are written.
const GATHER: Duration = Duration::from_millis(1);
/// How often the log's thread looks whether anything was left undone.
const LOOK: Duration = Duration::from_secs(1);

/// How a log is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where.
    pub dir: PathBuf,
    /// The file with the key, which is made if it is not there.
    pub key: PathBuf,
    /// Segments and checkpoints.
    pub log: log::Options,
    /// A checkpoint is signed so long after the last, if there is anything new.
    pub checkpoint_interval: Duration,
    /// When an answer is given.
    pub durability: Durability,
    /// What happens to an answer whose record cannot be written.
    pub on_failure: OnFailure,
    /// JSON pointers into requests: what stands there is masked.
    pub mask: Vec<String>,
    /// Whose key masked records are sealed to; none: they are not.
    pub seal: Option<Sealer>,
    /// How the log is sent to a store, if it is to be: what is not sent yet is kept.
    pub sent: Option<Arc<ShipState>>,
}

/// The answer must not be given: its record could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evidence of the decision could not be written: {0}")]
pub struct Unrecorded(pub Arc<str>);

/// Writes the log. Threads share one; dropping it writes what waits and signs.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    masker: Masker,
    /// What a crash had left and was set aside when the log was opened.
    recovered: Vec<Recovered>,
    watch: Watch,
    options: Options,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("dir", &self.options.dir)
            .finish_non_exhaustive()
    }
}

/// A record that is ready to be handed over.
pub struct Prepared {
    job: Result<Box<Job>, Unrecorded>,
    shared: Arc<Shared>,
    ticket: Ticket,
}

/// What tells whether a record has been written.
#[derive(Debug)]
pub struct Ticket(Told);

#[derive(Debug)]
enum Told {
    /// Nobody waits for it.
    At,
    /// It has failed already.
    Failed(Unrecorded),
    Later(oneshot::Receiver<Result<(), Unrecorded>>),
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

impl Recorder {
    /// Opens the log and starts its thread. Where answers go on without a log, one that
    /// cannot be opened is opened later.
    ///
    /// # Errors
    /// When the key is unusable, or the log cannot be opened and answers need it.
    pub fn start(options: Options, clock: Arc<dyn Clock>) -> Result<Self, EvidenceError> {
        let seed = crate::cache::own_key(&options.key).map_err(EvidenceError::key)?;
        let masker = Masker::new(&seed, &options.mask)?;
        let stats = Arc::new(Stats::default());
        let log = match Log::open(&options.dir, &seed, options.log) {
            Ok(log) => Some(log.keeping(options.sent.clone())),
            Err(error) if options.on_failure == OnFailure::Refuse => return Err(error),
            Err(error) => {
                tracing::error!(%error, "the evidence log cannot be opened; decisions go on without it");
                stats.failing.store(true, Relaxed);
                None
            }
        };
        let recovered = log.as_ref().map(|log| log.recovered().to_vec());
        let recovered = recovered.unwrap_or_default();
        for torn in &recovered {
            tracing::warn!(
                segment = %torn.segment, bytes = torn.bytes,
                "part of a line at the end of the evidence log was set aside"
            );
        }
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            room: Condvar::new(),
            writer: Mutex::new(Writer::new(log, seed, options.clone(), clock, Arc::clone(&stats))),
            stats,
            durability: options.durability,
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || of_thread.run())
            .map_err(EvidenceError::io(&options.dir))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
            masker,
            recovered,
            watch: Watch::new(options.dir.clone()),
            options,
        })
    }

    /// What has been written so far.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.shared.stats
    }

    /// What a crash had left and was set aside when the log was opened.
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// Who looks whether the log verifies.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// How the log is sent to a store, if it is to be.
    pub fn sent(&self) -> Option<&Arc<ShipState>> {
        self.options.sent.as_ref()
    }

    /// How many entries are still to be sent to the store.
    pub fn unsent(&self) -> u64 {
        let sent = self.sent().map_or(u64::MAX, |sent| sent.size());
        self.stats().entries().saturating_sub(sent)
    }

    /// Where the log is.
    pub fn dir(&self) -> &std::path::Path {
        &self.options.dir
    }

    /// Whether the log can be written now.
    ///
    /// # Errors
    /// Why not.
    pub fn probe(&self) -> Result<(), EvidenceError> {
        use std::io::Write;
        if self.shared.stats.failing() {
            return Err(EvidenceError::Failing);
        }
        let mut file =
            tempfile::tempfile_in(&self.options.dir).map_err(EvidenceError::io(&self.options.dir))?;
        file.write_all(&[0; 4096])
            .map_err(EvidenceError::io(&self.options.dir))
    }

    /// Masks a record and makes it ready.
    pub fn prepare(&self, record: EvaluationRecord) -> Prepared {
        let (evaluation_id, time) = (record.evaluation_id.clone(), record.time.clone());
        let (done, told) = if self.options.durability == Durability::Async {
            (None, Told::At)
        } else {
            let (done, told) = oneshot::channel();
            (Some(done), Told::Later(told))
        };
        let job = self.written(record);
        Prepared {
            job: job
                .map(|written| {
                    Box::new(Job {
                        written,
                        evaluation_id,
                        time,
                        done,
                    })
                })
                .map_err(|error| Unrecorded(error.to_string().into())),
            shared: Arc::clone(&self.shared),
            ticket: Ticket(told),
        }
    }

    fn written(&self, mut record: EvaluationRecord) -> Result<Written, EvidenceError> {
        let mut item = None;
        if self.masker.suspects(&record) {
            let open = self.options.seal.is_some().then(|| record.clone());
            self.masker.mask(&mut record);
            let masked = record.masking.failed || !record.masking.masked.is_empty();
            if let (Some(sealer), Some(open), true) = (&self.options.seal, open, masked) {
                let (sealed, line) = sealer.seal(&open)?;
                record.masking.sealed = Some(sealed);
                item = Some(line);
            }
        }
        Ok(Written::new(&Event::Evaluation(Box::new(record)))?.with_sealed(item))
    }

    /// Writes what waits, signs, and ends. What comes later is not recorded.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.waiting().closed = true;
            self.shared.wake.notify_all();
            self.shared.room.notify_all();
            // A thread that is gone has panicked; then there is nothing to wait for.
            let _ = thread.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the threads that judge and the log's own have in common.
struct Shared {
    waiting: Mutex<Waiting>,
    /// Tells the log's thread.
    wake: Condvar,
    /// Tells those who wait to hand over.
    room: Condvar,
    writer: Mutex<Writer>,
    stats: Arc<Stats>,
    durability: Durability,
}

/// What waits for whoever writes.
#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Whether whoever could have written has left it to the log's thread.
    left: bool,
    closed: bool,
    /// Whether the log's thread sleeps.
    idle: bool,
    /// When a checkpoint is due.
    due: Option<Instant>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the threads that judge write.
    fn write_themselves(&self) -> bool {
        self.durability == Durability::Flush
    }

    /// Hands a record over, waiting for room; whether there was anybody to take it.
    fn put(&self, job: Job) -> bool {
        let mut waiting = self.waiting();
        while waiting.jobs.len() >= QUEUE && !waiting.closed {
            if self.write_themselves() {
                drop(waiting);
                self.write(self.writer());
                waiting = self.waiting();
            } else {
                waiting = self.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let taken = self.push(waiting, job);
        if taken && self.write_themselves() {
            self.write_unless_another_does();
        }
        taken
    }

    /// As [`Self::put`], on a thread that others wait for. Gives the record back where
    /// there is no room.
    fn put_briefly(&self, job: Box<Job>) -> Result<bool, Box<Job>> {
        let waiting = self.waiting();
        if waiting.jobs.len() >= QUEUE && !waiting.closed {
            return Err(job);
        }
        let taken = self.push(waiting, *job);
        if taken && self.write_themselves() {
            self.write_briefly();
        }
        Ok(taken)
    }

    fn push(&self, mut waiting: MutexGuard<'_, Waiting>, job: Job) -> bool {
        if waiting.closed {
            return false;
        }
        waiting.jobs.push_back(job);
        self.stats.waiting.store(waiting.jobs.len() as u64, Relaxed);
        let wake = waiting.idle && !self.write_themselves();
        drop(waiting);
        if wake {
            self.wake.notify_one();
        }
        true
    }

    /// Writes one batch, if nobody else is at it and it can be expected to be quick; what
    /// is left then is left to the log's thread.
    fn write_briefly(&self) {
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It looks again after it has let go.
            Err(TryLockError::WouldBlock) => return,
        };
        if self.stats.writes_quickly()
            && let Some(_turn) = writer.at_hand()
        {
            self.write_batch(&mut writer);
        }
        drop(writer);
        let mut waiting = self.waiting();
        if waiting.jobs.is_empty() {
            return;
        }
        waiting.left = true;
        let wake = waiting.idle;
        drop(waiting);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Whoever finds the writer held by another leaves its record to that one, which
    /// looks again after it has let go: a record that was there before is seen.
    fn write_unless_another_does(&self) {
        loop {
            match self.writer.try_lock() {
                Ok(writer) => self.write(writer),
                Err(TryLockError::Poisoned(poisoned)) => self.write(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => return,
            }
            if self.waiting().jobs.is_empty() {
                return;
            }
        }
    }

    /// Writes all that waits, batch by batch.
    fn write(&self, mut writer: MutexGuard<'_, Writer>) {
        while self.write_batch(&mut writer) {}
    }

    /// Writes a batch; whether more waits.
    fn write_batch(&self, writer: &mut Writer) -> bool {
        let mut waiting = self.waiting();
        let count = waiting.jobs.len().min(BATCH);
        let batch: Vec<Job> = waiting.jobs.drain(..count).collect();
        self.stats.waiting.store(waiting.jobs.len() as u64, Relaxed);
        drop(waiting);
        if !batch.is_empty() {
            writer.write(batch);
            if !self.write_themselves() {
                self.room.notify_all();
            }
        }
        let mut waiting = self.waiting();
        let due = writer.due();
        if due.is_some() && waiting.due.is_none() && waiting.idle {
            self.wake.notify_one();
        }
        waiting.due = due;
        !waiting.jobs.is_empty()
    }

    /// The life of the log's thread.
    fn run(&self) {
        loop {
            let mut waiting = self.waiting();
            let is_due = |waiting: &Waiting| waiting.due.is_some_and(|due| due <= Instant::now());
            loop {
                let work = !waiting.jobs.is_empty() && (waiting.left || !self.write_themselves());
                if work || waiting.closed || is_due(&waiting) {
                    break;
                }
                let left = waiting
                    .due
                    .map(|due| due.saturating_duration_since(Instant::now()));
                waiting.idle = true;
                let woken = self
                    .wake
                    .wait_timeout(waiting, left.map_or(LOOK, |left| left.min(LOOK)));
                waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
                waiting.idle = false;
                if !waiting.jobs.is_empty() {
                    break;
                }
            }
            let (closed, due) = (waiting.closed, is_due(&waiting));
            waiting.left = false;
            drop(waiting);
            if self.durability == Durability::Async && !closed {
                std::thread::sleep(GATHER);
            }
            self.write(self.writer());
            if closed || due {
                let mut writer = self.writer();
                writer.sign();
                self.waiting().due = writer.due();
            }
            if closed {
                return;
            }
            // What was left to this thread while it held the writer.
            if self.write_themselves() {
                self.write_unless_another_does();
            }
        }
    }
}

impl Prepared {
    /// Hands it over, and writes it where nobody else does; waits while too many others
    /// wait. Not for threads that must not wait.
    pub fn send(self) -> Ticket {
        let Self { job, shared, ticket } = self;
        match job.map(|job| shared.put(*job)) {
            Ok(true) => ticket,
            Ok(false) => closed(),
            Err(failed) => Ticket(Told::Failed(failed)),
        }
    }

    /// As [`Self::send`], without making a thread of the runtime wait longer than a
    /// moment. What it does at once it does when it is first polled.
    pub async fn handed_over(self) -> Ticket {
        let waits = match self.send_briefly() {
            Ok(ticket) => return ticket,
            Err(waits) => waits,
        };
        let sent = tokio::task::spawn_blocking(move || waits.send()).await;
        sent.unwrap_or_else(|_| closed())
    }

    fn send_briefly(self) -> Result<Ticket, Self> {
        let Self { job, shared, ticket } = self;
        match job.map(|job| shared.put_briefly(job)) {
            Ok(Ok(true)) => Ok(ticket),
            Ok(Ok(false)) => Ok(closed()),
            Ok(Err(job)) => Err(Self {
                job: Ok(job),
                shared,
                ticket,
            }),
            Err(failed) => Ok(Ticket(Told::Failed(failed))),
        }
    }
}

fn closed() -> Ticket {
    Ticket(Told::Failed(Unrecorded("the log has been closed".into())))
}

impl Ticket {
    /// Waits until the record is written, as far as it is to be waited for.
    ///
    /// # Errors
    /// When it could not be written and the answer must not be given.
    pub fn wait(self) -> Result<(), Unrecorded> {
        match self.0 {
            Told::At => Ok(()),
            Told::Failed(failed) => Err(failed),
            Told::Later(told) => told.blocking_recv().unwrap_or_else(|_| lost()),
        }
    }

    /// As [`Self::wait`], without making a thread wait.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn written(self) -> Result<(), Unrecorded> {
        match self.0 {
            Told::At => Ok(()),
            Told::Failed(failed) => Err(failed),
            Told::Later(told) => told.await.unwrap_or_else(|_| lost()),
        }
    }
}

fn lost() -> Result<(), Unrecorded> {
    Err(Unrecorded("whoever wrote has ended".into()))
}

#[cfg(test)]
mod tests;
