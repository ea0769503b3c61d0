//! Forgetting: what a removed segment leaves, so that chain and tree stay whole.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::reader::{Segment, lines_of, numbered, segments};
use super::{EvidenceError, Hash, Pruned};

/// A segment that goes once the log has told that it does.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    /// What the log tells.
    pub(super) told: Pruned,
    segment: PathBuf,
    /// What was sealed of it.
    sealed: PathBuf,
}

impl Leaving {
    /// Removes it, and first what was sealed of it.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        match fs::remove_file(&self.sealed) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => fs::remove_file(&self.segment),
        }
    }
}

/// Makes ready to go the oldest segments before `current` that were last written to
/// longer ago than `retention`, and of which everything has been sent where it is to be:
/// the first `sent` entries. Writes for each a file with the hashes of its entries, which
/// stays. They are removed once the log has told of it.
pub(super) fn condense(
    dir: &Path,
    now: Timestamp,
    retention: SignedDuration,
    current: u64,
    sent: u64,
) -> Result<Vec<Leaving>, EvidenceError> {
    let mut leaving = Vec::new();
    let there = segments(dir)?;
    let ends = there.iter().skip(1).map(|it| it.first).collect::<Vec<_>>();
    for (segment, end) in there.into_iter().zip(ends) {
        let told = EvidenceError::io(&segment.path);
        let written = fs::metadata(&segment.path).and_then(|it| it.modified());
        let written = Timestamp::try_from(written.map_err(&told)?).unwrap_or(Timestamp::MAX);
        if segment.first >= current || end > sent || now.duration_since(written) < retention {
            // Those after it are younger.
            break;
        }
        let mut entries = 0_u64;
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(&told)?;
        {
            let mut out = std::io::BufWriter::new(&mut file);
            for line in lines_of(&segment)? {
                writeln!(out, "{}", line?.hash()).map_err(&told)?;
                entries = entries.saturating_add(1);
            }
            out.flush().map_err(&told)?;
        }
        file.as_file().sync_data().map_err(&told)?;
        let kept = Segment::pruned(dir, segment.first);
        file.persist(&kept.path).map_err(|error| told(error.error))?;
        leaving.push(Leaving {
            told: Pruned {
                entries,
                kept_in: kept.name(),
                segment: segment.name(),
            },
            sealed: Segment::sealed(dir, segment.first).path,
            segment: segment.path,
        });
    }
    Ok(leaving)
}

impl Segment {
    /// What is left of a segment in `dir` that began with the entry `first`.
    pub fn pruned(dir: &Path, first: u64) -> Self {
        Self {
            first,
            path: dir.join(format!("pruned-{first:020}.hashes")),
        }
    }
}

/// What is left of removed segments in `dir`, in order.
///
/// # Errors
/// When the directory cannot be read.
pub fn pruned(dir: &Path) -> Result<Vec<Segment>, EvidenceError> {
    numbered(dir, "pruned-", ".hashes")
}

/// The hashes of the entries of a removed segment; none where a line is no hash.
///
/// # Errors
/// When the file cannot be read.
pub fn hashes(segment: &Segment) -> Result<Option<Vec<Hash>>, EvidenceError> {
    let told = EvidenceError::io(&segment.path);
    let file = fs::File::open(&segment.path).map_err(&told)?;
    let mut hashes = Vec::new();
    for line in BufReader::new(file).lines() {
        match line.map_err(&told)?.parse() {
            Ok(hash) => hashes.push(hash),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(hashes))
}
