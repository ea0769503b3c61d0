//! CAVRA's sandboxed enforcement host.
//!
//! AI agents act: they read and write files, run commands, push branches, call
//! MCP tools. Before an agent acts, CAVRA decides. The *reference* evaluator is
//! authoritative; the *fast path* may take over only where it agrees. Both are
//! WASI components in fresh, fuel-metered sandboxes, and whatever goes wrong in
//! the fast path, the reference's decision stands.
//!
//! A request walks one way: `cli → pilot → backend(reference) → gates →
//! backend(fast path) → parity → evidence → answer`. Start at [`host::Host::evaluate`].

pub mod access;
pub mod api;
pub mod authors;
pub mod backend;
pub mod builtin;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod digest;
mod directory;
pub mod evidence;
pub mod examine;
pub mod fault;
pub mod gates;
pub mod host;
pub mod model;
pub mod oci;
pub mod pilot;
pub mod policy;
pub mod replay;
pub mod rollback;
pub mod sandbox;
pub mod shrink;
pub mod signing;
pub mod store;
pub mod telemetry;
