//! A policy module: what the world `policy-module` of `wit/enforcement.wit` exports.
//!
//! Only the interface is here. `policy` reads a compiled policy, `judge` decides; both
//! are ordinary Rust, and their tests run with `cargo test`.
//!
//! A module is a pure function. It has no clock, no randomness, no files and no network;
//! the same request, policy and registry always give the same decision. Do not use
//! `HashMap` while loading: its seed is asked of the host, and a host cannot keep a
//! snapshot of a module that asks for something while it loads.

mod judge;
mod policy;

wit_bindgen::generate!({
    world: "policy-module",
    path: "wit",
});

use std::cell::RefCell;

use exports::cavra::enforcement::evaluator::{
    Decision, Description, EvaluateError, Guest, LoadError, Request,
};

thread_local! {
    /// What `load` has loaded. An instance has one thread.
    static LOADED: RefCell<Option<policy::Policy>> = const { RefCell::new(None) };
}

struct Module;

impl Guest for Module {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // The version of the decision semantics that the module follows.
            semantics_version: "1".to_owned(),
        }
    }

    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        let policy = policy::Policy::read(&policy).map_err(LoadError::InvalidPolicy)?;
        if registry.is_some() {
            // Refusing is better than deciding as if there were none.
            let why = "this module does not read trust registries".to_owned();
            return Err(LoadError::InvalidRegistry(why));
        }
        LOADED.replace(Some(policy));
        Ok(())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        LOADED.with_borrow(|loaded| {
            let policy = loaded.as_ref().ok_or(EvaluateError::NotLoaded)?;
            if request.policy_pack != policy.pack {
                return Err(EvaluateError::WrongPack(policy.pack.clone()));
            }
            Ok(judge::judge(policy, request))
        })
    }
}

#[cfg(target_family = "wasm")]
export!(Module);
