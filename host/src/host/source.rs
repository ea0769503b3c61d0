//! Where a module comes from: the binary itself, the module store, or a file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::builtin;
use crate::digest::Hashed;
use crate::oci::{self, OciError, Pulled, Reference};
use crate::sandbox::{Limits, Loader, MAX_MODULE_BYTES, Module, ModuleError, is_wasm};
use crate::signing::Seals;
use crate::store::{Digest, ModuleStore, StoreError, Stored};

/// How a setting names a module of the store.
const STORED: &str = "sha256:";

/// A module that was read, with the signatures that came with it.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Hashed<'static>,
    /// The signatures, where they do not lie beside a file.
    seals: Option<Seals>,
}

impl Fetched {
    /// Loads what was fetched.
    pub(super) fn load(self, loader: &Loader, limits: Limits) -> Result<Module, ModuleError> {
        loader.module(limits, self.bytes)
    }

    /// The signatures of the module that `setting` names.
    pub fn seals(&self, setting: &str) -> Cow<'_, Seals> {
        match &self.seals {
            Some(seals) => Cow::Borrowed(seals),
            None => Cow::Owned(Seals::beside(Path::new(setting))),
        }
    }
}

impl From<Stored> for Fetched {
    fn from(stored: Stored) -> Self {
        let seals = stored.seals();
        Self {
            bytes: Hashed::known(stored.bytes, stored.digest.bytes()),
            seals: Some(seals),
        }
    }
}

impl Fetched {
    /// One that was pulled just now.
    pub(super) fn pulled(pulled: &Pulled) -> Self {
        Self {
            bytes: Hashed::known(pulled.module.clone(), pulled.digest.bytes()),
            seals: Some(pulled.seals()),
        }
    }
}

/// What the store has of a module in a registry.
///
/// # Errors
/// When it is named by a tag, or the store cannot be read.
pub(super) fn pulled_before(reference: &Reference, store: Option<&Path>) -> Result<Option<Stored>, OciError> {
    let digest = reference
        .digest()
        .ok_or_else(|| OciError::TagIsNoIdentity(reference.to_string()))?;
    oci::kept(&open(store)?, digest)
}

/// The store.
pub(super) fn open(store: Option<&Path>) -> Result<ModuleStore, OciError> {
    let dir = store.ok_or_else(|| {
        OciError::Local("no data directory can be found for the module store; set --module-store".to_owned())
    })?;
    Ok(ModuleStore::open(dir)?)
}

/// The bytes of the module that a setting names: a built-in one, one of the store in
/// `store`, or a file. Those of the store have the digest that they are asked by. No
/// registry is asked for one that is named as in a registry.
///
/// # Errors
/// The sentence for people.
pub fn fetch(setting: &str, store: Option<&Path>) -> Result<Fetched, String> {
    if let Some(builtin) = builtin::module(setting) {
        return builtin.map(|bytes| Fetched {
            bytes: Hashed::new(bytes),
            seals: None,
        });
    }
    if setting.starts_with(STORED) {
        let told = |e: StoreError| e.to_string();
        let digest: Digest = setting.parse().map_err(told)?;
        let dir = store.ok_or_else(|| "no data directory can be found; set --module-store".to_owned())?;
        let stored = ModuleStore::open(dir)
            .and_then(|store| store.get(&digest))
            .map_err(told)?;
        return Ok(stored.into());
    }
    if Reference::is_meant(setting) {
        let reference = setting.parse().map_err(OciError::from);
        let stored = reference.and_then(|reference| pulled_before(&reference, store));
        let stored = stored.map_err(|e| e.to_string())?;
        let stored = stored.ok_or_else(|| {
            format!("`{setting}` is not in the module store; `cavra module pull {setting}` puts it there")
        })?;
        return Ok(stored.into());
    }
    let bytes = read_module(Path::new(setting)).map_err(|e| format!("`{setting}`: {e}"))?;
    Ok(Fetched {
        bytes: Hashed::new(bytes),
        seals: None,
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
    if Reference::is_meant(setting) {
        let reference: Reference = setting.parse().ok()?;
        return ModuleStore::known_path(store?, reference.digest()?);
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
