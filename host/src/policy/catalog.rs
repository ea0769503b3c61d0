//! The packs there are: those built in, and those of the policy directory.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use serde::Serialize;

use super::folder::Folder;
use super::guard;
use super::kept::Kept;
use super::pack::file_digest;
use super::resolve::resolve;
use super::{CompiledPolicy, MAX_PACK_BYTES, Overlay, Pack, PackId, PackTests, PolicyError, ResolvedPack};
use crate::cache::Cache;
use crate::signing::trust::Guard;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// The file of a pack in its folder.
pub(super) const PACK_FILE: &str = "policy.yaml";
/// Why a folder without one is no pack: it is not read as if it were not there.
pub(super) const MISSING: &str = "there is no such file, and its folder replaces the built-in pack of that name; put the file there or remove the folder";
/// The file of its tests.
pub(super) const TESTS_FILE: &str = "tests.yaml";

/// How many ids an error proposes.
const PROPOSED: usize = 3;
/// From which Jaro–Winkler similarity on an id is worth proposing.
const SIMILAR: f64 = 0.85;

/// Where a pack comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Compiled into the binary.
    BuiltIn,
    /// `<pack id>/policy.yaml` in the policy directory.
    Directory,
}

/// One line of `cavra policy list`.
#[derive(Clone, Debug, Serialize)]
pub struct PackListing {
    /// The pack's id.
    pub id: PackId,
    /// Where it comes from.
    pub origin: Origin,
    /// Its title; empty if the pack is broken.
    pub title: String,
    /// Its version; empty if the pack is broken.
    pub version: String,
    /// Its description.
    pub description: Option<String>,
    /// Its parents, in order.
    pub inherits: Vec<PackId>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// Every pack that can be asked for. Cheap to clone.
///
/// Files are read when they are asked for and never kept, so a pack that is
/// changed on disk is another pack the next time, and a broken one is in nobody
/// else's way. A pack of the directory replaces the built-in one of its id, even
/// if it is broken: a typo must not bring back other rules.
#[derive(Clone, Debug)]
pub struct Catalog {
    folder: Option<Arc<Folder>>,
    kept: Option<Arc<Kept>>,
    /// Whose word is taken for the packs of the directory; none: nobody's is asked for.
    trust: Option<Arc<Guard>>,
}

impl Catalog {
    /// The packs built in.
    pub fn builtin() -> Self {
        Self {
            folder: None,
            kept: None,
            trust: None,
        }
    }

    /// The packs built in and those of `directory`, which add to and override them.
    ///
    /// # Errors
    /// [`PolicyError::Unreadable`] if `directory` is no folder that can be opened.
    pub fn open(directory: &Path) -> Result<Self, PolicyError> {
        Self::open_as(directory, "")
    }

    /// As [`Self::open`]; errors put `label` before the names of the directory's files.
    pub(super) fn open_as(directory: &Path, label: &str) -> Result<Self, PolicyError> {
        Ok(Self {
            folder: Some(Arc::new(Folder::open(directory, label)?)),
            kept: None,
            trust: None,
        })
    }

    /// The same packs, each compiled once: what was compiled is kept, here for as long
    /// as this catalog lives, and in `cache` for other processes, which use it as long
    /// as no file that it was made from has changed.
    #[must_use]
    pub fn keeping(self, cache: Option<Arc<Cache>>) -> Self {
        Self {
            kept: Some(Arc::new(Kept::new(cache))),
            ..self
        }
    }

    /// The same packs, those of the directory only as far as the trust policy takes them.
    /// What is built in is taken with the binary.
    #[must_use]
    pub fn guarded(self, trust: Option<Arc<Guard>>) -> Self {
        Self { trust, ..self }
    }

    /// Every id, in order.
    ///
    /// # Errors
    /// [`PolicyError::Unreadable`] if the directory cannot be listed.
    pub fn ids(&self) -> Result<Vec<PackId>, PolicyError> {
        let built_in = BUILT_IN.dirs().filter_map(|dir| dir.path().to_str());
        let mut ids: BTreeSet<PackId> = built_in.filter_map(|name| PackId::new(name).ok()).collect();
        if let Some(folder) = &self.folder {
            let names = folder.names()?;
            let named = names.iter().filter_map(|name| PackId::new(name).ok());
            ids.extend(named.filter(|id| folder.has(&within(id, PACK_FILE))));
        }
        Ok(ids.into_iter().collect())
    }

    /// What `cavra policy list` shows, in order. A broken pack is listed with its error.
    ///
    /// # Errors
    /// As [`Self::ids`].
    pub fn list(&self) -> Result<Vec<PackListing>, PolicyError> {
        Ok(self.ids()?.into_iter().map(|id| self.listing(id)).collect())
    }

    fn listing(&self, id: PackId) -> PackListing {
        let origin = self.origin(&id).unwrap_or(Origin::Directory);
        let pack = self
            .pack(&id)
            .and_then(|pack| resolve(self, pack.clone()).map(|_| pack));
        match pack {
            Ok(pack) => PackListing {
                id,
                origin,
                title: pack.title().to_owned(),
                version: pack.version().to_owned(),
                description: pack.description().map(str::to_owned),
                inherits: pack.parents().iter().map(|parent| parent.id.clone()).collect(),
                error: None,
            },
            Err(error) => PackListing {
                id,
                origin,
                title: String::new(),
                version: String::new(),
                description: None,
                inherits: Vec::new(),
                error: Some(error.to_string()),
            },
        }
    }

    /// One pack as its file says it, not merged.
    ///
    /// # Errors
    /// [`PolicyError::UnknownPack`], and whatever is wrong with the file.
    pub fn pack(&self, id: &PackId) -> Result<Pack, PolicyError> {
        let (bytes, file) = self.read(id, PACK_FILE)?.ok_or_else(|| PolicyError::Unreadable {
            file: within(id, PACK_FILE),
            source: io::Error::new(io::ErrorKind::NotFound, MISSING),
        })?;
        Ok(Pack::parse(&bytes, &file)?.named(id)?)
    }

    /// One pack, merged with everything that it inherits.
    ///
    /// # Errors
    /// As [`Self::pack`], for it and its ancestors; also cycles, unknown parents, too many of
    /// them, and values that cannot be merged.
    pub fn resolve(&self, id: &PackId) -> Result<ResolvedPack, PolicyError> {
        resolve(self, self.pack(id)?)
    }

    /// The compiled policy of a pack under `overlays`, the last of which is uppermost.
    ///
    /// # Errors
    /// As [`Self::resolve`]; also [`PolicyError::CompiledTooLarge`].
    pub fn compile(&self, id: &PackId, overlays: &[Overlay]) -> Result<CompiledPolicy, PolicyError> {
        match &self.kept {
            Some(kept) if overlays.is_empty() => kept.compile(self, id),
            _ => self.resolve(id)?.compile(overlays),
        }
    }

    /// The `tests.yaml` beside the pack; `None` if it has none.
    ///
    /// # Errors
    /// [`PolicyError::UnknownPack`], a file that cannot be read, and every fault of it.
    pub fn tests(&self, id: &PackId) -> Result<Option<PackTests>, PolicyError> {
        let text = self.read(id, TESTS_FILE)?;
        text.map(|(bytes, file)| PackTests::parse(&bytes, &file))
            .transpose()
    }

    /// The digest of the pack's file; `None` if it cannot be read.
    pub(super) fn file_digest(&self, id: &PackId) -> Option<String> {
        let (bytes, _) = self.read(id, PACK_FILE).ok()??;
        Some(file_digest(&bytes))
    }

    /// Where the pack comes from; `None` if there is no such pack.
    fn origin(&self, id: &PackId) -> Option<Origin> {
        let built_in = BUILT_IN.get_dir(id.as_str()).is_some();
        let Some(folder) = &self.folder else {
            return built_in.then_some(Origin::BuiltIn);
        };
        // Whatever bears the name of a built-in pack replaces it: a folder whose file was
        // lost or misspelt must not bring back other rules.
        if folder.has(&within(id, PACK_FILE)) || (built_in && folder.has(id.as_str())) {
            return Some(Origin::Directory);
        }
        built_in.then_some(Origin::BuiltIn)
    }

    /// A file of the pack, from where the pack itself comes, and its name in errors.
    fn read(&self, id: &PackId, file: &str) -> Result<Option<(Vec<u8>, String)>, PolicyError> {
        let name = within(id, file);
        match (self.origin(id), &self.folder) {
            (None, _) => Err(PolicyError::UnknownPack {
                id: id.clone(),
                near: self.near(id),
            }),
            (Some(Origin::Directory), Some(folder)) => {
                let Some(bytes) = folder.read(&name, MAX_PACK_BYTES)? else {
                    return Ok(None);
                };
                if let Some(trust) = self.trust.as_ref().filter(|_| file == PACK_FILE) {
                    guard::admit_pack(trust, id, &bytes, &folder.seals(&name), &folder.label(&name))?;
                }
                Ok(Some((bytes, folder.label(&name))))
            }
            (Some(_), _) => {
                let file = BUILT_IN.get_file(&name);
                Ok(file.map(|file| (file.contents().to_vec(), format!("built-in/{name}"))))
            }
        }
    }

    /// Ids that look like `id`, the likeliest first. An error proposes them, so nothing here fails.
    fn near(&self, id: &PackId) -> Vec<PackId> {
        let ids = self.ids().unwrap_or_default().into_iter();
        let mut near: Vec<(f64, PackId)> = ids
            .map(|other| (strsim::jaro_winkler(id.as_str(), other.as_str()), other))
            .collect();
        near.retain(|(likeness, _)| *likeness >= SIMILAR);
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.into_iter().take(PROPOSED).map(|(_, id)| id).collect()
    }
}

fn within(id: &PackId, file: &str) -> String {
    format!("{id}/{file}")
}
