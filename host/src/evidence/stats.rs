//! What the writer of the log has done so far, for those who watch it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::telemetry::instruments::{Counter, Histogram};

/// How long a write may take to be a quick one.
const QUICK: Duration = Duration::from_millis(2);
/// After how many quick writes the next is expected to be one, when one was not.
const QUICK_AGAIN: u32 = 64;

/// What the writer has done so far.
#[derive(Debug)]
pub struct Stats {
    pub(super) written: Counter,
    pub(super) lost: Counter,
    pub(super) gaps: Counter,
    pub(super) sealed: Counter,
    pub(super) failures: Counter,
    pub(super) bytes: Counter,
    pub(super) failing: AtomicBool,
    pub(super) waiting: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) unsigned: AtomicU64,
    pub(super) signed_at: AtomicU64,
    pub(super) write_seconds: Histogram,
    /// How many more writes must be quick before the next is expected to be.
    doubts: AtomicU32,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            written: Counter::default(),
            lost: Counter::default(),
            gaps: Counter::default(),
            sealed: Counter::default(),
            failures: Counter::default(),
            bytes: Counter::default(),
            failing: AtomicBool::default(),
            waiting: AtomicU64::default(),
            entries: AtomicU64::default(),
            unsigned: AtomicU64::default(),
            signed_at: AtomicU64::default(),
            write_seconds: Histogram::seconds(),
            doubts: AtomicU32::default(),
        }
    }
}

impl Stats {
    /// A write took so long.
    pub(super) fn wrote(&self, time: Duration) {
        self.write_seconds.took(time);
        // One at a time writes.
        let doubts = self.doubts.load(Relaxed);
        let doubts = if time > QUICK {
            QUICK_AGAIN
        } else {
            doubts.saturating_sub(1)
        };
        self.doubts.store(doubts, Relaxed);
    }

    /// Whether the next write can be expected to take no longer than a moment, as the
    /// last ones did.
    pub(super) fn writes_quickly(&self) -> bool {
        self.doubts.load(Relaxed) == 0
    }

    /// How many evaluations are recorded.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// How many evaluations were answered without a record.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// How many gaps have been recorded.
    pub fn gaps(&self) -> u64 {
        self.gaps.get()
    }

    /// How many masked records have been sealed.
    pub fn sealed(&self) -> u64 {
        self.sealed.get()
    }

    /// How often a write failed.
    pub fn failures(&self) -> u64 {
        self.failures.get()
    }

    /// How many bytes were written into segments.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Whether the last attempt to write failed.
    pub fn failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// How many records wait to be written.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// How many entries the log has, whoever has written them, as far as is known.
    pub fn entries(&self) -> u64 {
        self.entries.load(Relaxed)
    }

    /// How many entries no checkpoint is about yet.
    pub fn unsigned(&self) -> u64 {
        self.unsigned.load(Relaxed)
    }

    /// When the last checkpoint was signed or, before the first, the log opened: seconds
    /// since 1970.
    pub fn signed_at(&self) -> u64 {
        self.signed_at.load(Relaxed)
    }

    /// How long writes took: of a batch, until it was handed over or on the disk.
    pub(crate) fn write_seconds(&self) -> &Histogram {
        &self.write_seconds
    }
}
