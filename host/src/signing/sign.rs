//! Makes bundles.

use sigstore_types::{
    Bundle, DigestBytes, DsseEnvelope, DsseSignature, HashAlgorithm, KeyId, MediaType, MessageDigest,
    MessageSignature, PayloadBytes, PublicKeyIdentifier, Sha256Hash, SignatureBytes, SignatureContent,
    VerificationMaterial, VerificationMaterialContent,
};

use super::bundle::SealContent;
use super::statement::PAYLOAD_TYPE;
use super::{Artifact, KeyError, PrivateKey, PublicKey, Seal};
use crate::digest::sha256;

/// Signs `bytes`: with a statement about them, or them alone.
///
/// The bundle is one line of JSON.
///
/// # Errors
/// When the cryptography fails.
pub fn sign(
    key: &PrivateKey,
    file: &str,
    bytes: &[u8],
    artifact: Option<&Artifact>,
) -> Result<String, KeyError> {
    let failed = |e: &dyn std::fmt::Display| KeyError::Cryptography(e.to_string());
    let digest = sha256(bytes);
    let content = match artifact {
        None => message(digest, key.sign(bytes)?),
        Some(artifact) => {
            let statement = artifact.statement(file, hash(digest)).map_err(|e| failed(&e))?;
            let payload = serde_json::to_vec(&statement).map_err(|e| failed(&e))?;
            let signature = key.sign(&sigstore_types::pae(PAYLOAD_TYPE, &payload))?;
            SignatureContent::DsseEnvelope(DsseEnvelope::new(
                PAYLOAD_TYPE,
                PayloadBytes::new(payload),
                DsseSignature::new(
                    SignatureBytes::new(signature),
                    KeyId::new(key.public().fingerprint()),
                ),
            ))
        }
    };
    bundle(key.public(), content).to_json().map_err(|e| failed(&e))
}

/// The bundle of a signature that was made elsewhere, with `key`, over `bytes`. Whether
/// it was is not asked here.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn bundle_of(key: &PublicKey, bytes: &[u8], seal: Seal) -> Result<String, KeyError> {
    let content = match seal.content {
        SealContent::Message { signature, .. } => message(sha256(bytes), signature),
        SealContent::Envelope(envelope) => SignatureContent::DsseEnvelope(envelope),
    };
    bundle(key, content)
        .to_json()
        .map_err(|e| KeyError::Cryptography(e.to_string()))
}

fn bundle(key: &PublicKey, content: SignatureContent) -> Bundle {
    let identifier = PublicKeyIdentifier::new(key.fingerprint());
    let material = VerificationMaterial::new(VerificationMaterialContent::PublicKey(identifier));
    Bundle::new(MediaType::Bundle0_3, material, content)
}

fn message(digest: [u8; 32], signature: Vec<u8>) -> SignatureContent {
    let digest = MessageDigest::new(HashAlgorithm::Sha2256, DigestBytes::new(digest.to_vec()));
    let signature = MessageSignature::new(SignatureBytes::new(signature));
    SignatureContent::MessageSignature(signature.with_message_digest(digest))
}

/// A digest as the bundle's types have it.
pub(super) fn hash(digest: [u8; 32]) -> Sha256Hash {
    digest.into()
}
