//! The threads that carry connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hyper::rt::Executor;
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
    threads: Arc<[Carrier]>,
    /// Each ends a thread when it is dropped.
    _stops: Vec<oneshot::Sender<()>>,
}

/// One of the threads.
#[derive(Debug)]
struct Carrier {
    runtime: Handle,
    connections: Load,
    streams: Load,
}

/// How many of a kind a thread carries.
type Load = Arc<AtomicUsize>;

/// One of those that a thread carries, until it is dropped.
struct Carried(Load);

impl Carried {
    fn by(load: &Load) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
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
        let mut threads = Vec::new();
        let mut stops = Vec::new();
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (stop, stopped) = oneshot::channel::<()>();
            stops.push(stop);
            threads.push(Carrier {
                runtime: runtime.handle().clone(),
                connections: Load::default(),
                streams: Load::default(),
            });
            thread::Builder::new()
                .name(format!("network-{number}"))
                .spawn(move || {
                    let _ = runtime.block_on(stopped);
                    // What it waits for on other threads may never end.
                    runtime.shutdown_background();
                })?;
        }
        Ok(Self {
            threads: threads.into(),
            _stops: stops,
        })
    }

    /// Lets a thread that carries the fewest carry one more. What is asked over the
    /// connection at once, each in a stream of its own, may be given to [`Streams`].
    pub(super) fn carry<C>(&self, connection: impl FnOnce(Streams) -> C)
    where
        C: Future<Output = ()> + Send + 'static,
    {
        let threads = self.threads.iter().enumerate();
        let fewest = threads.min_by_key(|(_, it)| it.connections.load(Ordering::Relaxed));
        let Some((home, thread)) = fewest else {
            return;
        };
        let carried = Carried::by(&thread.connections);
        let connection = connection(Streams {
            threads: Arc::clone(&self.threads),
            home,
        });
        thread.runtime.spawn(async move {
            connection.await;
            drop(carried);
        });
    }
}

/// Where the streams of one connection run: on its own thread, unless another carries fewer
/// of them. A client or a proxy that asks everything over one connection has all processors.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    threads: Arc<[Carrier]>,
    home: usize,
}

impl<S> Executor<S> for Streams
where
    S: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: S) {
        // Its own thread first: of several that carry the fewest, the first is taken.
        let (others, own) = self.threads.split_at(self.home);
        let threads = own.iter().chain(others);
        let Some(thread) = threads.min_by_key(|it| it.streams.load(Ordering::Relaxed)) else {
            return;
        };
        let carried = Carried::by(&thread.streams);
        thread.runtime.spawn(async move {
            stream.await;
            drop(carried);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn this_thread() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    /// A connection that says which thread carries it, and ends when it is dropped.
    fn connect(network: &Network) -> (String, oneshot::Sender<()>) {
        let (name, carried_by) = mpsc::channel();
        let (open, ended) = oneshot::channel();
        network.carry(|_| async move {
            name.send(this_thread()).unwrap();
            let _ = ended.await;
        });
        (carried_by.recv().unwrap(), open)
    }

    /// A stream of a connection, likewise.
    fn ask(streams: &Streams) -> (String, oneshot::Sender<()>) {
        let (name, carried_by) = mpsc::channel();
        let (open, ended) = oneshot::channel();
        streams.execute(async move {
            name.send(this_thread()).unwrap();
            let _ = ended.await;
        });
        (carried_by.recv().unwrap(), open)
    }

    fn wait_until_free(load: &Load) {
        while load.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
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
        wait_until_free(&network.threads.get(1).unwrap().connections);
        assert_eq!(connect(&network).0, "network-1");
    }

    #[test]
    fn a_connection_that_panics_is_not_carried_any_more() {
        let network = Network::start(1).unwrap();
        network.carry(|_| async { panic!("on purpose") });
        wait_until_free(&network.threads.first().unwrap().connections);
        assert_eq!(connect(&network).0, "network-0");
    }

    #[test]
    fn streams_run_at_home_and_spread_where_there_are_several() {
        let network = Network::start(3).unwrap();
        let streams = Streams {
            threads: Arc::clone(&network.threads),
            home: 1,
        };
        for _ in 0..3 {
            let (by, open) = ask(&streams);
            assert_eq!(by, "network-1", "alone");
            drop(open);
            wait_until_free(&network.threads.get(1).unwrap().streams);
        }
        let open: Vec<_> = (0..6).map(|_| ask(&streams)).collect();
        let by: Vec<&str> = open.iter().map(|(by, _)| by.as_str()).collect();
        let round = ["network-1", "network-2", "network-0"];
        assert_eq!(by, [round, round].concat());
    }

    #[test]
    fn streams_end_with_the_threads() {
        let network = Network::start(2).unwrap();
        let streams = Streams {
            threads: Arc::clone(&network.threads),
            home: 0,
        };
        let (_, one) = ask(&streams);
        let (_, other) = ask(&streams);
        drop(network);
        while !(one.is_closed() && other.is_closed()) {
            thread::yield_now();
        }
        let (open, mut ended) = oneshot::channel::<()>();
        streams.execute(async move {
            let _open = open;
            std::future::pending().await
        });
        while ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            thread::yield_now();
        }
    }
}
