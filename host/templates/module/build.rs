//! What the linker is told, here and not in `RUSTFLAGS`, so that it holds however the
//! module is built.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_FAMILY").is_some_and(|family| family == "wasm") {
        // The default stack of 1 MiB lies lowest in memory, and a host resets it behind
        // every evaluation.
        println!("cargo::rustc-link-arg=-zstack-size=131072");
    }
}
