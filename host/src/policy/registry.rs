//! The MCP trust registry, checked before any evaluator is given it.

use std::path::Path as FilePath;
use std::sync::Arc;

use serde_json::Value;

use super::canonical::{canonical, sha256};
use super::document::{Entry, Node};
use super::folder::read_file;
use super::guard;
use super::problem::Problem;
use super::reader::{Notation, Noted, Path, Reader, all};
use super::{MAX_REGISTRY_BYTES, PolicyError};
use crate::signing::Seals;
use crate::signing::trust::Guard;

const SERVERS: &str = "mcp_servers";
const TEXTS: [&str; 4] = ["server_id", "name", "trust_tier", "approval_state"];
const LISTS: [&str; 2] = ["capabilities", "allowed_tools"];

/// A trust registry as canonical JSON with a digest. Cheap to clone.
///
/// Implements the registry of *MCP* in the decision semantics: an object with a
/// list `mcp_servers` of objects. A record has a `server_id` or a `name`;
/// `trust_tier` and `approval_state` are strings, `capabilities` and
/// `allowed_tools` lists of strings, each of which may be absent. Other keys are
/// tolerated and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRegistry {
    json: Arc<str>,
    digest: Arc<str>,
}

impl TrustRegistry {
    /// Reads a registry from a file that the user named.
    ///
    /// # Errors
    /// As [`Self::from_json`]; also a path that is no readable regular file.
    pub fn read(path: &FilePath) -> Result<Self, PolicyError> {
        Self::read_guarded(path, None)
    }

    /// As [`Self::read`], if the trust policy takes it, where there is one.
    ///
    /// # Errors
    /// As [`Self::read`], and [`PolicyError::Refused`].
    pub fn read_guarded(path: &FilePath, trust: Option<&Guard>) -> Result<Self, PolicyError> {
        let bytes = read_file(path, MAX_REGISTRY_BYTES)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if let Some(trust) = trust {
            guard::admit_registry(trust, &bytes, &Seals::beside(path), &name)?;
        }
        Self::from_json(&bytes, &name)
    }

    /// Reads a registry. `file` is its name in errors.
    ///
    /// # Errors
    /// Every wrong shape with its JSON pointer; a key that is given twice;
    /// [`PolicyError::TooLarge`] over [`MAX_REGISTRY_BYTES`].
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_REGISTRY_BYTES {
            return Err(PolicyError::TooLarge {
                file: file.to_owned(),
                limit: MAX_REGISTRY_BYTES,
            });
        }
        let node = Node::from_json(bytes, file)?;
        let mut reader = Reader::new(file, Notation::Pointer);
        let read = check(&mut reader, &node, &Path::ROOT);
        let (value, _) = reader.finish(read)?;
        Self::of(&value, file)
    }

    /// A registry that [`check`] has read.
    pub(super) fn of(value: &Value, file: &str) -> Result<Self, PolicyError> {
        let json = canonical(value, file)?;
        Ok(Self {
            digest: sha256(&json).into(),
            json: json.into(),
        })
    }

    /// The registry as canonical JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// `sha256:` and 64 hex digits over [`Self::json`].
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Checks the shape of a registry.
pub(super) fn check(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Result<Value, Noted> {
    reader.object(node, path)?;
    let Some(servers) = node.get(SERVERS) else {
        return Err(reader.fault(path, node.at, Problem::Missing { key: SERVERS }));
    };
    let list = path.key(SERVERS);
    let records = reader.list(servers, &list)?;
    all(records
        .iter()
        .enumerate()
        .map(|(i, record)| check_record(reader, record, &list.index(i))))?;
    reader.any(node, path)
}

fn check_record(reader: &mut Reader<'_>, record: &Node, path: &Path<'_>) -> Result<(), Noted> {
    let entries = reader.object(record, path)?;
    let named = record.get("server_id").or_else(|| record.get("name")).is_some();
    let nameless = (!named).then(|| reader.fault(path, record.at, Problem::NamelessRecord));
    all(entries
        .iter()
        .map(|entry| check_field(reader, entry, &path.key(&entry.key))))?;
    nameless.map_or(Ok(()), Err)
}

fn check_field(reader: &mut Reader<'_>, entry: &Entry, path: &Path<'_>) -> Result<(), Noted> {
    if TEXTS.contains(&entry.key.as_str()) {
        reader.text(&entry.node, path)?;
    } else if LISTS.contains(&entry.key.as_str()) {
        let items = reader.list(&entry.node, path)?;
        all(items
            .iter()
            .enumerate()
            .map(|(i, item)| reader.text(item, &path.index(i)).map(drop)))?;
    }
    Ok(())
}
