//! The threads that carry connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that carry connections, each its own: a connection stays on the thread that
/// it was given to, which is one of those that carry the fewest then. Threads that took
/// work from each other would be woken for every request, and would judge with another
/// thread's memory at hand instead of their own.
///
/// They end when it is dropped, and with them whatever is still open.
#[derive(Debug)]
pub struct Network {
    threads: Vec<Carrier>,
}

/// One of the threads.
#[derive(Debug)]
struct Carrier {
    runtime: Handle,
    carries: Arc<AtomicUsize>,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<()>,
}

/// One connection of those that a thread carries, until it is dropped.
struct Carried(Arc<AtomicUsize>);

impl Carried {
    fn by(thread: &Carrier) -> Self {
        thread.carries.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&thread.carries))
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Network {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut network = Self { threads: Vec::new() };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (stop, stopped) = oneshot::channel::<()>();
            network.threads.push(Carrier {
                runtime: runtime.handle().clone(),
                carries: Arc::default(),
                _stop: stop,
            });
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

    /// Lets a thread that carries the fewest carry one more.
    pub(super) fn carry(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let threads = self.threads.iter();
        let Some(thread) = threads.min_by_key(|it| it.carries.load(Ordering::Relaxed)) else {
            return;
        };
        let carried = Carried::by(thread);
        thread.runtime.spawn(async move {
            connection.await;
            drop(carried);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A connection that says which thread carries it, and ends when it is dropped.
    fn connect(network: &Network) -> (String, oneshot::Sender<()>) {
        let (name, carried_by) = mpsc::channel();
        let (open, ended) = oneshot::channel();
        network.carry(async move {
            name.send(thread::current().name().unwrap_or_default().to_owned())
                .unwrap();
            let _ = ended.await;
        });
        (carried_by.recv().unwrap(), open)
    }

    #[test]
    fn the_thread_that_carries_the_fewest_carries_the_next() {
        let network = Network::start(3).unwrap();
        let mut open: Vec<_> = (0..6).map(|_| connect(&network)).collect();
        let carried = |open: &[(String, _)], thread| open.iter().filter(|(by, _)| by == thread).count();
        for thread in ["network-0", "network-1", "network-2"] {
            assert_eq!(carried(&open, thread), 2, "{thread}");
        }

        // Those of one thread end, as they may where clients come and go.
        open.retain(|(by, _)| by != "network-1");
        let free = network.threads.get(1).unwrap();
        while free.carries.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        assert_eq!(connect(&network).0, "network-1");
    }

    #[test]
    fn a_connection_that_panics_is_not_carried_any_more() {
        let network = Network::start(1).unwrap();
        network.carry(async { panic!("on purpose") });
        let thread = network.threads.first().unwrap();
        while thread.carries.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        assert_eq!(connect(&network).0, "network-0");
    }
}
