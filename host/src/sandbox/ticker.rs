//! The clock behind wall-clock deadlines: it advances an engine's epoch while
//! something is being evaluated, and sleeps when nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often the epoch advances; the precision of every deadline.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Shared {
    active: AtomicUsize,
    stop: AtomicBool,
}

/// The ticking thread of one engine. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

/// Keeps the epoch advancing while it lives.
#[derive(Debug)]
pub(crate) struct Ticking<'a>(&'a Ticker);

impl Ticker {
    /// Starts the thread for `engine`.
    pub(crate) fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, seen) = (engine.weak(), Arc::clone(&shared));
        let handle = thread::Builder::new()
            .name("cavra-epoch".to_owned())
            .spawn(move || {
                while !seen.stop.load(Ordering::SeqCst) {
                    if seen.active.load(Ordering::SeqCst) == 0 {
                        thread::park();
                        continue;
                    }
                    thread::sleep(TICK);
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            })?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
        })
    }

    /// Advances the epoch until the guard is dropped.
    pub(crate) fn tick(&self) -> Ticking<'_> {
        if self.shared.active.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
        Ticking(self)
    }

    /// How many ticks a deadline of `time` takes. One more than fits, for the
    /// first tick may come at once.
    pub(crate) fn ticks(time: Duration) -> u64 {
        u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos()))
            .unwrap_or(u64::MAX / 2)
            .saturating_add(1)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.active.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}
