//! A module with the policy it judges by, ready to judge.

use std::sync::Arc;

use super::engine::Engine;
use super::instance;
use super::module::Ready;
use super::pace::Pace;
use crate::backend::Attempt;
use crate::fault::Fault;
use crate::model::Request;
use crate::policy::{CompiledPolicy, TrustRegistry};

/// A module, a policy and, if there is one, a registry. Every evaluation gets a
/// fresh instance. Cheap to clone.
#[derive(Clone)]
pub struct Evaluator(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) imports_wasi: bool,
    /// Whether it can be asked where there is no time; none: never.
    pub(super) pace: Option<Pace>,
    pub(super) module_sha256: Arc<str>,
    pub(super) policy_sha256: Arc<str>,
    /// What is dear to make; evaluators with other limits share it.
    pub(super) way: Arc<Way>,
}

/// How an instance comes to its policy.
pub(super) enum Way {
    /// It begins with it.
    Baked(Ready),
    /// It loads it.
    Loads {
        ready: Ready,
        material: Material,
        /// Why it is not baked, where it was tried.
        why: Option<String>,
    },
    /// It never does.
    Fails(Fault),
}

/// What is loaded.
pub(super) struct Material {
    pub(super) policy: Arc<CompiledPolicy>,
    pub(super) registry: Option<Arc<TrustRegistry>>,
}

impl Material {
    pub(super) fn policy(&self) -> &str {
        self.policy.json()
    }

    pub(super) fn registry(&self) -> Option<&str> {
        self.registry.as_deref().map(TrustRegistry::json)
    }
}

/// Whether evaluations begin with the policy, or load it each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// They begin with it.
    Baked,
    /// They load it, and why, if it is the module's doing.
    LoadsEachTime(Option<String>),
    /// The module refuses the policy or the registry.
    Refused(Fault),
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator")
            .field("module_sha256", &self.0.module_sha256)
            .field("policy_sha256", &self.0.policy_sha256)
            .field("preparation", &self.preparation())
            .finish_non_exhaustive()
    }
}

impl Evaluator {
    /// Judges one request in a fresh instance.
    pub fn evaluate(&self, request: &Request) -> Attempt {
        let attempt = instance::evaluate(self, self.engine(), request);
        if let Some(pace) = &self.0.pace {
            pace.saw(&attempt.usage);
        }
        attempt
    }

    /// As [`evaluate`](Self::evaluate), on a thread that others wait for: under limits
    /// that end it after a moment. `None` where it was not tried, because the last
    /// evaluation took longer than that, and where it came to the end of these limits,
    /// which says nothing about the request.
    pub fn evaluate_briefly(&self, request: &Request) -> Option<Attempt> {
        let pace = self.0.pace.as_ref().filter(|pace| pace.is_brief())?;
        let attempt = instance::evaluate(self, pace.engine(), request);
        if pace.cut_short(&attempt.outcome) {
            return None;
        }
        pace.saw(&attempt.usage);
        Some(attempt)
    }

    /// How an instance comes to its policy.
    pub fn preparation(&self) -> Preparation {
        match &*self.0.way {
            Way::Baked(_) => Preparation::Baked,
            Way::Loads { why, .. } => Preparation::LoadsEachTime(why.clone()),
            Way::Fails(fault) => Preparation::Refused(fault.clone()),
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn imports_wasi(&self) -> bool {
        self.0.imports_wasi
    }

    pub(super) fn module_sha256(&self) -> &Arc<str> {
        &self.0.module_sha256
    }

    pub(super) fn policy_sha256(&self) -> &Arc<str> {
        &self.0.policy_sha256
    }

    pub(super) fn way(&self) -> &Way {
        &self.0.way
    }
}
