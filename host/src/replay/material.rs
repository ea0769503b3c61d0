//! What a replay needs - modules, policies, registries - found by digest.
//!
//! A record names what it was made with by digest alone, so it does not matter where
//! a file lies or what it is called: what has the digest is what was used.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::builtin;
use crate::digest::{hex, sha256_hex};
use crate::host::{empty_registry, read_module};
use crate::policy::{Catalog, CompiledPolicy, MAX_COMPILED_BYTES, PackId, TrustRegistry};
use crate::store::{Digest, ModuleStore};

/// How deep folders are searched.
const MAX_DEPTH: usize = 8;

/// A place that was named and cannot be searched.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {source}", .path.display())]
pub struct MaterialError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Everything that records can be replayed with.
#[derive(Debug)]
pub struct Material {
    /// Module files by SHA-256.
    modules: BTreeMap<String, PathBuf>,
    /// Where modules are kept by their digest.
    store: Option<ModuleStore>,
    /// JSON files that may be compiled policies or registries.
    documents: Vec<PathBuf>,
    catalog: Catalog,
    packs: OnceLock<BTreeMap<String, CompiledPolicy>>,
    found: OnceLock<Documents>,
}

/// The policies and registries among the files, by digest; each is read again when it
/// is used, for they can be many and large.
#[derive(Debug, Default)]
struct Documents {
    policies: BTreeMap<String, PathBuf>,
    registries: BTreeMap<String, PathBuf>,
}

impl Material {
    /// What is built in, and the packs of `catalog`.
    pub fn new(catalog: Catalog) -> Self {
        Self {
            modules: BTreeMap::new(),
            store: None,
            documents: Vec::new(),
            catalog,
            packs: OnceLock::new(),
            found: OnceLock::new(),
        }
    }

    /// Adds modules: a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// When `path` cannot be read. A file in a folder that cannot be read is passed over:
    /// a record that needs it says so.
    pub fn add_modules(&mut self, path: &Path) -> Result<(), MaterialError> {
        for file in files(path)? {
            if let Ok(bytes) = read_module(&file) {
                self.modules.entry(sha256_hex(&bytes)).or_insert(file);
            }
        }
        Ok(())
    }

    /// Looks for modules also in a module store.
    pub fn add_store(&mut self, store: ModuleStore) {
        self.store = Some(store);
    }

    /// Adds compiled policies and trust registries: a JSON file, or a folder of them.
    ///
    /// # Errors
    /// As [`Self::add_modules`].
    pub fn add_documents(&mut self, path: &Path) -> Result<(), MaterialError> {
        let named = path.is_file();
        let json = |file: &PathBuf| named || file.extension().is_some_and(|it| it == "json");
        self.documents.extend(files(path)?.into_iter().filter(json));
        self.found = OnceLock::new();
        Ok(())
    }

    /// The module or native binary with this SHA-256.
    pub fn module(&self, sha256: &str) -> Option<Cow<'static, [u8]>> {
        if let Some(bytes) = builtin::by_digest(sha256) {
            return Some(bytes.into());
        }
        let Some(file) = self.modules.get(sha256) else {
            let digest = Digest::from_hex(sha256).ok()?;
            return Some(self.store.as_ref()?.get(&digest).ok()?.bytes.into());
        };
        let bytes = read_module(file).ok()?;
        // The file may be another by now.
        (sha256_hex(&bytes) == sha256).then_some(bytes.into())
    }

    /// Where the module with this SHA-256 lies, as a setting names it.
    pub fn module_name(&self, sha256: &str) -> Option<String> {
        let file = || Some(self.modules.get(sha256)?.display().to_string());
        let stored = || Some(Digest::from_hex(sha256).ok()?.to_string()).filter(|_| self.store.is_some());
        builtin::name_by_digest(sha256).or_else(file).or_else(stored)
    }

    /// The compiled policy with this digest (64 hex digits) of the pack `id`.
    pub fn policy(&self, digest: &str, id: &str) -> Option<CompiledPolicy> {
        self.pack(digest, id).or_else(|| {
            let path = self.documents().policies.get(digest)?;
            let policy = read_policy(path)?;
            (hex(policy.digest()) == digest).then_some(policy)
        })
    }

    /// The trust registry with this digest (64 hex digits).
    pub fn registry(&self, digest: &str) -> Option<TrustRegistry> {
        // What a host judges by whose registry cannot be read.
        let empty = empty_registry().ok();
        let is_it = |registry: &TrustRegistry| hex(registry.digest()) == digest;
        empty.filter(is_it).or_else(|| {
            let path = self.documents().registries.get(digest)?;
            TrustRegistry::read(path).ok().filter(is_it)
        })
    }

    fn pack(&self, digest: &str, id: &str) -> Option<CompiledPolicy> {
        // Most records are of packs as they are now; only where that fails are all compiled.
        let named = PackId::new(id)
            .ok()
            .and_then(|id| self.catalog.compile(&id, &[]).ok())
            .filter(|policy| hex(policy.digest()) == digest);
        named.or_else(|| {
            let packs = self.packs.get_or_init(|| {
                let ids = self.catalog.ids().unwrap_or_default();
                let compiled = ids.iter().filter_map(|id| self.catalog.compile(id, &[]).ok());
                compiled.map(|policy| (hex(policy.digest()), policy)).collect()
            });
            packs.get(digest).cloned()
        })
    }

    fn documents(&self) -> &Documents {
        self.found.get_or_init(|| {
            let mut found = Documents::default();
            for path in &self.documents {
                if let Some(policy) = read_policy(path) {
                    found.policies.insert(hex(policy.digest()), path.clone());
                } else if let Ok(registry) = TrustRegistry::read(path) {
                    found.registries.insert(hex(registry.digest()), path.clone());
                }
            }
            found
        })
    }
}

fn read_policy(path: &Path) -> Option<CompiledPolicy> {
    let length = fs::metadata(path).ok()?.len();
    if usize::try_from(length).ok()? > MAX_COMPILED_BYTES {
        return None;
    }
    CompiledPolicy::from_json(&fs::read(path).ok()?, &path.display().to_string()).ok()
}

/// `path`, or every regular file below it.
fn files(path: &Path) -> Result<Vec<PathBuf>, MaterialError> {
    let unreadable = |source| MaterialError {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    descend(path, 0, &mut files).map_err(unreadable)?;
    // Whichever of two files with one digest is taken, it is always the same one.
    files.sort_unstable();
    Ok(files)
}

fn descend(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < MAX_DEPTH {
            // What cannot be opened holds nothing that can be found.
            let _ = descend(&entry.path(), depth.saturating_add(1), files);
        } else if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_digest_is_found_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deep")).unwrap();
        let (module, text) = (
            b"\0asm and more".as_slice(),
            "{\"mcp_servers\":[{\"name\":\"a\"}]}",
        );
        fs::write(dir.path().join("deep/anything"), module).unwrap();
        fs::write(dir.path().join("registry.json"), text).unwrap();
        let id = PackId::new("cavra-pci-dss").unwrap();
        let policy = Catalog::builtin().compile(&id, &[]).unwrap();
        fs::write(dir.path().join("p.json"), policy.json()).unwrap();

        let mut material = Material::new(Catalog::builtin());
        assert_eq!(material.module(&sha256_hex(module)), None);
        material.add_modules(dir.path()).unwrap();
        material.add_documents(dir.path()).unwrap();
        assert_eq!(material.module(&sha256_hex(module)).as_deref(), Some(module));
        let registry = TrustRegistry::from_json(text.as_bytes(), "r").unwrap();
        let digest = hex(registry.digest());
        assert_eq!(material.registry(&digest).unwrap().json(), registry.json());
        let digest = hex(policy.digest());
        // By its name, by another, and among the files.
        for id in ["cavra-pci-dss", "cavra-hipaa", ""] {
            assert_eq!(material.policy(&digest, id).unwrap().json(), policy.json());
        }
        assert_eq!(material.documents().policies.len(), 1);
        assert!(material.add_modules(&dir.path().join("absent")).is_err());
        let empty = empty_registry().unwrap();
        assert!(material.registry(&hex(empty.digest())).is_some());
        assert!(material.registry(&"0".repeat(64)).is_none());

        // What was indexed and has changed since is not what was recorded.
        fs::write(dir.path().join("deep/anything"), b"\0asm and less").unwrap();
        assert_eq!(material.module(&sha256_hex(module)), None);
    }
}
