//! What can be wrong with an archive.

use std::io;

use super::{LAYOUT_VERSION, MAX_ENTRIES, shown};
use crate::oci::artifact::ArtifactError;
use crate::signing::{MAX_BUNDLE_BYTES, MAX_SEALS};
use crate::store::Digest;

/// An archive cannot be read, or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system says no, or it is no archive.
    #[error("it cannot be read as a tar archive of modules: {}", shown(.0.to_string().as_bytes()))]
    Io(#[from] io::Error),
    /// It has more parts than are looked at.
    #[error("it has more than {MAX_ENTRIES} parts")]
    TooManyEntries,
    /// A part that could lead out of a directory.
    #[error("the part `{name}` {problem}; nothing of the archive is used")]
    Unsafe {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part that is larger than any is.
    #[error("the part `{name}` is {bytes} bytes long; at most {most} are accepted")]
    TooLarge {
        /// Its name.
        name: String,
        /// How large it says it is.
        bytes: u64,
        /// How large it may be.
        most: u64,
    },
    /// It ends before a part does.
    #[error("it ends in the middle of `{name}`; it was cut short")]
    Truncated {
        /// The part.
        name: String,
    },
    /// The same name twice.
    #[error("it has two parts `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// Something that it must have.
    #[error("it has no part `{name}`")]
    Missing {
        /// The name.
        name: String,
    },
    /// No layout of the version that there is.
    #[error("it is no OCI image layout of version {LAYOUT_VERSION}: {0}")]
    Layout(String),
    /// A part whose bytes have another digest than its name says.
    #[error("the part `{name}` is damaged or was exchanged: its bytes have the digest {found}")]
    Damaged {
        /// Its name.
        name: String,
        /// The digest of its bytes.
        found: Digest,
    },
    /// It holds no module.
    #[error("it holds no module")]
    Empty,
    /// A signature of something that the archive does not hold.
    #[error("it holds a signature about {subject}, which is no manifest of a module in it")]
    StraySignature {
        /// What the signature is about.
        subject: Digest,
    },
    /// More signatures than a module may have.
    #[error("it holds {bundles} signatures of the module {module}; at most {MAX_SEALS} are accepted")]
    TooManySignatures {
        /// The module.
        module: Digest,
        /// How many there are.
        bundles: usize,
    },
    /// Signatures that no module may have together.
    #[error(
        "its signatures of the module {module} are {bytes} bytes long together; at most {MAX_BUNDLE_BYTES} are accepted"
    )]
    LargeSignatures {
        /// The module.
        module: Digest,
        /// How long they are together.
        bytes: u64,
    },
    /// What stands in it is no module's.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}
