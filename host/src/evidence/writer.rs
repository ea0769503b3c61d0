//! Writing batches: what happens where that fails, and when a checkpoint is due.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::sync::oneshot;

use super::files::Turn;
use super::log::{Log, Written};
use super::recorder::{Options, Unrecorded};
use super::stats::Stats;
use super::{Durability, Event, EvidenceError, Gap, OnFailure, Recovered};
use crate::clock::Clock;

/// A record on its way into the log.
pub(super) struct Job {
    pub(super) written: Written,
    pub(super) evaluation_id: String,
    pub(super) time: String,
    /// Who is told, if anybody waits.
    pub(super) done: Option<oneshot::Sender<Result<(), Unrecorded>>>,
}

/// The log and what must be known to go on after it failed.
pub(super) struct Writer {
    log: Option<Log>,
    seed: [u8; 32],
    options: Options,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    gap: Option<Gap>,
    /// What was set aside by a log that failed before it could tell.
    untold: Vec<Recovered>,
    /// Since when there is something that no checkpoint is about.
    unsigned_since: Option<Instant>,
    /// How many entries the last checkpoint was about.
    signed: u64,
}

impl Writer {
    pub(super) fn new(
        log: Option<Log>,
        seed: [u8; 32],
        options: Options,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
    ) -> Self {
        let signed = log.as_ref().map(Log::signed).unwrap_or_default();
        let mut writer = Self {
            log,
            seed,
            options,
            clock,
            stats,
            gap: None,
            untold: Vec::new(),
            unsigned_since: None,
            signed,
        };
        writer.note_signed();
        writer.signed_now();
        writer
    }

    /// When a checkpoint is due, if there is anything to sign; none: not before the
    /// clock's end.
    pub(super) fn due(&self) -> Option<Instant> {
        self.unsigned_since?.checked_add(self.options.checkpoint_interval)
    }

    /// The turn, if the next batch can be expected to be written in a moment.
    pub(super) fn at_hand(&self) -> Option<Turn> {
        // One that failed is opened anew, which reads it.
        self.log.as_ref()?.at_hand(self.clock.now())
    }

    /// Writes a batch, and tells everybody in it.
    pub(super) fn write(&mut self, batch: Vec<Job>) {
        let began = Instant::now();
        let outcome = self.append(&batch);
        self.stats.wrote(began.elapsed());
        match outcome {
            Ok(bytes) => {
                self.stats.written.add(batch.len() as u64);
                self.stats.bytes.add(bytes);
                let sealed = batch.iter().filter(|job| job.written.is_sealed());
                self.stats.sealed.add(sealed.count() as u64);
                if self.stats.failing.swap(false, Relaxed) {
                    tracing::warn!("the evidence log is written again");
                }
                if let Some(gap) = self.gap.take() {
                    self.stats.gaps.add(1);
                    tracing::warn!(
                        evaluations = gap.evaluations,
                        "the gap in the evidence log is recorded"
                    );
                }
                self.unsigned_since.get_or_insert(began);
                self.note_signed();
                tell(batch, &Ok(()));
            }
            Err(error) => self.failed(batch, &error),
        }
    }

    fn append(&mut self, batch: &[Job]) -> Result<u64, EvidenceError> {
        let gap = self
            .gap
            .clone()
            .map(|gap| Written::new(&Event::Gap(gap)))
            .transpose()?;
        let events: Vec<&Written> = gap.iter().chain(batch.iter().map(|job| &job.written)).collect();
        let now = self.clock.now();
        // A log that failed is opened anew next time: nothing that was known of it counts,
        // but for what it had set aside and not told.
        let mut log = match self.log.take() {
            Some(log) => log,
            None => self.open()?,
        };
        let mut outcome = log.append(&events, now);
        // Another process has gone on elsewhere, and removed what this one had open.
        if let Err(error @ EvidenceError::Changed { .. }) = &outcome {
            tracing::warn!(%error, "the evidence log is opened anew");
            self.untold = log.recovered().to_vec();
            log = self.open()?;
            outcome = log.append(&events, now);
        }
        match &outcome {
            Ok(_) => self.log = Some(log),
            Err(_) => self.untold = log.recovered().to_vec(),
        }
        outcome
    }

    fn open(&mut self) -> Result<Log, EvidenceError> {
        let log = Log::open(&self.options.dir, &self.seed, self.options.log)?;
        let untold = std::mem::take(&mut self.untold);
        Ok(log.keeping(self.options.sent.clone()).telling(untold))
    }

    fn failed(&mut self, batch: Vec<Job>, error: &EvidenceError) {
        self.stats.failures.add(1);
        if !self.stats.failing.swap(true, Relaxed) {
            tracing::error!(%error, "the evidence log cannot be written");
        }
        if self.options.on_failure == OnFailure::Refuse && self.options.durability != Durability::Async {
            return tell(batch, &Err(Unrecorded(error.to_string().into())));
        }
        // With `async`, the answers have been given already.
        self.stats.lost.add(batch.len() as u64);
        for job in &batch {
            let gap = self.gap.get_or_insert_with(|| Gap {
                evaluations: 0,
                first_evaluation_id: job.evaluation_id.clone(),
                first_time: job.time.clone(),
                last_evaluation_id: String::new(),
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

    /// Signs a checkpoint, if there is anything new.
    pub(super) fn sign(&mut self) {
        self.unsigned_since = None;
        if let Some(log) = &mut self.log
            && let Err(error) = log.checkpoint()
        {
            tracing::error!(%error, "the evidence log cannot be signed");
            self.untold = log.recovered().to_vec();
            self.log = None;
            self.unsigned_since = Some(Instant::now());
        }
        self.note_signed();
    }

    fn note_signed(&mut self) {
        let Some(log) = &self.log else { return };
        self.stats.entries.store(log.size(), Relaxed);
        self.stats.unsigned.store(log.unsigned(), Relaxed);
        if self.signed != log.signed() {
            self.signed = log.signed();
            self.signed_now();
        }
    }

    fn signed_now(&self) {
        let now = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
        self.stats.signed_at.store(now, Relaxed);
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
