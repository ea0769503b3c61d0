//! Tests of the real binary, with real components and real processes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that finds something else than it looks for is to fail there"
)]

#[path = "../native/adapter.rs"]
mod adapter;
mod baking;
mod brief;
mod cache;
mod cli;
mod documentation;
mod evidence;
mod faults;
mod fuel;
mod governance;
mod instructions;
mod modes;
mod modules;
mod native;
mod operations;
mod packs;
mod parity;
mod promoted;
mod reload;
mod replay;
mod service;
mod settings;
mod signing;
mod stream;
mod watching;

/// The binary, as the supervisor of native runtimes.
fn cavra_binary() -> &'static std::path::Path {
    static BINARY: std::sync::LazyLock<std::path::PathBuf> =
        std::sync::LazyLock::new(integration_tests::binary);
    &BINARY
}
