//! Going through a log entry by entry, and what is found on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::log::PUBLIC_KEY;
use super::merkle::Frontier;
use super::note::{Checkpoint, PublicKey};
use super::reader::{Line, Segment};
use super::retention::hashes;
use super::verify::{Fault, FaultKind};
use super::{Entry, EvaluationRecord, Event, EvidenceError, Hash, SCHEMA, canonical, checkpoints, sealed};

/// What the log is at the sizes that matter, once that is known.
pub(super) type Roots = BTreeMap<u64, Option<At>>;

/// What a log is at some size.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The root of the tree.
    root: Hash,
    /// The hash of the last entry.
    last: Hash,
}

/// The digests of what is sealed beside a segment, by evaluation.
type Digests = BTreeMap<String, BTreeSet<String>>;

/// How far somebody has come, and what was found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Where the files are; none where the log is kept elsewhere, without what is sealed.
    dir: Option<PathBuf>,
    pub(super) tree: Frontier,
    /// The hash that was added to it last.
    last: Hash,
    /// The sequence number that comes next.
    next: u64,
    head: Hash,
    /// Where the entry before stands, if it stands anywhere.
    before: Option<String>,
    /// The first entry of the segment.
    segment: u64,
    /// What is sealed beside the segment, once a record names it.
    store: Option<Digests>,
    pub(super) pruned: u64,
    pub(super) evaluations: u64,
    pub(super) gaps: u64,
    pub(super) recovered: u64,
    pub(super) sealed: u64,
    pub(super) torn_bytes: u64,
    pub(super) faults: Vec<Fault>,
}

impl Walk {
    /// From the beginning of the log in `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: Some(dir.to_owned()),
            ..Self::default()
        }
    }

    /// From where a checkpoint was signed: after the entries of `tree`, the last of which
    /// has the hash `head`.
    pub(super) fn after(dir: &Path, tree: Frontier, head: Hash, segment: u64) -> Self {
        Self {
            dir: Some(dir.to_owned()),
            next: tree.size(),
            tree,
            last: head,
            head,
            before: Some(checkpoints::FILE.to_owned()),
            segment,
            ..Self::default()
        }
    }

    /// Goes on in this segment.
    pub(super) fn begin(&mut self, segment: &Segment) {
        self.gap_before(segment.first, &segment.name());
        self.segment = segment.first;
        self.store = None;
    }

    /// Goes on after somebody has written more.
    pub(super) fn resume(&mut self) {
        self.store = None;
        self.torn_bytes = 0;
    }

    pub(super) fn fault(
        &mut self,
        kind: FaultKind,
        place: &str,
        sequence: Option<u64>,
        message: impl Into<String>,
    ) {
        self.faults.push(Fault {
            kind,
            place: place.to_owned(),
            sequence,
            message: message.into(),
        });
    }

    /// The key that signatures are looked for of: the one that was given, else the one
    /// `beside` the log.
    pub(super) fn key(&mut self, beside: Option<PublicKey>, given: Option<&PublicKey>) -> Option<PublicKey> {
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
    pub(super) fn root_at(&self, roots: &mut Roots) {
        if let Some(root) = roots.get_mut(&self.tree.size()) {
            *root = Some(At {
                root: self.tree.root(),
                last: self.last,
            });
        }
    }

    fn push(&mut self, leaf: Hash, roots: &mut Roots) {
        self.tree.push(leaf);
        self.last = leaf;
        self.root_at(roots);
    }

    /// Goes over the hashes that a removed segment has left.
    pub(super) fn removed_segment(
        &mut self,
        segment: &Segment,
        roots: &mut Roots,
    ) -> Result<(), EvidenceError> {
        self.gap_before(segment.first, &segment.name());
        let Some(hashes) = hashes(segment)? else {
            self.fault(FaultKind::Changed, &segment.name(), None, "a line is no hash");
            return Ok(());
        };
        for hash in hashes {
            self.removed(hash, &segment.name(), roots);
        }
        Ok(())
    }

    /// Goes over an entry of which only the hash is left, in `place`.
    pub(super) fn removed(&mut self, hash: Hash, place: &str, roots: &mut Roots) {
        self.push(hash, roots);
        self.head = hash;
        self.next = self.next.saturating_add(1);
        self.pruned = self.pruned.saturating_add(1);
        if self.before.as_deref() != Some(place) {
            self.before = Some(place.to_owned());
        }
    }

    /// A segment that begins later than it must.
    pub(super) fn gap_before(&mut self, first: u64, name: &str) {
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

    /// Goes over a line.
    pub(super) fn line(&mut self, line: Line, in_last: bool, roots: &mut Roots) {
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
            Event::Evaluation(record) => {
                self.evaluations = self.evaluations.saturating_add(1);
                self.is_sealed(record, place, found);
            }
            Event::Gap(gap) => self.gaps = self.gaps.saturating_add(gap.evaluations),
            Event::Recovered(_) => self.recovered = self.recovered.saturating_add(1),
            Event::Pruned(_) => {}
        }
        true
    }

    /// Looks for what a masked record names in the sealed store.
    fn is_sealed(&mut self, record: &EvaluationRecord, place: &str, sequence: u64) {
        let Some(sealed) = &record.masking.sealed else {
            return;
        };
        self.sealed = self.sealed.saturating_add(1);
        let Some(dir) = self.dir.clone() else {
            return;
        };
        if self.store.is_none() {
            match sealed::digests(&dir, self.segment) {
                Ok(digests) => self.store = Some(digests),
                Err(error) => {
                    self.store = Some(Digests::default());
                    let name = Segment::sealed(&dir, self.segment).name();
                    self.fault(FaultKind::Unsealed, &name, None, error.to_string());
                }
            }
        }
        let kept = self.store.as_ref().and_then(|it| it.get(&record.evaluation_id));
        let problem = match kept {
            None => "what was sealed of it is missing in the sealed store",
            Some(digests) if !digests.contains(&sealed.sha256) => {
                "what is in the sealed store is not what was sealed of it"
            }
            Some(_) => return,
        };
        self.fault(FaultKind::Unsealed, place, Some(sequence), problem);
    }

    /// Whether the entry holds what it was written with.
    fn intact(&mut self, entry: &Entry, line: &Line, place: &str) -> bool {
        let event = canonical::to_vec(&entry.event).map(|it| Hash::of(&it).to_string());
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

    /// Compares what was found to what was signed.
    pub(super) fn finish(
        &mut self,
        notes: &[checkpoints::Found],
        key: Option<&PublicKey>,
        roots: &Roots,
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
            if found.kept.as_ref().is_some_and(|kept| kept.checked().is_none()) {
                self.fault(
                    FaultKind::BadCheckpoint,
                    &place,
                    None,
                    "the tree beside it has not its root",
                );
            }
            if note.size < largest {
                self.fault(
                    FaultKind::BadCheckpoint,
                    &place,
                    None,
                    format!("it is about {} entries, one before it about {largest}", note.size),
                );
            }
            largest = largest.max(note.size);
            let at = self.checkpoint(note, &place, key, roots);
            let head = found.kept.as_ref().map(|kept| kept.head.as_str());
            if let (Some(at), Some(head)) = (at, head)
                && at.last.to_string() != head
            {
                self.fault(
                    FaultKind::BadCheckpoint,
                    &place,
                    None,
                    format!(
                        "the head beside it is `{}`; the last entry has {}",
                        crate::signing::shown(head),
                        at.last
                    ),
                );
            }
        }
        if let Some(old) = old {
            self.checkpoint(old, "the old checkpoint", key, roots);
        }
    }

    /// Compares what was found to one checkpoint: what the log was, where it was signed so.
    fn checkpoint(
        &mut self,
        note: &Checkpoint,
        place: &str,
        key: Option<&PublicKey>,
        roots: &Roots,
    ) -> Option<At> {
        if let Some(key) = key
            && !note.is_signed_by(key)
        {
            let message = format!("it is not signed by {key}");
            self.fault(FaultKind::ForeignKey, place, None, message);
            return None;
        }
        match roots.get(&note.size).copied().flatten() {
            Some(at) if at.root == note.root => return Some(at),
            Some(At { root, .. }) => self.fault(
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
        None
    }
}
