//! Verifying a log: offline, with nothing but its directory and what is known of it
//! from elsewhere, a public key and an old checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::log::PUBLIC_KEY;
use super::merkle::Frontier;
use super::note::{Checkpoint, PublicKey};
use super::reader::{Line, lines_of, segments};
use super::retention::{hashes, pruned};
use super::{Entry, Event, EvidenceError, Hash, SCHEMA, checkpoints};

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
    BadCheckpoint "bad_checkpoint" "A checkpoint cannot be read, or is about fewer entries than one before it.",
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
    let beside = std::fs::read_to_string(dir.join(PUBLIC_KEY));
    let beside = beside.ok().and_then(|text| text.parse::<PublicKey>().ok());
    let mut verifier = Verifier::new(beside, given, checkpoints::all(dir)?, old);
    let kept = segments(dir)?;
    for segment in pruned(dir)? {
        // One that is still there was about to be removed.
        if kept.iter().any(|it| it.first == segment.first) {
            continue;
        }
        verifier.gap_before(segment.first, &segment.name());
        match hashes(&segment)? {
            Some(hashes) => hashes.into_iter().for_each(|hash| verifier.removed(hash)),
            None => verifier.fault(FaultKind::Changed, &segment.name(), None, "a line is no hash"),
        }
    }
    let last = kept.len().saturating_sub(1);
    for (i, segment) in kept.iter().enumerate() {
        verifier.gap_before(segment.first, &segment.name());
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
    roots: BTreeMap<u64, Option<Hash>>,
}

impl<'a> Verifier<'a> {
    /// Of a log with the key `beside` it and these checkpoints.
    pub(super) fn new(
        beside: Option<PublicKey>,
        given: Option<&PublicKey>,
        notes: Vec<checkpoints::Found>,
        old: Option<&'a Checkpoint>,
    ) -> Self {
        let mut walk = Walk::default();
        let key = walk.key(beside, given);
        // Of a root that is to be found, only its size is needed on the way.
        let sizes = notes.iter().filter_map(|found| found.note.as_ref());
        let sizes = sizes.chain(old).map(|note| (note.size, None));
        let mut roots: BTreeMap<u64, Option<Hash>> = sizes.collect();
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

    /// What comes next begins with the entry `first`.
    pub(super) fn gap_before(&mut self, first: u64, name: &str) {
        self.walk.gap_before(first, name);
    }

    /// The next entry, of which only the hash is left.
    pub(super) fn removed(&mut self, hash: Hash) {
        self.walk.removed(hash, &mut self.roots);
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
        Verification {
            schema_version: "cavra.evidence-verification.v1",
            verified: walk.faults.is_empty(),
            entries: walk.tree.size(),
            pruned: walk.pruned,
            evaluations: walk.evaluations,
            gaps: walk.gaps,
            recovered: walk.recovered,
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

#[derive(Default)]
struct Walk {
    tree: Frontier,
    /// The sequence number that comes next.
    next: u64,
    head: Hash,
    /// Where the entry before stands, if it stands anywhere.
    before: Option<String>,
    pruned: u64,
    evaluations: u64,
    gaps: u64,
    recovered: u64,
    torn_bytes: u64,
    faults: Vec<Fault>,
}

impl Walk {
    fn fault(&mut self, kind: FaultKind, place: &str, sequence: Option<u64>, message: impl Into<String>) {
        self.faults.push(Fault {
            kind,
            place: place.to_owned(),
            sequence,
            message: message.into(),
        });
    }

    fn key(&mut self, beside: Option<PublicKey>, given: Option<&PublicKey>) -> Option<PublicKey> {
        match (&beside, given) {
            (None, _) => self.fault(
                FaultKind::NoKey,
                PUBLIC_KEY,
                None,
                "the log's public key is missing or unreadable",
            ),
            (Some(beside), Some(given)) if beside != given => self.fault(
                FaultKind::NoKey,
                PUBLIC_KEY,
                None,
                format!("the key beside the log is {beside}, not the one that was given"),
            ),
            _ => {}
        }
        given.cloned().or(beside)
    }

    /// Notes the root, if it is asked for at this size.
    fn root_at(&self, roots: &mut BTreeMap<u64, Option<Hash>>) {
        if let Some(root) = roots.get_mut(&self.tree.size()) {
            *root = Some(self.tree.root());
        }
    }

    fn push(&mut self, leaf: Hash, roots: &mut BTreeMap<u64, Option<Hash>>) {
        self.tree.push(leaf);
        self.root_at(roots);
    }

    fn removed(&mut self, hash: Hash, roots: &mut BTreeMap<u64, Option<Hash>>) {
        self.push(hash, roots);
        self.head = hash;
        self.next = self.next.saturating_add(1);
        self.pruned = self.pruned.saturating_add(1);
        self.before = None;
    }

    /// A segment that begins later than it must.
    fn gap_before(&mut self, first: u64, name: &str) {
        if first > self.next {
            let missing = first.saturating_sub(self.next);
            self.fault(
                FaultKind::Missing,
                name,
                Some(self.next),
                format!(
                    "{missing} entries are missing before this segment, from {} on",
                    self.next
                ),
            );
            self.next = first;
            self.before = None;
            self.head = Hash::NONE;
        }
    }

    fn line(&mut self, line: Line, in_last: bool, roots: &mut BTreeMap<u64, Option<Hash>>) {
        let place = format!("{}:{}", line.segment, line.number);
        if !line.whole {
            if in_last {
                self.torn_bytes = line.bytes.len() as u64;
            } else {
                self.fault(FaultKind::Torn, &place, Some(self.next), "the line has no end");
            }
            return;
        }
        let hash = line.hash();
        self.push(hash, roots);
        let goes_on = match line.entry() {
            Ok(entry) => self.entry(&entry, &line, &place),
            Err(error) => {
                let message = format!("this is no entry: {error}");
                self.fault(FaultKind::Changed, &place, Some(self.next), message);
                self.next = self.next.saturating_add(1);
                true
            }
        };
        // What does not belong here is not what the next entry follows.
        if goes_on {
            self.head = hash;
            self.before = Some(place);
        }
    }

    /// Whether the log goes on with this entry.
    fn entry(&mut self, entry: &Entry, line: &Line, place: &str) -> bool {
        let expected = self.next;
        let found = entry.sequence;
        let intact = self.intact(entry, line, place);
        match found.cmp(&expected) {
            std::cmp::Ordering::Equal => {
                let follows = entry.previous == self.head.to_string();
                if !follows && intact && (self.before.is_some() || expected == 0) {
                    self.broken(found, place);
                }
            }
            std::cmp::Ordering::Greater => self.fault(
                FaultKind::Missing,
                place,
                Some(expected),
                format!(
                    "{} entries are missing before entry {found}, from {expected} on",
                    found.saturating_sub(expected)
                ),
            ),
            std::cmp::Ordering::Less if found.saturating_add(1) == expected => self.fault(
                FaultKind::Repeated,
                place,
                Some(found),
                format!("entry {found} stands here again, where entry {expected} should"),
            ),
            std::cmp::Ordering::Less => self.fault(
                FaultKind::Misplaced,
                place,
                Some(found),
                format!("entry {found} stands after entry {}", expected.saturating_sub(1)),
            ),
        }
        if found < expected {
            return false;
        }
        self.next = found.saturating_add(1);
        match &entry.event {
            Event::Evaluation(_) => self.evaluations = self.evaluations.saturating_add(1),
            Event::Gap(gap) => self.gaps = self.gaps.saturating_add(gap.evaluations),
            Event::Recovered(_) => self.recovered = self.recovered.saturating_add(1),
        }
        true
    }

    /// Whether the entry holds what it was written with.
    fn intact(&mut self, entry: &Entry, line: &Line, place: &str) -> bool {
        let event = serde_json_canonicalizer::to_vec(&entry.event).map(|it| Hash::of(&it).to_string());
        let problem = if entry.schema_version != SCHEMA {
            format!("the schema is not {SCHEMA}")
        } else if event.ok().as_ref() != Some(&entry.event_sha256) {
            "the event has another digest than the entry carries".to_owned()
        } else if entry.to_line().ok().as_ref() != Some(&line.bytes) {
            "it is not written as canonical JSON".to_owned()
        } else {
            return true;
        };
        self.fault(FaultKind::Changed, place, Some(entry.sequence), problem);
        false
    }

    /// An entry with the right number carries another hash than the one before it has.
    fn broken(&mut self, sequence: u64, place: &str) {
        let (changed, at) = match &self.before {
            Some(before) => (sequence.saturating_sub(1), before.clone()),
            None => (sequence, place.to_owned()),
        };
        // What is told of it already is not told twice.
        let told = self
            .faults
            .iter()
            .any(|it| it.place == at && it.kind == FaultKind::Changed);
        if !told {
            self.fault(
                FaultKind::Changed,
                &at,
                Some(changed),
                format!("entry {changed} is another than entry {sequence} follows"),
            );
        }
    }

    fn finish(
        &mut self,
        notes: &[checkpoints::Found],
        key: Option<&PublicKey>,
        roots: &BTreeMap<u64, Option<Hash>>,
        old: Option<&Checkpoint>,
    ) {
        let mut largest = 0;
        for found in notes {
            let place = format!("{}:{}", checkpoints::FILE, found.line);
            let Some(note) = &found.note else {
                // What a crash leaves is no checkpoint and was never told as one.
                if !found.torn {
                    self.fault(FaultKind::BadCheckpoint, &place, None, "this is no checkpoint");
                }
                continue;
            };
            if note.size < largest {
                self.fault(
                    FaultKind::BadCheckpoint,
                    &place,
                    None,
                    format!("it is about {} entries, one before it about {largest}", note.size),
                );
            }
            largest = largest.max(note.size);
            self.checkpoint(note, &place, key, roots);
        }
        if let Some(old) = old {
            self.checkpoint(old, "the old checkpoint", key, roots);
        }
    }

    fn checkpoint(
        &mut self,
        note: &Checkpoint,
        place: &str,
        key: Option<&PublicKey>,
        roots: &BTreeMap<u64, Option<Hash>>,
    ) {
        if let Some(key) = key
            && !note.is_signed_by(key)
        {
            let message = format!("it is not signed by {key}");
            self.fault(FaultKind::ForeignKey, place, None, message);
            return;
        }
        match roots.get(&note.size).copied().flatten() {
            Some(root) if root == note.root => {}
            Some(root) => self.fault(
                FaultKind::OtherRoot,
                place,
                None,
                format!(
                    "the first {} entries have the root {root}, not {}",
                    note.size, note.root
                ),
            ),
            None => {
                let entries = self.tree.size();
                self.fault(
                    FaultKind::Truncated,
                    place,
                    Some(entries),
                    format!("it is about {} entries; the log has {entries}", note.size),
                );
            }
        }
    }
}
