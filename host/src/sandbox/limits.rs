//! What a sandboxed module may use: one struct, always on.
//!
//! Implements the sandbox specification, *Limits*.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// The largest module file: 32 MiB.
pub const MAX_MODULE_BYTES: u64 = 32 * 1024 * 1024;
/// The longest text of a decision: 64 KiB, so that a command line of the longest
/// request can be repeated in it.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Core instances, and tables, of one instance together.
pub(crate) const MAX_CORE_INSTANCES: u32 = 32;
/// Linear memories of one instance together.
pub(crate) const MAX_MEMORIES: u32 = 16;
/// Elements of one table.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 100_000;
/// The call stack of WebAssembly code, in bytes.
pub(crate) const MAX_WASM_STACK: usize = 512 * 1024;

/// The limits of one evaluation in one fresh instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel for one `evaluate`; about one a WebAssembly instruction.
    pub evaluate_fuel: u64,
    /// Fuel for instantiation and `load` together.
    pub load_fuel: u64,
    /// Wall-clock time for instantiation, `load` and `evaluate` together.
    pub wall_clock: Duration,
    /// Bytes of all linear memories of an instance together.
    pub memory_bytes: u64,
}

/// The least fuel of one evaluation by the reference. It reads patterns one by one:
/// a commit message of 20 KiB under a pack of 600 patterns takes a tenth of this.
const REFERENCE_FUEL: u64 = 10_000_000_000;
/// The least fuel with which the reference loads a policy.
const REFERENCE_LOAD_FUEL: u64 = 50_000_000_000;
/// The least memory of the reference. The largest policies that are read, 16 MiB of
/// JSON, do not fit into the default.
const REFERENCE_MEMORY: u64 = 256 * 1024 * 1024;

impl Limits {
    /// These limits for the reference. Where it fails, everything is blocked, so it
    /// never has less than the default deadline, fuel enough for the longest command
    /// lines that agents write, and fuel and memory for loading the largest policy; a
    /// smaller setting limits only the fast path.
    #[must_use]
    pub fn for_reference(self) -> Self {
        Self {
            evaluate_fuel: self.evaluate_fuel.max(REFERENCE_FUEL),
            load_fuel: self.load_fuel.max(REFERENCE_LOAD_FUEL),
            wall_clock: self.wall_clock.max(Self::default().wall_clock),
            memory_bytes: self.memory_bytes.max(REFERENCE_MEMORY),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            evaluate_fuel: 50_000_000,
            load_fuel: 5_000_000_000,
            wall_clock: Duration::from_secs(5),
            memory_bytes: 64 * 1024 * 1024,
        }
    }
}

/// More memory was wanted than [`Limits::memory_bytes`]: the typed trap of a growth.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("all memories together would hold {wanted} bytes; they may hold {limit}")]
pub(crate) struct MemoryExceeded {
    pub(crate) wanted: u64,
    pub(crate) limit: u64,
}

/// A larger table was wanted than an instance may have: the typed trap of a growth.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the table would hold {wanted} elements; it may hold {MAX_TABLE_ELEMENTS}")]
pub(crate) struct TableExceeded {
    wanted: usize,
}

/// Counts the memory of one store and ends the guest that wants too much.
///
/// Reaching a limit is a trap and not a refused `memory.grow` or `table.grow`: a
/// guest that lives on with less than it asked for would make the limit part of
/// the decision.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: u64,
    total: u64,
    last_growth: u64,
    /// The largest total so far, in bytes.
    pub(crate) peak: u64,
}

impl MemoryMeter {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            total: 0,
            last_growth: 0,
            peak: 0,
        }
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let wanted = self.total.saturating_add(growth);
        if wanted > self.limit {
            return Err(MemoryExceeded {
                wanted,
                limit: self.limit,
            }
            .into());
        }
        self.total = wanted;
        self.last_growth = growth;
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        // The growth that was counted did not happen.
        self.total = self.total.saturating_sub(std::mem::take(&mut self.last_growth));
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            return Err(TableExceeded { wanted: desired }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }
}
