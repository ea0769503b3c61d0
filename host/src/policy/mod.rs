//! Policy packs: read, checked, merged, compiled.
//!
//! Implements *Packs* and the registry of *MCP* in the decision semantics, and
//! the policy settings of the wire contract. Nothing here evaluates a policy: a
//! pack becomes a [`CompiledPolicy`], canonical JSON text with a digest, and that
//! text is what the evaluators are given.
//!
//! A file is read in three steps, one module each: `document` turns YAML or JSON
//! into a tree that knows its places, `check` holds that tree against `schema`
//! and reports every fault at once, `merge` lays packs over each other.

mod canonical;
mod catalog;
mod check;
mod compiled;
mod document;
mod error;
mod folder;
mod guard;
mod id;
mod kept;
mod merge;
mod pack;
mod pack_tests;
mod problem;
mod reader;
mod registry;
mod report;
mod resolve;
mod schema;
mod source;
mod yaml;

#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Origin, PackListing};
pub use compiled::{COMPILED_SCHEMA, CompiledPolicy};
pub use error::{Fault, Faults, Place, PolicyError, Position, Warning};
pub use id::{PackId, PackIdError};
pub use pack::{Overlay, Pack, Parent};
pub use pack_tests::{Expectation, PackTests, TestCase};
pub use problem::{Advice, Problem};
pub use registry::TrustRegistry;
pub use report::{FileKind, FileReport, ValidationReport, validate};
pub use resolve::ResolvedPack;
pub use source::{PolicyDirectory, PolicySource};

/// The largest pack, overlay or test file: 4 MiB.
pub const MAX_PACK_BYTES: usize = 4 * 1024 * 1024;
/// The largest compiled policy: 16 MiB.
pub const MAX_COMPILED_BYTES: usize = 16 * 1024 * 1024;
/// The largest trust registry: 4 MiB.
pub const MAX_REGISTRY_BYTES: usize = 4 * 1024 * 1024;
/// How many packs may stand above one another, the asked-for one included.
pub const MAX_INHERITANCE_DEPTH: usize = 16;
/// How many packs one pack may be merged from, itself included.
pub const MAX_MERGED_PACKS: usize = 64;
