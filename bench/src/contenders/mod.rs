//! What is timed, one file a kind.

mod bindings;
pub(crate) mod cedar;
pub(crate) mod empty;
pub(crate) mod native;
pub(crate) mod rego;
pub(crate) mod reused;
pub(crate) mod sandbox;
pub(crate) mod spawned;
