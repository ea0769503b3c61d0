//! The thread of the service that sends its log. Decisions know nothing of it: it reads
//! the files that they have written.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::ship::{Shipment, Shipped};
use super::{Credentials, FleetError};

/// How often the files are looked at where nothing was to send.
const PAUSE: Duration = Duration::from_millis(250);
/// How often the store is asked whether it is still there, where nothing was to send.
const STILL_THERE: Duration = Duration::from_secs(10);
/// How long to wait after the first failure, the second, and so on; then always the last.
const PAUSES: [u64; 7] = [500, 1000, 2000, 4000, 8000, 15_000, 30_000];
/// How long the end of the service waits for what is not sent yet.
const AT_THE_END: Duration = Duration::from_secs(5);
/// A failure that stays the same is told again after so many attempts.
const REMINDER: u64 = 20;

/// How the sending goes.
#[derive(Debug, Default)]
pub struct ShipState {
    connected: AtomicBool,
    forked: AtomicBool,
    /// How many entries the store has, as far as is known.
    size: AtomicU64,
    problem: Mutex<Option<String>>,
}

impl ShipState {
    /// Whether the store took what it was given last, or had everything.
    pub fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Whether nothing is sent because files and store do not agree.
    pub fn forked(&self) -> bool {
        self.forked.load(Ordering::Relaxed)
    }

    /// How many entries of the log the store has; 0 until it has told.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Why nothing is sent, if nothing is.
    pub fn problem(&self) -> Option<String> {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn sent(&self, shipped: Shipped) -> bool {
        self.size.store(shipped.size, Ordering::Release);
        self.forked.store(false, Ordering::Relaxed);
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.connected.swap(true, Ordering::Relaxed)
    }

    /// Whether this is news.
    fn failed(&self, error: &FleetError) -> bool {
        let forked = matches!(error, FleetError::Forked { .. } | FleetError::Damaged { .. });
        self.forked.store(forked, Ordering::Relaxed);
        self.connected.store(false, Ordering::Relaxed);
        let told = Some(error.to_string());
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *problem != told;
        *problem = told;
        news
    }
}

/// Sends a log until it is closed.
#[derive(Debug)]
pub struct Shipper {
    state: Arc<ShipState>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shipper {
    /// Starts the thread that sends the log in `dir`; `host` is the machine's name.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(
        at: Credentials,
        dir: PathBuf,
        host: String,
        state: Arc<ShipState>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = Run {
            at,
            dir,
            host,
            state: Arc::clone(&state),
            stopped,
        };
        let thread = std::thread::Builder::new()
            .name("evidence-store".to_owned())
            .spawn(move || runtime.block_on(run.run()))?;
        Ok(Self {
            state,
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// How it goes.
    pub fn state(&self) -> &Arc<ShipState> {
        &self.state
    }

    /// Sends what is left, as far as the store takes it within a few seconds, and ends.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.stop.send_replace(true);
            // A thread that is gone has panicked; then there is nothing to wait for.
            let _ = thread.join();
        }
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.close();
    }
}

struct Run {
    at: Credentials,
    dir: PathBuf,
    host: String,
    state: Arc<ShipState>,
    stopped: watch::Receiver<bool>,
}

impl Run {
    async fn run(mut self) {
        let mut attempt = 0_u64;
        loop {
            let ended = self.send_until_late().await;
            let Err(error) = ended else {
                return;
            };
            if self.state.connected() {
                attempt = 0;
            }
            if self.state.failed(&error) || attempt.is_multiple_of(REMINDER) {
                tracing::error!(%error, "evidence is not sent to the store; the log goes on in its directory");
            }
            let pause = pause(attempt, &self.host);
            attempt = attempt.saturating_add(1);
            if self.is_told_to_stop_within(pause).await {
                // Once more, for what has been written at the very end.
                if self.send_until_late().await.is_err() {
                    tracing::warn!(
                        "not all evidence was sent to the store before the end; the next start goes on"
                    );
                }
                return;
            }
        }
    }

    /// As [`Self::send`], and no longer than the end may take.
    async fn send_until_late(&mut self) -> Result<(), FleetError> {
        let mut told = self.stopped.clone();
        let late = async {
            let _ = told.wait_for(|told| *told).await;
            tokio::time::sleep(AT_THE_END).await;
        };
        let (at, seconds) = (self.at.address.to_string(), AT_THE_END.as_secs());
        tokio::select! {
            sent = self.send() => sent,
            () = late => Err(FleetError::Silent { store: at, seconds }),
        }
    }

    /// Sends until told to stop and everything is sent, or something fails.
    async fn send(&mut self) -> Result<(), FleetError> {
        let mut shipment = Shipment::open(&self.at, &self.dir, &self.host).await?;
        let mut ending = false;
        loop {
            let shipped = shipment.step().await?;
            if !self.state.sent(shipped) {
                tracing::info!(entries = shipped.size, "the evidence store is reached");
            }
            let all = shipped.entries == 0 && shipped.checkpoints == 0;
            if ending && all {
                shipment.close().await;
                return Ok(());
            }
            let asked = Instant::now();
            let mut pause = if all { PAUSE } else { Duration::ZERO };
            while !ending {
                ending = self.is_told_to_stop_within(pause).await;
                // A fleet that has nothing to send does not keep its database busy.
                if shipment.has_news() || asked.elapsed() >= STILL_THERE {
                    break;
                }
                pause = PAUSE;
            }
        }
    }

    async fn is_told_to_stop_within(&mut self, pause: Duration) -> bool {
        // Whoever could tell is gone: that is told, too.
        tokio::time::timeout(pause, self.stopped.wait_for(|told| *told))
            .await
            .is_ok()
    }
}

/// How long to wait after so many failures. Hosts whose store comes back do not all come
/// at once: each has its own share of a quarter of it.
fn pause(attempt: u64, host: &str) -> Duration {
    let at = usize::try_from(attempt)
        .unwrap_or(usize::MAX)
        .min(PAUSES.len() - 1);
    let millis = PAUSES.get(at).copied().unwrap_or(30_000);
    let digest = Sha256::new()
        .chain_update(host)
        .chain_update(attempt.to_be_bytes())
        .finalize();
    let share = u64::from(digest.first().copied().unwrap_or_default());
    Duration::from_millis(millis.saturating_add(millis.saturating_mul(share) / 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_end_and_hosts_differ() {
        let of = |host: &str| -> Vec<u128> { (0..12).map(|i| pause(i, host).as_millis()).collect() };
        let (one, other) = (of("one"), of("other"));
        assert_ne!(one, other);
        for pauses in [&one, &other] {
            assert!((500..=625).contains(&pauses[0]), "{pauses:?}");
            assert!(pauses.iter().all(|it| *it <= 37_500), "{pauses:?}");
            assert!(pauses[11] >= 30_000, "{pauses:?}");
        }
    }
}
