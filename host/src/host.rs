//! The host: settings, packs, modules and gates brought together.

mod evidence;
mod files;
mod governance;
mod operate;
mod probe;
mod registry;
mod source;
mod trust;
mod turn;
mod watch;

pub use evidence::Judged;
pub use probe::{Probe, ProbeError};
pub use source::{Fetched, fetch, read_module};
pub use trust::world_of;
pub use turn::{Begun, OpenEvaluation, Turn};
pub use watch::{WatchError, Watcher};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use self::files::Files;
use self::governance::Governance;
use crate::backend::{Backend, MissingBackend, NativeLimits, NativeRuntime};
use crate::cache::Cache;
use crate::clock::{Clock, IdSource};
use crate::config::{Config, Setting};
use crate::digest::hex;
use crate::evidence::{EvidenceError, Recorder, Unrecorded};
use crate::fault::Fault;
use crate::gates::{ReadinessReport, ReadinessSubject};
use crate::model::{DEFAULT_POLICY_PACK, Request};
use crate::pilot::Evaluation;
use crate::policy::{Catalog, CompiledPolicy, PackId, PolicyError, PolicySource, TrustRegistry};
use crate::rollback::RollbackSwitch;
use crate::sandbox::{Allocation, EngineError, Loader, Module, is_wasm};
use crate::signing::trust::{Guard, GuardError, Slot};

/// The registry that vouches for nobody: what the reference has where the one that is
/// set cannot be read.
pub(crate) fn empty_registry() -> Result<TrustRegistry, PolicyError> {
    TrustRegistry::from_json(br#"{"mcp_servers":[]}"#, "the empty registry")
}

/// The host cannot be set up, or a request cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The policy directory or a pack is unusable.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The evidence log cannot be opened.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The trust policy is unusable.
    #[error(transparent)]
    Trust(#[from] GuardError),
    /// What was decided is not answered, because it could not be recorded.
    #[error(transparent)]
    Unrecorded(#[from] Unrecorded),
    /// New settings that a running host cannot take on.
    #[error(
        "{0} was {was} when this host started and cannot become {wanted} without a restart",
        Setting::MemoryBytes
    )]
    Restart {
        /// What the instances' memory was made for, in bytes.
        was: u64,
        /// What it would have to be.
        wanted: u64,
    },
    /// Something that is configured cannot be used, where only a state that works is
    /// taken on.
    #[error("{part} cannot be used: {fault}")]
    Unusable {
        /// What it is.
        part: &'static str,
        /// Why.
        fault: Fault,
    },
}

/// What only the caller knows.
pub struct Surroundings {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// How instances get their memory.
    pub allocation: Allocation,
    /// Where compiled code is kept for the next process; none: nowhere.
    pub cache: Option<Cache>,
    /// Where modules are kept by their digest; none: nowhere.
    pub module_store: Option<PathBuf>,
    /// Who records evaluations; none: nobody.
    pub evidence: Option<Recorder>,
    /// The program that supervises native runtimes: the `cavra` binary itself.
    pub supervisor: PathBuf,
}

/// What runs as the fast path.
#[derive(Clone, Debug)]
enum Runtime {
    Component(Module),
    Native { path: PathBuf, sha256: String },
}

/// A host that judges requests. Loads what it needs when it needs it, and keeps it.
///
/// Threads share one host. On the way of a request there is no lock of its own.
pub struct Host {
    base: Arc<Base>,
    memory_bytes: u64,
    state: ArcSwap<State>,
    /// Held while the state is being replaced, so that no change is lost.
    changing: Mutex<()>,
}

/// What stays when settings change.
struct Base {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    evidence: Option<Arc<Recorder>>,
    supervisor: PathBuf,
    rollback: Arc<RollbackSwitch>,
    loader: Loader,
    module_store: Option<PathBuf>,
}

impl Base {
    /// The module that a setting names.
    fn fetch(&self, setting: &str) -> Result<Fetched, Fault> {
        fetch(setting, self.module_store.as_deref()).map_err(Fault::MissingRuntime)
    }
}

/// Everything that was made from one reading of the settings.
struct State {
    base: Arc<Base>,
    config: Config,
    /// Whose word is taken for what is loaded; none: nobody's is asked for.
    trust: Option<Arc<Guard>>,
    catalog: Catalog,
    registry: Option<Result<Arc<TrustRegistry>, Fault>>,
    source: OnceLock<Result<PolicySource, Fault>>,
    reference: OnceLock<Result<Module, Fault>>,
    runtime: OnceLock<Result<Runtime, Fault>>,
    readiness: OnceLock<Arc<ReadinessReport>>,
    /// The same while the pilot is rolled back: in mode `disabled`.
    rolled_back_readiness: OnceLock<Arc<ReadinessReport>>,
    /// Documents and reports.
    governance: Governance,
    /// The files of modules and policies as they were before anything was read.
    code: Files,
    packs: ArcSwap<BTreeMap<String, Arc<Pack>>>,
    /// Held while a pack is being loaded, so that it is loaded once.
    loading: Mutex<()>,
}

/// The two backends for one pack.
struct Pack {
    id: PackId,
    reference: Box<dyn Backend>,
    fast_path: OnceLock<Box<dyn Backend>>,
}

impl Host {
    /// Sets up a host. A runtime, policy or registry that is unusable is no error
    /// here: requests fall back, and the readiness report says why.
    ///
    /// # Errors
    /// When the engine or the policy directory is unusable.
    pub fn open(config: Config, surroundings: Surroundings) -> Result<Self, HostError> {
        Self::open_switched(config, surroundings, Arc::default())
    }

    /// As [`open`](Self::open), with a switch by which the pilot can be rolled back, or
    /// already is.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_switched(
        config: Config,
        surroundings: Surroundings,
        rollback: Arc<RollbackSwitch>,
    ) -> Result<Self, HostError> {
        let Surroundings {
            clock,
            ids,
            allocation,
            cache,
            module_store,
            evidence,
            supervisor,
        } = surroundings;
        let memory_bytes = config.reference_limits().memory_bytes;
        let base = Arc::new(Base {
            clock,
            ids,
            evidence: evidence.map(Arc::new),
            supervisor,
            rollback,
            loader: Loader::new(allocation, config.reference_limits(), cache)?,
            module_store,
        });
        Ok(Self {
            memory_bytes,
            state: ArcSwap::from_pointee(State::new(Arc::clone(&base), config)?),
            changing: Mutex::default(),
            base,
        })
    }

    /// Judges one request.
    ///
    /// # Errors
    /// When no pack has the id that the request names, the pack is unusable, or what
    /// was decided could not be recorded and must be. Whatever else goes wrong after that is in the answer.
    pub fn evaluate(&self, request: &Request) -> Result<Evaluation, HostError> {
        let judged = match self.begin(request)? {
            Begun::Decided(judged) => judged,
            Begun::Open(open) => {
                let attempt = open.turn().run(request);
                open.conclude(request, attempt)
            }
        };
        judged.answer()
    }

    /// Reads modules, policies and the registry anew, under new settings.
    ///
    /// Everything that the host had loaded is loaded and baked beside what is in
    /// use, then swapped in at once: a request is judged by the old or by the new,
    /// never by some of each, and none waits.
    ///
    /// # Errors
    /// When the policy directory or a pack that was in use is unusable, or the limit
    /// of memory grows, for which the instances have no room. The old state stays.
    ///
    /// Where the trust policy says something else than before, an unusable pack is no
    /// error: it is out of use, and requests for it are errors.
    pub fn reload(&self, config: Config) -> Result<(), HostError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(config).inspect_err(|_| {
            // What could not be taken on is none of what the old state is about.
            self.state.load().reopen();
        })
    }

    /// Makes a new state beside the old and swaps it in, while nobody else does.
    fn replace(&self, config: Config) -> Result<(), HostError> {
        self.replace_if(config, |_| Ok(()))
    }

    /// The same, if the new state is `fit`.
    fn replace_if(
        &self,
        config: Config,
        fit: impl FnOnce(&State) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        let wanted = config.reference_limits().memory_bytes;
        if wanted > self.memory_bytes {
            let was = self.memory_bytes;
            return Err(HostError::Restart { was, wanted });
        }
        let next = State::new(Arc::clone(&self.base), config)?;
        let state = self.state.load();
        state.close_for(&next);
        // A key that was revoked must not go on because a pack cannot be loaded: the old
        // state would keep everything that the key signed.
        let trust_moved = self.trust_is_over() || !next.trusts_as(&state);
        for pack in state.packs.load().values() {
            let loaded = match next.pack(pack.id.as_str()) {
                Ok(loaded) => loaded,
                Err(error) if trust_moved => {
                    tracing::error!(%error, pack = %pack.id, "a pack cannot be used under the trust policy; requests for it are errors");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if pack.fast_path.get().is_some() {
                next.fast_path(&loaded);
            }
        }
        if state.readiness.get().is_some() || state.rolled_back_readiness.get().is_some() {
            next.readiness();
        }
        fit(&next)?;
        if state.has_reports() {
            next.make_reports(self.base.clock.now());
        }
        self.state.store(Arc::new(next));
        Ok(())
    }

    /// Whether the fast path can be run at all.
    pub fn readiness(&self) -> Arc<ReadinessReport> {
        Arc::clone(self.state.load().readiness())
    }
}

impl State {
    fn new(base: Arc<Base>, config: Config) -> Result<Self, HostError> {
        let code = Files::of_code(&config, &base);
        let trust = trust::open(&base, &config)?;
        let catalog = match &config.policy_dir {
            Some(dir) => Catalog::open(dir)?,
            None => Catalog::builtin(),
        };
        let catalog = catalog.keeping(base.loader.cache().cloned());
        let catalog = catalog.guarded(trust.clone());
        let registry = Some(config.registry_path.as_str())
            .filter(|path| !path.is_empty())
            .map(|path| {
                TrustRegistry::read_guarded(Path::new(path), trust.as_deref())
                    .map(Arc::new)
                    .map_err(|e| Fault::MissingPolicy(e.to_string()))
            });
        Ok(Self {
            base,
            config,
            trust,
            catalog,
            registry,
            source: OnceLock::new(),
            reference: OnceLock::new(),
            runtime: OnceLock::new(),
            readiness: OnceLock::new(),
            rolled_back_readiness: OnceLock::new(),
            governance: Governance::default(),
            code,
            packs: ArcSwap::default(),
            loading: Mutex::default(),
        })
    }

    fn pack(&self, id: &str) -> Result<Arc<Pack>, HostError> {
        if let Some(pack) = self.packs.load().get(id) {
            return Ok(Arc::clone(pack));
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let packs = self.packs.load();
        if let Some(pack) = packs.get(id) {
            return Ok(Arc::clone(pack));
        }
        let id = PackId::new(id).map_err(PolicyError::from)?;
        let policy = Arc::new(self.catalog.compile(&id, &[])?);
        let pack = Arc::new(Pack {
            reference: self.reference_backend(&policy),
            id,
            fast_path: OnceLock::new(),
        });
        let mut more = BTreeMap::clone(&packs);
        more.insert(pack.id.to_string(), Arc::clone(&pack));
        self.packs.store(Arc::new(more));
        Ok(pack)
    }

    fn reference_backend(&self, policy: &Arc<CompiledPolicy>) -> Box<dyn Backend> {
        let registry = match &self.registry {
            None => None,
            Some(Ok(registry)) => Some(Arc::clone(registry)),
            // A registry that cannot be read vouches for nobody.
            Some(Err(_)) => match empty_registry() {
                Ok(empty) => Some(Arc::new(empty)),
                Err(e) => return Box::new(MissingBackend(Fault::MissingPolicy(e.to_string()))),
            },
        };
        match self.reference() {
            Ok(module) => Box::new(self.base.loader.evaluator(module, policy, registry.as_ref())),
            Err(fault) => Box::new(MissingBackend(fault)),
        }
    }

    fn reference(&self) -> Result<&Module, Fault> {
        let module = self.reference.get_or_init(|| {
            let setting = &self.config.reference_module;
            let fetched = self.obtain(Slot::Reference, setting)?;
            let module = fetched.load(&self.base.loader, self.config.reference_limits())?;
            self.hold_to_statement(Slot::Reference, &module)?;
            Ok(module)
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
            let fetched = self.obtain(Slot::Runtime, setting)?;
            if is_wasm(&fetched.bytes) {
                let module = fetched.load(&self.base.loader, self.config.limits)?;
                self.hold_to_statement(Slot::Runtime, &module)?;
                return Ok(Runtime::Component(module));
            }
            let path = PathBuf::from(setting);
            let sha256 = NativeRuntime::inspect(&path)?;
            self.hold_to_bytes(&fetched.bytes, &sha256)?;
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
            PolicySource::open_guarded(setting, &self.catalog, self.trust.as_ref())
                .map_err(|e| Fault::MissingPolicy(e.to_string()))
        });
        source.as_ref().map_err(Clone::clone)
    }

    fn fast_path<'a>(&self, pack: &'a Pack) -> &'a dyn Backend {
        let backend = pack.fast_path.get_or_init(|| {
            self.fast_backend(&pack.id)
                .unwrap_or_else(|fault| Box::new(MissingBackend(fault)))
        });
        &**backend
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
                let policy = Arc::new(policy);
                Box::new(self.base.loader.evaluator(module, &policy, registry.as_ref()))
            }
            Runtime::Native { path, sha256 } => {
                let native = NativeRuntime::open(
                    path,
                    &self.base.supervisor,
                    policy.json(),
                    &hex(policy.digest()),
                    registry.as_deref().map(TrustRegistry::json),
                    NativeLimits {
                        deadline: self.config.limits.wall_clock,
                        ..NativeLimits::default()
                    },
                )?;
                if self.trust.is_some() && native.sha256() != sha256 {
                    return Err(Fault::MissingRuntime(format!(
                        "`{}` has changed since it was verified; load it again",
                        path.display()
                    )));
                }
                Box::new(native)
            }
        })
    }

    fn readiness(&self) -> &Arc<ReadinessReport> {
        let kept = if self.base.rollback.engaged() {
            &self.rolled_back_readiness
        } else {
            &self.readiness
        };
        kept.get_or_init(|| Arc::new(self.report()))
    }

    fn report(&self) -> ReadinessReport {
        let sha256 = |runtime: &Runtime| match runtime {
            Runtime::Component(module) => module.sha256().to_string(),
            Runtime::Native { sha256, .. } => sha256.clone(),
        };
        let policy = self.policy_digest();
        let subject = ReadinessSubject {
            runtime: self.runtime().map(sha256),
            policy,
            registry: self.registry.as_ref().map(|registry| match registry {
                Ok(registry) => Ok(hex(registry.digest())),
                Err(fault) => Err(fault.clone()),
            }),
            reference: self.probe(),
            engine_fingerprint: self.base.loader.engine().fingerprint().to_string(),
            signatures: self.trust.as_ref().map(|trust| trust.outcomes()),
        };
        ReadinessReport::new(&self.effective(), &subject)
    }

    /// The digest of the fast path's policy for the default pack, or of another that is held.
    fn policy_digest(&self) -> Result<String, Fault> {
        let source = self.source()?;
        let id = PackId::new(DEFAULT_POLICY_PACK).map_err(PolicyError::from);
        id.and_then(|id| source.sample(&id))
            .map(|policy| hex(policy.digest()))
            .map_err(|e| Fault::MissingPolicy(e.to_string()))
    }

    /// Whether the reference loads and decides.
    fn probe(&self) -> Result<String, Fault> {
        let request = Request {
            action_type: "read_file".to_owned(),
            target: Some("README.md".to_owned()),
            policy_pack: DEFAULT_POLICY_PACK.to_owned(),
            ..Request::default()
        };
        let sha256 = self.reference()?.sha256().to_string();
        let pack = self
            .pack(DEFAULT_POLICY_PACK)
            .map_err(|e| Fault::MissingPolicy(e.to_string()))?;
        pack.reference.evaluate(&request).outcome.map(|_| sha256)
    }
}
