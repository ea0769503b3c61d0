//! The reference evaluator of CAVRA: authoritative, and written to be read
//! beside the decision semantics (`docs/decision-semantics.md`).
//!
//! Each section of that page is one file here, in the same order and with the
//! same words: `glob` and `patterns` (*Globs*), `paths` and `files`
//! (*Files*), `shell` and `commands` (*Commands*), `git` (*Git*),
//! `mcp` and `registry` (*MCP*). `policy` loads a compiled policy,
//! `evaluate` asks the section that a request belongs to, and [`rules`] is
//! the table of every rule that can decide.
//!
//! A decision is a pure function of request, policy and registry. There is no
//! cleverness on purpose: speed is the business of the fast path, which shares
//! no code with this crate and must agree with it on every request.
//!
//! ```
//! use guest_policy::{Policy, Request, Verdict};
//!
//! let policy = Policy::load(
//!     r#"{"metadata": {"id": "example"}, "filesystem": {"block_read": [".env"]}}"#,
//!     None,
//! )?;
//! let decision = policy.evaluate(&Request {
//!     action_type: "read_file".into(),
//!     target: Some("app/.env".into()),
//!     operation: None,
//!     requested_operation: None,
//!     policy_pack: "example".into(),
//!     server: None,
//!     tool: None,
//!     capability: None,
//!     workspace: None,
//!     session_id: None,
//!     agent_id: None,
//!     actor: None,
//! })?;
//! assert_eq!(decision.verdict, Verdict::Block);
//! assert_eq!(decision.rule_id, "filesystem.read.block");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(all(target_family = "wasm", feature = "component"), no_std)]

extern crate alloc;

pub mod bindings;
pub mod rules;

mod commands;
#[cfg(all(target_family = "wasm", feature = "component"))]
mod component;
mod evaluate;
mod files;
mod git;
mod glob;
mod json;
mod mcp;
mod paths;
mod patterns;
mod policy;
mod registry;
mod shape;
mod shell;
mod text;

pub use bindings::cavra::enforcement::types::{
    Decision, EvaluateError, LoadError, Request, Severity, Verdict,
};
pub use policy::Policy;
