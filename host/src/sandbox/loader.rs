//! Opens modules and makes evaluators of them, each once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::engine::{Allocation, Engine, EngineError};
use super::evaluator::{Evaluator, Inner, Material, Way};
use super::limits::Limits;
use super::module::{Module, ModuleError, Ready, prepare};
use super::pace::Pace;
use super::snapshot::{NotBaked, bake};
use crate::cache::{Cache, Name};
use crate::digest::{Hashed, hex};
use crate::policy::{CompiledPolicy, TrustRegistry};

/// The kind of an evaluator's entry in the cache that is compiled code.
const BAKED: u8 = b'B';
/// The kind of an evaluator's entry in the cache that says why it cannot be baked.
const LOADS: u8 = b'L';

/// An engine with what was made on it, in memory and on disk.
///
/// What it makes is kept by the digests of module, policy and registry, the
/// configuration of the engine and the limits of loading. In memory it lives as
/// long as somebody uses it.
#[derive(Debug)]
pub struct Loader {
    engine: Engine,
    cache: Option<Arc<Cache>>,
    bakes: bool,
    made: Mutex<BTreeMap<Name, Weak<Way>>>,
}

impl Loader {
    /// A loader with an engine of its own. It bakes policies where that pays: where
    /// there is a cache that keeps them, or many evaluations are to come.
    ///
    /// # Errors
    /// When the engine cannot be set up.
    pub fn new(allocation: Allocation, limits: Limits, cache: Option<Cache>) -> Result<Self, EngineError> {
        Ok(Self {
            engine: Engine::new(allocation, limits)?,
            bakes: cache.is_some() || allocation != Allocation::OnDemand,
            cache: cache.map(Arc::new),
            made: Mutex::default(),
        })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where what is made is kept for other processes.
    pub fn cache(&self) -> Option<&Arc<Cache>> {
        self.cache.as_ref()
    }

    /// Checks a component, and compiles it if that is needed for it. Bytes that were hashed
    /// already are not hashed again.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn module(&self, limits: Limits, bytes: impl Into<Hashed<'static>>) -> Result<Module, ModuleError> {
        let engine = self.engine.with_limits(limits);
        Module::open(&engine, bytes.into(), self.cache.clone())
    }

    /// Brings a module and what it judges by together.
    ///
    /// Never fails: an evaluator that cannot judge says why at every evaluation.
    pub fn evaluator(
        &self,
        module: &Module,
        policy: &Arc<CompiledPolicy>,
        registry: Option<&Arc<TrustRegistry>>,
    ) -> Evaluator {
        let registry_digest = registry.map(|registry| registry.digest()).unwrap_or_default();
        let name = module.engine().name(
            "evaluator",
            &[
                module.sha256().as_bytes(),
                policy.digest().as_bytes(),
                registry_digest.as_bytes(),
            ],
        );
        let known = self.made().get(&name).and_then(Weak::upgrade);
        let way = known.unwrap_or_else(|| {
            let way = self.way(module, policy, registry, &name);
            let way = Arc::new(way.unwrap_or_else(|error| Way::Fails(error.into())));
            let mut made = self.made();
            made.retain(|_, it| it.strong_count() > 0);
            made.insert(name, Arc::downgrade(&way));
            way
        });
        let imports_wasi = !module.imports().is_empty();
        // What a module calls of the host, and what it loads, takes time that is not
        // counted as fuel of an evaluation.
        let may_be_brief = matches!(*way, Way::Baked(_)) && !imports_wasi;
        Evaluator(Arc::new(Inner {
            engine: module.engine().clone(),
            imports_wasi,
            pace: may_be_brief.then(|| Pace::new(module.engine())),
            module_sha256: module.sha256().clone(),
            policy_sha256: hex(policy.digest()).into(),
            way,
        }))
    }

    fn made(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Weak<Way>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way(
        &self,
        module: &Module,
        policy: &Arc<CompiledPolicy>,
        registry: Option<&Arc<TrustRegistry>>,
        name: &Name,
    ) -> Result<Way, ModuleError> {
        let why = if self.bakes {
            match self.baked(module, policy, registry, name) {
                Ok(ready) => return Ok(Way::Baked(ready)),
                Err(NotBaked::Refused(fault)) => return Ok(Way::Fails(fault)),
                Err(NotBaked::Failed(why) | NotBaked::Cannot(why)) => Some(why),
            }
        } else {
            None
        };
        Ok(Way::Loads {
            ready: module.plain()?,
            material: Material {
                policy: Arc::clone(policy),
                registry: registry.cloned(),
            },
            why,
        })
    }

    fn baked(
        &self,
        module: &Module,
        policy: &CompiledPolicy,
        registry: Option<&Arc<TrustRegistry>>,
        name: &Name,
    ) -> Result<Ready, NotBaked> {
        let engine = module.engine();
        let ready = |component| {
            prepare(engine, &component, !module.imports().is_empty())
                .map_err(|error| NotBaked::Cannot(error.to_string()))
        };
        let entry = self.cache.as_ref().and_then(|cache| cache.get(name));
        if let Some(entry) = entry {
            if entry.kind == BAKED
                && let Some(component) = engine.deserialize(&entry)
            {
                return ready(component);
            }
            if entry.kind == LOADS
                && let Ok(why) = entry.bytes()
            {
                return Err(NotBaked::Cannot(String::from_utf8_lossy(&why).into_owned()));
            }
        }
        let baked = bake(module, policy.json(), registry.map(|registry| registry.json()));
        let entry = match &baked {
            Ok(component) => component.serialize().ok().map(|code| (BAKED, code)),
            Err(NotBaked::Cannot(why)) => Some((LOADS, why.clone().into_bytes())),
            Err(NotBaked::Refused(_) | NotBaked::Failed(_)) => None,
        };
        if let (Some(cache), Some((kind, entry))) = (&self.cache, entry) {
            // It is baked again next time.
            let _ = cache.put(name, kind, &entry);
        }
        baked.and_then(ready)
    }
}
