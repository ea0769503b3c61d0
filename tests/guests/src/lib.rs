//! What the hostile guests share: an honest module, of which each guest spoils
//! one thing.
//!
//! A guest is a component of one file, `examples/<name>.rs`. It implements
//! [`Module`], overriding only the function in which it misbehaves, and exports
//! itself with [`guest!`]. What a typed language does not let a guest do is
//! written by hand in `wat/`, around the same honest module in `world.wat`. What
//! the host must answer stands in `expectations.toml`, one table for all guests.

pub mod bindings;
pub mod reference;

pub use bindings::{Decision, Description, EvaluateError, LoadError, Request, Severity, Verdict};

/// A policy module that behaves, unless a function is overridden.
pub trait Module {
    /// An honest description.
    fn describe() -> Description {
        description()
    }

    /// Accepts any policy and registry.
    ///
    /// # Errors
    ///
    /// None, unless overridden.
    fn load(_policy: String, _registry: Option<String>) -> Result<(), LoadError> {
        Ok(())
    }

    /// Decides as [`decide`] does.
    ///
    /// # Errors
    ///
    /// None, unless overridden.
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        Ok(decide(request))
    }
}

/// What an honest guest says that it is.
pub fn description() -> Description {
    Description {
        name: "test-guest".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        semantics_version: "1".to_owned(),
    }
}

/// The right decision for a request with an unknown action type, whatever the
/// policy (decision semantics, *Others*).
///
/// A guest without an evaluator can so be right: the tests ask it for an action
/// that nobody knows.
pub fn decide(request: Request) -> Decision {
    let asked = request.operation.filter(|text| !text.is_empty());
    Decision {
        verdict: Verdict::RequireApproval,
        rule_id: "runtime.default.require_approval".to_owned(),
        severity: Severity::Medium,
        reason: "the action type is unknown".to_owned(),
        action_type: request.action_type,
        target: request.target.unwrap_or_default(),
        requested_operation: asked.or(request.requested_operation).unwrap_or_default(),
        policy_pack: request.policy_pack,
        approver_group: Some("Repository Owners".to_owned()),
        matched_pattern: None,
    }
}

/// Exports a [`Module`] as the component's `cavra:enforcement/evaluator`.
///
/// On other targets than wasm it only checks the type, so that the guests are
/// linted with the rest of the workspace.
#[macro_export]
macro_rules! guest {
    ($module:ident) => {
        const _: fn() = || {
            fn is_a_module<M: $crate::Module>() {}
            is_a_module::<$module>();
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::export!($module with_types_in $crate::bindings);
    };
}
