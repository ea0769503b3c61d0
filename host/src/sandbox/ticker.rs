//! The clock behind wall-clock deadlines: it advances an engine's epoch while
//! something may be running, and sleeps when nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often the epoch advances; the precision of every deadline.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Workers only read this, save for one write a tick by one of them: they do not
/// slow each other down.
#[derive(Debug, Default)]
struct Shared {
    /// Something was started since the last tick.
    started: AtomicBool,
    /// Nothing can be running: the thread sleeps until it is woken.
    asleep: AtomicBool,
    /// The longest deadline so far, in ticks: how long what was started may still run.
    longest: AtomicU64,
    stop: AtomicBool,
}

/// The ticking thread of one engine. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    /// Starts the thread for `engine`.
    pub(crate) fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, seen) = (engine.weak(), Arc::clone(&shared));
        let handle = thread::Builder::new()
            .name("cavra-epoch".to_owned())
            .spawn(move || {
                let mut quiet = u64::MAX;
                while !seen.stop.load(Ordering::SeqCst) {
                    quiet = if seen.started.swap(false, Ordering::SeqCst) {
                        0
                    } else {
                        quiet.saturating_add(1)
                    };
                    if quiet > seen.longest.load(Ordering::SeqCst) {
                        seen.sleep();
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

    /// Advances the epoch for at least `deadline` from now.
    pub(crate) fn run_for(&self, deadline: Duration) {
        let it = &*self.shared;
        let ticks = Self::ticks(deadline);
        if it.longest.load(Ordering::Relaxed) < ticks {
            it.longest.fetch_max(ticks, Ordering::SeqCst);
        }
        // Read before it is written, so that the line stays shared between cores.
        if !it.started.load(Ordering::SeqCst) {
            it.started.store(true, Ordering::SeqCst);
            if it.asleep.load(Ordering::SeqCst) {
                self.thread.unpark();
            }
        }
    }

    /// How many ticks a deadline of `time` takes. One more than fits, for the
    /// first tick may come at once.
    pub(crate) fn ticks(time: Duration) -> u64 {
        u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos()))
            .unwrap_or(u64::MAX / 2)
            .saturating_add(1)
    }
}

impl Shared {
    /// Sleeps unless something is started meanwhile: whoever starts something looks
    /// at `asleep` after it has set `started`, and this the other way round.
    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while !self.started.load(Ordering::SeqCst) && !self.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn becomes(ticker: &Ticker, asleep: bool) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if ticker.shared.asleep.load(Ordering::SeqCst) == asleep {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn it_sleeps_when_nothing_can_be_running() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        for _ in 0..3 {
            assert!(becomes(&ticker, true));
            ticker.run_for(Duration::from_millis(30));
            assert!(becomes(&ticker, false));
        }
    }

    #[test]
    fn what_was_started_last_keeps_it_awake_for_its_whole_deadline() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let deadline = Duration::from_millis(300);
        ticker.run_for(deadline);
        assert!(becomes(&ticker, false));
        let woken = Instant::now();
        ticker.run_for(deadline);
        assert!(becomes(&ticker, true));
        assert!(woken.elapsed() >= deadline);
    }

    #[test]
    fn a_deadline_is_never_too_few_ticks() {
        assert_eq!(Ticker::ticks(Duration::ZERO), 1);
        assert_eq!(Ticker::ticks(TICK), 2);
        assert_eq!(Ticker::ticks(TICK + Duration::from_nanos(1)), 3);
        assert!(Ticker::ticks(Duration::MAX) > 1 << 60);
    }
}
