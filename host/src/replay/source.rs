//! Where records come from: the log's segments, or a file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::evidence::reader::{self, Line, MAX_LINE_BYTES};
use crate::evidence::{Entry, EvaluationRecord, Event, EvidenceError};

/// What stands in one line.
#[derive(Clone, Debug)]
pub enum Item {
    /// The record of an evaluation.
    Record(Box<EvaluationRecord>),
    /// An entry about the log itself.
    Other,
    /// No entry; where it stands, and why.
    Bad(String),
}

/// Every line of a log in a directory, or of one file, in order. A file may also hold one
/// entry, or one record, that runs over many lines.
///
/// # Errors
/// When the directory or the file cannot be read.
pub fn lines(
    path: &Path,
) -> Result<Box<dyn Iterator<Item = Result<Line, EvidenceError>> + Send>, EvidenceError> {
    let segments = reader::files(path)?;
    if !path.is_dir()
        && let Some(line) = whole(path)
    {
        return Ok(Box::new(std::iter::once(Ok(line))));
    }
    // Opened one after another: there can be more than a process may have open.
    let lines = segments.into_iter().flat_map(|segment| {
        let (lines, error) = match reader::lines_of(&segment) {
            Ok(lines) => (Some(lines), None),
            Err(error) => (None, Some(Err(error))),
        };
        error.into_iter().chain(lines.into_iter().flatten())
    });
    Ok(Box::new(lines))
}

/// The one document of a file that holds one.
fn whole(path: &Path) -> Option<Line> {
    let length = usize::try_from(fs::metadata(path).ok()?.len()).ok()?;
    if length > MAX_LINE_BYTES {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let document: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Some(Line {
        segment: name(path),
        number: 1,
        bytes: document.to_string().into_bytes(),
        whole: true,
    })
}

fn name(path: &Path) -> String {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    name.display().to_string()
}

/// What a line holds: an entry, or the record of an evaluation by itself.
pub fn item(line: &Line) -> Item {
    match line.entry() {
        Ok(Entry {
            event: Event::Evaluation(record),
            ..
        }) => Item::Record(record),
        Ok(_) => Item::Other,
        Err(error) => match serde_json::from_slice::<EvaluationRecord>(&line.bytes) {
            Ok(record) => Item::Record(Box::new(record)),
            Err(_) => Item::Bad(format!("{}:{}: {error}", line.segment, line.number)),
        },
    }
}

/// The record of one evaluation.
///
/// # Errors
/// When the log cannot be read.
pub fn find(path: &Path, id: &str) -> Result<Option<EvaluationRecord>, EvidenceError> {
    for line in lines(path)? {
        let line = line?;
        // Most lines need no parsing to see that they are others.
        let mentioned = line
            .bytes
            .windows(id.len().max(1))
            .any(|part| part == id.as_bytes());
        if let Item::Record(record) = if mentioned { item(&line) } else { Item::Other }
            && record.evaluation_id == id
        {
            return Ok(Some(*record));
        }
    }
    Ok(None)
}
