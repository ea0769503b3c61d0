//! The fast path evaluator: the decision semantics by another road than the reference.
//!
//! A policy's patterns are compiled into tables when it is loaded, and a request is
//! decided in time that depends on its own length and hardly on how many patterns
//! there are. `docs/fast-path.md` describes the tables. The crate is `no_std`
//! in the component, so that the component imports nothing.
#![cfg_attr(all(target_family = "wasm", feature = "component"), no_std)]

extern crate alloc;

pub mod bindings;
mod chains;
mod commands;
#[cfg(all(target_family = "wasm", feature = "component"))]
mod component;
mod document;
mod files;
mod git;
mod glob;
mod lists;
mod mcp;
mod paths;
mod patterns;
mod policy;
mod rules;
mod shelf;
mod shell;
mod subject;
mod tails;

pub use bindings::cavra::enforcement::types::{
    Decision, Description, EvaluateError, LoadError, Request, Severity, Verdict,
};
pub use policy::Policy;
