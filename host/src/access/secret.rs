//! The secret part of a token: made, hashed, compared.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::digest::digits;

/// What every token begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "cavra_";
const SECRET_BYTES: usize = 32;
pub(super) const SALT_BYTES: usize = 16;
pub(super) const HASH_BYTES: usize = 32;

/// The salt of a token.
pub(super) type Salt = [u8; SALT_BYTES];
/// SHA-256 of salt and secret.
pub(super) type Hash = [u8; HASH_BYTES];

/// The secret of a token: 256 random bits. It is printed once, when it is made, and
/// kept nowhere.
pub struct Secret([u8; SECRET_BYTES]);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The token that its bearer presents.
    pub fn token(&self, id: &str) -> String {
        [PREFIX, id, "_", &digits(&self.0)].concat()
    }

    /// The id and the secret of what a caller presents.
    pub(super) fn split(presented: &str) -> Option<(&str, Self)> {
        let (id, secret) = presented.strip_prefix(PREFIX)?.rsplit_once('_')?;
        Some((id, Self(unhex(secret)?)))
    }

    /// A new salt, and the hash to keep with it.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn salted(&self) -> Result<(Salt, Hash), getrandom::Error> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        Ok((salt, self.hash(&salt)))
    }

    fn hash(&self, salt: &Salt) -> Hash {
        Sha256::new()
            .chain_update(salt)
            .chain_update(self.0)
            .finalize()
            .into()
    }

    /// Whether this is the secret that `hash` was made of, in constant time.
    pub(super) fn verify(&self, salt: &Salt, hash: &Hash) -> bool {
        self.hash(salt).ct_eq(hash).into()
    }
}

/// Never the secret itself: it would end up in a log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// `N` bytes from lower-case hex digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        let [high, low] = pair;
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_back_and_forth() {
        let bytes: [u8; 4] = [0, 0x0f, 0xa0, 0xff];
        assert_eq!(unhex(&digits(&bytes)), Some(bytes));
        for wrong in ["", "000fa0f", "000fa0fff", "000fa0fg", "000FA0FF", "000fa0é"] {
            assert_eq!(unhex::<4>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_differ_and_stay_secret() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(one.token("a"), other.token("a"));
        assert_eq!(format!("{one:?}"), "Secret(..)");
        let (salt, hash) = one.salted().unwrap();
        assert!(one.verify(&salt, &hash) && !other.verify(&salt, &hash));
        assert_ne!(one.salted().unwrap().1, hash, "each salt gives another hash");
    }

    #[test]
    fn an_id_may_hold_what_separates_nothing() {
        let secret = Secret::random().unwrap();
        let token = secret.token("ci-runner");
        assert_eq!(Secret::split(&token).unwrap().0, "ci-runner");
    }
}
