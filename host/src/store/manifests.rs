//! As what registries know a module: the manifests that name it, in its entry.
//!
//! They go with the module. Their names are promises like its own: what is read is hashed.
//! Beside which module one lies is written down on its own, so that nobody searches; that
//! is a hint, and believed only when the manifest is there.

use std::path::{Path, PathBuf};

use super::place::{Place, Turn};
use super::{Digest, MODULES, ModuleStore, StoreError, digest_in};

/// Where it is written beside which module a manifest lies.
const MANIFESTS: &str = "manifests";
/// The most bytes of one manifest.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

fn name(manifest: &Digest) -> String {
    format!("manifest-{}.json", manifest.hex())
}

/// The manifest that a file of an entry is, by its name.
fn named(name: &str) -> Option<Digest> {
    let hex = name.strip_prefix("manifest-")?.strip_suffix(".json")?;
    Digest::from_hex(hex).ok()
}

/// The module that a manifest is said to lie beside. What cannot be read says nothing: it
/// is written anew when the module comes again.
fn hint(hints: &Place, manifest: &Digest) -> Option<Digest> {
    digest_in(hints, manifest.hex()).ok()?
}

impl ModuleStore {
    /// Keeps a manifest with the module that it is about, which is there.
    pub(super) fn write_manifest(
        &self,
        _turn: &Turn,
        module: &Digest,
        manifest: &[u8],
    ) -> Result<(), StoreError> {
        let absent = || StoreError::NotFound(module.clone());
        let modules = self.top.child(MODULES)?.ok_or_else(absent)?;
        let entry = modules.child(module.hex())?.ok_or_else(absent)?;
        let digest = Digest::of(manifest);
        let name = name(&digest);
        let known = entry.read(&name, MAX_MANIFEST_BYTES);
        if !known.is_ok_and(|known| known.as_deref() == Some(manifest)) {
            entry.replace(&name, manifest)?;
        }
        let hints = self.top.make_child(MANIFESTS)?;
        if hint(&hints, &digest).as_ref() != Some(module) {
            hints.replace(digest.hex(), format!("{module}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Removes what is written of the manifests in an entry, which goes.
    pub(super) fn forget_manifests(&self, entry: &Place, module: &Digest) -> Result<(), StoreError> {
        let Some(hints) = self.top.child(MANIFESTS)? else {
            return Ok(());
        };
        for manifest in entry.names()?.iter().filter_map(|name| named(name)) {
            if hint(&hints, &manifest).as_ref() == Some(module) {
                hints.remove(manifest.hex())?;
            }
        }
        Ok(())
    }

    /// The manifest with this digest, and the module that it lies beside. Its bytes have
    /// the digest: they are hashed.
    ///
    /// # Errors
    /// When the module's entry is none of the store's; [`StoreError::Io`].
    pub fn manifest(&self, manifest: &Digest) -> Result<Option<(Digest, Vec<u8>)>, StoreError> {
        let hints = self.top.child(MANIFESTS)?;
        let Some(module) = hints.and_then(|hints| hint(&hints, manifest)) else {
            return Ok(None);
        };
        let Some(modules) = self.top.child(MODULES)? else {
            return Ok(None);
        };
        let Some(entry) = modules.child(module.hex())? else {
            return Ok(None);
        };
        let bytes = entry.read(&name(manifest), MAX_MANIFEST_BYTES)?;
        let bytes = bytes.filter(|bytes| Digest::of(bytes) == *manifest);
        Ok(bytes.map(|bytes| (module, bytes)))
    }

    /// Where the module lies that this manifest is kept with, as far as the store in `dir`
    /// says: to see whether anything beside it changes. Nothing is hashed, nothing made.
    pub fn known_path(dir: &Path, manifest: &Digest) -> Option<PathBuf> {
        let hints = Place::existing(dir).ok()?.child(MANIFESTS).ok()??;
        Some(Self::module_path(dir, &hint(&hints, manifest)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Origin;

    #[test]
    fn a_manifest_goes_with_its_module_and_is_hashed() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("store");
        assert_eq!(ModuleStore::known_path(&dir, &Digest::of(b"{}")), None);
        assert!(!dir.exists(), "looking makes nothing");
        let store = ModuleStore::open(&dir).unwrap();
        let origin = Origin {
            reference: None,
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        let none: [&[u8]; 0] = [];
        let put = || store.put_known(b"\0asm\x0d\0\x01\0", &none, &origin, b"{}");
        let module = put().unwrap();
        assert_eq!(put().unwrap(), module);
        let manifest = Digest::of(b"{}");
        let path = ModuleStore::module_path(&dir, &module);
        assert_eq!(ModuleStore::known_path(&dir, &manifest), Some(path.clone()));
        let found = store.manifest(&manifest).unwrap();
        assert_eq!(found, Some((module.clone(), b"{}".to_vec())));
        assert_eq!(store.manifest(&module).unwrap(), None);
        assert_eq!(store.list().unwrap().len(), 1);
        let path = path.with_file_name(name(&manifest));
        std::fs::write(&path, "[]").unwrap();
        assert_eq!(store.manifest(&manifest).unwrap(), None, "other bytes are not it");
        put().unwrap();
        assert!(store.manifest(&manifest).unwrap().is_some());
        // What is written of it leads to nothing else.
        let hint = dir.join(MANIFESTS).join(manifest.hex());
        for bad in ["", "../..", &Digest::of(b"x").to_string()] {
            std::fs::write(&hint, bad).unwrap();
            assert_eq!(store.manifest(&manifest).unwrap(), None, "{bad}");
        }
        put().unwrap();
        assert!(store.manifest(&manifest).unwrap().is_some());
        // Another entry that nobody can read is none of its business.
        let other = ModuleStore::module_path(&dir, &Digest::of(b"other"));
        std::os::unix::fs::symlink("/", other.parent().unwrap()).unwrap();
        assert!(store.manifest(&manifest).unwrap().is_some());
        store.remove(&module).unwrap();
        assert_eq!(store.manifest(&manifest).unwrap(), None);
        assert!(!hint.exists());
    }
}
