//! The types of `wit/enforcement.wit`, generated.
#![expect(missing_docs, reason = "documented in wit/enforcement.wit")]

wit_bindgen::generate!({
    world: "policy-module",
    path: "../wit",
    // With a public macro the description of the component is linked only into
    // what exports the evaluator, not into every crate that uses the types.
    pub_export_macro: true,
    default_bindings_module: "guest_policy::bindings",
});
