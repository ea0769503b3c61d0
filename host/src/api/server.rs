//! From a listening socket to the router, and to the end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;

use super::network::{Network, Streams};
use super::{App, Tls, router, warm};

/// How long the head of a request may take, and a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How much of a head is read, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// How many requests one HTTP/2 connection may have open at once.
const STREAMS: u32 = 100;
/// How long to wait where the system has no descriptor left for a connection.
const NO_DESCRIPTOR: Duration = Duration::from_millis(50);

/// The service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another address by --addr")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What stands between the socket and HTTP.
#[derive(Clone, Default)]
pub enum Transport {
    /// Nothing.
    #[default]
    Plain,
    /// TLS.
    Tls(Arc<Tls>),
}

/// Who is at the other end of a connection: in the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
}

/// A service that listens.
pub struct Serve {
    listener: TcpListener,
    addr: SocketAddr,
    transport: Transport,
    connections: Arc<Semaphore>,
    network: Network,
    drain: Duration,
}

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every request was answered.
    Drained,
    /// Some were cut off: they took longer than they may at the end.
    CutOff,
}

impl Serve {
    /// Listens on `addr`. At most `connections` are open at once, carried by the threads
    /// of `network`; requests in flight may take `drain` at the end.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        addr: SocketAddr,
        transport: Transport,
        connections: usize,
        network: Network,
        drain: Duration,
    ) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        Ok(Self {
            addr: listener.local_addr().map_err(failed)?,
            listener,
            transport,
            connections: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            network,
            drain,
        })
    }

    /// Where it listens: with the port that the system has chosen, if it was to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `stop`, then answers what is in flight. `hurry` ends even that.
    pub async fn run(
        self,
        app: Arc<App>,
        stop: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Ended {
        warm::start(&app);
        let (router, _) = router(&app);
        let graceful = GracefulShutdown::new();
        let serving = self.accept(&app, &router, &graceful);
        tokio::select! {
            () = stop => {}
            () = serving => {}
        }
        app.phase.stop();
        let Self {
            drain,
            network,
            listener,
            ..
        } = self;
        drop(listener);
        let ended = tokio::select! {
            () = graceful.shutdown() => Ended::Drained,
            () = tokio::time::sleep(drain) => Ended::CutOff,
            () = hurry => Ended::CutOff,
        };
        drop(network);
        ended
    }

    /// Takes connections, for ever.
    async fn accept(&self, app: &Arc<App>, router: &Router, graceful: &GracefulShutdown) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, addr)) => {
                    // It is polled by the thread that carries it, and not by this one.
                    let Ok(stream) = stream.into_std() else { continue };
                    let router = router.clone();
                    let watcher = graceful.watcher();
                    let transport = self.transport.clone();
                    let app = Arc::clone(app);
                    self.network.carry(|streams| async move {
                        let Ok(stream) = TcpStream::from_std(stream) else {
                            return;
                        };
                        let _open = Open::count(&app);
                        let speak = Speak {
                            peer: Peer { addr },
                            router,
                            streams,
                            watcher,
                        };
                        connected(&app, transport, stream, speak).await;
                        drop(permit);
                    });
                }
                // One connection failed, or there is no descriptor for it; those that
                // are open go on, and give theirs back.
                Err(_) => tokio::time::sleep(NO_DESCRIPTOR).await,
            }
        }
    }
}

/// A connection that is counted, whatever ends it.
struct Open<'a>(&'a App);

impl<'a> Open<'a> {
    fn count(app: &'a App) -> Self {
        app.connections.fetch_add(1, Ordering::Relaxed);
        Self(app)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The life of a connection, up to what is spoken over it.
async fn connected(app: &App, transport: Transport, stream: TcpStream, speak: Speak) {
    // An answer is one write; waiting for more would only be waiting.
    let _ = stream.set_nodelay(true);
    match transport {
        Transport::Plain => speak.over(stream).await,
        Transport::Tls(tls) => {
            let handshake = tokio::select! {
                done = tls.accept(stream) => done,
                // Nothing was asked yet, so there is nothing to wait for at the end.
                () = app.phase.stopped() => return,
            };
            match handshake {
                Ok(stream) => speak.over(stream).await,
                Err(error) => {
                    app.metrics.handshake_failed();
                    tracing::debug!(peer = %speak.peer.addr, %error, "no TLS came about");
                }
            }
        }
    }
}

/// What it takes to speak HTTP over one connection.
struct Speak {
    peer: Peer,
    router: Router,
    streams: Streams,
    watcher: Watcher,
}

impl Speak {
    /// Speaks until either side ends it.
    async fn over(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { peer, router, .. } = self;
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.clone().call(request)
        });
        let mut builder = Builder::new(self.streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEAD_TIME)
            .max_concurrent_streams(STREAMS);
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        // What goes wrong here is the other side's doing, and it is gone.
        let _ = self.watcher.watch(connection).await;
    }
}
