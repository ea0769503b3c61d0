//! The real evaluator, for guests that decide as the reference does but for one
//! thing.

use std::sync::{Mutex, PoisonError};

use guest_policy::Policy;

use crate::{Decision, EvaluateError, LoadError, Request};

static LOADED: Mutex<Option<Policy>> = Mutex::new(None);

/// Loads a policy and a registry into the reference evaluator, in place of what
/// was loaded before.
///
/// # Errors
///
/// As the reference evaluator's `load`; what was loaded before stays.
pub fn load(policy: &str, registry: Option<&str>) -> Result<(), LoadError> {
    let policy = Policy::load(policy, registry)?;
    *LOADED.lock().unwrap_or_else(PoisonError::into_inner) = Some(policy);
    Ok(())
}

/// Judges a request as the reference evaluator does.
///
/// # Errors
///
/// As the reference evaluator's `evaluate`; [`EvaluateError::NotLoaded`] before
/// [`load`].
pub fn evaluate(request: &Request) -> Result<Decision, EvaluateError> {
    match LOADED.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        Some(policy) => policy.evaluate(request),
        None => Err(EvaluateError::NotLoaded),
    }
}
