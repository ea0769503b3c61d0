//! `cavra serve`: the HTTP service.

use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::settings::ServiceArgs;
use super::{Exit, Failure, open_host_switched, output, recording, rollback};
use crate::access::TokenFile;
use crate::api::workers::{Size, Workers};
use crate::api::{
    Access, App, Ended, Followed, Network, Operations, Parts, Serve, Tls, TlsError, Transport, follow,
    templates,
};
use crate::clock::{Clock, RandomIds, SystemClock};
use crate::config::{Config, LogLevel, ServiceConfig, Setting};
use crate::pilot::Mode;
use crate::rollback::RollbackSwitch;
use crate::sandbox::Allocation;
use crate::telemetry::{Logs, Metrics, TraceError, Traces};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: ServiceArgs,
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Self::Input(error.to_string())
    }
}

impl ServeArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.0.config()?;
        refuse_exposure(&config.service)?;
        let logs = start_logs(&config.service)?;
        // Before the runtime: its client has threads of its own.
        let traces = config
            .service
            .otlp_endpoint
            .as_deref()
            .map(Traces::open)
            .transpose()?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // It accepts connections and waits for signals; the network's threads do the rest.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = runtime.block_on(serve(config, cores, traces, logs.as_ref()));
        // Threads that judge may still be in a sandbox; nobody waits for what they find.
        runtime.shutdown_background();
        let app = served?;
        if let Some(traces) = &app.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
        tracing::info!("stopped");
        Ok(Exit::Done)
    }
}

/// Beyond this machine, only with tokens, and with TLS unless told otherwise.
fn refuse_exposure(service: &ServiceConfig) -> Result<(), Failure> {
    let ip = service.addr.ip().to_canonical();
    if ip.is_loopback() {
        return Ok(());
    }
    let mut missing = Vec::new();
    if service.tokens.is_none() {
        missing.push(format!(
            "{addr} can be reached from other machines, so callers need tokens: make them by `cavra token create` and \
             name their file by {tokens}, or listen on 127.0.0.1",
            addr = service.addr,
            tokens = Setting::Tokens
        ));
    }
    if service.tls.is_none() && !service.insecure_plaintext {
        missing.push(format!(
            "{addr} can be reached from other machines, so tokens need TLS: set {cert} and {key}; or, behind a proxy \
             that ends TLS, --{plain}",
            addr = service.addr,
            cert = Setting::TlsCert,
            key = Setting::TlsKey,
            plain = Setting::InsecurePlaintext.flag()
        ));
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::Input(missing.join("\n")))
    }
}

fn start_logs(service: &ServiceConfig) -> Result<Option<Logs>, Failure> {
    if service.log_level == LogLevel::Off {
        return Ok(None);
    }
    Logs::start(service.log_format, service.log_level)
        .map(Some)
        .map_err(|e| Failure::Internal(e.to_string()))
}

/// Where a rollback is kept. A pilot that could not be rolled back over restarts is
/// not started.
fn rollback_switch(config: &Config) -> Result<RollbackSwitch, Failure> {
    let file = rollback::required(config).and_then(|file| {
        file.prepare()?;
        Ok(file)
    });
    match file {
        Ok(file) => Ok(RollbackSwitch::open(file)),
        Err(error) if config.mode == Mode::Disabled => {
            tracing::warn!(%error, "a rollback would not outlive this process");
            Ok(RollbackSwitch::default())
        }
        Err(error) => Err(error),
    }
}

async fn serve(
    config: Config,
    cores: usize,
    traces: Option<Traces>,
    logs: Option<&Logs>,
) -> Result<Arc<App>, Failure> {
    let service = config.service.clone();
    let size = size(&service, cores);
    // Before anything takes time: whoever starts the service may stop it at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tokens = service.tokens.clone().map(TokenFile::new);
    let followed = Followed::of(&service);
    let access = Arc::new(Access::open(tokens, service.rate_limit, Arc::clone(&clock))?);
    let tls = service.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
    let transport = tls
        .as_ref()
        .map_or(Transport::Plain, |tls| Transport::Tls(Arc::clone(tls)));
    let scheme = if tls.is_some() { "https" } else { "http" };
    let switch = Arc::new(rollback_switch(&config)?);
    let listening = Serve::bind(
        service.addr,
        transport,
        usize::try_from(service.max_connections).unwrap_or(usize::MAX),
        Network::start(cores)?,
        service.drain,
    )
    .await?;
    let allocation = Allocation::Pooled(size.sandboxes(cores));
    let host = Arc::new(open_host_switched(
        config.clone(),
        allocation,
        Arc::clone(&switch),
    )?);
    let shipper = recording::send(&config, host.evidence().map(|it| &**it))?;
    let metrics = Arc::new(Metrics::new(templates()));
    let operations = Arc::new(Operations::new(
        Arc::clone(&host),
        config,
        Arc::clone(&access),
        tls,
        Arc::clone(&metrics),
    ));
    let _following = follow(followed, &operations)?;
    let _watcher = host.watch()?;
    let _watching = switch.watch({
        let switch = Arc::downgrade(&switch);
        move || match switch.upgrade().and_then(|it| it.get()) {
            Some(rollback) => tracing::warn!(
                by = rollback.by,
                reason = rollback.reason,
                "the pilot is rolled back by another process"
            ),
            None => tracing::warn!("the rollback is cleared by another process"),
        }
    });
    if let Some(rollback) = switch.get() {
        tracing::warn!(
            by = rollback.by,
            reason = rollback.reason,
            "the pilot is rolled back"
        );
    }
    let app = Arc::new(App::new(Parts {
        workers: Workers::start(Arc::clone(&host), size)?,
        host: Arc::clone(&host),
        access,
        operations: Arc::clone(&operations),
        metrics,
        traces,
        log: logs.map(Logs::dropped),
        request_log: logs.and_then(Logs::requests),
        ids: Arc::new(RandomIds),
        clock,
    }));
    output::text(&format!("listening on {scheme}://{}", listening.addr()))?;
    tracing::info!(addr = %listening.addr(), tls = scheme == "https", tokens = app.access.count(), "listening");
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
    let reloads = async {
        while hangup.recv().await.is_some() {
            let operations = Arc::clone(&operations);
            // What it comes to is in the log and in the metrics.
            let _ = tokio::task::spawn_blocking(move || drop(operations.reload("SIGHUP"))).await;
        }
        std::future::pending::<()>().await;
    };
    let running = listening.run(Arc::clone(&app), async { drop(stopped.await) }, async {
        drop(hurried.await)
    });
    let ended = tokio::select! {
        ended = running => ended,
        () = signals => Ended::CutOff,
        () = reloads => Ended::CutOff,
    };
    if ended == Ended::CutOff {
        tracing::warn!("some requests took longer than --drain-seconds and were cut off");
    }
    if let Some(recorder) = host.evidence() {
        // What has been answered is recorded already; this signs it.
        recorder.close();
    }
    if let Some(shipper) = shipper {
        shipper.close();
    }
    Ok(app)
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
