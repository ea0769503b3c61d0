//! Proofs that one entry is in the log: `cavra.evidence-proof.v1`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::note::{Checkpoint, PublicKey};
use super::reader::{lines_of, segments};
use super::retention::{hashes, pruned};
use super::{Entry, EvidenceError, Hash, checkpoints, merkle};

const SCHEMA: &str = "cavra.evidence-proof.v1";

/// An entry, a checkpoint, and the path in the Merkle tree from one to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// `cavra.evidence-proof.v1`.
    pub schema_version: String,
    /// The entry's line, as it stands in the log.
    pub entry: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The hashes from the entry up to the root.
    pub path: Vec<String>,
}

/// What is wrong with a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is none.
    #[error("this is no proof: {0}")]
    Unreadable(String),
    /// Another key.
    #[error("the checkpoint is not signed by {0}")]
    ForeignKey(String),
    /// It proves nothing.
    #[error("the path does not lead from the entry to the root of the checkpoint")]
    WrongPath,
}

impl Proof {
    /// The proof for the evaluation `id` in the log in `dir`, by its newest checkpoint
    /// with the entry.
    ///
    /// # Errors
    /// When the log cannot be read, has no such evaluation, or none that is signed.
    pub fn of(dir: &Path, id: &str) -> Result<Self, EvidenceError> {
        let mut leaves = Vec::new();
        let kept = segments(dir)?;
        for segment in pruned(dir)? {
            if kept.iter().all(|it| it.first != segment.first) {
                leaves.extend(hashes(&segment)?.unwrap_or_default());
            }
        }
        let mut proved = None;
        for segment in &kept {
            for line in lines_of(segment)? {
                let line = line?;
                if !line.whole {
                    continue;
                }
                // Ids stand in a line as they are.
                let named = proved.is_none() && line.bytes.windows(id.len()).any(|it| it == id.as_bytes());
                let entry = named.then(|| line.entry().ok()).flatten();
                if entry.is_some_and(|it| it.evaluation().is_some_and(|it| it.evaluation_id == id)) {
                    proved = Some((leaves.len(), line.bytes.clone()));
                }
                leaves.push(line.hash());
            }
        }
        let unknown = || EvidenceError::Unknown(id.to_owned());
        let (index, line) = proved.ok_or_else(unknown)?;
        let notes = checkpoints::all(dir)?.into_iter().filter_map(|found| found.note);
        Self::made(id, index, line, &leaves, notes)
    }

    /// The proof for the entry `line` at `index` among `leaves`, by the newest of `notes`
    /// about it and no more than the leaves.
    pub(super) fn made(
        id: &str,
        index: usize,
        line: Vec<u8>,
        leaves: &[Hash],
        notes: impl Iterator<Item = Checkpoint>,
    ) -> Result<Self, EvidenceError> {
        let notes = notes.filter(|note| usize::try_from(note.size).is_ok_and(|size| size <= leaves.len()));
        let note = notes.max_by_key(|note| note.size);
        let note = note.filter(|note| note.size > index as u64);
        let note = note.ok_or_else(|| EvidenceError::Unsigned(id.to_owned()))?;
        let size = usize::try_from(note.size).unwrap_or_default();
        let path = merkle::inclusion(leaves.get(..size).unwrap_or_default(), index);
        Ok(Self {
            schema_version: SCHEMA.to_owned(),
            entry: String::from_utf8_lossy(&line).into_owned(),
            checkpoint: note.to_string(),
            path: path.unwrap_or_default().iter().map(Hash::to_string).collect(),
        })
    }

    /// The entry, if the proof proves it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, key: &PublicKey) -> Result<(Entry, Checkpoint), ProofError> {
        let unreadable = |what: &dyn std::fmt::Display| ProofError::Unreadable(what.to_string());
        if self.schema_version != SCHEMA {
            return Err(unreadable(&format_args!("its schema is not {SCHEMA}")));
        }
        let note: Checkpoint = self.checkpoint.parse().map_err(|e| unreadable(&e))?;
        let entry: Entry = serde_json::from_str(&self.entry).map_err(|e| unreadable(&e))?;
        let path = self.path.iter().map(|it| it.parse::<Hash>());
        let path = path.collect::<Result<Vec<_>, _>>().map_err(|e| unreadable(&e))?;
        if !note.is_signed_by(key) {
            return Err(ProofError::ForeignKey(key.to_string()));
        }
        let line = self.entry.as_bytes();
        if merkle::is_included(line, entry.sequence, note.size, &path, &note.root) {
            Ok((entry, note))
        } else {
            Err(ProofError::WrongPath)
        }
    }
}
