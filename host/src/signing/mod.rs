//! Signatures: who vouches for a module, a policy, a registry or a document, and whom
//! the operator trusts.
//!
//! Formats are the ecosystem's: Sigstore bundles beside the file, DSSE envelopes with
//! in-toto statements, PEM keys. Verification is offline and with pinned keys: nothing
//! is asked of anybody, and no time but this host's is believed.

mod bundle;
mod code;
mod keys;
mod sign;
mod statement;
pub mod trust;
mod verify;

pub(crate) use bundle::bundle_names;
pub use bundle::{
    MAX_BUNDLE_BYTES, MAX_SEALS, Seal, SealView, Seals, bundle_path, bundles_beside, more_bundles_path,
};
pub use code::{Refusal, RefusalCode};
pub use keys::{Algorithm, KeyError, MAX_KEY_BYTES, NewKey, Passphrase, PrivateKey, PublicKey, SecretText};
pub use sign::{bundle_of, sign};
pub(crate) use statement::shown;
pub use statement::{
    Artifact, ArtifactKind, Build, COMPONENT_WORLD, NATIVE_WORLD, PAYLOAD_TYPE, PREDICATE_TYPE,
    predicate_schema, valid_name,
};
pub use verify::{HasKey, Verified, verify};
