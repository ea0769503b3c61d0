//! What both evaluators need of the machine, and nothing of what they decide: the
//! allocator, the canonical ABI's `cabi_realloc`, and the end of a panic.
//!
//! An evaluation runs in a fresh instance, and every page that it writes has to be
//! put back behind it. So what a policy is loaded into and what an evaluation
//! writes lie apart: `keep` gathers the one, and the other comes from an arena of a few
//! pages beside the statics.
#![cfg_attr(target_family = "wasm", no_std)]

mod arena;
#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
mod heap;
mod memory;

pub use memory::{Heap, Memory};

#[cfg(target_family = "wasm")]
pub use component::keep;
