//! The host: settings, packs, modules and gates brought together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::backend::{Backend, ComponentBackend, MissingBackend, NativeLimits, NativeRuntime};
use crate::builtin;
use crate::clock::{Clock, IdSource};
use crate::config::Config;
use crate::digest::hex;
use crate::fault::Fault;
use crate::gates::{ReadinessReport, ReadinessSubject};
use crate::model::{DEFAULT_POLICY_PACK, Request};
use crate::pilot::{self, Evaluation, Gates, Stamps};
use crate::policy::{Catalog, CompiledPolicy, PackId, PolicyError, PolicySource, TrustRegistry};
use crate::sandbox::{Allocation, Engine, EngineError, MAX_MODULE_BYTES, Module, is_wasm};

const EMPTY_REGISTRY: &[u8] = br#"{"mcp_servers":[]}"#;

/// The host cannot be set up, or a request cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The policy directory or a pack is unusable.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// What only the caller knows.
pub struct Surroundings {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// How instances get their memory.
    pub allocation: Allocation,
    /// The program that supervises native runtimes: the `cavra` binary itself.
    pub supervisor: PathBuf,
}

/// What runs as the fast path.
#[derive(Clone, Debug)]
enum Runtime {
    Component(Module),
    Native { path: PathBuf, sha256: String },
}

/// The two backends for one pack.
struct Loaded {
    reference: Box<dyn Backend>,
    fast_path: OnceLock<Box<dyn Backend>>,
}

/// A host that judges requests. Loads what it needs when it needs it, and keeps it.
pub struct Host {
    config: Config,
    surroundings: Surroundings,
    catalog: Catalog,
    engine: Engine,
    registry: Option<Result<Arc<TrustRegistry>, Fault>>,
    source: OnceLock<Result<PolicySource, Fault>>,
    reference: OnceLock<Result<Module, Fault>>,
    runtime: OnceLock<Result<Runtime, Fault>>,
    readiness: OnceLock<Arc<ReadinessReport>>,
    packs: Mutex<BTreeMap<PackId, Arc<Loaded>>>,
}

impl Host {
    /// Sets up a host. A runtime, policy or registry that is unusable is no error
    /// here: requests fall back, and the readiness report says why.
    ///
    /// # Errors
    /// When the engine or the policy directory is unusable.
    pub fn open(config: Config, surroundings: Surroundings) -> Result<Self, HostError> {
        let catalog = match &config.policy_dir {
            Some(dir) => Catalog::open(dir)?,
            None => Catalog::builtin(),
        };
        let engine = Engine::new(surroundings.allocation, config.limits)?;
        let registry = Some(config.registry_path.as_str())
            .filter(|path| !path.is_empty())
            .map(|path| {
                TrustRegistry::read(Path::new(path))
                    .map(Arc::new)
                    .map_err(|e| Fault::MissingPolicy(e.to_string()))
            });
        Ok(Self {
            config,
            surroundings,
            catalog,
            engine,
            registry,
            source: OnceLock::new(),
            reference: OnceLock::new(),
            runtime: OnceLock::new(),
            readiness: OnceLock::new(),
            packs: Mutex::default(),
        })
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The packs.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Judges one request.
    ///
    /// # Errors
    /// When no pack has the id that the request names, or the pack is unusable.
    /// Whatever goes wrong after that is in the answer.
    pub fn evaluate(&self, request: &Request) -> Result<Evaluation, HostError> {
        let id = PackId::new(&request.policy_pack).map_err(PolicyError::from)?;
        let loaded = self.loaded(&id)?;
        let fast_path = FastPath {
            host: self,
            id: &id,
            loaded: &loaded,
        };
        let stamps = Stamps::draw(&*self.surroundings.clock, &*self.surroundings.ids);
        Ok(pilot::evaluate(
            self.config.mode,
            &*loaded.reference,
            &fast_path,
            self,
            request,
            stamps,
        ))
    }

    fn loaded(&self, id: &PackId) -> Result<Arc<Loaded>, HostError> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = packs.get(id) {
            return Ok(Arc::clone(loaded));
        }
        let policy = Arc::new(self.catalog.compile(id, &[])?);
        let loaded = Arc::new(Loaded {
            reference: self.reference_backend(policy),
            fast_path: OnceLock::new(),
        });
        packs.insert(id.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }

    fn reference_backend(&self, policy: Arc<CompiledPolicy>) -> Box<dyn Backend> {
        let registry = match &self.registry {
            None => None,
            Some(Ok(registry)) => Some(Arc::clone(registry)),
            // A registry that cannot be read vouches for nobody.
            Some(Err(_)) => match TrustRegistry::from_json(EMPTY_REGISTRY, "the empty registry") {
                Ok(empty) => Some(Arc::new(empty)),
                Err(e) => return Box::new(MissingBackend(Fault::MissingPolicy(e.to_string()))),
            },
        };
        match self.reference() {
            Ok(module) => Box::new(ComponentBackend::new(module.clone(), policy, registry)),
            Err(fault) => Box::new(MissingBackend(fault)),
        }
    }

    fn reference(&self) -> Result<&Module, Fault> {
        let module = self.reference.get_or_init(|| {
            let engine = self.engine.with_limits(self.config.reference_limits());
            let bytes = module_bytes(&self.config.reference_module)?;
            Ok(Module::new(&engine, &bytes)?)
        });
        module.as_ref().map_err(Clone::clone)
    }

    fn runtime(&self) -> Result<&Runtime, Fault> {
        let runtime = self.runtime.get_or_init(|| {
            let setting = &self.config.runtime_path;
            if setting.is_empty() {
                return Err(Fault::MissingRuntime(
                    "no fast path is configured; set --runtime-path".to_owned(),
                ));
            }
            let bytes = module_bytes(setting)?;
            if is_wasm(&bytes) {
                return Ok(Runtime::Component(Module::new(&self.engine, &bytes)?));
            }
            let path = PathBuf::from(setting);
            let sha256 = NativeRuntime::inspect(&path)?;
            Ok(Runtime::Native { path, sha256 })
        });
        runtime.as_ref().map_err(Clone::clone)
    }

    fn source(&self) -> Result<&PolicySource, Fault> {
        let source = self.source.get_or_init(|| {
            let setting = &self.config.policy_path;
            if setting.is_empty() {
                return Err(Fault::MissingPolicy(
                    "no policy is configured; set --policy-path".to_owned(),
                ));
            }
            PolicySource::open(setting, &self.catalog).map_err(|e| Fault::MissingPolicy(e.to_string()))
        });
        source.as_ref().map_err(Clone::clone)
    }

    fn fast_backend(&self, id: &PackId) -> Result<Box<dyn Backend>, Fault> {
        let runtime = self.runtime()?;
        let policy = self
            .source()?
            .policy_for(id)
            .map_err(|e| Fault::MissingPolicy(e.to_string()))?;
        let registry = self.registry.clone().transpose()?;
        Ok(match runtime {
            Runtime::Component(module) => {
                Box::new(ComponentBackend::new(module.clone(), Arc::new(policy), registry))
            }
            Runtime::Native { path, .. } => Box::new(NativeRuntime::open(
                path,
                &self.surroundings.supervisor,
                policy.json(),
                &hex(policy.digest()),
                registry.as_deref().map(TrustRegistry::json),
                NativeLimits {
                    deadline: self.config.limits.wall_clock,
                    ..NativeLimits::default()
                },
            )?),
        })
    }

    fn report(&self) -> ReadinessReport {
        let sha256 = |runtime: &Runtime| match runtime {
            Runtime::Component(module) => module.sha256().to_owned(),
            Runtime::Native { sha256, .. } => sha256.clone(),
        };
        let policy = self.source().and_then(|source| {
            let id = PackId::new(DEFAULT_POLICY_PACK).map_err(PolicyError::from);
            let sample = id.and_then(|id| source.sample(&id));
            sample
                .map(|policy| hex(policy.digest()))
                .map_err(|e| Fault::MissingPolicy(e.to_string()))
        });
        let subject = ReadinessSubject {
            runtime: self.runtime().map(sha256),
            policy,
            registry: self.registry.as_ref().map(|registry| match registry {
                Ok(registry) => Ok(hex(registry.digest())),
                Err(fault) => Err(fault.clone()),
            }),
            reference: self.probe(),
            engine_fingerprint: self.engine.fingerprint().to_owned(),
        };
        ReadinessReport::new(&self.config, &subject)
    }

    /// Whether the reference loads and decides.
    fn probe(&self) -> Result<String, Fault> {
        let request = Request {
            action_type: "read_file".to_owned(),
            target: Some("README.md".to_owned()),
            policy_pack: DEFAULT_POLICY_PACK.to_owned(),
            ..Request::default()
        };
        let sha256 = self.reference()?.sha256().to_owned();
        let id = PackId::new(DEFAULT_POLICY_PACK).map_err(PolicyError::from);
        let loaded = id.map_err(HostError::from).and_then(|id| self.loaded(&id));
        let loaded = loaded.map_err(|e| Fault::MissingPolicy(e.to_string()))?;
        loaded.reference.evaluate(&request).outcome.map(|_| sha256)
    }
}

impl Gates for Host {
    fn readiness(&self) -> Arc<ReadinessReport> {
        Arc::clone(self.readiness.get_or_init(|| Arc::new(self.report())))
    }

    fn promoted(&self, _: &'static str) -> Option<(bool, Value)> {
        None
    }
}

/// The fast path for one pack, opened when it is first asked.
struct FastPath<'a> {
    host: &'a Host,
    id: &'a PackId,
    loaded: &'a Loaded,
}

impl Backend for FastPath<'_> {
    fn evaluate(&self, request: &Request) -> crate::backend::Attempt {
        let backend = self.loaded.fast_path.get_or_init(|| {
            self.host
                .fast_backend(self.id)
                .unwrap_or_else(|fault| Box::new(MissingBackend(fault)))
        });
        backend.evaluate(request)
    }
}

/// The bytes of a module setting: a built-in one or a file.
fn module_bytes(setting: &str) -> Result<std::borrow::Cow<'static, [u8]>, Fault> {
    if let Some(builtin) = builtin::module(setting) {
        return builtin.map(Into::into).map_err(Fault::MissingRuntime);
    }
    read_module(Path::new(setting))
        .map(Into::into)
        .map_err(|e| Fault::MissingRuntime(format!("`{setting}`: {e}")))
}

/// Reads a module file.
///
/// # Errors
/// The sentence for people: no regular file, unreadable, or a component over 32 MiB.
pub fn read_module(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_MODULE_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}
