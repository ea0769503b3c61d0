//! `cavra serve`: the HTTP service.

use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::settings::ServiceArgs;
use super::{Exit, Failure, open_host, output};
use crate::api::workers::{Size, Workers};
use crate::api::{App, Ended, Serve, Transport};
use crate::config::{Config, ServiceConfig};
use crate::gates::ApiAccess;
use crate::sandbox::Allocation;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: ServiceArgs,
}

impl ServeArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.0.config()?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_name("network")
            .enable_all()
            .build()?;
        let served = runtime.block_on(serve(config, cores));
        // Threads that judge may still be in a sandbox; nobody waits for what they find.
        runtime.shutdown_background();
        served
    }
}

async fn serve(config: Config, cores: usize) -> Result<Exit, Failure> {
    let service = config.service.clone();
    let size = size(&service, cores);
    // Before anything takes time: whoever starts the service may stop it at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listening = Serve::bind(
        service.addr,
        Transport::Plain,
        usize::try_from(service.max_connections).unwrap_or(usize::MAX),
        service.drain,
    )
    .await?;
    let host = Arc::new(open_host(config, Allocation::Pooled(size.sandboxes()))?);
    let _watcher = host.watch().map_err(|e| Failure::Internal(e.to_string()))?;
    let workers = Workers::start(Arc::clone(&host), size)?;
    let access = if listening.addr().ip().is_loopback() {
        ApiAccess::Loopback
    } else {
        ApiAccess::Open
    };
    let app = Arc::new(App::new(host, workers, access));
    output::text(&format!("listening on http://{}", listening.addr()))?;
    let mut told = async || told_to_stop(&mut terminate, &mut interrupt).await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (hurry, hurried) = tokio::sync::oneshot::channel();
    let signals = async {
        told().await;
        let _ = stop.send(());
        told().await;
        let _ = hurry.send(());
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = listening.run(app, async { drop(stopped.await) }, async { drop(hurried.await) }) => ended,
        () = signals => Ended::CutOff,
    };
    if ended == Ended::CutOff {
        output::warn("some requests took longer than --drain-seconds and were cut off");
    }
    Ok(Exit::Done)
}

async fn told_to_stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn size(service: &ServiceConfig, cores: usize) -> Size {
    let places = service
        .workers
        .and_then(|count| NonZeroUsize::try_from(count).ok())
        .or(NonZeroUsize::new(cores))
        .unwrap_or(NonZeroUsize::MIN);
    let queue = usize::try_from(service.queue_length).unwrap_or(usize::MAX);
    Size {
        places,
        queue: NonZeroUsize::new(queue.min(tokio::sync::Semaphore::MAX_PERMITS)).unwrap_or(NonZeroUsize::MIN),
    }
}
