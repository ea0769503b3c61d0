//! The exports of `wit/enforcement.wit`, generated. The types are those of the
//! reference evaluator, so that a guest can spoil one of its decisions.
#![expect(missing_docs, reason = "documented in wit/enforcement.wit")]

pub use guest_policy::bindings::cavra::enforcement::types::{
    Decision, Description, EvaluateError, LoadError, Request, Severity, Verdict,
};

wit_bindgen::generate!({
    world: "policy-module",
    path: "../../wit",
    pub_export_macro: true,
    default_bindings_module: "test_guests::bindings",
    with: { "cavra:enforcement/types@1.0.0": guest_policy::bindings::cavra::enforcement::types },
});

impl<M: crate::Module> exports::cavra::enforcement::evaluator::Guest for M {
    fn describe() -> Description {
        M::describe()
    }

    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        M::load(policy, registry)
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        M::evaluate(request)
    }
}
