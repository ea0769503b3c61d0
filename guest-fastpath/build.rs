//! Link arguments of the component. They stand here and not in `RUSTFLAGS` so
//! that `cargo build --target wasm32-wasip2` gives the shipped module.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_FAMILY").is_some_and(|family| family == "wasm") {
        // The default stack of 1 MiB lies lowest in memory and would be reset for nothing.
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=32768");
        // memcpy and friends; without std nobody else asks for libc.
        println!("cargo::rustc-link-arg-cdylib=-lc");
        println!("cargo::rustc-link-arg-cdylib=--export=cabi_realloc");
    }
}
