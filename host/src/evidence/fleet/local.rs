//! The files of a log, read on from a place that the store tells.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::FleetError;
use super::columns::{Columns, Outline};
use crate::evidence::checkpoints::{self, Kept};
use crate::evidence::log::{PUBLIC_KEY, settled};
use crate::evidence::note::{Checkpoint, PublicKey};
use crate::evidence::reader::{MAX_LINE_BYTES, Segment, lines_of, segments};
use crate::evidence::retention::{hashes, pruned};
use crate::evidence::{EvidenceError, Hash};

/// How many entries are sent at once.
const BATCH: usize = 500;
/// After how many bytes of lines no more are added to what is sent at once.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// An entry as it is sent.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) sequence: u64,
    pub(super) hash: Hash,
    /// None where only the hash is left.
    pub(super) line: Option<Vec<u8>>,
    pub(super) columns: Columns,
}

/// Up to where a chain is known: how many entries, and the hash of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) hash: Hash,
}

/// A log's files.
#[derive(Debug)]
pub(super) struct Local {
    dir: PathBuf,
    pub(super) key: PublicKey,
    at: Option<At>,
    /// How much of the file of checkpoints has been read, in bytes.
    notes: u64,
}

/// Where in the files the reader is.
#[derive(Clone, Debug)]
struct At {
    head: Head,
    segment: Segment,
    position: u64,
}

impl Local {
    pub(super) fn open(dir: &Path) -> Result<Self, FleetError> {
        let text = std::fs::read_to_string(dir.join(PUBLIC_KEY)).ok();
        let key = text.and_then(|text| text.parse().ok());
        Ok(Self {
            dir: dir.to_owned(),
            key: key.ok_or_else(|| FleetError::NoLog {
                dir: dir.display().to_string(),
            })?,
            at: None,
            notes: 0,
        })
    }

    fn damaged(&self, problem: impl Into<String>) -> FleetError {
        FleetError::Damaged {
            origin: self.key.origin.clone(),
            problem: problem.into(),
        }
    }

    fn forked(&self, problem: impl Into<String>) -> FleetError {
        FleetError::Forked {
            origin: self.key.origin.clone(),
            problem: problem.into(),
        }
    }

    /// The next entries after `head`, the end of what the store has; none: it has all.
    ///
    /// # Errors
    /// When the files have another entry in its place, or none, or cannot be read.
    pub(super) fn after(&mut self, head: Head) -> Result<Vec<Row>, FleetError> {
        if self.at.as_ref().is_none_or(|at| at.head != head) {
            self.at = None;
            if let Some(rows) = self.seek(head)? {
                return Ok(rows);
            }
        }
        // Taken out, so that a failure begins with looking for the place again.
        let Some(mut at) = self.at.take() else {
            return Ok(Vec::new());
        };
        let rows = self.read_on(&mut at)?;
        // Where the rows lead to is where the store will be; if not, it is looked for.
        self.at = Some(at);
        Ok(rows)
    }

    /// Whether there may be something to send that has not been read.
    pub(super) fn has_news(&self) -> bool {
        let Some(at) = &self.at else {
            return true;
        };
        let notes = std::fs::metadata(self.dir.join(checkpoints::FILE)).map_or(0, |it| it.len());
        let next = Segment::at(&self.dir, at.head.size);
        notes > self.notes
            || settled(&self.dir, &at.segment.path).ok() != Some(at.position)
            || (next.first != at.segment.first && next.path.exists())
    }

    /// Finds the place after `head`. Where only hashes are left of what follows, these.
    fn seek(&mut self, head: Head) -> Result<Option<Vec<Row>>, FleetError> {
        let kept = segments(&self.dir)?;
        let removed = pruned(&self.dir)?;
        let first_kept = kept.first().map(|it| it.first);
        let mut found = if head.size == 0 { Some(Hash::NONE) } else { None };
        let mut rows = Vec::new();
        for segment in &removed {
            if first_kept.is_some_and(|first| segment.first >= first) {
                continue;
            }
            let hashes =
                hashes(segment)?.ok_or_else(|| self.damaged(format!("{} is unreadable", segment.name())))?;
            for (hash, sequence) in hashes.into_iter().zip(segment.first..) {
                if sequence.saturating_add(1) == head.size {
                    found = Some(hash);
                } else if sequence >= head.size && rows.len() < BATCH {
                    rows.push(Row {
                        sequence,
                        hash,
                        line: None,
                        columns: Columns::default(),
                    });
                }
            }
        }
        if !rows.is_empty() {
            let hole = rows
                .iter()
                .zip(head.size..)
                .find(|(row, due)| row.sequence != *due);
            if let Some((_, due)) = hole {
                return Err(self.damaged(format!("entry {due} is missing")));
            }
            self.same(head, found)?;
            return Ok(Some(rows));
        }
        let segment = kept.iter().rev().find(|it| it.first <= head.size);
        let Some(segment) = segment else {
            return match kept.first() {
                None if head.size == 0 => Ok(None),
                None => Err(self.lost(head, 0)),
                Some(_) => Err(self.damaged(format!("entry {} is missing", head.size))),
            };
        };
        // The last entry that the store has may be the last of the segment before.
        let before = (segment.first == head.size && head.size > 0)
            .then(|| kept.iter().rev().find(|it| it.first < head.size))
            .flatten();
        if let Some(before) = before {
            let last = lines_of(before)?.try_fold(None, |_, line| line.map(|it| Some(it.hash())))?;
            found = found.or(last);
        }
        let mut at = At {
            head: Head {
                size: segment.first,
                hash: found.unwrap_or_default(),
            },
            segment: segment.clone(),
            position: 0,
        };
        let end = settled(&self.dir, &segment.path)?;
        for line in lines_of(segment)? {
            if at.head.size >= head.size {
                break;
            }
            let line = line?;
            let next = at
                .position
                .saturating_add(line.bytes.len() as u64)
                .saturating_add(1);
            if !line.whole || next > end {
                break;
            }
            at.position = next;
            at.head = Head {
                size: at.head.size.saturating_add(1),
                hash: line.hash(),
            };
            found = Some(at.head.hash);
        }
        if at.head.size < head.size {
            return Err(self.lost(head, at.head.size));
        }
        self.same(head, found)?;
        at.head = head;
        self.at = Some(at);
        Ok(None)
    }

    fn same(&self, head: Head, found: Option<Hash>) -> Result<(), FleetError> {
        let last = head.size.saturating_sub(1);
        match found {
            Some(hash) if hash == head.hash => Ok(()),
            Some(hash) => Err(self.forked(format!(
                "entry {last} has the hash {hash} in the files and {} in the store",
                head.hash
            ))),
            None => Err(self.damaged(format!("entry {last} is missing"))),
        }
    }

    fn lost(&self, head: Head, entries: u64) -> FleetError {
        self.forked(format!(
            "the store has {} entries of it and the files have {entries}",
            head.size
        ))
    }

    fn read_on(&self, at: &mut At) -> Result<Vec<Row>, FleetError> {
        let mut rows = Vec::new();
        let mut bytes = 0_usize;
        loop {
            let end = settled(&self.dir, &at.segment.path)?;
            let before = at.position;
            if end > before {
                self.read_segment(at, end, &mut rows, &mut bytes)?;
            }
            let next = Segment::at(&self.dir, at.head.size);
            let full = rows.len() >= BATCH || bytes >= BATCH_BYTES;
            if full || next.first == at.segment.first || !next.path.exists() {
                return Ok(rows);
            }
            // A segment is begun once the one before is whole.
            if settled(&self.dir, &at.segment.path)? == at.position {
                at.segment = next;
                at.position = 0;
            } else if at.position == before {
                return Err(self.damaged(format!("a line of {} has no end", at.segment.name())));
            }
        }
    }

    /// Reads whole lines of the segment, no further than `end`.
    fn read_segment(
        &self,
        at: &mut At,
        end: u64,
        rows: &mut Vec<Row>,
        bytes: &mut usize,
    ) -> Result<(), FleetError> {
        let told = EvidenceError::io(&at.segment.path);
        let mut file = File::open(&at.segment.path).map_err(&told)?;
        file.seek(SeekFrom::Start(at.position)).map_err(&told)?;
        let mut input = BufReader::with_capacity(256 * 1024, file.take(end.saturating_sub(at.position)));
        while rows.len() < BATCH && *bytes < BATCH_BYTES {
            let mut line = Vec::new();
            let longest = MAX_LINE_BYTES.saturating_add(1) as u64;
            let length = Read::take(&mut input, longest)
                .read_until(b'\n', &mut line)
                .map_err(&told)?;
            if line.pop() != Some(b'\n') {
                if length as u64 == longest {
                    return Err(self.damaged(format!("entry {} has no end", at.head.size)));
                }
                break;
            }
            let row = self.row(at.head, line)?;
            at.head = Head {
                size: at.head.size.saturating_add(1),
                hash: row.hash,
            };
            at.position = at.position.saturating_add(length as u64);
            *bytes = bytes.saturating_add(length);
            rows.push(row);
        }
        Ok(())
    }

    /// The entry that must follow `head`.
    fn row(&self, head: Head, line: Vec<u8>) -> Result<Row, FleetError> {
        let sequence = head.size;
        let outline = Outline::of(&line)
            .map_err(|error| self.damaged(format!("entry {sequence} cannot be read: {error}")))?;
        if outline.sequence != sequence {
            let found = outline.sequence;
            return Err(self.damaged(format!("entry {found} stands where entry {sequence} should")));
        }
        if outline.previous != head.hash.to_string() {
            return Err(self.damaged(format!("entry {sequence} does not follow the entry before it")));
        }
        Ok(Row {
            sequence,
            hash: Hash::of_line(&line),
            line: Some(line),
            columns: outline.columns(),
        })
    }

    /// The next checkpoints about more than `signed` and no more than `size` entries, some
    /// at once. None is given twice, except after [`Self::rewind`].
    pub(super) fn notes(&mut self, signed: u64, size: u64) -> Result<Vec<Checkpoint>, FleetError> {
        let path = self.dir.join(checkpoints::FILE);
        let told = EvidenceError::io(&path);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(told(error).into()),
        };
        file.seek(SeekFrom::Start(self.notes)).map_err(&told)?;
        let mut input = BufReader::new(file);
        let mut found: Vec<Checkpoint> = Vec::new();
        let mut line = Vec::new();
        while found.len() < BATCH {
            line.clear();
            let length = input.read_until(b'\n', &mut line).map_err(&told)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            // What a crash has left is no checkpoint, and is passed by.
            let kept = serde_json::from_slice::<Kept>(&line).ok();
            if let Some(note) = kept.and_then(|kept| kept.note.parse::<Checkpoint>().ok()) {
                // The store takes nothing back.
                if !note.is_signed_by(&self.key) {
                    return Err(self.damaged(format!(
                        "the checkpoint about {} entries is not signed by the log's key",
                        note.size
                    )));
                }
                if note.size > size {
                    break;
                }
                if note.size > signed {
                    found.push(note);
                }
            }
            self.notes = self.notes.saturating_add(length as u64);
        }
        Ok(found)
    }

    /// Reads the checkpoints from the first again: of some it is not known whether the
    /// store has them.
    pub(super) fn rewind(&mut self) {
        self.notes = 0;
        self.at = None;
    }
}
