//! Where compiled policies come from: the policy setting of the wire contract.

use std::path::Path;
use std::sync::Arc;

use super::error::{Fault, Place};
use super::folder::{Folder, read_file};
use super::guard;
use super::problem::Problem;
use super::{Catalog, CompiledPolicy, MAX_COMPILED_BYTES, PackId, PolicyError};
use crate::signing::Seals;
use crate::signing::trust::Guard;

/// The setting that compiles packs when they are asked for.
const AUTO: &str = "auto";

/// What the policy setting names. Cheap to clone.
///
/// It never gives another pack than the one that is asked for.
#[derive(Clone, Debug)]
pub enum PolicySource {
    /// One compiled policy.
    Fixed(CompiledPolicy),
    /// A directory of `<pack id>.json`, read when a pack is asked for.
    Directory(PolicyDirectory),
    /// `auto`: the packs of the catalog, compiled when they are asked for.
    Auto(Catalog),
}

/// A directory of compiled policies that nothing leads out of.
#[derive(Clone, Debug)]
pub struct PolicyDirectory {
    folder: Arc<Folder>,
    trust: Option<Arc<Guard>>,
}

impl PolicySource {
    /// Opens what `setting` names: `auto`, a directory of `<pack id>.json`, or one compiled
    /// policy. A directory called `auto` is written `./auto`.
    ///
    /// # Errors
    /// What is not there or cannot be read; for a file also everything that
    /// [`CompiledPolicy::from_json`] refuses.
    pub fn open(setting: &str, catalog: &Catalog) -> Result<Self, PolicyError> {
        Self::open_guarded(setting, catalog, None)
    }

    /// As [`Self::open`], and takes only what the trust policy takes, if there is one.
    ///
    /// # Errors
    /// As [`Self::open`], and [`PolicyError::Refused`].
    pub fn open_guarded(
        setting: &str,
        catalog: &Catalog,
        trust: Option<&Arc<Guard>>,
    ) -> Result<Self, PolicyError> {
        let path = Path::new(setting);
        if setting == AUTO {
            return Ok(Self::Auto(catalog.clone()));
        }
        if path.is_dir() {
            let folder = Arc::new(Folder::open(path, "")?);
            let trust = trust.cloned();
            return Ok(Self::Directory(PolicyDirectory { folder, trust }));
        }
        let bytes = read_file(path, MAX_COMPILED_BYTES)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let policy = CompiledPolicy::from_json(&bytes, &name)?;
        if let Some(trust) = trust {
            guard::admit(trust, policy.pack_id(), &bytes, &Seals::beside(path), &name)?;
        }
        Ok(Self::Fixed(policy))
    }

    /// The compiled policy of `id`.
    ///
    /// # Errors
    /// [`PolicyError::NotHeld`] if there is no such policy here; any other error if there is
    /// one and it is unusable. Either way the fast path has no policy.
    pub fn policy_for(&self, id: &PackId) -> Result<CompiledPolicy, PolicyError> {
        let not_held = |holder: &str| PolicyError::NotHeld {
            id: id.clone(),
            holder: holder.to_owned(),
        };
        match self {
            Self::Fixed(policy) if policy.pack_id() == id => Ok(policy.clone()),
            Self::Fixed(policy) => Err(not_held(&format!(
                "the compiled policy of `{}`",
                policy.pack_id()
            ))),
            Self::Directory(directory) => directory
                .read(id)?
                .ok_or_else(|| not_held("the directory of compiled policies")),
            Self::Auto(catalog) => match catalog.compile(id, &[]) {
                Err(PolicyError::UnknownPack { .. }) => Err(not_held("the pack catalog")),
                compiled => compiled,
            },
        }
    }

    /// A policy that is held here, to see whether there is a usable one: that of
    /// `id` where it is held, else another.
    ///
    /// # Errors
    /// As [`Self::policy_for`].
    pub fn sample(&self, id: &PackId) -> Result<CompiledPolicy, PolicyError> {
        match self {
            Self::Fixed(policy) => Ok(policy.clone()),
            Self::Auto(_) => self.policy_for(id),
            Self::Directory(directory) => self.policy_for(
                &directory
                    .first()
                    .filter(|_| !directory.holds(id))
                    .unwrap_or(id.clone()),
            ),
        }
    }
}

impl PolicyDirectory {
    fn holds(&self, id: &PackId) -> bool {
        self.folder.has(&format!("{id}.json"))
    }

    /// The first pack, by name, that there is a file for.
    fn first(&self) -> Option<PackId> {
        let names = self.folder.names().ok()?;
        names
            .iter()
            .find_map(|name| PackId::new(name.strip_suffix(".json")?).ok())
    }

    fn read(&self, id: &PackId) -> Result<Option<CompiledPolicy>, PolicyError> {
        let name = format!("{id}.json");
        let Some(bytes) = self.folder.read(&name, MAX_COMPILED_BYTES)? else {
            return Ok(None);
        };
        if let Some(trust) = &self.trust {
            guard::admit(trust, id, &bytes, &self.folder.seals(&name), &name)?;
        }
        let policy = CompiledPolicy::from_json(&bytes, &name)?;
        if policy.pack_id() == id {
            return Ok(Some(policy));
        }
        let problem = Problem::OtherName {
            id: policy.pack_id().to_string(),
            name: name.clone(),
        };
        let place = Place {
            file: name,
            position: None,
            key: "/metadata/id".to_owned(),
        };
        Err(Fault { place, problem }.into())
    }
}
