//! Verifying a log: offline, with nothing but its directory and what is known of it
//! from elsewhere, a public key and an old checkpoint.

use std::path::Path;

use serde::Serialize;

use super::note::{Checkpoint, PublicKey};
use super::reader::{Line, lines_of, segments};
use super::retention::pruned;
use super::walk::{Roots, Walk};
use super::{EvidenceError, Hash, checkpoints};

macro_rules! faults {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// What can be wrong with a log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl FaultKind {
            /// Every kind with its word and meaning, in the order of the documentation.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in every document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

faults! {
    Changed "changed" "An entry is not what was written: it is no entry, its event has another digest than it carries, or the entry after it carries another hash.",
    Missing "missing" "Entries are missing between two that are there.",
    Repeated "repeated" "An entry stands where another should, and has been seen before.",
    Misplaced "misplaced" "An entry stands before one that it must follow.",
    Torn "torn" "A line has no end, and another segment follows.",
    Truncated "truncated" "The log has fewer entries than a checkpoint was signed for.",
    OtherRoot "other_root" "The entries are not those that a checkpoint was signed for.",
    ForeignKey "foreign_key" "A checkpoint is not signed by the log's key, or is of another log.",
    BadCheckpoint "bad_checkpoint" "A key was given and there is no checkpoint; or a checkpoint cannot be read, is about fewer entries than one before it, or has another tree or last entry beside it than it is about.",
    Unsealed "unsealed" "What a record names in the sealed store is missing there, or is not what the record names.",
    NoKey "no_key" "The log's public key cannot be read, or is not the one that was given.",
}

/// Something that is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The file, and the line in it, from 1.
    pub place: String,
    /// The sequence number of the entry that it is about.
    pub sequence: Option<u64>,
    /// What is wrong, for people.
    pub message: String,
}

/// What was found: `cavra.evidence-verification.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// `cavra.evidence-verification.v1`.
    pub schema_version: &'static str,
    /// Whether nothing is wrong.
    pub verified: bool,
    /// How many entries there are, those of removed segments included.
    pub entries: u64,
    /// How many of them are left as hashes alone.
    pub pruned: u64,
    /// How many evaluations they record.
    pub evaluations: u64,
    /// How many evaluations were answered without a record, by the gaps recorded.
    pub gaps: u64,
    /// How often part of a line was set aside after a crash.
    pub recovered: u64,
    /// How many records were masked and are sealed.
    pub sealed: u64,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// How many of the last entries no checkpoint is about: only the chain holds them.
    pub unsigned: u64,
    /// Bytes at the end that are part of a line: a crash has left them, and the next
    /// writer sets them aside.
    pub torn_bytes: u64,
    /// The root of the Merkle tree.
    pub root: String,
    /// Whose signatures were looked for.
    pub public_key: Option<String>,
    /// Whether that key was given; one that lies beside the log proves little by itself.
    pub key_was_given: bool,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Verifies the log in `dir`.
///
/// # Errors
/// When the directory or a file in it cannot be read at all.
pub fn verify(
    dir: &Path,
    given: Option<&PublicKey>,
    old: Option<&Checkpoint>,
) -> Result<Verification, EvidenceError> {
    // What is no log is told before a file in it is missed.
    segments(dir)?;
    let beside = PublicKey::beside(dir);
    let mut verifier = Verifier::new(Walk::new(dir), beside, given, checkpoints::all(dir)?, old);
    let kept = segments(dir)?;
    for segment in pruned(dir)? {
        // One that is still there was about to be removed.
        if kept.iter().any(|it| it.first == segment.first) {
            continue;
        }
        verifier.walk.removed_segment(&segment, &mut verifier.roots)?;
    }
    let last = kept.len().saturating_sub(1);
    for (i, segment) in kept.iter().enumerate() {
        verifier.walk.begin(segment);
        for line in lines_of(segment)? {
            verifier.line(line?, i == last);
        }
    }
    Ok(verifier.finish())
}

/// Verifies a log that is handed to it piece by piece, in order, wherever it is kept.
pub(super) struct Verifier<'a> {
    walk: Walk,
    key: Option<PublicKey>,
    given: bool,
    notes: Vec<checkpoints::Found>,
    old: Option<&'a Checkpoint>,
    roots: Roots,
}

impl<'a> Verifier<'a> {
    /// Of a log with the key `beside` it and these checkpoints.
    pub(super) fn new(
        mut walk: Walk,
        beside: Option<PublicKey>,
        given: Option<&PublicKey>,
        notes: Vec<checkpoints::Found>,
        old: Option<&'a Checkpoint>,
    ) -> Self {
        let key = walk.key(beside, given);
        // Of a root that is to be found, only its size is needed on the way.
        let sizes = notes.iter().filter_map(|found| found.note.as_ref());
        let sizes = sizes.chain(old).map(|note| (note.size, None));
        let mut roots: Roots = sizes.collect();
        walk.root_at(&mut roots);
        Self {
            walk,
            key,
            given: given.is_some(),
            notes,
            old,
            roots,
        }
    }

    /// The entry `sequence`, of which only the hash is left.
    pub(super) fn removed(&mut self, sequence: u64, hash: Hash, place: &str) {
        self.walk.gap_before(sequence, place);
        self.walk.removed(hash, place, &mut self.roots);
    }

    /// The next line.
    pub(super) fn line(&mut self, line: Line, in_last: bool) {
        self.walk.line(line, in_last, &mut self.roots);
    }

    /// Something that is wrong, and not with the chain.
    pub(super) fn fault(
        &mut self,
        kind: FaultKind,
        place: &str,
        sequence: Option<u64>,
        message: impl Into<String>,
    ) {
        self.walk.fault(kind, place, sequence, message);
    }

    /// What was found.
    pub(super) fn finish(self) -> Verification {
        let Self {
            mut walk,
            key,
            given,
            notes,
            old,
            roots,
        } = self;
        walk.finish(&notes, key.as_ref(), &roots, old);
        let sizes = notes.iter().filter_map(|found| found.note.as_ref());
        let signed = sizes.map(|note| note.size).max().unwrap_or_default();
        if given && signed == 0 && walk.tree.size() > 0 {
            // The chain needs no key: without this, a log made anew beside the right public
            // key would pass for the host's.
            walk.fault(
                FaultKind::BadCheckpoint,
                checkpoints::FILE,
                None,
                "there is no checkpoint: nothing here is signed with the key that was given",
            );
        }
        Verification {
            schema_version: "cavra.evidence-verification.v1",
            verified: walk.faults.is_empty(),
            entries: walk.tree.size(),
            pruned: walk.pruned,
            evaluations: walk.evaluations,
            gaps: walk.gaps,
            recovered: walk.recovered,
            sealed: walk.sealed,
            checkpoints: notes.iter().filter(|found| found.note.is_some()).count() as u64,
            unsigned: walk.tree.size().saturating_sub(signed),
            torn_bytes: walk.torn_bytes,
            root: walk.tree.root().to_string(),
            public_key: key.map(|key| key.to_string()),
            key_was_given: given,
            faults: walk.faults,
        }
    }
}
