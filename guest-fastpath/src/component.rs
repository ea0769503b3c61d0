//! The component: the exports of the world `policy-module`.
#![expect(
    unsafe_code,
    unreachable_pub,
    reason = "the exported symbols of the component"
)]

use crate::bindings::exports::cavra::enforcement::evaluator::Guest;
use crate::{Decision, Description, EvaluateError, LoadError, Policy, Request};
use alloc::string::String;
use spin::Mutex;

/// What `load` has loaded.
static LOADED: Mutex<Option<Policy>> = Mutex::new(None);

struct Module;

impl Guest for Module {
    fn describe() -> Description {
        Description {
            name: "cavra-fastpath".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            semantics_version: "1".into(),
        }
    }

    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        let policy = guest_memory::keep(move || {
            let document = Policy::read(&policy)?;
            // The text is as large as the tables; they take its place.
            drop(policy);
            let registry = registry.map(|json| Policy::read_registry(&json)).transpose()?;
            Ok(Policy::new(document, registry))
        })?;
        *LOADED.lock() = Some(policy);
        Ok(())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        match &*LOADED.lock() {
            Some(policy) => policy.evaluate(&request),
            None => Err(EvaluateError::NotLoaded),
        }
    }
}

crate::bindings::export!(Module with_types_in crate::bindings);
