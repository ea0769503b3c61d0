//! Modules on their way: the store, registries, archives.

mod registry;
