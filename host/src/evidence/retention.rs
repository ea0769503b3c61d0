//! Forgetting: what a removed segment leaves, so that chain and tree stay whole.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::reader::{Segment, lines_of, numbered, segments};
use super::{EvidenceError, Hash};

/// Removes the oldest segments before `current` that were last written to longer ago
/// than `retention`, and of which everything has been sent where it is to be: the first
/// `sent` entries. In place of each stays a file with the hashes of its entries.
pub(super) fn prune(
    dir: &Path,
    now: Timestamp,
    retention: SignedDuration,
    current: u64,
    sent: u64,
) -> Result<(), EvidenceError> {
    let kept = segments(dir)?;
    let ends = kept.iter().skip(1).map(|it| it.first).collect::<Vec<_>>();
    for (segment, end) in kept.into_iter().zip(ends) {
        let told = EvidenceError::io(&segment.path);
        let written = fs::metadata(&segment.path).and_then(|it| it.modified());
        let written = Timestamp::try_from(written.map_err(&told)?).unwrap_or(Timestamp::MAX);
        if segment.first >= current || end > sent || now.duration_since(written) < retention {
            // Those after it are younger.
            break;
        }
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(&told)?;
        {
            let mut out = std::io::BufWriter::new(&mut file);
            for line in lines_of(&segment)? {
                writeln!(out, "{}", line?.hash()).map_err(&told)?;
            }
            out.flush().map_err(&told)?;
        }
        file.as_file().sync_data().map_err(&told)?;
        file.persist(Segment::pruned(dir, segment.first).path)
            .map_err(|error| told(error.error))?;
        fs::remove_file(&segment.path).map_err(&told)?;
    }
    Ok(())
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
