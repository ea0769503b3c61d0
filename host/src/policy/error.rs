//! What can be wrong, and where.

use std::fmt;
use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::problem::{Advice, Problem, near_ids};
use super::{PackId, PackIdError};
use crate::signing::Refusal;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The text that was to name a pack is not an id.
    #[error(transparent)]
    InvalidId(#[from] PackIdError),
    /// No pack has this id. Another one is never taken in its place.
    #[error("no pack is called `{id}`; {}", near_ids(.near))]
    UnknownPack {
        /// The id that was asked for.
        id: PackId,
        /// Ids that look like it.
        near: Vec<PackId>,
    },
    /// A [`super::PolicySource`] holds no policy for this pack.
    #[error("{holder} holds no policy for the pack `{id}`")]
    NotHeld {
        /// The id that was asked for.
        id: PackId,
        /// What was searched.
        holder: String,
    },
    /// A file was read and is wrong.
    #[error(transparent)]
    Faulty(#[from] Faults),
    /// A file or folder could not be read.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// Which one.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than is read.
    #[error("{file} is larger than {limit} bytes; nothing of it was read")]
    TooLarge {
        /// Which one.
        file: String,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The trust policy does not take the file.
    #[error("{file} is {refusal}")]
    Refused {
        /// Which one.
        file: String,
        /// Why.
        refusal: Refusal,
    },
    /// The merged pack makes a larger policy than any evaluator is given.
    #[error(
        "the compiled policy of `{id}` has {bytes} bytes; at most {limit} are allowed, so drop some patterns"
    )]
    CompiledTooLarge {
        /// The pack.
        id: PackId,
        /// The length of its canonical JSON, in bytes.
        bytes: usize,
        /// The most that is allowed, in bytes.
        limit: usize,
    },
    /// A value has no canonical JSON form.
    #[error("{file} has no canonical JSON form: {source}")]
    NotCanonical {
        /// The file or pack.
        file: String,
        /// What the serializer said.
        source: serde_json::Error,
    },
}

/// Every fault that was found in one go; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults that a `Reader` noted.
    pub(super) fn noted(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    /// The faults, in the order of the file where lines are known.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl From<Fault> for PolicyError {
    fn from(fault: Fault) -> Self {
        Self::Faulty(fault.into())
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    /// One line for each fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// A line and a column, both counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[expect(missing_docs, reason = "the two words say it")]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// Where in which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named to us.
    pub file: String,
    /// Line and column, where the parser can tell; JSON has none.
    pub position: Option<Position>,
    /// The key path (`commands.block[3]`), in a JSON file the JSON pointer; empty: the whole file.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// One thing that is accepted and probably not meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What.
    pub advice: Advice,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.advice)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_finding(&self.place, &self.problem, serializer)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_finding(&self.place, &self.advice, serializer)
    }
}

/// `{file, line?, column?, key, message}`: flat, so that a table or an editor can show it.
fn serialize_finding<S: Serializer>(
    place: &Place,
    text: &dyn fmt::Display,
    out: S,
) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(None)?;
    map.serialize_entry("file", &place.file)?;
    if let Some(Position { line, column }) = place.position {
        map.serialize_entry("line", &line)?;
        map.serialize_entry("column", &column)?;
    }
    map.serialize_entry("key", &place.key)?;
    map.serialize_entry("message", &text.to_string())?;
    map.end()
}

/// What a user wrote, in backticks: shortened, and with nothing that moves a terminal's cursor.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    let start: String = text.chars().take(SHOWN).collect();
    let rest = if text.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{}{rest}`", visible(&start))
}

/// `text` with its control characters escaped.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}
