//! Canonical JSON (RFC 8785) and digests over it.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::PolicyError;

/// `value` as canonical JSON: keys sorted, no blanks, one way to write each value.
pub(super) fn canonical(value: &Value, file: &str) -> Result<String, PolicyError> {
    serde_json_canonicalizer::to_string(value).map_err(|source| PolicyError::NotCanonical {
        file: file.to_owned(),
        source,
    })
}

/// `sha256:` and the digest of `text` in 64 lower-case hex digits.
pub(super) fn sha256(text: &str) -> String {
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        digest.extend(char::from_digit(u32::from(byte >> 4), 16));
        digest.extend(char::from_digit(u32::from(byte & 15), 16));
    }
    digest
}
