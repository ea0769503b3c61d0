//! The log line of a request, as JSON.
//!
//! There is one for every request, so it is written as it is: the general way of the
//! other lines, by collected fields, takes as long as an evaluation.

use std::io::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::NonBlocking;

/// Room for the usual line.
const USUAL: usize = 512;

/// What is told of a request.
#[derive(Clone, Debug, Serialize)]
pub struct RequestLine<'a> {
    /// Under which id it is known.
    pub correlation_id: &'a str,
    /// The method.
    pub method: &'a str,
    /// The route's template.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub duration_us: u64,
    /// From where it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The id of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// Why it was not let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<&'static str>,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'static str>,
    /// Whose decision it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<&'static str>,
    /// Why the fast path's was not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_code: Option<&'static str>,
}

/// The same with what every line begins with.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(serialize_with = "microseconds")]
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    #[serde(flatten)]
    line: &'a RequestLine<'a>,
}

fn microseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

/// Writes the lines of requests where all others go.
#[derive(Clone, Debug)]
pub struct RequestLog {
    pub(super) writer: NonBlocking,
    pub(super) level: LevelFilter,
}

impl RequestLog {
    /// Writes a line, if lines of this level are wanted.
    pub fn write(&self, level: Level, now: Timestamp, line: &RequestLine<'_>) {
        if level > self.level {
            return;
        }
        let document = Document {
            timestamp: now,
            level: level.as_str(),
            message: "request",
            line,
        };
        let mut text = Vec::with_capacity(USUAL);
        if serde_json::to_writer(&mut text, &document).is_ok() {
            text.push(b'\n');
            // A line that finds no room is dropped, and the writer counts it.
            let _ = self.writer.clone().write_all(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_there_is_and_nothing_else() {
        let line = RequestLine {
            correlation_id: "corr_1",
            method: "POST",
            route: "/evaluate",
            status: 200,
            duration_us: 71,
            peer: Some(IpAddr::from([127, 0, 0, 1])),
            caller: None,
            refused: None,
            decision: Some("allow"),
            backend: None,
            fallback_code: None,
        };
        let document = Document {
            timestamp: "2030-01-01T00:00:00.0000017Z".parse().unwrap(),
            level: Level::INFO.as_str(),
            message: "request",
            line: &line,
        };
        assert_eq!(
            serde_json::to_string(&document).unwrap(),
            r#"{"timestamp":"2030-01-01T00:00:00.000001Z","level":"INFO","message":"request","correlation_id":"corr_1","method":"POST","route":"/evaluate","status":200,"duration_us":71,"peer":"127.0.0.1","decision":"allow"}"#
        );
    }
}
