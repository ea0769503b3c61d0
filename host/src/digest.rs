//! SHA-256, as it is written everywhere: lower-case hex.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// Bytes with their SHA-256, which is computed once: when it is first asked for. A module
/// of megabytes takes milliseconds.
#[derive(Debug)]
pub struct Hashed<'a> {
    bytes: Cow<'a, [u8]>,
    sha256: OnceLock<[u8; 32]>,
}

impl<'a> Hashed<'a> {
    /// Bytes that nobody has hashed.
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            bytes: bytes.into(),
            sha256: OnceLock::new(),
        }
    }

    /// Bytes that were hashed just now, and have this SHA-256.
    pub fn known(bytes: impl Into<Cow<'a, [u8]>>, sha256: [u8; 32]) -> Self {
        Self {
            bytes: bytes.into(),
            sha256: sha256.into(),
        }
    }

    /// The SHA-256.
    pub fn sha256(&self) -> &[u8; 32] {
        self.sha256.get_or_init(|| sha256(&self.bytes))
    }

    /// The SHA-256 as 64 hex digits.
    pub fn sha256_hex(&self) -> String {
        digits(self.sha256())
    }

    /// The bytes alone.
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        self.bytes
    }
}

impl<'a> From<Cow<'a, [u8]>> for Hashed<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        Self::new(bytes)
    }
}

impl<'a> From<&'a [u8]> for Hashed<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<Vec<u8>> for Hashed<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl Deref for Hashed<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The SHA-256 of `bytes` as 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    digits(&sha256(bytes))
}

/// The hex digits of `bytes`.
pub fn digits(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut hex = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The hex digits of a `sha256:<hex>` digest.
pub fn hex(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).to_owned()
}
