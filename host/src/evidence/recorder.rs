//! Who writes: one thread, in batches, so that evaluations do not wait for each other.
//!
//! A record is masked and written as JSON by the thread that has judged. The writer
//! takes whatever has come while it wrote, gives it its place in the chain, and hands
//! it to the operating system in one write; then everybody in the batch is told.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::fleet::ShipState;
use super::log::{self, Log, Written};
use super::mask::Masker;
use super::{EvaluationRecord, Event, EvidenceError, Gap, Recovered};
use crate::clock::Clock;

/// How many records wait for the writer; who has one more waits to hand it over.
const QUEUE: usize = 1024;
/// How many records are written at once.
const BATCH: usize = 256;

/// When an answer is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When its record waits for the writer.
    Async,
    /// When its record has been handed to the operating system: it survives this process.
    #[default]
    Flush,
    /// When its record is on the disk: it survives the machine's power.
    Fsync,
}

/// What happens to an answer whose record cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is not given.
    #[default]
    Refuse,
    /// It is given, counted, and the gap is recorded as soon as writing works again.
    Continue,
}

/// A word that is none of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be {0}")]
pub struct UnknownWord(pub(super) &'static str);

impl FromStr for Durability {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.trim() {
            "async" => Ok(Self::Async),
            "flush" => Ok(Self::Flush),
            "fsync" => Ok(Self::Fsync),
            _ => Err(UnknownWord("one of async, flush, fsync")),
        }
    }
}

impl FromStr for OnFailure {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.trim() {
            "refuse" => Ok(Self::Refuse),
            "continue" => Ok(Self::Continue),
            _ => Err(UnknownWord("refuse or continue")),
        }
    }
}

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
    /// How the log is sent to a store, if it is to be: what is not sent yet is kept.
    pub sent: Option<Arc<ShipState>>,
}

/// The answer must not be given: its record could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evidence of the decision could not be written: {0}")]
pub struct Unrecorded(pub Arc<str>);

/// What the writer has done so far.
#[derive(Debug, Default)]
pub struct Stats {
    written: AtomicU64,
    lost: AtomicU64,
    failing: AtomicBool,
    entries: AtomicU64,
}

impl Stats {
    /// How many evaluations are recorded.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many evaluations were answered without a record.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// How many entries the log has, whoever has written them, as far as is known.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Whether the last attempt to write failed.
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

/// Writes the log. Threads share one; dropping it writes what waits and signs.
pub struct Recorder {
    sender: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    masker: Masker,
    stats: Arc<Stats>,
    /// What a crash had left and was set aside when the log was opened.
    recovered: Vec<Recovered>,
    options: Options,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("dir", &self.options.dir)
            .finish_non_exhaustive()
    }
}

enum Message {
    Record(Job),
    Close,
}

struct Job {
    written: Written,
    evaluation_id: String,
    time: String,
    done: Option<oneshot::Sender<Result<(), Unrecorded>>>,
}

/// A record that is ready to be handed to the writer.
pub struct Prepared {
    job: Result<Job, Unrecorded>,
    sender: SyncSender<Message>,
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
    /// Opens the log and starts the writer. Where answers go on without a log, one that
    /// cannot be opened is opened later.
    ///
    /// # Errors
    /// When the key is unusable, or the log cannot be opened and answers need it.
    pub fn start(options: Options, clock: Arc<dyn Clock>) -> Result<Self, EvidenceError> {
        let seed = crate::cache::own_key(&options.key).map_err(EvidenceError::key)?;
        let masker = Masker::new(&seed, &options.mask)?;
        let stats = Arc::new(Stats::default());
        let log = match Log::open(&options.dir, &seed, options.log) {
            Ok(log) => {
                stats.entries.store(log.size(), Ordering::Relaxed);
                Some(log.keeping(options.sent.clone()))
            }
            Err(error) if options.on_failure == OnFailure::Refuse => return Err(error),
            Err(error) => {
                tracing::error!(%error, "the evidence log cannot be opened; decisions go on without it");
                stats.failing.store(true, Ordering::Relaxed);
                None
            }
        };
        let recovered = log
            .as_ref()
            .map(|log| log.recovered().to_vec())
            .unwrap_or_default();
        for torn in &recovered {
            tracing::warn!(
                segment = %torn.segment, bytes = torn.bytes,
                "part of a line at the end of the evidence log was set aside"
            );
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let mut writer = Writer {
            log,
            seed,
            options: options.clone(),
            clock,
            stats: Arc::clone(&stats),
            gap: None,
            unsigned_since: None,
        };
        let thread = std::thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(EvidenceError::io(&options.dir))?;
        Ok(Self {
            sender,
            writer: Mutex::new(Some(thread)),
            masker,
            stats,
            recovered,
            options,
        })
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What a crash had left and was set aside when the log was opened.
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// How the log is sent to a store, if it is to be.
    pub fn sent(&self) -> Option<&Arc<ShipState>> {
        self.options.sent.as_ref()
    }

    /// How many entries are still to be sent to the store.
    pub fn unsent(&self) -> u64 {
        let sent = self.sent().map_or(u64::MAX, |sent| sent.size());
        self.stats.entries().saturating_sub(sent)
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
        if self.stats.failing() {
            return Err(EvidenceError::Failing);
        }
        let mut file =
            tempfile::tempfile_in(&self.options.dir).map_err(EvidenceError::io(&self.options.dir))?;
        file.write_all(&[0; 4096])
            .map_err(EvidenceError::io(&self.options.dir))
    }

    /// Masks a record and makes it ready.
    pub fn prepare(&self, mut record: EvaluationRecord) -> Prepared {
        self.masker.mask(&mut record);
        let (evaluation_id, time) = (record.evaluation_id.clone(), record.time.clone());
        let (done, told) = if self.options.durability == Durability::Async {
            (None, Told::At)
        } else {
            let (done, told) = oneshot::channel();
            (Some(done), Told::Later(told))
        };
        let written = Written::new(&Event::Evaluation(Box::new(record)));
        let job = written.map_err(|error| Unrecorded(error.to_string().into()));
        Prepared {
            job: job.map(|written| Job {
                written,
                evaluation_id,
                time,
                done,
            }),
            sender: self.sender.clone(),
            ticket: Ticket(told),
        }
    }

    /// Writes what waits, signs, and ends. What comes later is not recorded.
    pub fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that is gone has panicked; then there is nothing to wait for.
            let _ = self.sender.send(Message::Close);
            let _ = writer.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

impl Prepared {
    /// Hands it to the writer; waits while too many others wait. Not for threads that
    /// must not wait.
    pub fn send(self) -> Ticket {
        let Self { job, sender, ticket } = self;
        match job.map(|job| sender.send(Message::Record(job))) {
            Ok(Ok(())) => ticket,
            Ok(Err(_)) => closed(),
            Err(failed) => Ticket(Told::Failed(failed)),
        }
    }

    /// As [`Self::send`], without making a thread wait.
    pub async fn handed_over(self) -> Ticket {
        let Self { job, sender, ticket } = self;
        let message = match job {
            Ok(job) => Message::Record(job),
            Err(failed) => return Ticket(Told::Failed(failed)),
        };
        match sender.try_send(message) {
            Ok(()) => ticket,
            Err(TrySendError::Disconnected(_)) => closed(),
            Err(TrySendError::Full(message)) => {
                let sent = tokio::task::spawn_blocking(move || sender.send(message)).await;
                if matches!(sent, Ok(Ok(()))) {
                    ticket
                } else {
                    closed()
                }
            }
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
    Err(Unrecorded("the writer has ended".into()))
}

struct Writer {
    log: Option<Log>,
    seed: [u8; 32],
    options: Options,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    gap: Option<Gap>,
    /// Since when there is something that no checkpoint is about.
    unsigned_since: Option<Instant>,
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<Message>) {
        let mut open = true;
        while open {
            let mut batch = Vec::new();
            let mut take = |message, batch: &mut Vec<Job>| match message {
                Message::Record(job) => batch.push(job),
                Message::Close => open = false,
            };
            match receiver.recv_timeout(self.patience()) {
                Ok(message) => take(message, &mut batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while batch.len() < BATCH
                && let Ok(message) = receiver.try_recv()
            {
                take(message, &mut batch);
            }
            if !batch.is_empty() {
                self.write(batch);
            }
            if self.patience().is_zero() {
                self.sign();
            }
        }
        // Those who came after the end are told so by the end of the channel.
        self.sign();
    }

    /// How long until a checkpoint is due.
    fn patience(&self) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        self.unsigned_since.map_or(LONG, |since| {
            self.options.checkpoint_interval.saturating_sub(since.elapsed())
        })
    }

    fn write(&mut self, batch: Vec<Job>) {
        let count = batch.len() as u64;
        match self.append(&batch) {
            Ok(()) => {
                self.stats.written.fetch_add(count, Ordering::Relaxed);
                if self.stats.failing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the evidence log is written again");
                }
                if let Some(gap) = self.gap.take() {
                    tracing::warn!(
                        evaluations = gap.evaluations,
                        "the gap in the evidence log is recorded"
                    );
                }
                self.unsigned_since.get_or_insert_with(Instant::now);
                tell(batch, &Ok(()));
            }
            Err(error) => self.failed(batch, &error),
        }
    }

    fn append(&mut self, batch: &[Job]) -> Result<(), EvidenceError> {
        let gap = self
            .gap
            .clone()
            .map(|gap| Written::new(&Event::Gap(gap)))
            .transpose()?;
        let events: Vec<&Written> = gap.iter().chain(batch.iter().map(|job| &job.written)).collect();
        let now = self.clock.now();
        let open = || -> Result<Log, EvidenceError> {
            let log = Log::open(&self.options.dir, &self.seed, self.options.log)?;
            Ok(log.keeping(self.options.sent.clone()))
        };
        // A log that failed is opened anew next time: nothing that was known of it counts.
        let mut log = match self.log.take() {
            None => open()?,
            Some(mut log) => match log.append(&events, now) {
                Ok(()) => {
                    self.stats.entries.store(log.size(), Ordering::Relaxed);
                    self.log = Some(log);
                    return Ok(());
                }
                // Another process has gone on elsewhere, and removed what this one had open.
                Err(error @ EvidenceError::Changed { .. }) => {
                    tracing::warn!(%error, "the evidence log is opened anew");
                    open()?
                }
                Err(error) => return Err(error),
            },
        };
        log.append(&events, now)?;
        self.stats.entries.store(log.size(), Ordering::Relaxed);
        self.log = Some(log);
        Ok(())
    }

    fn failed(&mut self, batch: Vec<Job>, error: &EvidenceError) {
        if !self.stats.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the evidence log cannot be written");
        }
        if self.options.on_failure == OnFailure::Refuse && self.options.durability != Durability::Async {
            return tell(batch, &Err(Unrecorded(error.to_string().into())));
        }
        // With `async`, the answers have been given already.
        self.stats.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for job in &batch {
            let gap = self.gap.get_or_insert_with(|| Gap {
                evaluations: 0,
                first_evaluation_id: job.evaluation_id.clone(),
                last_evaluation_id: String::new(),
                first_time: job.time.clone(),
                last_time: String::new(),
                reason: String::new(),
            });
            gap.evaluations = gap.evaluations.saturating_add(1);
            gap.last_evaluation_id.clone_from(&job.evaluation_id);
            gap.last_time.clone_from(&job.time);
            gap.reason = error.to_string();
        }
        tell(batch, &Ok(()));
    }

    fn sign(&mut self) {
        self.unsigned_since = None;
        if let Some(log) = &mut self.log
            && let Err(error) = log.checkpoint()
        {
            tracing::error!(%error, "the evidence log cannot be signed");
            self.log = None;
            self.unsigned_since = Some(Instant::now());
        }
    }
}

fn tell(batch: Vec<Job>, what: &Result<(), Unrecorded>) {
    for job in batch {
        if let Some(done) = job.done {
            // Whoever asked may be gone.
            let _ = done.send(what.clone());
        }
    }
}
