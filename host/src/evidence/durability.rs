//! When an answer is given, and what happens where it cannot be recorded.

use std::str::FromStr;

/// When an answer is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When its record waits for the writer.
    Async,
    /// When its record has been handed to the operating system: it survives this process.
    #[default]
    Flush,
    /// When its record is on the disk: it survives the machine's power.
    Fsync,
}

/// What happens to an answer whose record cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is not given.
    #[default]
    Refuse,
    /// It is given, counted, and the gap is recorded as soon as writing works again.
    Continue,
}

/// A word that is none of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be {0}")]
pub struct UnknownWord(pub(super) &'static str);

impl FromStr for Durability {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.trim() {
            "async" => Ok(Self::Async),
            "flush" => Ok(Self::Flush),
            "fsync" => Ok(Self::Fsync),
            _ => Err(UnknownWord("one of async, flush, fsync")),
        }
    }
}

impl FromStr for OnFailure {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.trim() {
            "refuse" => Ok(Self::Refuse),
            "continue" => Ok(Self::Continue),
            _ => Err(UnknownWord("refuse or continue")),
        }
    }
}
