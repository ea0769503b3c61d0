//! The engine: one function builds its configuration and the fingerprint of it.

use std::sync::Arc;

use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::limits::{self, Limits};
use super::ticker::Ticker;
use crate::digest::sha256_hex;

/// How instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Each instance maps its own. Cheap to start: for a command that decides once.
    OnDemand,
    /// A pool of slots that are reset and used again. Costs milliseconds to set
    /// up: for whatever decides often. The number is how many instances may live
    /// at once.
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

fn config(allocation: Allocation, limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits::MAX_WASM_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        // The same input gives the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_backtrace_max_frames(None);
    if let Allocation::Pooled(instances) = allocation {
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
            .total_memories(each(2).max(limits::MAX_MEMORIES))
            .total_tables(each(4).max(limits::MAX_CORE_INSTANCES))
            .table_elements(limits::MAX_TABLE_ELEMENTS)
            .max_memory_size(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX))
            // Without it every page that an instance touched is unmapped and
            // faulted in again.
            .linear_memory_keep_resident(2 * 1024 * 1024)
            .table_keep_resident(64 * 1024);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

impl Engine {
    /// Sets up an engine.
    ///
    /// # Errors
    /// When the system gives no thread or no address space.
    pub fn new(allocation: Allocation, limits: Limits) -> Result<Self, EngineError> {
        let wasm =
            wasmtime::Engine::new(&config(allocation, &limits)).map_err(|e| EngineError(format!("{e:#}")))?;
        let ticker = Ticker::start(&wasm).map_err(|e| EngineError(e.to_string()))?;
        Ok(Self {
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

    /// `sha256:<hex>` of everything in the configuration that fuel figures
    /// depend on: where it is equal, the same module uses the same fuel.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}
