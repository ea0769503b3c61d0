//! A policy module: bytes that were checked and asked what they are, and compiled
//! when they are needed.
//!
//! Implements the sandbox specification, *The interface*, and what of *Faults*
//! concerns a module that cannot be loaded.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::bindings::PolicyModulePre;
use super::engine::Engine;
use super::instance::{self, StoreState};
use super::limits::{MAX_MEMORIES, MAX_MODULE_BYTES};
use super::wasi;
use crate::cache::{Cache, Name};
use crate::digest::Hashed;
use crate::fault::Fault;

/// The interface that every policy module exports.
pub const EVALUATOR: &str = "cavra:enforcement/evaluator@1.0.0";
/// The world that every policy module targets.
pub const WORLD: &str = "cavra:enforcement/policy-module@1.0.0";
/// The version of the decision semantics that this host stands for.
pub const SEMANTICS_VERSION: &str = "1";

/// The kind of the cache's entries about modules.
const PLAIN: u8 = b'P';
const EVALUATOR_NAME: &str = "cavra:enforcement/evaluator@";
/// `\0asm`, version 13, layer 1.
const COMPONENT_PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
/// `\0asm`, version 1.
const CORE_PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/// Why bytes are not a module that this host runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Larger than 32 MiB.
    #[error("the module is {0} bytes long; at most {MAX_MODULE_BYTES} are accepted")]
    TooLarge(u64),
    /// A core module, not a component.
    #[error("the file is a core WebAssembly module, not a component; build it for wasm32-wasip2")]
    CoreModule,
    /// Neither.
    #[error("the file is not a WebAssembly component")]
    NotAComponent,
    /// Not valid, or not translatable by this engine.
    #[error("the component does not compile: {0}")]
    Compile(String),
    /// It exports the interface in another version.
    #[error("the component exports `{found}`; this host runs `{EVALUATOR}`")]
    WrongVersion {
        /// The interface that it exports.
        found: String,
    },
    /// It does not export the interface at all.
    #[error("the component does not export `{EVALUATOR}`; it exports {}", list(.found))]
    WrongWorld {
        /// What it exports instead.
        found: Vec<String>,
    },
    /// It imports what the sandbox does not offer.
    #[error(
        "the component imports `{0}`; only WASI 0.2 interfaces are offered, with no capability behind them"
    )]
    RefusedImport(String),
    /// It exports or imports a known name with another type.
    #[error("the component does not fit the world `policy-module`: {0}")]
    WrongType(String),
    /// It wants more memories or a larger one than an instance may have.
    #[error("the component needs {0}")]
    TooMuchMemory(String),
    /// It could not be instantiated or asked what it is.
    #[error("the module cannot be instantiated: {0}")]
    Instantiate(String),
    /// It implements another version of the decision semantics.
    #[error("the module implements decision semantics `{0}`; this host stands for `{SEMANTICS_VERSION}`")]
    WrongSemantics(String),
}

impl From<ModuleError> for Fault {
    fn from(error: ModuleError) -> Self {
        Self::MissingRuntime(error.to_string())
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// What a module says it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Description {
    /// The module's name.
    pub name: String,
    /// The module's own version.
    pub version: String,
    /// The version of the decision semantics that it implements.
    pub semantics_version: String,
}

/// What is known of a module that passed every check.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Profile {
    imports: Vec<String>,
    description: Description,
}

/// A checked policy module. Cheap to clone.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    engine: Engine,
    bytes: Cow<'static, [u8]>,
    sha256: Arc<str>,
    profile: Profile,
    cache: Option<Arc<Cache>>,
    /// As it was given; compiled when an instance of it is needed.
    plain: OnceLock<Ready>,
    /// As snapshots are taken from it; compiled with the first.
    instrumented: OnceLock<Component>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("sha256", &self.0.sha256)
            .field("profile", &self.0.profile)
            .finish_non_exhaustive()
    }
}

/// Whether a file is meant for the sandbox: it begins as WebAssembly does,
/// whatever its name. Other executables are native runtimes.
pub fn is_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm")
}

/// Whether a file begins as a component does.
pub fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(&COMPONENT_PREAMBLE)
}

impl Module {
    /// Checks and compiles a component and asks it what it is.
    ///
    /// # Errors
    /// [`ModuleError`] says which of the checks failed: preamble, size, exported
    /// world and version, imports, compilation, instantiation, semantics version.
    pub fn new(engine: &Engine, bytes: impl Into<Hashed<'static>>) -> Result<Self, ModuleError> {
        Self::open(engine, bytes.into(), None)
    }

    /// As [`Self::new`]. What `cache` knows of the same bytes is not found out again.
    pub(super) fn open(
        engine: &Engine,
        bytes: Hashed<'static>,
        cache: Option<Arc<Cache>>,
    ) -> Result<Self, ModuleError> {
        let length = bytes.len() as u64;
        if length > MAX_MODULE_BYTES {
            return Err(ModuleError::TooLarge(length));
        }
        if bytes.starts_with(&CORE_PREAMBLE) {
            return Err(ModuleError::CoreModule);
        }
        if !is_component(&bytes) {
            return Err(ModuleError::NotAComponent);
        }
        let sha256: Arc<str> = bytes.sha256_hex().into();
        let name = engine.name("profile", &[sha256.as_bytes()]);
        let known = cache.as_ref().and_then(|cache| cache.get(&name));
        let profile = known.and_then(|entry| serde_json::from_slice(&entry.bytes().ok()?).ok());
        let mut inner = Inner {
            engine: engine.clone(),
            bytes: bytes.into_bytes(),
            sha256,
            profile: Profile {
                imports: Vec::new(),
                description: Description {
                    name: String::new(),
                    version: String::new(),
                    semantics_version: String::new(),
                },
            },
            cache,
            plain: OnceLock::new(),
            instrumented: OnceLock::new(),
        };
        match profile {
            Some(profile) => inner.profile = profile,
            None => inner.check(&name)?,
        }
        Ok(Self(Arc::new(inner)))
    }

    /// The SHA-256 of the component's bytes, in hex.
    pub fn sha256(&self) -> &Arc<str> {
        &self.0.sha256
    }

    /// What the module says it is.
    pub fn description(&self) -> &Description {
        &self.0.profile.description
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.0.profile.imports
    }

    /// The engine that it is compiled for.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The component, as it was given.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The component as it was given, ready to be instantiated.
    pub(super) fn plain(&self) -> Result<Ready, ModuleError> {
        if let Some(plain) = self.0.plain.get() {
            return Ok(plain.clone());
        }
        let component = self.0.compile()?;
        let plain = prepare(&self.0.engine, &component, !self.imports().is_empty())?;
        Ok(self.0.plain.get_or_init(|| plain).clone())
    }

    /// The component as snapshots are taken from it.
    pub(super) fn instrumented(
        &self,
        compile: impl FnOnce(&wasmtime::Engine) -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        if let Some(component) = self.0.instrumented.get() {
            return Ok(component.clone());
        }
        let component = compile(&self.0.engine.wasm)?;
        Ok(self.0.instrumented.get_or_init(|| component).clone())
    }
}

impl Inner {
    /// Finds out what the module is, and whether this host runs it.
    fn check(&mut self, name: &Name) -> Result<(), ModuleError> {
        let engine = &self.engine;
        let component = self.compile()?;
        check_exports(engine, &component)?;
        let imports = check_imports(engine, &component)?;
        check_memory(engine, &component)?;
        let plain = prepare(engine, &component, !imports.is_empty())?;
        let description = instance::describe(engine, &plain, !imports.is_empty())
            .map_err(|e| ModuleError::Instantiate(e.to_string()))?;
        if description.semantics_version != SEMANTICS_VERSION {
            return Err(ModuleError::WrongSemantics(description.semantics_version));
        }
        self.plain = plain.into();
        self.profile = Profile { imports, description };
        if let (Some(cache), Ok(entry)) = (&self.cache, serde_json::to_vec(&self.profile)) {
            // It is found out again next time.
            let _ = cache.put(name, PLAIN, &entry);
        }
        Ok(())
    }

    fn compile(&self) -> Result<Component, ModuleError> {
        let name = self.engine.name("module", &[self.sha256.as_bytes()]);
        let cached = self.cache.as_ref().and_then(|cache| cache.get(&name));
        if let Some(component) = cached.and_then(|entry| self.engine.deserialize(&entry)) {
            return Ok(component);
        }
        let component = Component::new(&self.engine.wasm, &self.bytes)
            .map_err(|e| ModuleError::Compile(format!("{e:#}")))?;
        if let (Some(cache), Ok(entry)) = (&self.cache, component.serialize()) {
            // It is compiled again next time.
            let _ = cache.put(&name, PLAIN, &entry);
        }
        Ok(component)
    }
}

/// A component with its imports resolved and its exports found: what every instance
/// would do again is done once.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) pre: InstancePre<StoreState>,
    pub(super) load: ComponentExportIndex,
    pub(super) evaluate: ComponentExportIndex,
    /// Whether an instance has shown that `evaluate` has the type of the interface.
    pub(super) evaluate_checked: Arc<AtomicBool>,
}

/// Resolves imports and finds the exports. Their types are checked when the module is
/// asked what it is.
pub(super) fn prepare(
    engine: &Engine,
    component: &Component,
    imports_wasi: bool,
) -> Result<Ready, ModuleError> {
    let linker = if imports_wasi {
        wasi::linker(&engine.wasm)
    } else {
        Ok(Linker::new(&engine.wasm))
    };
    let pre = linker
        .and_then(|linker| linker.instantiate_pre(component))
        .and_then(PolicyModulePre::new)
        .map_err(|e| ModuleError::WrongType(format!("{e:#}")))?;
    let function = |name: &str| {
        let evaluator = component.get_export_index(None, EVALUATOR);
        evaluator
            .and_then(|evaluator| component.get_export_index(Some(&evaluator), name))
            .ok_or_else(|| ModuleError::WrongType(format!("`{name}` is missing")))
    };
    Ok(Ready {
        load: function("load")?,
        evaluate: function("evaluate")?,
        evaluate_checked: Arc::default(),
        pre: pre.instance_pre().clone(),
    })
}

fn check_exports(engine: &Engine, component: &Component) -> Result<(), ModuleError> {
    let ty = component.component_type();
    let found: Vec<String> = ty
        .exports(&engine.wasm)
        .map(|(name, _)| name.to_owned())
        .collect();
    if found.iter().any(|name| name == EVALUATOR) {
        return Ok(());
    }
    match found.iter().find(|name| name.starts_with(EVALUATOR_NAME)) {
        Some(found) => Err(ModuleError::WrongVersion { found: found.clone() }),
        None => Err(ModuleError::WrongWorld { found }),
    }
}

/// The imported interfaces that matter: all but the package's own types, which
/// hold no function.
fn check_imports(engine: &Engine, component: &Component) -> Result<Vec<String>, ModuleError> {
    const OFFERED: [&str; 6] = [
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:filesystem/",
        "wasi:io/",
        "wasi:random/",
        "wasi:sockets/",
    ];
    let mut imports = Vec::new();
    for (name, _) in component.component_type().imports(&engine.wasm) {
        if name == "cavra:enforcement/types@1.0.0" {
            continue;
        }
        let wasi_0_2 = name
            .split_once('@')
            .is_some_and(|(_, version)| version.starts_with("0.2."));
        if !wasi_0_2 || !OFFERED.iter().any(|package| name.starts_with(package)) {
            return Err(ModuleError::RefusedImport(name.to_owned()));
        }
        imports.push(name.to_owned());
    }
    Ok(imports)
}

/// The size of a page of WebAssembly, by which the engine tells sizes.
const WASM_PAGE_BYTES: u64 = 64 * 1024;

/// The same refusal whatever the engine's allocation: the pool would refuse with
/// words of its own.
fn check_memory(engine: &Engine, component: &Component) -> Result<(), ModuleError> {
    let Some(needs) = component.resources_required() else {
        return Ok(());
    };
    if needs.num_memories > MAX_MEMORIES {
        return Err(ModuleError::TooMuchMemory(format!(
            "{} memories; an instance may have {MAX_MEMORIES}",
            needs.num_memories
        )));
    }
    let limit = engine.limits().memory_bytes;
    let pages = needs.max_initial_memory_size;
    match pages.map(|pages| pages.saturating_mul(WASM_PAGE_BYTES)) {
        Some(bytes) if bytes > limit => Err(ModuleError::TooMuchMemory(format!(
            "{bytes} bytes of memory; an instance may have {limit}"
        ))),
        _ => Ok(()),
    }
}
