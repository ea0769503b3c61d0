//! The pilot's four modes.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What the fast path may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The fast path is not run.
    #[default]
    Disabled,
    /// The fast path is run and compared; the reference's decision is used.
    Shadow,
    /// The fast path's decision is used where it agrees.
    Enforce,
    /// As `enforce`, and only while every governance gate is ready.
    Promoted,
}

/// A word that is none of the modes. It is refused and not read as `disabled`:
/// a typo must not silently switch the pilot off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mode must be one of disabled, shadow, enforce, promoted")]
pub struct UnknownMode;

impl Mode {
    /// The word in every document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
            Self::Promoted => "promoted",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "disabled" => Ok(Self::Disabled),
            "shadow" => Ok(Self::Shadow),
            "enforce" => Ok(Self::Enforce),
            "promoted" => Ok(Self::Promoted),
            _ => Err(UnknownMode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_trimmed_and_case_insensitive() {
        for (text, mode) in [
            ("", Mode::Disabled),
            (" \t", Mode::Disabled),
            (" Shadow\n", Mode::Shadow),
            ("ENFORCE", Mode::Enforce),
        ] {
            assert_eq!(text.parse(), Ok(mode), "{text:?}");
        }
        for text in ["enforced", "off", "promoted!", "disabled,shadow"] {
            assert_eq!(text.parse::<Mode>(), Err(UnknownMode), "{text:?}");
        }
    }
}
