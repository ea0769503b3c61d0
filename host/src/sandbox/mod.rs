//! The sandbox: WASI components in fresh, fuel-metered instances.
//!
//! Implements the sandbox specification.

pub(crate) mod bindings;
mod engine;
pub(crate) mod instance;
pub(crate) mod limits;
mod module;
mod ticker;
mod wasi;

pub use engine::{Allocation, Engine, EngineError};
pub use limits::{Limits, MAX_MODULE_BYTES, MAX_TEXT_BYTES};
pub use module::{Description, EVALUATOR, Module, ModuleError, SEMANTICS_VERSION, is_wasm};
