//! Where a module comes from: the binary itself, the module store, or a file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::builtin;
use crate::sandbox::{Limits, Loader, MAX_MODULE_BYTES, Module, ModuleError, is_wasm};
use crate::signing::Seals;
use crate::store::{Digest, ModuleStore, StoreError};

/// How a setting names a module of the store.
const STORED: &str = "sha256:";

/// A module that was read, with the signatures that came with it.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Cow<'static, [u8]>,
    /// Of the store: the digest that they were found to have, and the signatures.
    stored: Option<(Digest, Seals)>,
}

impl Fetched {
    /// Loads what was fetched.
    pub(super) fn load(self, loader: &Loader, limits: Limits) -> Result<Module, ModuleError> {
        match &self.stored {
            Some((digest, _)) => loader.hashed_module(limits, self.bytes, digest.hex()),
            None => loader.module(limits, self.bytes),
        }
    }

    /// The signatures of the module that `setting` names.
    pub fn seals(&self, setting: &str) -> Cow<'_, Seals> {
        match &self.stored {
            Some((_, seals)) => Cow::Borrowed(seals),
            None => Cow::Owned(Seals::beside(Path::new(setting))),
        }
    }
}

/// The bytes of the module that a setting names: a built-in one, one of the store in
/// `store`, or a file. Those of the store have the digest that they are asked by.
///
/// # Errors
/// The sentence for people.
pub fn fetch(setting: &str, store: Option<&Path>) -> Result<Fetched, String> {
    if let Some(builtin) = builtin::module(setting) {
        return builtin.map(|bytes| Fetched {
            bytes: bytes.into(),
            stored: None,
        });
    }
    if setting.starts_with(STORED) {
        let told = |e: StoreError| e.to_string();
        let digest: Digest = setting.parse().map_err(told)?;
        let dir = store.ok_or_else(|| "no data directory can be found; set --module-store".to_owned())?;
        let stored = ModuleStore::open(dir)
            .and_then(|store| store.get(&digest))
            .map_err(told)?;
        let seals = stored.seals();
        return Ok(Fetched {
            bytes: stored.bytes.into(),
            stored: Some((stored.digest, seals)),
        });
    }
    let bytes = read_module(Path::new(setting)).map_err(|e| format!("`{setting}`: {e}"))?;
    Ok(Fetched {
        bytes: bytes.into(),
        stored: None,
    })
}

/// The file that a module setting is about, if it is about one: also that of the store.
pub(super) fn file(setting: &str, store: Option<&Path>) -> Option<PathBuf> {
    if setting.is_empty() || builtin::module(setting).is_some() {
        return None;
    }
    if setting.starts_with(STORED) {
        let digest: Digest = setting.parse().ok()?;
        return Some(ModuleStore::module_path(store?, &digest));
    }
    Some(PathBuf::from(setting))
}

/// Reads a module file.
///
/// # Errors
/// The sentence for people: no regular file, unreadable, or a component over 32 MiB,
/// which is not read.
pub fn read_module(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let mut read = |most: u64, bytes: &mut Vec<u8>| {
        let read = file.by_ref().take(most).read_to_end(bytes);
        read.map_err(|e| e.to_string())
    };
    read(8, &mut bytes)?;
    // A native binary may be larger; only its beginning is looked at here.
    if is_wasm(&bytes) && metadata.len() > MAX_MODULE_BYTES {
        return Err(format!(
            "it is larger than {MAX_MODULE_BYTES} bytes, with {}",
            metadata.len()
        ));
    }
    read(MAX_MODULE_BYTES.saturating_sub(7), &mut bytes)?;
    Ok(bytes)
}
