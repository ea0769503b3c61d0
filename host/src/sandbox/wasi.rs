//! WASI 0.2 with nothing behind it.
//!
//! A module may import WASI, because its language's runtime does; it gets no
//! clock that moves, no randomness, no files, no environment, no network and no
//! waiting. What it prints is dropped.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, async_trait};

use super::instance::StoreState;

/// The state of the WASI interfaces in one store.
pub(crate) struct WasiState {
    ctx: WasiCtx,
    table: ResourceTable,
}

/// A module tried to wait. Time does not pass for a pure function.
#[derive(Debug, thiserror::Error)]
#[error("the module tried to wait, and time does not pass in the sandbox")]
pub(crate) struct WaitRefused;

/// A clock that stands still at the epoch.
struct StoppedClock;

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for StoppedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

impl WasiState {
    pub(crate) fn new() -> Self {
        let ctx = WasiCtx::builder()
            .wall_clock(StoppedClock)
            .monotonic_clock(StoppedClock)
            .secure_random(Deterministic::new(vec![0]))
            .insecure_random(Deterministic::new(vec![0]))
            .insecure_random_seed(0)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self {
            ctx,
            table: ResourceTable::new(),
        }
    }
}

impl WasiView for StoreState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(WasiState::new()));
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}

/// A point in time as a module can look whether it has come. Those of the WASI library
/// come as the machine's time passes, whatever the clocks say: a module that counts how
/// often it looks would have a clock.
enum Deadline {
    Past,
    Never,
}

#[async_trait]
impl Pollable for Deadline {
    async fn ready(&mut self) {
        match self {
            Self::Past => {}
            Self::Never => std::future::pending().await,
        }
    }
}

/// Time stands still at zero: what is to come after that never does.
fn deadline(
    mut store: StoreContextMut<'_, StoreState>,
    (nanoseconds,): (u64,),
) -> wasmtime::Result<(Resource<DynPollable>,)> {
    let table = store.data_mut().ctx().table;
    let deadline = match nanoseconds {
        0 => Deadline::Past,
        _ => Deadline::Never,
    };
    let deadline = table.push(deadline)?;
    Ok((subscribe(table, deadline)?,))
}

/// A linker that offers WASI 0.2 and nothing else.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<StoreState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    // A wait would block the host's thread where no epoch can end it.
    linker.allow_shadowing(true);
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.func_wrap(
        "poll",
        |_, (_,): (Vec<Resource<DynPollable>>,)| -> wasmtime::Result<(Vec<u32>,)> { Err(WaitRefused.into()) },
    )?;
    poll.func_wrap(
        "[method]pollable.block",
        |_, (_,): (Resource<DynPollable>,)| -> wasmtime::Result<()> { Err(WaitRefused.into()) },
    )?;
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.2.12")?;
    clock.func_wrap("subscribe-instant", deadline)?;
    clock.func_wrap("subscribe-duration", deadline)?;
    linker.allow_shadowing(false);
    Ok(linker)
}
