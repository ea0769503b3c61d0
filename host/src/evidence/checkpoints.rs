//! The file of checkpoints: one JSON line each, beside the segments.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::private;
use super::merkle::Frontier;
use super::note::{Checkpoint, PublicKey};
use super::{EvidenceError, Hash};

/// The file's name.
pub const FILE: &str = "checkpoints.jsonl";

/// How much of the end of the file is read to find its last line, in bytes.
const TAIL_BYTES: u64 = 64 * 1024;

/// A checkpoint, and where a writer goes on from it. Only the note is signed; of the
/// rest, the frontier has the root of the note, and an entry that follows another head
/// is found by whoever verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The signed note.
    pub note: String,
    /// The roots of the perfect subtrees.
    pub frontier: Vec<String>,
    /// The hash of the last entry.
    pub head: String,
    /// The first entry of the segment that was written to.
    pub segment: u64,
    /// How long that segment was, in bytes.
    pub position: u64,
}

impl Kept {
    /// With the tree that it is about, if its frontier has the root of its note.
    pub(super) fn checked(&self) -> Option<(&Self, Frontier)> {
        let note: Checkpoint = self.note.parse().ok()?;
        let roots = self.frontier.iter().map(|it| it.parse::<Hash>().ok());
        let tree = Frontier::new(note.size, roots.collect::<Option<_>>()?)?;
        (tree.root() == note.root).then_some((self, tree))
    }
}

/// Adds a checkpoint.
pub(super) fn append(dir: &Path, kept: &Kept, sync: bool) -> Result<(), EvidenceError> {
    let path = dir.join(FILE);
    let told = EvidenceError::io(&path);
    let mut file = private(&path, true)?;
    let length = file.metadata().map_err(&told)?.len();
    let mut line = serde_json::to_vec(kept).map_err(EvidenceError::Canonical)?;
    line.push(b'\n');
    if length > 0 {
        // What a process that ended in the middle has left ends here.
        let mut last = [0];
        file.seek(SeekFrom::Start(length.saturating_sub(1)))
            .map_err(&told)?;
        file.read_exact(&mut last).map_err(&told)?;
        if last != [b'\n'] {
            line.insert(0, b'\n');
        }
    }
    file.write_all(&line)
        .and_then(|()| if sync { file.sync_data() } else { Ok(()) })
        .map_err(|error| {
            let _ = file.set_len(length);
            told(error)
        })
}

/// The last whole checkpoint, if there is one, with its tree.
pub(super) fn last(dir: &Path, key: &PublicKey) -> Result<Option<(Kept, Frontier)>, EvidenceError> {
    let path = dir.join(FILE);
    let changed = || EvidenceError::Changed { path: path.clone() };
    let Some(kept) = last_line(dir)? else {
        return match fs::metadata(&path) {
            // One that never became whole is as none; what has more was changed.
            Ok(metadata) if metadata.len() > TAIL_BYTES => Err(changed()),
            _ => Ok(None),
        };
    };
    let note: Checkpoint = kept.note.parse().map_err(|_| changed())?;
    let tree = kept.checked().map(|(_, tree)| tree).ok_or_else(changed)?;
    if !note.is_signed_by(key) {
        return Err(changed());
    }
    Ok(Some((kept, tree)))
}

/// The size of a newer checkpoint than of `signed` entries that another process has
/// signed, if it is about no more than there is.
pub(super) fn newer(dir: &Path, signed: u64, entries: u64) -> Result<Option<u64>, EvidenceError> {
    if entries <= signed {
        return Ok(None);
    }
    let note = last_line(dir)?.and_then(|kept| kept.note.parse::<Checkpoint>().ok());
    Ok(note
        .map(|note| note.size)
        .filter(|size| *size > signed && *size <= entries))
}

fn last_line(dir: &Path) -> Result<Option<Kept>, EvidenceError> {
    let path = dir.join(FILE);
    let told = EvidenceError::io(&path);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error)),
    };
    let length = file.metadata().map_err(&told)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))
        .map_err(&told)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(&told)?;
    let whole = tail.split_inclusive(|byte| *byte == b'\n').rev();
    let whole = whole.filter(|line| line.ends_with(b"\n"));
    Ok(whole.filter_map(|line| serde_json::from_slice(line).ok()).next())
}

/// A line of the file as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The line, from 1.
    pub line: u64,
    /// The checkpoint; none where the line is none.
    pub note: Option<Checkpoint>,
    /// All of the line.
    pub kept: Option<Kept>,
    /// Whether the line is the last and without an end: what a crash leaves.
    pub torn: bool,
}

/// All checkpoints beside the log in `dir`.
///
/// # Errors
/// When the file cannot be read.
pub fn all(dir: &Path) -> Result<Vec<Found>, EvidenceError> {
    let path = dir.join(FILE);
    let told = EvidenceError::io(&path);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(told(error)),
    };
    let mut found = Vec::new();
    let lines = BufReader::new(file).split(b'\n');
    for (line, number) in lines.zip(1..) {
        let line = line.map_err(&told)?;
        let kept = serde_json::from_slice::<Kept>(&line).ok();
        found.push(Found {
            line: number,
            // What begins an object never ends as one does.
            torn: kept.is_none() && !line.ends_with(b"}"),
            note: kept.as_ref().and_then(|kept| kept.note.parse().ok()),
            kept,
        });
    }
    Ok(found)
}
