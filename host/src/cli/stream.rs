//! Requests from standard input, one JSON document a line; answers to standard
//! output, one JSON line each, in order.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use serde_json::ser::Formatter;

use super::{Exit, Failure, evaluate};
use crate::host::{Host, HostError};
use crate::model::{MAX_REQUEST_BYTES, Request};

/// Judges every line. A line that is not a valid request gets an error object in
/// its place, and the rest go on.
pub(super) fn run(host: &Arc<Host>, check: bool) -> Result<Exit, Failure> {
    // A stream can be long: a gate that closes closes for the rest of it.
    let _watcher = if host.is_promoted() {
        Some(host.watch()?)
    } else {
        None
    };
    let mut input = io::BufReader::with_capacity(256 * 1024, io::stdin().lock());
    let mut output = io::BufWriter::with_capacity(256 * 1024, io::stdout().lock());
    let mut line = Vec::new();
    let mut number = 0_u64;
    let mut worst = Exit::Done;
    while read_line(&mut input, &mut line)? {
        number = number.saturating_add(1);
        // Of a line that is too long, blanks may be all that was kept.
        if line.len() <= MAX_REQUEST_BYTES && line.trim_ascii().is_empty() {
            continue;
        }
        match answer(host, &line) {
            Ok(evaluation) => {
                worst = worse(worst, evaluate::exit(&evaluation, check));
                write_line(&mut output, &evaluation)?;
            }
            Err(problem) => {
                let (code, exit) = match &problem {
                    Problem::Unrecorded(_) => ("evidence_unavailable", Exit::Failure),
                    Problem::Invalid(_) => ("invalid_request", Exit::Usage),
                };
                worst = worse(worst, exit);
                let message = problem.to_string();
                let error = json!({"error": {"code": code, "line": number, "message": message}});
                write_line(&mut output, &error)?;
            }
        }
        // Whoever waits for this answer before it asks again gets it now.
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    output.flush()?;
    Ok(worst)
}

/// Why a line has no answer.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unrecorded(HostError),
}

fn answer(host: &Host, line: &[u8]) -> Result<crate::pilot::Evaluation, Problem> {
    let request = Request::from_json(line).map_err(|e| Problem::Invalid(e.to_string()))?;
    host.evaluate(&request).map_err(|error| match error {
        HostError::Unrecorded(_) => Problem::Unrecorded(error),
        other => Problem::Invalid(other.to_string()),
    })
}

/// Writes one document as what every reader takes for one line.
fn write_line(output: &mut impl Write, document: &impl Serialize) -> Result<(), Failure> {
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut *output, OneLine))?;
    Ok(output.write_all(b"\n")?)
}

/// JSON in which no character ends a line: what JSON itself leaves as it is and
/// Unicode takes for the end of a line is escaped.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((before, end)) = rest.split_once(['\u{85}', '\u{2028}', '\u{2029}']) {
            writer.write_all(before.as_bytes())?;
            let ended = rest
                .get(before.len()..)
                .and_then(|text| text.chars().next())
                .unwrap_or_default();
            write!(writer, "\\u{:04x}", u32::from(ended))?;
            rest = end;
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Bad input outranks a failure, which outranks a decision; block outranks approval.
fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Approval => 1,
        Exit::Blocked => 2,
        Exit::Failure => 3,
        Exit::Usage => 4,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Reads the next line without its end. Of a line longer than a request may be,
/// one byte too many is kept, so that it is refused for its length; the rest is
/// skipped.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let room = MAX_REQUEST_BYTES.saturating_add(1).saturating_sub(line.len());
        line.extend(part.iter().take(room));
        let used = part.len().saturating_add(usize::from(end.is_some()));
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}
