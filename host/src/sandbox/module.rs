//! A policy module: bytes that were checked, compiled and asked what they are.
//!
//! Implements the sandbox specification, *The interface*, and what of *Faults*
//! concerns a module that cannot be loaded.

use std::sync::Arc;

use wasmtime::component::{Component, Linker};

use super::bindings::PolicyModulePre;
use super::engine::Engine;
use super::instance::{self, StoreState};
use super::limits::{MAX_MEMORIES, MAX_MODULE_BYTES};
use super::wasi;
use crate::digest::sha256_hex;
use crate::fault::Fault;

/// The interface that every policy module exports.
pub const EVALUATOR: &str = "cavra:enforcement/evaluator@1.0.0";
/// The version of the decision semantics that this host stands for.
pub const SEMANTICS_VERSION: &str = "1";

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
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// The module's name.
    pub name: String,
    /// The module's own version.
    pub version: String,
    /// The version of the decision semantics that it implements.
    pub semantics_version: String,
}

/// A compiled and checked policy module. Cheap to clone.
#[derive(Clone)]
pub struct Module {
    pub(crate) pre: PolicyModulePre<StoreState>,
    pub(crate) engine: Engine,
    /// Whether stores of it need the WASI state.
    pub(crate) imports_wasi: bool,
    imports: Arc<[String]>,
    sha256: Arc<str>,
    description: Arc<Description>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("sha256", &self.sha256)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// Whether a file is meant for the sandbox: it begins as WebAssembly does,
/// whatever its name. Other executables are native runtimes.
pub fn is_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm")
}

impl Module {
    /// Checks and compiles a component and asks it what it is.
    ///
    /// # Errors
    /// [`ModuleError`] says which of the checks failed: preamble, size, exported
    /// world and version, imports, compilation, instantiation, semantics version.
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Self, ModuleError> {
        let length = bytes.len() as u64;
        if length > MAX_MODULE_BYTES {
            return Err(ModuleError::TooLarge(length));
        }
        if bytes.starts_with(&CORE_PREAMBLE) {
            return Err(ModuleError::CoreModule);
        }
        if !bytes.starts_with(&COMPONENT_PREAMBLE) {
            return Err(ModuleError::NotAComponent);
        }
        let component =
            Component::new(&engine.wasm, bytes).map_err(|e| ModuleError::Compile(format!("{e:#}")))?;
        check_exports(engine, &component)?;
        let imports = check_imports(engine, &component)?;
        check_memory(engine, &component)?;
        let linker = if imports.is_empty() {
            Ok(Linker::new(&engine.wasm))
        } else {
            wasi::linker(&engine.wasm)
        };
        let pre = linker
            .and_then(|linker| linker.instantiate_pre(&component))
            .and_then(PolicyModulePre::new)
            .map_err(|e| ModuleError::WrongType(format!("{e:#}")))?;
        let mut module = Self {
            pre,
            engine: engine.clone(),
            imports_wasi: !imports.is_empty(),
            imports: imports.into(),
            sha256: sha256_hex(bytes).into(),
            description: Arc::new(Description {
                name: String::new(),
                version: String::new(),
                semantics_version: String::new(),
            }),
        };
        let description = instance::describe(&module).map_err(|e| ModuleError::Instantiate(e.to_string()))?;
        if description.semantics_version != SEMANTICS_VERSION {
            return Err(ModuleError::WrongSemantics(description.semantics_version));
        }
        module.description = Arc::new(description);
        Ok(module)
    }

    /// The SHA-256 of the component's bytes, in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the module says it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The engine that it was compiled for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
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
    match needs.max_initial_memory_size {
        Some(bytes) if bytes > limit => Err(ModuleError::TooMuchMemory(format!(
            "{bytes} bytes of memory; an instance may have {limit}"
        ))),
        _ => Ok(()),
    }
}
