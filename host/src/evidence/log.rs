//! The log as those see it who append to it.
//!
//! One directory is one chain, whoever writes: processes take turns by a lock on the
//! file `lock`. Whose turn it is first reads what others have appended since, then
//! writes all its lines in one write.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::checkpoints::{self, Kept};
pub use super::files::PUBLIC_KEY;
use super::files::{LOCK, Turn, look, private, public_key, sync_names, take, take_at_once};
use super::fleet::ShipState;
use super::merkle::Frontier;
use super::note::SigningKey;
use super::reader::{Segment, segments};
use super::retention::{self, Leaving};
use super::{Entry, Event, EvidenceError, Hash, Recovered, SCHEMA, canonical, sealed};
use crate::directory;

/// When a log begins new segments, signs, and forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment that is this long is not written to any more, in bytes.
    pub segment_bytes: u64,
    /// A segment that is this old is not written to any more.
    pub segment_age: SignedDuration,
    /// Segments are removed when the last of them was written so long ago; none: never.
    pub retention: Option<SignedDuration>,
    /// A checkpoint is signed after so many entries.
    pub checkpoint_entries: u64,
    /// Whether the disk is waited for.
    pub sync: bool,
}

/// An event, written and hashed already, so that nothing is left to do under the lock
/// but to number it.
#[derive(Clone, Debug)]
pub struct Written {
    json: Vec<u8>,
    hash: Hash,
    /// The line for the sealed store.
    sealed: Option<Vec<u8>>,
}

impl Written {
    /// Writes an event.
    ///
    /// # Errors
    /// When it cannot be written as canonical JSON.
    pub fn new(event: &Event) -> Result<Self, EvidenceError> {
        let json = canonical::to_vec(event)?;
        let hash = Hash::of(&json);
        Ok(Self {
            json,
            hash,
            sealed: None,
        })
    }

    /// With what is to be kept sealed of it.
    #[must_use]
    pub(super) fn with_sealed(self, sealed: Option<Vec<u8>>) -> Self {
        Self { sealed, ..self }
    }

    /// Whether something of it is kept sealed.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Adds the canonical JSON of the entry with this event to `out`, keys in order, and
    /// tells its hash.
    fn line(&self, sequence: u64, previous: &Hash, out: &mut Vec<u8>) -> Hash {
        let begin = out.len();
        out.extend_from_slice(br#"{"event":"#);
        out.extend_from_slice(&self.json);
        out.extend_from_slice(br#","event_sha256":""#);
        out.extend_from_slice(self.hash.text().as_bytes());
        out.extend_from_slice(br#"","previous":""#);
        out.extend_from_slice(previous.text().as_bytes());
        out.extend_from_slice(br#"","schema_version":""#);
        out.extend_from_slice(SCHEMA.as_bytes());
        out.extend_from_slice(br#"","sequence":"#);
        out.extend_from_slice(sequence.to_string().as_bytes());
        out.push(b'}');
        Hash::of_line(out.get(begin..).unwrap_or_default())
    }
}

/// A log that is open for appending.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    key: SigningKey,
    origin: String,
    options: Options,
    lock: Arc<File>,
    segment: Segment,
    file: File,
    /// When the segment was begun, where the file system knows.
    born: Option<Timestamp>,
    at: At,
    /// What was set aside and is not yet told in the log.
    recovered: Vec<Recovered>,
    /// Segments that go once the log has told that they did.
    leaving: Vec<Leaving>,
    /// What has been sent to where it is to be sent; none: it stays here.
    sent: Option<Arc<ShipState>>,
}

/// Where a writer is.
#[derive(Clone, Debug, Default)]
struct At {
    /// How long the segment is, in bytes.
    position: u64,
    /// The hash of the last entry.
    head: Hash,
    /// The tree of all entries.
    tree: Frontier,
    /// How many entries the last checkpoint is about.
    signed: u64,
}

impl Log {
    /// Opens the log in `dir`, which is made if it is not there, with the key in `seed`.
    ///
    /// # Errors
    /// When the file system refuses, the log belongs to another key, or it has fewer
    /// entries than it had when a checkpoint was signed.
    pub fn open(dir: &Path, seed: &[u8; 32], options: Options) -> Result<Self, EvidenceError> {
        let told = EvidenceError::io(dir);
        directory::make_private(dir).map_err(&told)?;
        if fs::metadata(dir).map_err(&told)?.mode() & 0o022 != 0 {
            return Err(EvidenceError::Exposed { path: dir.to_owned() });
        }
        let lock = Arc::new(private(&dir.join(LOCK), false)?);
        let _turn = take(&lock, dir)?;
        let key = SigningKey::from_seed(seed).ok_or(EvidenceError::Seed)?;
        let public = public_key(dir, &key)?;
        let kept = checkpoints::last(dir, &public)?;
        let (segment, at) = begin(dir, kept)?;
        let file = private(&segment.path, true)?;
        if options.sync {
            sync_names(dir)?;
        }
        let mut log = Self {
            dir: dir.to_owned(),
            key,
            origin: public.origin,
            options,
            lock,
            segment,
            born: born(&file),
            file,
            at,
            recovered: Vec::new(),
            leaving: Vec::new(),
            sent: None,
        };
        log.catch_up()?;
        if log.at.tree.size() < log.at.signed {
            return Err(EvidenceError::Shrunk {
                dir: dir.to_owned(),
                entries: log.at.tree.size(),
                signed: log.at.signed,
            });
        }
        Ok(log)
    }

    /// What was set aside when the log was opened, or since, and stands not yet in it.
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// Keeps what has not been sent yet, however old it is.
    #[must_use]
    pub fn keeping(self, sent: Option<Arc<ShipState>>) -> Self {
        Self { sent, ..self }
    }

    /// Tells of these, too: an earlier opening had set them aside.
    #[must_use]
    pub(super) fn telling(mut self, earlier: Vec<Recovered>) -> Self {
        self.recovered.splice(0..0, earlier);
        self
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.at.tree.size()
    }

    /// How many entries the last checkpoint is about.
    pub fn signed(&self) -> u64 {
        self.at.signed
    }

    /// The turn, if appending now comes to a write and nothing else: nobody else has the
    /// turn or has written, and no segment is at its end.
    pub(super) fn at_hand(&self, now: Timestamp) -> Option<Turn> {
        let turn = take_at_once(&self.lock)?;
        let length = self.file.metadata().ok()?.len();
        (length == self.at.position && !self.is_at_end(now)).then_some(turn)
    }

    /// Appends these events, all or none, and tells how many bytes that took.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&mut self, events: &[&Written], now: Timestamp) -> Result<u64, EvidenceError> {
        let _turn = take(&self.lock, &self.dir)?;
        self.catch_up()?;
        self.rotate(now)?;
        let mut at = self.at.clone();
        let told = self.own_events()?;
        let all = told.iter().chain(events.iter().copied());
        let length = all.clone().map(|event| event.json.len().saturating_add(300));
        let mut bytes = Vec::with_capacity(length.fold(0, usize::saturating_add));
        for event in all {
            at.head = event.line(at.tree.size(), &at.head, &mut bytes);
            at.tree.push(at.head);
            bytes.push(b'\n');
        }
        at.position = at.position.saturating_add(bytes.len() as u64);
        // First, so that no record names something that is not there.
        let sealed = self.seal(told.iter().chain(events.iter().copied()))?;
        let written = self.file.write_all(&bytes).and_then(|()| {
            if self.options.sync {
                self.file.sync_data()
            } else {
                Ok(())
            }
        });
        if let Err(error) = written {
            // What is there of it must not be taken for entries. If this fails too, the
            // next turn finds it.
            let _ = self.file.set_len(self.at.position);
            if let Some((store, length)) = sealed {
                let _ = store.set_len(length);
            }
            return Err(EvidenceError::io(&self.segment.path)(error));
        }
        self.at = at;
        self.recovered.clear();
        self.remove_leaving();
        if self.unsigned() >= self.options.checkpoint_entries
            && let Err(error) = self.sign()
        {
            // The entries are written; the next turn signs them.
            tracing::error!(%error, "the evidence log cannot be signed");
        }
        Ok(bytes.len() as u64)
    }

    /// Adds what is sealed of these events to the store; tells how to take it away again.
    fn seal<'a>(
        &self,
        events: impl Iterator<Item = &'a Written>,
    ) -> Result<Option<(File, u64)>, EvidenceError> {
        let lines: Vec<&[u8]> = events.filter_map(|event| event.sealed.as_deref()).collect();
        if lines.is_empty() {
            return Ok(None);
        }
        sealed::append(&self.dir, self.segment.first, &lines, self.options.sync).map(Some)
    }

    /// How many entries no checkpoint is about.
    pub fn unsigned(&self) -> u64 {
        self.at.tree.size().saturating_sub(self.at.signed)
    }

    /// Signs a checkpoint, if there is anything new to sign.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn checkpoint(&mut self) -> Result<(), EvidenceError> {
        let _turn = take(&self.lock, &self.dir)?;
        self.catch_up()?;
        if self.unsigned() > 0 { self.sign() } else { Ok(()) }
    }

    fn sign(&mut self) -> Result<(), EvidenceError> {
        let size = self.at.tree.size();
        let kept = Kept {
            note: self.key.sign(&self.origin, size, self.at.tree.root()).to_string(),
            frontier: self.at.tree.roots().iter().map(Hash::to_string).collect(),
            head: self.at.head.to_string(),
            segment: self.segment.first,
            position: self.at.position,
        };
        checkpoints::append(&self.dir, &kept, self.options.sync)?;
        self.at.signed = size;
        Ok(())
    }

    /// What is to be told of the log itself.
    fn own_events(&self) -> Result<Vec<Written>, EvidenceError> {
        let recovered = self.recovered.iter().cloned().map(Event::Recovered);
        let leaving = self.leaving.iter().map(|it| Event::Pruned(it.told.clone()));
        recovered
            .chain(leaving)
            .map(|event| Written::new(&event))
            .collect()
    }

    /// Removes old segments of which the first `sent` entries are all there is, as is done
    /// where a new one is begun: for a log to which nobody writes at length.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget(&mut self, now: Timestamp, sent: u64) -> Result<(), EvidenceError> {
        let Some(retention) = self.options.retention else {
            return Ok(());
        };
        {
            let _turn = take(&self.lock, &self.dir)?;
            self.catch_up()?;
            self.leaving = retention::condense(&self.dir, now, retention, self.segment.first, sent)?;
        }
        if self.leaving.is_empty() {
            return Ok(());
        }
        self.append(&[], now)?;
        self.checkpoint()
    }

    /// Removes the segments of which the log has told that they go.
    fn remove_leaving(&mut self) {
        for leaving in std::mem::take(&mut self.leaving) {
            if let Err(error) = leaving.remove() {
                // It is whole and told: whoever prunes next finds it again.
                tracing::error!(%error, segment = %leaving.told.segment, "an old segment cannot be removed");
            }
        }
    }

    /// Whether the next entry begins a segment.
    fn is_at_end(&self, now: Timestamp) -> bool {
        let long = self.at.position >= self.options.segment_bytes;
        let age = self.born.map(|born| now.duration_since(born));
        self.at.position > 0 && (long || age.is_some_and(|age| age >= self.options.segment_age))
    }

    /// Begins a new segment where the current one is long or old enough.
    fn rotate(&mut self, now: Timestamp) -> Result<(), EvidenceError> {
        let told = EvidenceError::io(&self.segment.path);
        if !self.is_at_end(now) {
            return Ok(());
        }
        if self.options.sync {
            self.file.sync_data().map_err(told)?;
        }
        let next = Segment::at(&self.dir, self.at.tree.size());
        self.file = private(&next.path, true)?;
        if self.options.sync {
            sync_names(&self.dir)?;
        }
        self.born = born(&self.file);
        self.segment = next;
        self.at.position = 0;
        // Where a writer goes on from must not be in a segment that may be removed.
        self.sign()?;
        if let Some(retention) = self.options.retention {
            let sent = self.sent.as_ref().map_or(u64::MAX, |sent| sent.size());
            self.leaving = retention::condense(&self.dir, now, retention, self.segment.first, sent)?;
        }
        Ok(())
    }

    /// Reads what others have appended, and sets aside what one of them has left
    /// unfinished. Whoever calls this has the turn.
    fn catch_up(&mut self) -> Result<(), EvidenceError> {
        let before = self.at.tree.size();
        loop {
            let told = EvidenceError::io(&self.segment.path);
            let metadata = self.file.metadata().map_err(&told)?;
            if metadata.nlink() == 0 || metadata.len() < self.at.position {
                return Err(EvidenceError::Changed {
                    path: self.segment.path.clone(),
                });
            }
            if metadata.len() > self.at.position {
                self.read_on()?;
            }
            let next = Segment::at(&self.dir, self.at.tree.size());
            if next.first == self.segment.first || !next.path.exists() {
                break;
            }
            self.file = private(&next.path, true)?;
            self.born = born(&self.file);
            self.segment = next;
            self.at.position = 0;
        }
        let size = self.at.tree.size();
        if size > before
            && let Some(signed) = checkpoints::newer(&self.dir, self.at.signed, size)?
        {
            self.at.signed = signed;
        }
        Ok(())
    }

    fn read_on(&mut self) -> Result<(), EvidenceError> {
        let told = EvidenceError::io(&self.segment.path);
        let mut file = File::open(&self.segment.path).map_err(&told)?;
        file.seek(SeekFrom::Start(self.at.position)).map_err(&told)?;
        let mut input = BufReader::with_capacity(256 * 1024, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = input.read_until(b'\n', &mut line).map_err(&told)?;
            if length == 0 {
                return Ok(());
            }
            let whole = line.last() == Some(&b'\n');
            if whole {
                line.pop();
            } else if self.is_next(&line) {
                // Nothing is missing but the end of the line.
                self.file.write_all(b"\n").map_err(&told)?;
            } else {
                return self.set_aside(&line);
            }
            let end = u64::from(!whole);
            self.at.position = self.at.position.saturating_add(length as u64).saturating_add(end);
            self.at.head = Hash::of_line(&line);
            self.at.tree.push(self.at.head);
            if !whole {
                // What would be read next is the end that was just written.
                return Ok(());
            }
        }
    }

    /// Whether these bytes are the entry that must come next, all of it.
    fn is_next(&self, line: &[u8]) -> bool {
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else {
            return false;
        };
        entry.sequence == self.at.tree.size() && entry.previous == self.at.head.to_string()
    }

    fn set_aside(&mut self, torn: &[u8]) -> Result<(), EvidenceError> {
        let hash = Hash::of(torn);
        let name = format!("torn-{:020}-{}", self.at.tree.size(), torn.len());
        let path = self.dir.join(&name);
        // A full disk keeps no copy; length and digest stand in the log all the same.
        let kept =
            private(&path, false).and_then(|mut file| file.write_all(torn).map_err(EvidenceError::io(&path)));
        let told = EvidenceError::io(&self.segment.path);
        self.file.set_len(self.at.position).map_err(told)?;
        self.recovered.push(Recovered {
            segment: self.segment.name(),
            bytes: torn.len() as u64,
            sha256: hash.to_string(),
            kept_in: kept.map_or_else(|_| String::new(), |()| name),
        });
        Ok(())
    }
}

/// When a file was made, where the file system knows.
fn born(file: &File) -> Option<Timestamp> {
    let born = file.metadata().and_then(|it| it.created()).ok()?;
    Timestamp::try_from(born).ok()
}

/// Where to begin to read: at the last checkpoint, else at the first segment.
fn begin(dir: &Path, kept: Option<(Kept, Frontier)>) -> Result<(Segment, At), EvidenceError> {
    let Some((kept, tree)) = kept else {
        let first = segments(dir)?.into_iter().next();
        return match first {
            None => Ok((Segment::at(dir, 0), At::default())),
            Some(segment) if segment.first == 0 => Ok((segment, At::default())),
            Some(_) => Err(EvidenceError::NoCheckpoint { dir: dir.to_owned() }),
        };
    };
    let shrunk = || EvidenceError::Shrunk {
        dir: dir.to_owned(),
        entries: kept.segment,
        signed: tree.size(),
    };
    let segment = Segment::at(dir, kept.segment);
    // Without the file, opening it would begin an empty one.
    let length = fs::metadata(&segment.path).map_err(|_| shrunk())?.len();
    if length < kept.position {
        return Err(shrunk());
    }
    let head = kept.head.parse().map_err(|_| EvidenceError::Changed {
        path: dir.join(checkpoints::FILE),
    })?;
    let at = At {
        position: kept.position,
        head,
        signed: tree.size(),
        tree,
    };
    Ok((segment, at))
}

/// How much of a segment is there to stay, in bytes: who writes in the meantime may
/// still take back what he has not finished.
pub(super) fn settled(dir: &Path, segment: &Path) -> Result<u64, EvidenceError> {
    // Nobody writes to a copy.
    let _turn = look(dir)?;
    let length = fs::metadata(segment).map(|it| it.len());
    length.map_err(EvidenceError::io(segment))
}
