//! Link arguments of the component. They stand here and not in `RUSTFLAGS` so
//! that `cargo build --target wasm32-wasip2` gives the shipped module.

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told its target by variables"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_FAMILY").is_some_and(|family| family == "wasm") {
        // The default stack of 1 MiB lies lowest in memory and would be reset for nothing.
        println!("cargo::rustc-link-arg=-zstack-size=32768");
        // memcpy and friends; without std nobody else asks for libc.
        println!("cargo::rustc-link-arg=-lc");
        println!("cargo::rustc-link-arg=--export=cabi_realloc");
    }
}
