//! What things in the store are called: digests, and the names of pins.
//!
//! A name that was checked here is one step of a path and leads nowhere else: it holds
//! no separator, does not begin with a dot, and has one spelling on file systems that
//! do not tell upper case from lower.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::digest;

const ALGORITHM: &str = "sha256:";
const HEX_DIGITS: usize = 64;
const MAX_PIN_CHARS: usize = 64;

/// What of a text is shown in an error.
const SHOWN_CHARS: usize = 80;

/// The SHA-256 of a module: `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(digest::sha256_hex(bytes))
    }

    /// From the hex digits alone, as they stand in the store.
    ///
    /// # Errors
    /// [`StoreError::BadDigest`].
    pub fn from_hex(hex: &str) -> Result<Self, StoreError> {
        let bad = |problem| StoreError::BadDigest {
            text: shown(hex),
            problem,
        };
        if hex.bytes().any(|it| it.is_ascii_uppercase()) {
            return Err(bad("its hex digits must be lower-case"));
        }
        if hex.len() != HEX_DIGITS || !hex.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad("it must be `sha256:` and 64 hex digits"));
        }
        Ok(Self(hex.to_owned()))
    }

    /// The 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// What the digits stand for.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
        for (byte, digits) in bytes.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            let together = digits.iter().fold(0, |high, digit| high << 4 | value(*digit));
            *byte = u8::try_from(together).unwrap_or_default();
        }
        bytes
    }
}

impl FromStr for Digest {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let hex = text
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| StoreError::BadDigest {
                text: shown(text),
                problem: "it must be `sha256:` and 64 hex digits",
            })?;
        Self::from_hex(hex).map_err(|error| match error {
            StoreError::BadDigest { problem, .. } => StoreError::BadDigest {
                text: shown(text),
                problem,
            },
            other => other,
        })
    }
}

impl TryFrom<String> for Digest {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&[ALGORITHM, &self.0].concat())
    }
}

/// The name of a pin: lower-case letters, digits, `-`, `_` and `.`, the first a letter or
/// a digit, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PinName(String);

impl PinName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PinName {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = text.len() <= MAX_PIN_CHARS
            && text.starts_with(plain)
            && text.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'));
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(StoreError::BadPin { text: shown(text) }),
        }
    }
}

impl fmt::Display for PinName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that somebody else chose, as it is shown in an error.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARS)
        .flat_map(|c| c.escape_debug().collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Digest::of(b"x");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.bytes(), crate::digest::sha256(b"x"));
        let hex = digest.hex();
        for text in [
            hex.to_owned(),
            format!("sha256:{}", hex.to_uppercase()),
            format!("SHA256:{hex}"),
            format!("sha256:{}", hex.get(1..).unwrap()),
            format!("sha256:{hex}0"),
            format!("sha256:../{}", hex.get(3..).unwrap()),
            format!("sha256:/{}", hex.get(1..).unwrap()),
            format!("sha256:{hex}\n"),
            "sha256:".to_owned(),
            "sha512:00".to_owned(),
            format!("sha256:{}", "０".repeat(64)),
        ] {
            let error = text.parse::<Digest>().unwrap_err();
            assert!(matches!(error, StoreError::BadDigest { .. }), "{text:?}");
        }
    }

    #[test]
    fn a_pin_is_one_step_of_a_path() {
        for good in ["prod", "acme-fastpath_1.4", "0", &"a".repeat(64)] {
            assert_eq!(good.parse::<PinName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            ".prod",
            "../prod",
            "a/b",
            "/etc",
            "a\\b",
            "Prod",
            "PROD",
            "prod\0",
            "prod\n",
            "präd",
            "-rf",
            &"a".repeat(65),
        ] {
            let error = bad.parse::<PinName>().unwrap_err();
            assert!(matches!(error, StoreError::BadPin { .. }), "{bad:?}");
        }
    }
}
