//! The threads that carry connections.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that carry connections, each its own: a connection stays on the thread that
/// it was given to. Threads that took work from each other would be woken for every
/// request, and would judge with another thread's memory at hand instead of their own.
///
/// They end when it is dropped, and with them whatever is still open.
#[derive(Debug)]
pub struct Network {
    /// Each thread, with what ends it when it is dropped.
    threads: Vec<(Handle, oneshot::Sender<()>)>,
    next: AtomicUsize,
}

impl Network {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut network = Self {
            threads: Vec::new(),
            next: AtomicUsize::default(),
        };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (stop, stopped) = oneshot::channel::<()>();
            network.threads.push((runtime.handle().clone(), stop));
            thread::Builder::new()
                .name(format!("network-{number}"))
                .spawn(move || {
                    let _ = runtime.block_on(stopped);
                    // What it waits for on other threads may never end.
                    runtime.shutdown_background();
                })?;
        }
        Ok(network)
    }

    /// Lets the next thread carry a connection.
    pub(super) fn carry(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let thread = number
            .checked_rem(self.threads.len())
            .and_then(|place| self.threads.get(place));
        if let Some((thread, _)) = thread {
            thread.spawn(connection);
        }
    }
}
