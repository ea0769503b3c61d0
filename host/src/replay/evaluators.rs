//! Modules and policies brought together as records ask for them, each pair once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Material, Missing, Obstacle};
use crate::cache::Cache;
use crate::digest::Hashed;
use crate::evidence::LimitsRecord;
use crate::policy::{CompiledPolicy, TrustRegistry};
use crate::sandbox::{Allocation, EngineError, Evaluator, Limits, Loader, Module};

/// The shortest deadline of a replay. A record that met its own deadline is to meet it
/// again on a machine that is slower or busier; what bounds it is its fuel.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many evaluators are kept at once.
const KEPT: usize = 128;

/// Which of the two evaluators is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The authoritative one.
    Reference,
    /// The fast one.
    FastPath,
}

impl Role {
    fn module(self) -> Obstacle {
        match self {
            Self::Reference => Obstacle::ReferenceModule,
            Self::FastPath => Obstacle::FastpathModule,
        }
    }

    fn policy(self) -> Obstacle {
        match self {
            Self::Reference => Obstacle::ReferencePolicy,
            Self::FastPath => Obstacle::FastpathPolicy,
        }
    }
}

/// What an evaluator is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parts {
    /// The module's SHA-256.
    pub module: String,
    /// The policy's digest.
    pub policy: String,
    /// The pack that the policy is of.
    pub pack: String,
    /// The registry's digest.
    pub registry: Option<String>,
    /// The limits.
    pub limits: LimitKey,
}

/// Limits that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitKey {
    evaluate_fuel: u64,
    load_fuel: u64,
    memory_bytes: u64,
    wall_clock_ms: u64,
}

impl From<&LimitsRecord> for LimitKey {
    fn from(it: &LimitsRecord) -> Self {
        Self {
            evaluate_fuel: it.evaluate_fuel,
            load_fuel: it.load_fuel,
            memory_bytes: it.memory_bytes,
            wall_clock_ms: it.wall_clock_ms,
        }
    }
}

impl From<LimitKey> for Limits {
    fn from(it: LimitKey) -> Self {
        Self {
            evaluate_fuel: it.evaluate_fuel,
            load_fuel: it.load_fuel,
            memory_bytes: it.memory_bytes,
            wall_clock: Duration::from_millis(it.wall_clock_ms).max(DEADLINE),
        }
    }
}

type Made<T> = Result<T, Vec<Missing>>;

/// Everything that was made so far.
#[derive(Debug)]
pub struct Evaluators {
    material: Material,
    loader: Loader,
    memory_bytes: u64,
    modules: Mutex<BTreeMap<(String, LimitKey), Made<Module>>>,
    policies: Mutex<BTreeMap<String, Option<Arc<CompiledPolicy>>>>,
    made: Mutex<BTreeMap<(Role, Parts), Made<Evaluator>>>,
}

impl Evaluators {
    /// An engine for `threads` threads, with room for `memory_bytes` an instance.
    ///
    /// # Errors
    /// When the engine cannot be set up.
    pub fn new(
        material: Material,
        threads: u32,
        memory_bytes: u64,
        cache: Option<Cache>,
    ) -> Result<Self, EngineError> {
        let limits = Limits {
            memory_bytes,
            ..Limits::default()
        };
        let limits = limits.for_reference();
        Ok(Self {
            material,
            memory_bytes: limits.memory_bytes,
            loader: Loader::new(Allocation::Pooled(threads), limits, cache)?,
            modules: Mutex::default(),
            policies: Mutex::default(),
            made: Mutex::default(),
        })
    }

    /// The engine's fingerprint.
    pub fn fingerprint(&self) -> &str {
        self.loader.engine().fingerprint()
    }

    /// The evaluator of these parts.
    ///
    /// # Errors
    /// Everything that is missing for it.
    pub fn get(&self, role: Role, parts: &Parts) -> Made<Evaluator> {
        self.keep(role, parts, || self.module(role, parts))
    }

    /// The evaluator of another module, where the module of the record stood.
    ///
    /// # Errors
    /// Everything that is missing for it.
    pub fn substitute(&self, module: &Module, role: Role, parts: &Parts) -> Made<Evaluator> {
        let parts = Parts {
            module: module.sha256().to_string(),
            ..parts.clone()
        };
        self.keep(role, &parts, || Ok(module.clone()))
    }

    /// One thread makes an evaluator, and all that need it wait for it.
    fn keep(&self, role: Role, parts: &Parts, module: impl FnOnce() -> Made<Module>) -> Made<Evaluator> {
        let key = (role, parts.clone());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&key) {
            return known.clone();
        }
        let evaluator = self.bring_together(role, parts, module());
        if made.len() >= KEPT {
            made.clear();
        }
        made.insert(key, evaluator.clone());
        evaluator
    }

    /// Loads a module that no record names.
    ///
    /// # Errors
    /// The sentence for people.
    pub fn load(&self, bytes: impl Into<Hashed<'static>>, limits: Limits) -> Result<Module, String> {
        let limits = Limits {
            wall_clock: limits.wall_clock.max(DEADLINE),
            memory_bytes: limits.memory_bytes.min(self.memory_bytes),
            ..limits
        };
        self.loader.module(limits, bytes).map_err(|e| e.to_string())
    }

    fn bring_together(&self, role: Role, parts: &Parts, module: Made<Module>) -> Made<Evaluator> {
        let mut missing = Vec::new();
        let module = module.map_err(|more| missing.extend(more));
        let policy = self.policy(&parts.policy, &parts.pack).ok_or_else(|| {
            missing.push(Missing {
                obstacle: role.policy(),
                detail: format!(
                    "policy {} of pack `{}`; give it by --policies or --policy-dir",
                    parts.policy, parts.pack
                ),
            });
        });
        let registry = self
            .registry(parts.registry.as_deref())
            .map_err(|it| missing.push(it));
        match (module, policy, registry) {
            (Ok(module), Ok(policy), Ok(registry)) => {
                Ok(self.loader.evaluator(&module, &policy, registry.as_ref()))
            }
            _ => Err(missing),
        }
    }

    fn module(&self, role: Role, parts: &Parts) -> Made<Module> {
        let told = |obstacle, detail| vec![Missing { obstacle, detail }];
        let wanted = parts.limits.memory_bytes;
        if wanted > self.memory_bytes {
            let detail = format!("it may use {wanted} bytes of memory; set --memory-bytes to as much");
            return Err(told(Obstacle::Limits, detail));
        }
        let key = (parts.module.clone(), parts.limits);
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = modules.entry(key).or_insert_with(|| {
            let bytes = self.material.module(&parts.module).ok_or_else(|| {
                told(
                    role.module(),
                    format!("module {}; give it by --modules", parts.module),
                )
            })?;
            let module = self.loader.module(parts.limits.into(), bytes);
            module.map_err(|e| told(Obstacle::Unusable, format!("module {}: {e}", parts.module)))
        });
        opened.clone()
    }

    fn policy(&self, digest: &str, pack: &str) -> Option<Arc<CompiledPolicy>> {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = policies.get(digest) {
            return known.clone();
        }
        let policy = self.material.policy(digest, pack).map(Arc::new);
        if policies.len() >= KEPT {
            policies.clear();
        }
        policies.insert(digest.to_owned(), policy.clone());
        policy
    }

    fn registry(&self, digest: Option<&str>) -> Result<Option<Arc<TrustRegistry>>, Missing> {
        let Some(digest) = digest else {
            return Ok(None);
        };
        let registry = self.material.registry(digest).map(Arc::new);
        registry.map(Some).ok_or_else(|| Missing {
            obstacle: Obstacle::Registry,
            detail: format!("registry {digest}; give it by --policies or --registry-path"),
        })
    }
}
