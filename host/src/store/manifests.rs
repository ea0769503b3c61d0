//! As what registries know a module: the manifests that name it, in its entry.
//!
//! They go with the module. Their names are promises like its own: what is read is hashed.

use super::{Digest, MODULES, ModuleStore, StoreError};

/// The most bytes of one manifest.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

fn name(manifest: &Digest) -> String {
    format!("manifest-{}.json", manifest.hex())
}

impl ModuleStore {
    /// Keeps a manifest with the module that it is about. Whether it is about that one is
    /// for those to ask who read it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the store has no such module; [`StoreError::Io`].
    pub fn keep_manifest(&self, module: &Digest, manifest: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(manifest);
        let _turn = self.top.turn()?;
        let absent = || StoreError::NotFound(module.clone());
        let modules = self.top.child(MODULES)?.ok_or_else(absent)?;
        let entry = modules.child(module.hex())?.ok_or_else(absent)?;
        let name = name(&digest);
        let known = entry.read(&name, MAX_MANIFEST_BYTES);
        if !known.is_ok_and(|known| known.as_deref() == Some(manifest)) {
            entry.replace(&name, manifest)?;
        }
        Ok(digest)
    }

    /// The manifest with this digest, and the module that it lies beside. Its bytes have
    /// the digest: they are hashed.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn manifest(&self, manifest: &Digest) -> Result<Option<(Digest, Vec<u8>)>, StoreError> {
        let name = name(manifest);
        let Some(modules) = self.top.child(MODULES)? else {
            return Ok(None);
        };
        for hex in modules.names()? {
            let Ok(module) = Digest::from_hex(&hex) else {
                continue;
            };
            let Some(entry) = modules.child(&hex)? else {
                continue;
            };
            if let Some(bytes) = entry.read(&name, MAX_MANIFEST_BYTES)?
                && Digest::of(&bytes) == *manifest
            {
                return Ok(Some((module, bytes)));
            }
        }
        Ok(None)
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
        let store = ModuleStore::open(&dir).unwrap();
        let missing = store.keep_manifest(&Digest::of(b"x"), b"{}");
        assert!(matches!(missing, Err(StoreError::NotFound(_))));
        let origin = Origin {
            reference: None,
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        let none: [&[u8]; 0] = [];
        let module = store.put(b"\0asm\x0d\0\x01\0", &none, &origin).unwrap();
        let manifest = store.keep_manifest(&module, b"{}").unwrap();
        store.keep_manifest(&module, b"{}").unwrap();
        let found = store.manifest(&manifest).unwrap();
        assert_eq!(found, Some((module.clone(), b"{}".to_vec())));
        assert_eq!(store.manifest(&module).unwrap(), None);
        assert_eq!(store.list().unwrap().len(), 1);
        let path = ModuleStore::module_path(&dir, &module).with_file_name(name(&manifest));
        std::fs::write(&path, "[]").unwrap();
        assert_eq!(store.manifest(&manifest).unwrap(), None, "other bytes are not it");
        store.keep_manifest(&module, b"{}").unwrap();
        assert!(store.manifest(&manifest).unwrap().is_some());
        store.remove(&module).unwrap();
        assert_eq!(store.manifest(&manifest).unwrap(), None);
    }
}
