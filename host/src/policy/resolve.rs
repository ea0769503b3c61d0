//! A pack merged with everything that it inherits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::{Fault, Faults, Place};
use super::merge::overlay;
use super::pack::{Layer, Parent};
use super::problem::Problem;
use super::{
    Catalog, CompiledPolicy, MAX_INHERITANCE_DEPTH, MAX_MERGED_PACKS, Overlay, Pack, PackId, PolicyError,
};

/// A pack and its ancestors, merged.
///
/// *Packs* in the decision semantics: the first parent, merged with its own
/// parents, is the base; each later parent, merged likewise, is laid over it, and
/// the pack itself over all. So an ancestor that two parents share is laid twice,
/// and what the later parent inherited from it wins over the earlier parent.
#[derive(Clone, Debug)]
pub struct ResolvedPack {
    id: PackId,
    merged: Merged,
}

#[derive(Clone, Debug)]
struct Merged {
    body: Map<String, Value>,
    /// What the body was made from, each pack once, in the order in which it first came.
    packs: Vec<Arc<Pack>>,
}

impl ResolvedPack {
    /// The pack that was asked for.
    pub fn id(&self) -> &PackId {
        &self.id
    }

    /// The packs that were merged, ancestors first, the pack itself last.
    pub fn lineage(&self) -> impl Iterator<Item = &PackId> {
        self.merged.packs.iter().map(|pack| pack.id())
    }

    /// The packs that were merged, each with the digest of its file.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PackId, &str)> {
        self.merged
            .packs
            .iter()
            .map(|pack| (pack.id(), pack.file_digest()))
    }

    /// The merged pack: what is compiled, without schema and digest.
    pub fn body(&self) -> &Map<String, Value> {
        &self.merged.body
    }

    /// Lays `overlays` over the pack, the last uppermost, and compiles the result.
    ///
    /// # Errors
    /// A value that cannot be merged; [`PolicyError::CompiledTooLarge`].
    pub fn compile(self, overlays: &[Overlay]) -> Result<CompiledPolicy, PolicyError> {
        let Self {
            id,
            merged: Merged { mut body, packs },
        } = self;
        let mut layers: Vec<&Layer> = packs.iter().map(|pack| pack.layer()).collect();
        for over in overlays {
            overlay(&mut body, &layers, &over.layer().body, &[over.layer()])?;
            layers.push(over.layer());
        }
        CompiledPolicy::seal(id, body)
    }
}

impl Merged {
    fn lay(&mut self, over: &Map<String, Value>, packs: &[Arc<Pack>]) -> Result<(), Faults> {
        let above: Vec<&Layer> = packs.iter().map(|pack| pack.layer()).collect();
        let below: Vec<&Layer> = self.packs.iter().map(|pack| pack.layer()).collect();
        overlay(&mut self.body, &below, over, &above)?;
        for pack in packs {
            if !self.packs.iter().any(|known| known.id() == pack.id()) {
                self.packs.push(Arc::clone(pack));
            }
        }
        Ok(())
    }
}

/// Merges `pack`, whose ancestors are those of `catalog`.
pub(super) fn resolve(catalog: &Catalog, pack: Pack) -> Result<ResolvedPack, PolicyError> {
    let mut resolver = Resolver {
        catalog,
        chain: Vec::new(),
        done: BTreeMap::new(),
    };
    let id = pack.id().clone();
    let merged = resolver.merge(&Arc::new(pack))?;
    Ok(ResolvedPack { id, merged })
}

struct Resolver<'a> {
    catalog: &'a Catalog,
    /// The packs that are being merged, each a parent of the one before.
    chain: Vec<PackId>,
    done: BTreeMap<PackId, Merged>,
}

impl Resolver<'_> {
    fn merge(&mut self, pack: &Arc<Pack>) -> Result<Merged, PolicyError> {
        self.chain.push(pack.id().clone());
        let mut merged: Option<Merged> = None;
        for parent in pack.parents() {
            let above = self.parent(pack, parent)?;
            match &mut merged {
                None => merged = Some(above),
                Some(merged) => merged.lay(&above.body, &above.packs)?,
            }
        }
        let mut merged = merged.unwrap_or_else(|| Merged {
            body: Map::new(),
            packs: Vec::new(),
        });
        merged.lay(&pack.layer().body, std::slice::from_ref(pack))?;
        self.chain.pop();
        Ok(merged)
    }

    fn parent(&mut self, child: &Pack, parent: &Parent) -> Result<Merged, PolicyError> {
        let id = &parent.id;
        let fault = |problem| {
            let place = Place {
                file: child.file().to_owned(),
                position: parent.position,
                key: parent.key.clone(),
            };
            PolicyError::from(Fault { place, problem })
        };
        if let Some(from) = self.chain.iter().position(|above| above == id) {
            let chain = self
                .chain
                .iter()
                .skip(from)
                .chain(std::iter::once(id))
                .cloned()
                .collect();
            return Err(fault(Problem::Cycle { chain }));
        }
        if let Some(done) = self.done.get(id) {
            return Ok(done.clone());
        }
        if self.chain.len() >= MAX_INHERITANCE_DEPTH {
            return Err(fault(Problem::TooDeep));
        }
        if self.done.len().saturating_add(self.chain.len()) >= MAX_MERGED_PACKS {
            return Err(fault(Problem::TooManyAncestors));
        }
        let pack = match self.catalog.pack(id) {
            Err(PolicyError::UnknownPack { id, near }) => {
                return Err(fault(Problem::UnknownParent { id, near }));
            }
            pack => Arc::new(pack?),
        };
        let merged = self.merge(&pack)?;
        self.done.insert(id.clone(), merged.clone());
        Ok(merged)
    }
}
