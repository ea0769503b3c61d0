//! Reading a log: segments in order, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Entry, EvidenceError, Hash};

/// The longest line that is read, in bytes: a request is at most 64 KiB, and its texts
/// stand in a record at most eight times, escaped.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// A segment: a file with entries from `first` on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The sequence number of its first entry.
    pub first: u64,
    /// The file.
    pub path: PathBuf,
}

impl Segment {
    /// The segment in `dir` that begins with the entry `first`.
    pub fn at(dir: &Path, first: u64) -> Self {
        Self {
            first,
            path: dir.join(format!("segment-{first:020}.jsonl")),
        }
    }

    /// The file's name.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

/// The segments in `dir`, in order.
///
/// # Errors
/// When the directory cannot be read.
pub fn segments(dir: &Path) -> Result<Vec<Segment>, EvidenceError> {
    numbered(dir, "segment-", ".jsonl")
}

/// The segments of a log in a directory; or a file, which is read as a segment is.
///
/// # Errors
/// [`EvidenceError::NoLog`] when there is neither; when the directory cannot be read.
pub fn files(path: &Path) -> Result<Vec<Segment>, EvidenceError> {
    let found = std::fs::metadata(path).map_err(EvidenceError::reading(path))?;
    if found.is_dir() {
        return segments(path);
    }
    Ok(vec![Segment {
        first: 0,
        path: path.to_owned(),
    }])
}

pub(super) fn numbered(dir: &Path, before: &str, after: &str) -> Result<Vec<Segment>, EvidenceError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(EvidenceError::reading(dir))? {
        let path = entry.map_err(EvidenceError::io(dir))?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix(before)?.strip_suffix(after))
            .and_then(|digits| digits.parse().ok());
        if let Some(first) = number {
            found.push(Segment { first, path });
        }
    }
    found.sort();
    Ok(found)
}

/// A line as it was found.
#[derive(Clone, Debug)]
pub struct Line {
    /// The segment's file name.
    pub segment: String,
    /// Its number in the segment, from 1.
    pub number: u64,
    /// Its bytes, without the end of the line.
    pub bytes: Vec<u8>,
    /// Whether it has an end; only the last line of a segment can be without.
    pub whole: bool,
}

impl Line {
    /// The line's hash in chain and tree.
    pub fn hash(&self) -> Hash {
        Hash::of_line(&self.bytes)
    }

    /// The entry.
    ///
    /// # Errors
    /// When the line is none.
    pub fn entry(&self) -> Result<Entry, serde_json::Error> {
        serde_json::from_slice(&self.bytes)
    }
}

/// All lines of one file.
///
/// # Errors
/// When the file cannot be opened.
pub fn lines_of(segment: &Segment) -> Result<Lines, EvidenceError> {
    lines_after(segment, 0, 0)
}

/// The lines of one file after the first `lines`, which are `bytes` long together.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn lines_after(segment: &Segment, bytes: u64, lines: u64) -> Result<Lines, EvidenceError> {
    let told = EvidenceError::io(&segment.path);
    let mut file = File::open(&segment.path).map_err(&told)?;
    if bytes > 0 {
        file.seek(SeekFrom::Start(bytes)).map_err(told)?;
    }
    Ok(Lines {
        name: segment.name(),
        path: segment.path.clone(),
        number: lines,
        input: BufReader::with_capacity(256 * 1024, file),
    })
}

/// The lines of one segment.
#[derive(Debug)]
pub struct Lines {
    name: String,
    path: PathBuf,
    number: u64,
    input: BufReader<File>,
}

impl Iterator for Lines {
    type Item = Result<Line, EvidenceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        let limit = MAX_LINE_BYTES.saturating_add(1) as u64;
        match std::io::Read::take(&mut self.input, limit).read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                self.number = self.number.saturating_add(1);
                let whole = bytes.last() == Some(&b'\n');
                if whole {
                    bytes.pop();
                }
                Some(Ok(Line {
                    segment: self.name.clone(),
                    number: self.number,
                    bytes,
                    whole,
                }))
            }
            Err(error) => Some(Err(EvidenceError::io(&self.path)(error))),
        }
    }
}

/// All entries of a log in a directory, or of one file, in order. What is no whole
/// entry is an error in its place, and the rest goes on; nothing is verified beside.
///
/// # Errors
/// When the directory or a segment cannot be opened.
pub fn entries(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Entry, EvidenceError>> + use<>, EvidenceError> {
    let files = files(path)?;
    let files = files.iter().map(lines_of).collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().flatten().map(|line| {
        let line = line?;
        line.entry().map_err(|source| EvidenceError::NoEntry {
            segment: line.segment,
            line: line.number,
            source,
        })
    }))
}
