//! A sandboxed component as a backend: a module with the policy it judges by.

use std::sync::Arc;

use super::{Attempt, Backend};
use crate::digest::hex;
use crate::fault::Fault;
use crate::model::Request;
use crate::policy::{CompiledPolicy, TrustRegistry};
use crate::sandbox::{Module, instance};

/// A module, a policy and, if there is one, a registry. Every evaluation gets a
/// fresh instance.
#[derive(Clone, Debug)]
pub struct ComponentBackend {
    module: Module,
    policy: Arc<CompiledPolicy>,
    registry: Option<Arc<TrustRegistry>>,
}

impl ComponentBackend {
    /// Brings a module and what it judges by together.
    pub fn new(module: Module, policy: Arc<CompiledPolicy>, registry: Option<Arc<TrustRegistry>>) -> Self {
        Self {
            module,
            policy,
            registry,
        }
    }
}

impl Backend for ComponentBackend {
    fn evaluate(&self, request: &Request) -> Attempt {
        let registry = self.registry.as_deref().map(TrustRegistry::json);
        let mut attempt = instance::evaluate(&self.module, self.policy.json(), registry, request);
        attempt.usage.policy_sha256 = hex(self.policy.digest());
        attempt
    }
}

/// A backend that there is none of: every attempt gives the same fault.
#[derive(Clone, Debug)]
pub struct MissingBackend(pub Fault);

impl Backend for MissingBackend {
    fn evaluate(&self, _: &Request) -> Attempt {
        Attempt {
            outcome: Err(self.0.clone()),
            usage: Default::default(),
        }
    }
}
