//! Compiled policies, kept: in memory while a catalog lives, on disk for the next process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Catalog, CompiledPolicy, PackId, PolicyError};
use crate::cache::{Cache, Name};

/// The kind of the cache's entries about policies.
const POLICY: u8 = b'C';

/// What was compiled.
#[derive(Debug)]
pub(super) struct Kept {
    cache: Option<Arc<Cache>>,
    known: Mutex<BTreeMap<PackId, CompiledPolicy>>,
}

/// An entry of the cache: a policy, and the files that it was made from.
#[derive(Deserialize, Serialize)]
struct Record {
    /// The packs that were merged, each with the digest of its file.
    lineage: Vec<(String, String)>,
    digest: String,
    json: String,
}

impl Kept {
    pub(super) fn new(cache: Option<Arc<Cache>>) -> Self {
        Self {
            cache,
            known: Mutex::default(),
        }
    }

    /// The compiled policy of a pack.
    pub(super) fn compile(&self, catalog: &Catalog, id: &PackId) -> Result<CompiledPolicy, PolicyError> {
        if let Some(policy) = self.known().get(id) {
            return Ok(policy.clone());
        }
        let name = Name::new("policy", &[id.as_str().as_bytes()]);
        let policy = match self.recall(catalog, id, &name) {
            Some(policy) => policy,
            None => self.make(catalog, id, &name)?,
        };
        self.known().insert(id.clone(), policy.clone());
        Ok(policy)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<PackId, CompiledPolicy>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy as an earlier process made it, if it was made from the same files.
    fn recall(&self, catalog: &Catalog, id: &PackId, name: &Name) -> Option<CompiledPolicy> {
        let entry = self.cache.as_ref()?.get(name)?;
        let record: Record = serde_json::from_slice(&entry.bytes().ok()?).ok()?;
        for (ancestor, digest) in &record.lineage {
            let now = catalog.file_digest(&PackId::new(ancestor).ok()?)?;
            if now != *digest {
                return None;
            }
        }
        Some(CompiledPolicy::restore(id.clone(), record.json, record.digest))
    }

    fn make(&self, catalog: &Catalog, id: &PackId, name: &Name) -> Result<CompiledPolicy, PolicyError> {
        let resolved = catalog.resolve(id)?;
        let lineage = resolved
            .files()
            .map(|(id, digest)| (id.to_string(), digest.to_owned()));
        let lineage = lineage.collect();
        let policy = resolved.compile(&[])?;
        let record = Record {
            lineage,
            digest: policy.digest().to_owned(),
            json: policy.json().to_owned(),
        };
        if let (Some(cache), Ok(entry)) = (&self.cache, serde_json::to_vec(&record)) {
            // It is compiled again next time.
            let _ = cache.put(name, POLICY, &entry);
        }
        Ok(policy)
    }
}
