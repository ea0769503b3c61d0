//! The sealed store: masked records as they were, encrypted to an auditor's key.
//!
//! The host has the public key alone. Each item is an `age` file of its own, so that one
//! can be opened without the others; the record that it belongs to holds its digest, and
//! the item holds the id of the evaluation, so that neither can be taken for another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::str::FromStr;

use age::x25519::Recipient;
use age::{Decryptor, Identity, IdentityFile};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::files::private;
use super::reader::{Segment, lines_of, numbered};
use super::{EvaluationRecord, EvidenceError, Hash, Sealed, canonical};

/// The `schema_version` of what is sealed.
const SCHEMA: &str = "cavra.evidence-sealed.v1";

/// Seals records to one auditor.
#[derive(Clone)]
pub struct Sealer {
    recipient: Recipient,
    name: String,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sealer").field(&self.name).finish()
    }
}

impl PartialEq for Sealer {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A text that is no public key of `age`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a public key of age, which begins with `age1`; `age-keygen` makes one")]
pub struct NoRecipient;

impl FromStr for Sealer {
    type Err = NoRecipient;

    fn from_str(text: &str) -> Result<Self, NoRecipient> {
        let recipient: Recipient = text.trim().parse().map_err(|_| NoRecipient)?;
        Ok(Self {
            name: recipient.to_string(),
            recipient,
        })
    }
}

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    /// The record before anything was masked in it.
    record: Box<EvaluationRecord>,
    schema_version: String,
}

/// One line of the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    /// The `age` file, in base64.
    age: String,
    evaluation_id: String,
}

impl Sealer {
    /// Seals a record: what is recorded of that, and the line for the store.
    pub(super) fn seal(&self, record: &EvaluationRecord) -> Result<(Sealed, Vec<u8>), EvidenceError> {
        let open = canonical::to_vec(&Open {
            record: Box::new(record.clone()),
            schema_version: SCHEMA.to_owned(),
        })?;
        let closed =
            age::encrypt(&self.recipient, &open).map_err(|error| EvidenceError::Seal(error.to_string()))?;
        let sealed = Sealed {
            recipient: self.name.clone(),
            sha256: Hash::of(&closed).to_string(),
        };
        let mut line = canonical::to_vec(&Item {
            age: STANDARD.encode(closed),
            evaluation_id: record.evaluation_id.clone(),
        })?;
        line.push(b'\n');
        Ok((sealed, line))
    }
}

/// Adds lines to the store beside the segment that begins with `first`. What to do to
/// take them away again is the length that is told.
pub(super) fn append(
    dir: &Path,
    first: u64,
    lines: &[&[u8]],
    sync: bool,
) -> Result<(File, u64), EvidenceError> {
    let path = Segment::sealed(dir, first).path;
    let told = EvidenceError::io(&path);
    let mut file = private(&path, true)?;
    let length = file.metadata().map_err(&told)?.len();
    let mut bytes = Vec::new();
    if length > 0 {
        // What a process that ended in the middle has left ends here.
        let mut last = [0];
        file.seek(SeekFrom::Start(length.saturating_sub(1)))
            .map_err(&told)?;
        file.read_exact(&mut last).map_err(&told)?;
        if last != [b'\n'] {
            bytes.push(b'\n');
        }
    }
    lines.iter().for_each(|line| bytes.extend_from_slice(line));
    let written = file
        .write_all(&bytes)
        .and_then(|()| if sync { file.sync_data() } else { Ok(()) });
    match written {
        Ok(()) => Ok((file, length)),
        Err(error) => {
            let _ = file.set_len(length);
            Err(told(error))
        }
    }
}

impl Segment {
    /// The sealed records of the segment in `dir` that begins with the entry `first`.
    pub fn sealed(dir: &Path, first: u64) -> Self {
        Self {
            first,
            path: dir.join(format!("sealed-{first:020}.jsonl")),
        }
    }
}

/// The digests of all that is sealed beside one segment, by evaluation. Lines that are
/// no items, which a crash can leave, are passed over: a record that wants for its item
/// says so itself.
pub(super) fn digests(dir: &Path, first: u64) -> Result<BTreeMap<String, BTreeSet<String>>, EvidenceError> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let store = Segment::sealed(dir, first);
    if !store.path.exists() {
        return Ok(found);
    }
    for line in lines_of(&store)? {
        if let Some((id, closed)) = item(&line?.bytes) {
            let digest = Hash::of(&closed).to_string();
            found.entry(id).or_default().insert(digest);
        }
    }
    Ok(found)
}

fn item(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let item: Item = serde_json::from_slice(line).ok()?;
    Some((item.evaluation_id, STANDARD.decode(item.age).ok()?))
}

/// An auditor's keys.
pub struct Keys(Vec<Box<dyn Identity + Send + Sync>>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keys").field(&self.0.len()).finish()
    }
}

/// Why a record cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It was never sealed.
    #[error("nothing of it was masked, or no key to seal it to was set")]
    NotSealed,
    /// What was sealed is gone.
    #[error("what was sealed of it is not in the sealed store, or is not what the record names")]
    Gone,
    /// The wrong key, or damage that no digest tells.
    #[error("it cannot be opened: {0}")]
    Locked(String),
    /// What was opened is of another record.
    #[error("what was sealed is another record")]
    Another,
}

impl Keys {
    /// Reads an identity file, as `age-keygen` writes it.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path) -> Result<Self, EvidenceError> {
        let file = File::open(path).map_err(EvidenceError::io(path))?;
        let unusable = |error: &dyn std::fmt::Display| EvidenceError::Identity {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        let file = IdentityFile::from_buffer(std::io::BufReader::new(file)).map_err(|e| unusable(&e))?;
        let keys = file.into_identities().map_err(|e| unusable(&e))?;
        if keys.is_empty() {
            return Err(unusable(&"there is no key in it"));
        }
        Ok(Self(keys))
    }

    fn open(&self, closed: &[u8]) -> Result<EvaluationRecord, Unopened> {
        let locked = |error: &dyn std::fmt::Display| Unopened::Locked(error.to_string());
        let decryptor = Decryptor::new(closed).map_err(|e| locked(&e))?;
        let keys = self.0.iter().map(|key| &**key as &dyn Identity);
        let mut open = Vec::new();
        decryptor
            .decrypt(keys)
            .map_err(|e| locked(&e))?
            .read_to_end(&mut open)
            .map_err(|e| locked(&e))?;
        let open: Open = serde_json::from_slice(&open).map_err(|e| locked(&e))?;
        if open.schema_version == SCHEMA {
            Ok(*open.record)
        } else {
            Err(Unopened::Another)
        }
    }
}

/// Everything that is sealed beside a log, by digest of what is kept.
#[derive(Debug, Default)]
pub struct Store(BTreeMap<String, (Segment, u64)>);

impl Store {
    /// Notes what is sealed in `dir`, and where.
    ///
    /// # Errors
    /// When the directory or a file cannot be read.
    pub fn open(dir: &Path) -> Result<Self, EvidenceError> {
        let mut found = BTreeMap::new();
        for segment in numbered(dir, "sealed-", ".jsonl")? {
            let mut at = 0_u64;
            for line in lines_of(&segment)? {
                let line = line?;
                if let Some((_, closed)) = item(&line.bytes) {
                    found.insert(Hash::of(&closed).to_string(), (segment.clone(), at));
                }
                at = at.saturating_add(line.bytes.len() as u64).saturating_add(1);
            }
        }
        Ok(Self(found))
    }

    /// The record as it was before it was masked, if it was sealed to one of these keys.
    ///
    /// # Errors
    /// Why not.
    pub fn unseal(&self, record: &EvaluationRecord, keys: &Keys) -> Result<EvaluationRecord, Unopened> {
        let sealed = record.masking.sealed.as_ref().ok_or(Unopened::NotSealed)?;
        let (segment, at) = self.0.get(&sealed.sha256).ok_or(Unopened::Gone)?;
        let closed = read_item(segment, *at).ok_or(Unopened::Gone)?;
        if Hash::of(&closed).to_string() != sealed.sha256 {
            return Err(Unopened::Gone);
        }
        let open = keys.open(&closed)?;
        if same(&open, record) {
            Ok(open)
        } else {
            Err(Unopened::Another)
        }
    }
}

fn read_item(segment: &Segment, at: u64) -> Option<Vec<u8>> {
    let mut file = File::open(&segment.path).ok()?;
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut line = Vec::new();
    let limit = super::reader::MAX_LINE_BYTES as u64;
    std::io::BufRead::read_until(&mut std::io::BufReader::new(file.take(limit)), b'\n', &mut line).ok()?;
    item(&line).map(|(_, closed)| closed)
}

/// Whether both are of one evaluation, which was decided so.
fn same(open: &EvaluationRecord, record: &EvaluationRecord) -> bool {
    let decided = |it: &EvaluationRecord| {
        let decision = &it.outcome.effective_decision;
        (decision.decision, decision.rule_id.clone(), decision.severity)
    };
    open.evaluation_id == record.evaluation_id
        && open.time == record.time
        && open.backends == record.backends
        && decided(open) == decided(record)
}
