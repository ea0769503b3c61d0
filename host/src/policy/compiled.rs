//! The compiled policy: what the evaluators are given.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::canonical::{canonical, sha256};
use super::check::{Rules, check};
use super::document::Node;
use super::error::{Fault, Faults, Place};
use super::problem::Problem;
use super::reader::{Notation, Noted, Path, Reader};
use super::{MAX_COMPILED_BYTES, PackId, PolicyError};

/// The `schema_version` of a compiled policy.
pub const COMPILED_SCHEMA: &str = "cavra.compiled-policy.v1";

const SCHEMA_VERSION: &str = "schema_version";
const DIGEST: &str = "digest";

/// A merged pack as canonical JSON with its digest. Cheap to clone.
///
/// Implements *Packs* in the decision semantics. The text has `schema_version`
/// [`COMPILED_SCHEMA`] and `digest`, which is `sha256:` and the SHA-256 of the
/// canonical JSON of everything else, so it changes exactly if the policy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledPolicy {
    pack_id: PackId,
    json: Arc<str>,
    digest: Arc<str>,
}

impl CompiledPolicy {
    /// Reads a compiled policy. `file` is its name in errors.
    ///
    /// One with a digest is taken as it is, letter for letter in canonical form.
    /// One without is brought into today's form: its patterns are trimmed, an
    /// entry that a list repeats is dropped, `metadata.inherits` is forgotten,
    /// `schema_version` and `digest` are added. The meaning stays.
    ///
    /// # Errors
    /// Every fault with its JSON pointer: a wrong shape, an empty pattern, another schema, a
    /// digest that does not match. [`PolicyError::TooLarge`] over [`MAX_COMPILED_BYTES`].
    pub fn from_json(bytes: &[u8], file: &str) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_COMPILED_BYTES {
            return Err(PolicyError::TooLarge {
                file: file.to_owned(),
                limit: MAX_COMPILED_BYTES,
            });
        }
        let node = Node::from_json(bytes, file)?;
        let given = given_digest(&node, file)?;
        let rules = if given.is_some() {
            Rules::Sealed
        } else {
            Rules::Compiled
        };
        let (checked, _) = check(&node, file, rules)?;
        let id = checked.id(file)?;
        let Some(given) = given else {
            return Self::seal(id, checked.body);
        };
        let sealed = match node.to_json() {
            Value::Object(body) => Self::seal(id, body)?,
            _ => Self::seal(id, checked.body)?,
        };
        if sealed.digest() != given {
            let problem = Problem::DigestMismatch {
                actual: sealed.digest().to_owned(),
            };
            let place = Place {
                file: file.to_owned(),
                position: None,
                key: format!("/{DIGEST}"),
            };
            return Err(Fault { place, problem }.into());
        }
        Ok(sealed)
    }

    /// Puts schema and digest to a merged pack.
    pub(super) fn seal(pack_id: PackId, mut body: Map<String, Value>) -> Result<Self, PolicyError> {
        body.insert(SCHEMA_VERSION.to_owned(), COMPILED_SCHEMA.into());
        body.remove(DIGEST);
        let mut value = Value::Object(body);
        let digest = sha256(&canonical(&value, pack_id.as_str())?);
        if let Value::Object(body) = &mut value {
            body.insert(DIGEST.to_owned(), digest.as_str().into());
        }
        let json = canonical(&value, pack_id.as_str())?;
        if json.len() > MAX_COMPILED_BYTES {
            return Err(PolicyError::CompiledTooLarge {
                id: pack_id,
                bytes: json.len(),
                limit: MAX_COMPILED_BYTES,
            });
        }
        Ok(Self {
            pack_id,
            json: json.into(),
            digest: digest.into(),
        })
    }

    /// A policy that was sealed before.
    pub(super) fn restore(pack_id: PackId, json: String, digest: String) -> Self {
        Self {
            pack_id,
            json: json.into(),
            digest: digest.into(),
        }
    }

    /// The pack that this policy is.
    pub fn pack_id(&self) -> &PackId {
        &self.pack_id
    }

    /// The whole policy as canonical JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// `sha256:` and 64 hex digits: the policy's own `digest` member.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The `digest` of a document whose `schema_version` is read here; `None` if it has neither.
fn given_digest(node: &Node, file: &str) -> Result<Option<String>, Faults> {
    let mut reader = Reader::new(file, Notation::Pointer);
    let read = read_digest(node, &mut reader);
    reader.finish(read).map(|(digest, _)| digest)
}

fn read_digest(node: &Node, reader: &mut Reader<'_>) -> Result<Option<String>, Noted> {
    let root = Path::ROOT;
    reader.object(node, &root)?;
    let schema = node
        .get(SCHEMA_VERSION)
        .map(|schema| reader.text(schema, &root.key(SCHEMA_VERSION)));
    let digest = node
        .get(DIGEST)
        .map(|digest| reader.text(digest, &root.key(DIGEST)));
    match (schema.transpose()?, digest.transpose()?) {
        (Some(schema), _) if schema != COMPILED_SCHEMA => {
            let problem = Problem::OtherSchema {
                found: schema.to_owned(),
                wanted: COMPILED_SCHEMA,
            };
            Err(reader.fault(&root.key(SCHEMA_VERSION), None, problem))
        }
        (None, Some(_)) => Err(reader.fault(&root.key(DIGEST), None, Problem::DigestWithoutSchema)),
        (_, digest) => Ok(digest.map(str::to_owned)),
    }
}
