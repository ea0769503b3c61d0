//! skeleton
#![cfg_attr(target_family = "wasm", no_std)]
extern crate alloc;
pub mod bindings;
#[cfg(all(target_family = "wasm", feature = "component"))]
mod component;
