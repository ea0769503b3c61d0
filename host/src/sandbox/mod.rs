//! The sandbox: WASI components in fresh, fuel-metered instances.
//!
//! Implements the sandbox specification.

mod bindings;
mod engine;
mod evaluator;
mod functions;
mod instance;
pub(crate) mod limits;
mod loader;
mod module;
mod pace;
mod snapshot;
mod ticker;
mod wasi;

pub use engine::{Allocation, Engine, EngineError};
pub use evaluator::{Evaluator, Preparation};
pub use limits::{Limits, MAX_MODULE_BYTES, MAX_TEXT_BYTES};
pub use loader::Loader;
pub use module::{
    Description, EVALUATOR, Module, ModuleError, SEMANTICS_VERSION, WORLD, is_component, is_wasm,
};
