//! What can go wrong between a registry and the module store.

use crate::store::{Digest, StoreError};

use super::artifact::ArtifactError;
use super::reference::ReferenceError;

/// A registry does not give or take a module. Of what a registry says when it refuses,
/// only a word of the specification stands in a message, for what was sent to it could
/// come back there; what its manifests say is cut, and shown without what moves a cursor.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// It is no reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A tag where only a digest will do.
    #[error(
        "`{0}` names a tag, which can stand for other bytes tomorrow; name a digest, `@sha256:…`, such as `cavra module pull {0}` prints"
    )]
    TagIsNoIdentity(String),
    /// The registry cannot be reached.
    #[error("the registry `{registry}` cannot be reached: {problem}; tried {tries} times")]
    Unreachable {
        /// Which.
        registry: String,
        /// Why.
        problem: String,
        /// How often.
        tries: u32,
    },
    /// The registry answers that it cannot answer now.
    #[error(
        "the registry `{registry}` answers {what} with status {status}; tried {tries} times, try again later"
    )]
    Unavailable {
        /// Which.
        registry: String,
        /// What was asked for.
        what: String,
        /// What it answered.
        status: u16,
        /// How often.
        tries: u32,
    },
    /// The connection was lost again and again.
    #[error(
        "the download of {what} from `{registry}` was interrupted {tries} times, the last after {got} of {size} bytes; nothing is kept of it"
    )]
    Interrupted {
        /// From where.
        registry: String,
        /// What.
        what: String,
        /// How much there was.
        got: u64,
        /// How much it is.
        size: u64,
        /// How often.
        tries: u32,
    },
    /// All of it takes too long.
    #[error(
        "the registry `{registry}` takes longer than {seconds} seconds; nothing is kept of what it has sent"
    )]
    TooSlow {
        /// Which.
        registry: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It is not known who asks, or not enough.
    #[error("the registry `{registry}` asks for credentials, and {problem}")]
    Unauthorized {
        /// Which.
        registry: String,
        /// Why there are none, or that they are not taken.
        problem: String,
    },
    /// Who asks may not.
    #[error("the registry `{registry}` does not allow {what}")]
    Denied {
        /// Which.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// It is not there.
    #[error("the registry `{registry}` has no {what}")]
    NotFound {
        /// Which.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// An answer that is none.
    #[error("the registry `{registry}` answers {what} with {problem}")]
    Answer {
        /// Which.
        registry: String,
        /// What was asked for.
        what: String,
        /// What it says.
        problem: String,
    },
    /// Other bytes than those that were asked for.
    #[error(
        "the registry `{registry}` sent other bytes for {what} than those that it was asked for: they have the digest {found}; nothing is kept of them"
    )]
    WrongDigest {
        /// Which.
        registry: String,
        /// What was asked for.
        what: String,
        /// What came.
        found: Digest,
    },
    /// It is larger than anything that is taken.
    #[error("{what} is {bytes} bytes long; at most {most} are accepted")]
    TooLarge {
        /// What.
        what: String,
        /// How long it is, or was said to be.
        bytes: u64,
        /// How long it may be.
        most: u64,
    },
    /// It is of another length than its descriptor says.
    #[error(
        "the registry `{registry}` sent {found} bytes for {what}, whose manifest says {said}; nothing is kept of them"
    )]
    WrongSize {
        /// Which.
        registry: String,
        /// What.
        what: String,
        /// How many came, at least.
        found: u64,
        /// How many were announced.
        said: u64,
    },
    /// It is something else than a module.
    #[error("`{reference}` is no module: {problem}")]
    NotAModule {
        /// What was asked for.
        reference: String,
        /// What it is instead.
        problem: String,
    },
    /// What is listed as a signature is none.
    #[error("the registry lists {referrer} as a signature: {problem}")]
    NoSignature {
        /// The signature's manifest.
        referrer: Digest,
        /// What it is instead.
        problem: String,
    },
    /// What is listed as a signature is about something else.
    #[error(
        "the registry lists {referrer} as a signature of {wanted}, and it is about {found}: it was moved there from another artifact"
    )]
    ForeignReferrer {
        /// The signature's manifest.
        referrer: Digest,
        /// What it should be about.
        wanted: Digest,
        /// What it is about.
        found: String,
    },
    /// More signatures than are looked at.
    #[error("{of} has {found} signatures in the registry; at most {most} are looked at")]
    TooManyReferrers {
        /// Of what.
        of: Digest,
        /// How many there are.
        found: usize,
        /// How many may be.
        most: usize,
    },
    /// The store cannot keep it, or cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something of this machine.
    #[error("{0}")]
    Local(String),
}

/// A message with texts that a registry has chosen.
pub(super) fn harmless(error: &ArtifactError) -> String {
    let escaped = error.to_string();
    let escaped = escaped.chars().flat_map(|c| match c.is_control() {
        true => c.escape_debug().collect::<Vec<_>>(),
        false => vec![c],
    });
    escaped.take(400).collect()
}
