//! The engine: one function builds its configuration and the fingerprint of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::functions::Functions;
use super::limits::{self, Limits};
use super::ticker::Ticker;
use crate::cache::{Entry, Name};
use crate::digest::sha256_hex;

/// How instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Each instance maps its own. Cheap to start: for a command that decides once.
    OnDemand,
    /// A pool of slots that are reset and used again. Costs milliseconds to set
    /// up: for whatever decides often. The number is how many threads are to
    /// evaluate at once; more wait for each other.
    Pooled(u32),
}

/// The engine could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine could not be set up: {0}")]
pub struct EngineError(String);

/// A WebAssembly engine with its limits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) limits: Limits,
    fingerprint: Arc<str>,
    /// Equal where one engine can run what another has compiled.
    compatibility: u64,
}

/// What fuel figures depend on, beside the module: written down once, hashed for
/// the fingerprint. It leaves out the processor and the allocation, on which
/// they do not depend, so that the same release has the same fingerprint on
/// every machine.
const FUEL_SETTINGS: &str = concat!(
    "wasmtime ",
    env!("CAVRA_WASMTIME_VERSION"),
    "; fuel on, default operator costs; epoch on; nan canonical; relaxed simd off; threads off; \
     memory64 off; gc off; exceptions off; component model 0.2"
);

/// How much memory a slot keeps between two instances, in bytes. What a guest has
/// written up to here is reset by copying; what is beyond goes back to the system
/// and is faulted in again. The built-in evaluators write less than 64 KiB for an
/// ordinary request; this is the longest one, with the most that parsing makes of it.
const KEEP_RESIDENT: usize = 2 * 1024 * 1024;
/// How many memories keep their place and contents for the module that had them
/// last: two for each of a hundred policies on one thread, fifty on two.
const WARM_MEMORIES: u32 = 256;

fn config(allocation: Allocation, limits: &Limits) -> wasmtime::Result<Config> {
    let memory_bytes = limits.memory_bytes;
    let mut config = Config::new();
    config
        .enable_incremental_compilation(Arc::new(Functions::default()))?
        // A snapshot is mapped, however large it is.
        .memory_guaranteed_dense_image_size(memory_bytes)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits::MAX_WASM_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        // The same input gives the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // Where a trap was is not told, so the tables for it need not be loaded.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    if let Allocation::Pooled(threads) = allocation {
        // A thread has one instance at a time; one more is for baking meanwhile.
        let instances = threads.saturating_add(1);
        let each = |per_instance: u32| instances.saturating_mul(per_instance);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .max_core_instances_per_component(limits::MAX_CORE_INSTANCES)
            .max_memories_per_component(limits::MAX_MEMORIES)
            .max_tables_per_component(limits::MAX_CORE_INSTANCES)
            .max_memories_per_module(limits::MAX_MEMORIES)
            .max_tables_per_module(limits::MAX_CORE_INSTANCES)
            // Most modules have one memory and few core instances; one that has
            // the most it may have still fits beside others.
            .total_core_instances(each(4).max(limits::MAX_CORE_INSTANCES))
            .total_memories(each(2).max(WARM_MEMORIES))
            .total_tables(each(4).max(WARM_MEMORIES))
            .max_unused_warm_slots(WARM_MEMORIES)
            .table_elements(limits::MAX_TABLE_ELEMENTS)
            .max_memory_size(usize::try_from(memory_bytes).unwrap_or(usize::MAX))
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(64 * 1024)
            // Asks the kernel which pages were written, where it can tell (Linux 6.7),
            // instead of copying all of them back.
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Ok(config)
}

impl Engine {
    /// Sets up an engine.
    ///
    /// # Errors
    /// When the system gives no thread or no address space.
    pub fn new(allocation: Allocation, limits: Limits) -> Result<Self, EngineError> {
        let wasm = config(allocation, &limits)
            .and_then(|config| wasmtime::Engine::new(&config))
            .map_err(|e| EngineError(format!("{e:#}")))?;
        let ticker = Ticker::start(&wasm).map_err(|e| EngineError(e.to_string()))?;
        let mut compatibility = DefaultHasher::new();
        wasm.precompile_compatibility_hash().hash(&mut compatibility);
        Ok(Self {
            compatibility: compatibility.finish(),
            wasm,
            ticker: Arc::new(ticker),
            limits,
            fingerprint: format!("sha256:{}", sha256_hex(FUEL_SETTINGS.as_bytes())).into(),
        })
    }

    /// The same engine with other limits. The memory limit of a pooled engine is
    /// that of its slots, or a smaller one.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self {
            limits,
            ..self.clone()
        }
    }

    /// The limits of every evaluation.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The engine below, for what is measured beside the sandbox with the same settings.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasm
    }

    /// `sha256:<hex>` of everything in the configuration that fuel figures
    /// depend on: where it is equal, the same module uses the same fuel.
    pub fn fingerprint(&self) -> &Arc<str> {
        &self.fingerprint
    }

    /// The name under which what this engine made is kept.
    pub(super) fn name(&self, kind: &str, parts: &[&[u8]]) -> Name {
        let compatibility = self.compatibility.to_le_bytes();
        // The limits decide whether a module can be loaded.
        let limits = [self.limits.load_fuel, self.limits.memory_bytes].map(u64::to_le_bytes);
        let mut all: Vec<&[u8]> = vec![self.fingerprint.as_bytes(), &compatibility];
        all.extend(limits.iter().map(<[u8; 8]>::as_slice));
        all.extend(parts);
        Name::new(kind, &all)
    }

    /// What [`Component::serialize`] has written, from an entry that passed the check
    /// of the cache; `None` if another version or another processor wrote it.
    #[expect(
        unsafe_code,
        reason = "code is taken from the cache instead of being compiled"
    )]
    pub(super) fn deserialize(&self, entry: &Entry) -> Option<Component> {
        // SAFETY: the file holds what `Component::serialize` gave this host: the cache
        // returns nothing whose MAC, under a key that only this host has, is wrong. Its
        // entries are never written in place, and nobody else may write where they are.
        unsafe { Component::deserialize_file(&self.wasm, entry.path()) }.ok()
    }
}
