//! The component that the host loads: `cavra:enforcement/evaluator`, with the
//! one policy that an instance holds.
#![expect(unreachable_pub, reason = "the macro that wit-bindgen generates")]
#![expect(unsafe_code, reason = "the symbols that wit-bindgen generates, and `Loaded`")]

use alloc::string::String;
use core::cell::RefCell;

use crate::Policy;
use crate::bindings::exports::cavra::enforcement::evaluator::{
    Decision, Description, EvaluateError, Guest, LoadError, Request,
};

/// The version of the decision semantics that this evaluator implements.
const SEMANTICS_VERSION: &str = "1";

static LOADED: Loaded = Loaded(RefCell::new(None));

/// What `load` has loaded.
///
/// A `static` must be shareable between threads, and without `std` nothing that
/// is can be replaced without unsafe code, here or in a dependency. This is the
/// least of it: a cell whose borrows are checked, and the promise that there is
/// one thread.
struct Loaded(RefCell<Option<Policy>>);

// SAFETY: without the threads proposal (`atomics`) a component instance has one
// thread, so the cell is never shared between two. With it, this does not apply
// and the static above does not compile.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Sync for Loaded {}

struct Module;

impl Guest for Module {
    fn describe() -> Description {
        Description {
            name: "cavra-reference".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            semantics_version: SEMANTICS_VERSION.into(),
        }
    }

    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        let policy = guest_memory::keep(move || {
            let (policy, registry) = (policy, registry);
            Policy::load(&policy, registry.as_deref())
        })?;
        LOADED.0.replace(Some(policy));
        Ok(())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        LOADED
            .0
            .borrow()
            .as_ref()
            .ok_or(EvaluateError::NotLoaded)?
            .evaluate(&request)
    }
}

crate::bindings::export!(Module with_types_in crate::bindings);
