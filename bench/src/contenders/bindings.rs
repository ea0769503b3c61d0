//! The host's side of `wit/enforcement.wit`, generated.

wasmtime::component::bindgen!({
    world: "policy-module",
    path: "../wit",
    ownership: Borrowing { duplicate_if_necessary: true },
});
