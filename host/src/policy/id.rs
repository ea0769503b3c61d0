//! The name of a pack.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The longest pack id, in characters.
const MAX_LENGTH: usize = 64;

/// The id of a pack: `[a-z0-9][a-z0-9-]*`, at most 64 characters.
///
/// An id is also the name of a folder and of a file. It holds no dot, no slash
/// and no upper-case letter, so that it can neither step out of a folder nor be
/// two names on one disk and one on another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PackId(String);

/// Why a text is not a pack id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackIdError {
    /// Nothing between the quotes.
    #[error("a pack id is empty; write `[a-z0-9][a-z0-9-]*`")]
    Empty,
    /// More than 64 characters.
    #[error("a pack id has {length} characters; at most {MAX_LENGTH} are allowed")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A character outside `[a-z0-9-]`, or a hyphen in front.
    #[error("{} is no pack id; write `[a-z0-9][a-z0-9-]*`", super::error::quoted(.text))]
    Malformed {
        /// What was given.
        text: String,
    },
}

impl PackId {
    /// Checks `text`. Nothing is trimmed or lower-cased: another spelling is another id.
    ///
    /// # Errors
    /// [`PackIdError`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, PackIdError> {
        let length = text.chars().count();
        if length == 0 {
            return Err(PackIdError::Empty);
        }
        if length > MAX_LENGTH {
            return Err(PackIdError::TooLong { length });
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.starts_with('-') || !text.chars().all(allowed) {
            return Err(PackIdError::Malformed {
                text: text.to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PackId {
    type Err = PackIdError;

    fn from_str(text: &str) -> Result<Self, PackIdError> {
        Self::new(text)
    }
}
