//! One pack file, and the overlay, which is a pack without a name of its own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::check::{Checked, ReadList, Rules, check};
use super::document::Node;
use super::error::{Fault, Faults, Place, PolicyError, Position, Warning};
use super::folder::read_file;
use super::problem::Problem;
use super::{MAX_PACK_BYTES, PackId, schema};

/// A parent and where the child names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The parent's id.
    pub id: PackId,
    /// Where it stands.
    pub position: Option<Position>,
    /// Its key path: `metadata.inherits` or `metadata.inherits[1]`.
    pub key: String,
}

/// One pack, read and checked, not yet merged with its parents.
#[derive(Clone, Debug)]
pub struct Pack {
    id: PackId,
    parents: Vec<Parent>,
    layer: Layer,
    file_digest: String,
}

/// A pack with what only its author wants to know.
pub(super) struct ReadPack {
    pub(super) pack: Pack,
    pub(super) lists: Vec<ReadList>,
    pub(super) warnings: Vec<Warning>,
}

/// What one file lays over what it inherits.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) file: String,
    pub(super) body: Map<String, Value>,
    pub(super) places: BTreeMap<String, Position>,
}

impl Pack {
    /// Reads a pack from YAML. `file` is its name in errors.
    ///
    /// # Errors
    /// Every fault that can be found, with line and column; [`PolicyError::TooLarge`] over
    /// [`MAX_PACK_BYTES`].
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, PolicyError> {
        Self::read(bytes, file).map(|read| read.pack)
    }

    pub(super) fn read(bytes: &[u8], file: &str) -> Result<ReadPack, PolicyError> {
        let (checked, warnings) = read(bytes, file, Rules::Pack)?;
        let id = checked.id(file)?;
        let Checked {
            parents,
            body,
            places,
            lists,
            ..
        } = checked;
        let layer = Layer {
            file: file.to_owned(),
            body,
            places,
        };
        Ok(ReadPack {
            pack: Self {
                id,
                parents,
                layer,
                file_digest: file_digest(bytes),
            },
            lists,
            warnings,
        })
    }

    /// The same pack if `name`, which its folder has, is its id.
    pub(super) fn named(self, name: &PackId) -> Result<Self, Faults> {
        if self.id == *name {
            return Ok(self);
        }
        let key = "metadata.id".to_owned();
        let place = Place {
            position: self.layer.places.get(&key).copied(),
            file: self.layer.file,
            key,
        };
        let problem = Problem::OtherName {
            id: self.id.to_string(),
            name: name.to_string(),
        };
        Err(Fault { place, problem }.into())
    }

    /// `metadata.id`.
    pub fn id(&self) -> &PackId {
        &self.id
    }

    /// `metadata.title`.
    pub fn title(&self) -> &str {
        self.text("title").unwrap_or_default()
    }

    /// `metadata.version`.
    pub fn version(&self) -> &str {
        self.text("version").unwrap_or_default()
    }

    /// `metadata.description`.
    pub fn description(&self) -> Option<&str> {
        self.text("description")
    }

    /// `metadata.inherits`, in the order of the file.
    pub fn parents(&self) -> &[Parent] {
        &self.parents
    }

    /// The file that it was read from.
    pub fn file(&self) -> &str {
        &self.layer.file
    }

    /// The digest of the file as it was read.
    pub(super) fn file_digest(&self) -> &str {
        &self.file_digest
    }

    /// Whether one of the lists in its own file holds `pattern`.
    pub fn has_pattern(&self, pattern: &str) -> bool {
        let sections = self.layer.body.values().filter_map(Value::as_object);
        let lists = sections.flat_map(Map::values).filter_map(Value::as_array);
        lists.flatten().any(|entry| entry.as_str() == Some(pattern))
    }

    pub(super) fn layer(&self) -> &Layer {
        &self.layer
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.layer.body.get(schema::METADATA)?.get(key)?.as_str()
    }
}

/// A pack file that is laid over a pack when it is compiled: `--overlay`.
///
/// It is written like a pack. Its `metadata` may be absent or partial; its `id`
/// does not rename the pack, and it has no `inherits`.
#[derive(Clone, Debug)]
pub struct Overlay {
    layer: Layer,
}

impl Overlay {
    /// Reads an overlay from YAML. `file` is its name in errors.
    ///
    /// # Errors
    /// As [`Pack::parse`]; also an overlay that has parents.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, PolicyError> {
        let (checked, _) = read(bytes, file, Rules::Overlay)?;
        let Checked { mut body, places, .. } = checked;
        if let Some(Value::Object(metadata)) = body.get_mut(schema::METADATA) {
            metadata.remove(schema::ID);
        }
        Ok(Self {
            layer: Layer {
                file: file.to_owned(),
                body,
                places,
            },
        })
    }

    /// Reads an overlay from a file that the user named.
    ///
    /// # Errors
    /// As [`Overlay::parse`]; also a path that is no readable regular file.
    pub fn read(path: &std::path::Path) -> Result<Self, PolicyError> {
        let bytes = read_file(path, MAX_PACK_BYTES)?;
        Self::parse(&bytes, &path.display().to_string())
    }

    pub(super) fn layer(&self) -> &Layer {
        &self.layer
    }
}

/// What tells whether a pack's file is the one that was read.
pub(super) fn file_digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_string()
}

fn read(bytes: &[u8], file: &str, rules: Rules) -> Result<(Checked, Vec<Warning>), PolicyError> {
    if bytes.len() > MAX_PACK_BYTES {
        return Err(PolicyError::TooLarge {
            file: file.to_owned(),
            limit: MAX_PACK_BYTES,
        });
    }
    let node = Node::from_yaml(bytes, file)?;
    Ok(check(&node, file, rules)?)
}
