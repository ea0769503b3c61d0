//! Checkpoints: how large the log was and what its Merkle root was, signed.
//!
//! In the form of the `signed-note` and `tlog-checkpoint` formats of C2SP, so that
//! witnesses and monitors of transparency logs read them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::Hash;

/// The signature type of Ed25519 in notes.
const ED25519_TYPE: u8 = 1;

/// A text that is no public key or no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// No public key.
    #[error("this is no public key of a log: it is `<name>+<8 hex digits>+<base64>`")]
    PublicKey,
    /// No checkpoint.
    #[error("this is no checkpoint: a name, a size and a root, an empty line, and a signature")]
    Checkpoint,
}

/// The public key of a log, with the log's name: `<name>+<8 hex digits>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The log's name.
    pub origin: String,
    key: [u8; 32],
}

impl PublicKey {
    /// The key that lies beside the log in `dir`, if it can be read.
    pub(super) fn beside(dir: &std::path::Path) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join(super::log::PUBLIC_KEY));
        text.ok()?.parse().ok()
    }

    /// The key of the log `origin`.
    pub fn new(origin: &str, key: [u8; 32]) -> Self {
        Self {
            origin: origin.to_owned(),
            key,
        }
    }

    /// The key itself, without the log's name: Ed25519.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Whether it is the same key, whatever log it is for.
    pub fn is_key_of(&self, keys: &SigningKey) -> bool {
        self.key == keys.public
    }

    fn typed(&self) -> Vec<u8> {
        [&[ED25519_TYPE], &self.key[..]].concat()
    }

    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(self.origin.as_bytes())
            .chain_update(b"\n")
            .chain_update(self.typed())
            .finalize();
        let mut id = [0; 4];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        write!(f, "{}+{id:08x}+{}", self.origin, STANDARD.encode(self.typed()))
    }
}

impl FromStr for PublicKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let text = text.trim();
        let mut parts = text.splitn(3, '+');
        let (Some(origin), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::PublicKey);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::PublicKey)?;
        let key = match bytes.split_first() {
            Some((&ED25519_TYPE, key)) => key.try_into().map_err(|_| NoteError::PublicKey)?,
            _ => return Err(NoteError::PublicKey),
        };
        let read = Self::new(origin, key);
        if read.to_string() == text {
            Ok(read)
        } else {
            Err(NoteError::PublicKey)
        }
    }
}

/// What signs checkpoints.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl SigningKey {
    /// The key that a seed stands for.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }

    /// Its public half, for the log `origin`.
    pub fn public(&self, origin: &str) -> PublicKey {
        PublicKey::new(origin, self.public)
    }

    /// Signs a checkpoint of the log `origin`.
    pub fn sign(&self, origin: &str, size: u64, root: Hash) -> Checkpoint {
        let text = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root.0));
        let signature = self.pair.sign(text.as_bytes());
        let signed = [&self.public(origin).id()[..], signature.as_ref()].concat();
        Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
            signatures: vec![(origin.to_owned(), signed.clone())],
            note: format!("{text}\n\u{2014} {origin} {}\n", STANDARD.encode(signed)),
            text,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A signed checkpoint; its signature is not checked by reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries the log had.
    pub size: u64,
    /// The root of the Merkle tree over them.
    pub root: Hash,
    /// Who signed, and with what, after four bytes that tell the key.
    signatures: Vec<(String, Vec<u8>)>,
    text: String,
    note: String,
}

impl Checkpoint {
    /// Whether the owner of this key has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.origin == key.origin
            && self.signatures.iter().any(|(name, bytes)| {
                let signature = bytes.strip_prefix(&key.id()[..]);
                let of_key = UnparsedPublicKey::new(&ED25519, key.key);
                *name == key.origin
                    && signature
                        .is_some_and(|signature| of_key.verify(self.text.as_bytes(), signature).is_ok())
            })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

impl FromStr for Checkpoint {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        let (text, signatures) = note.split_once("\n\n").ok_or(NoteError::Checkpoint)?;
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(NoteError::Checkpoint);
        let (origin, size, root) = (line()?, line()?, line()?);
        let root = STANDARD.decode(root).map_err(|_| NoteError::Checkpoint)?;
        let signatures = signatures
            .lines()
            .map(|line| {
                let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
                Some((name.to_owned(), STANDARD.decode(signature).ok()?))
            })
            .collect::<Option<_>>()
            .ok_or(NoteError::Checkpoint)?;
        Ok(Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| NoteError::Checkpoint)?,
            root: Hash(root.try_into().map_err(|_| NoteError::Checkpoint)?),
            signatures,
            text: format!("{text}\n"),
            note: note.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_signed_by_its_key_alone() {
        let (key, other) = (
            SigningKey::from_seed(&[7; 32]).unwrap(),
            SigningKey::from_seed(&[8; 32]).unwrap(),
        );
        let note = key.sign("example/log", 5, Hash::of(b"root"));
        let read: Checkpoint = note.to_string().parse().unwrap();
        assert_eq!(read, note);
        assert!(read.is_signed_by(&key.public("example/log")));
        assert!(!read.is_signed_by(&other.public("example/log")));
        assert!(!read.is_signed_by(&key.public("example/other")));
        let forged: Checkpoint = note.to_string().replace("\n5\n", "\n4\n").parse().unwrap();
        assert!(!forged.is_signed_by(&key.public("example/log")));
    }

    #[test]
    fn a_public_key_reads_as_it_is_written() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap().public("example/log");
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        for wrong in ["", "example/log", &text.replace("example/log", "example/lag")] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(NoteError::PublicKey));
        }
    }
}
