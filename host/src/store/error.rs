//! What can be wrong with the store, or with what is asked of it.

use std::io;
use std::path::PathBuf;

use super::{Digest, PinName};
use crate::sandbox::MAX_MODULE_BYTES;

/// The store cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system says no.
    #[error("the module store: `{}`: {error}", .path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was said.
        error: io::Error,
    },
    /// Somebody else is changing the store, or says so.
    #[error("the module store: `{}` is held by another process for longer than {seconds} seconds: a command that adds, pulls, loads or collects modules, or one that hangs; wait for it or end it (`fuser` tells which it is), and try again", .path.display())]
    Busy {
        /// What is held.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Somebody else could change what is in the store.
    #[error("the module store `{}` {problem}, who could remove modules and signatures; mend it or set --module-store", .path.display())]
    Exposed {
        /// Which directory.
        path: PathBuf,
        /// What is wrong with its owner or mode.
        problem: &'static str,
    },
    /// A link, a pipe or a directory, where the store keeps a file.
    #[error("the module store: `{}` is {found}, not {wanted}; the store makes none, so somebody else did: remove it", .path.display())]
    Irregular {
        /// What.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is no digest.
    #[error("`{text}` is no digest of a module: {problem}")]
    BadDigest {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is no name of a pin.
    #[error(
        "`{text}` is no name of a pin: it must be at most 64 lower-case letters, digits, `-`, `_` and `.`, the first a letter or a digit"
    )]
    BadPin {
        /// What was given.
        text: String,
    },
    /// Nothing in the store has this digest.
    #[error("the module store holds no module {0}; pull, load or add it")]
    NotFound(Digest),
    /// Nothing is pinned by this name.
    #[error("the module store has no pin `{0}`")]
    NoSuchPin(PinName),
    /// Too large to be looked at.
    #[error("{what} is {bytes} bytes long; at most {most} are accepted")]
    TooLarge {
        /// What.
        what: String,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        most: u64,
    },
    /// Not what the sandbox runs.
    #[error("it is not a WebAssembly component; the module store holds nothing else")]
    NotAComponent,
    /// The bytes in the store are others than those that were put there.
    #[error("the module {wanted} is damaged: its bytes have the digest {found}; pull, load or add it again")]
    Corrupt {
        /// Which module.
        wanted: Digest,
        /// What its bytes have.
        found: Digest,
    },
    /// What stands beside a module, or in a pin, cannot be read.
    #[error("the module store: `{}` is damaged: {problem}; remove it", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What was given as a bundle is none.
    #[error("the {}. bundle is {problem}", .at.saturating_add(1))]
    Bundle {
        /// Which of those given, from 0.
        at: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// More bundles than a module may have.
    #[error("the module has {bundles} bundles; at most {most} are kept")]
    TooManyBundles {
        /// How many.
        bundles: usize,
        /// How many may be.
        most: usize,
    },
    /// A module that is pinned is not removed.
    #[error("the module {digest} is pinned as {}; remove the pin first", list(.pins))]
    Pinned {
        /// Which module.
        digest: Digest,
        /// By which names.
        pins: Vec<PinName>,
    },
}

impl StoreError {
    /// A module of so many bytes.
    pub(super) fn large_module(what: impl Into<String>, bytes: u64) -> Self {
        Self::TooLarge {
            what: what.into(),
            bytes,
            most: MAX_MODULE_BYTES,
        }
    }
}

fn list(pins: &[PinName]) -> String {
    let names = pins.iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}
