//! Verifies signatures: offline, with keys that somebody has pinned.

use sigstore_types::pae;

use super::bundle::SealContent;
use super::sign::hash;
use super::{Artifact, PublicKey, Refusal, RefusalCode, Seal};
use crate::digest::Hashed;

/// A signature that is good: whose it is, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<'k, K> {
    /// Whose.
    pub key: &'k K,
    /// What it says of the file, where it says anything.
    pub artifact: Option<Artifact>,
}

/// What has a public key.
pub trait HasKey {
    /// The key.
    fn key(&self) -> &PublicKey;
    /// What people call it.
    fn name(&self) -> String;
}

impl HasKey for PublicKey {
    fn key(&self) -> &PublicKey {
        self
    }

    fn name(&self) -> String {
        self.fingerprint()
    }
}

/// Which of `keys` made the signature over `bytes`. Roles and times are not asked.
///
/// # Errors
/// Why none did.
pub fn verify<'k, K: HasKey>(
    keys: impl IntoIterator<Item = &'k K>,
    bytes: &Hashed<'_>,
    seal: &Seal,
) -> Result<Verified<'k, K>, Refusal> {
    let (message, signature) = match &seal.content {
        SealContent::Message {
            digest: said,
            signature,
        } => {
            if said.as_ref().is_some_and(|said| said != bytes.sha256()) {
                return Err(Refusal::new(
                    RefusalCode::DigestMismatch,
                    format!(
                        "the signature is about other bytes; this file has SHA-256 {}",
                        bytes.sha256_hex()
                    ),
                ));
            }
            (std::borrow::Cow::Borrowed(&**bytes), signature.as_slice())
        }
        SealContent::Envelope(envelope) => (
            pae(&envelope.payload_type, envelope.payload.as_bytes()).into(),
            envelope.signature.sig.as_bytes(),
        ),
    };
    // A hint is looked at only to say what is wrong: who made a signature is who can
    // have made it.
    let mut named = None;
    for key in keys {
        if key.key().verifies(&message, signature) {
            let artifact = match &seal.content {
                SealContent::Message { .. } => None,
                SealContent::Envelope(envelope) => Some(Artifact::of(
                    &envelope.payload_type,
                    envelope.payload.as_bytes(),
                    &hash(*bytes.sha256()),
                )?),
            };
            return Ok(Verified { key, artifact });
        }
        if key.key().fingerprint() == seal.hint {
            named = Some(key.name());
        }
    }
    Err(match named {
        Some(name) => Refusal::new(
            RefusalCode::SignatureInvalid,
            format!("the signature names the key `{name}` and was not made with it, or not over this"),
        ),
        None => Refusal::new(
            RefusalCode::UnknownKey,
            match seal.hint.as_str() {
                "" => "no key that is trusted has made this signature over this file".to_owned(),
                hint => format!(
                    "no key that is trusted has made the signature; it names `{}`",
                    super::statement::shown(hint)
                ),
            },
        ),
    })
}
