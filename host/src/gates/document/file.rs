//! Reads a document's file: bounded, and without ever waiting for anybody.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The largest document: 4 MiB.
pub const MAX_DOCUMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Why a file cannot be read as a document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    #[error("there is no such file")]
    Missing,
    #[error("it is {0}, not a regular file")]
    NoFile(&'static str),
    #[error("it is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// The bytes of a regular file of at most [`MAX_DOCUMENT_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileFault> {
    let told = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => FileFault::Missing,
        // Without the path, which the report says elsewhere.
        kind => FileFault::Unreadable(kind.to_string()),
    };
    // Asked first, because opening a device can have effects; and again once it is
    // open, because it may be another file by then.
    regular(&std::fs::metadata(path).map_err(told)?)?;
    // A pipe without a writer would be waited for.
    let waits_for_nobody = (OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY).bits();
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(waits_for_nobody.cast_signed())
        .open(path)
        .map_err(told)?;
    regular(&file.metadata().map_err(told)?)?;
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_DOCUMENT_BYTES {
        return Err(FileFault::TooLarge);
    }
    Ok(bytes)
}

fn regular(metadata: &std::fs::Metadata) -> Result<(), FileFault> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() {
        Err(FileFault::NoFile("a directory"))
    } else {
        Err(FileFault::NoFile("a pipe, socket or device"))
    }
}
