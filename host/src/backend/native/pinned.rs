//! A file that must stay as it was when it was opened.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use sha2::{Digest, Sha256};

use crate::fault::Fault;

/// A file as it was at one moment, known again by its inode and the times of its
/// last changes.
#[derive(Debug)]
pub(super) struct PinnedFile {
    path: PathBuf,
    identity: Identity,
    /// Held so that the inode's number is not given to another file.
    _file: File,
}

impl PinnedFile {
    /// Opens a program and takes the SHA-256 of its bytes.
    ///
    /// # Errors
    /// [`Fault::MissingRuntime`] says what is wrong with it.
    pub(super) fn open_program(path: &Path) -> Result<(Self, String), Fault> {
        let missing =
            |why: &dyn std::fmt::Display| Fault::MissingRuntime(format!("`{}` {why}", path.display()));
        // The binary runs in another directory, and a bare name must not be looked up in `PATH`.
        let absolute = std::path::absolute(path).map_err(|e| missing(&format_args!("is not a path: {e}")))?;
        let pinned = Self::open(absolute).map_err(|e| missing(&format_args!("cannot be read: {e}")))?;
        if !pinned.identity.is_file {
            return Err(missing(&"is not a regular file; name the runtime's executable"));
        }
        rustix::fs::accessat(CWD, &pinned.path, Access::EXEC_OK, AtFlags::EACCESS).map_err(|e| {
            missing(&format_args!(
                "is no WebAssembly component, and may not be executed: {e}"
            ))
        })?;
        let sha256 = sha256_hex(&pinned._file).map_err(|e| missing(&format_args!("cannot be read: {e}")))?;
        if !pinned.is_unchanged() {
            return Err(missing(&"changed while it was read; try again"));
        }
        Ok((pinned, sha256))
    }

    /// Opens a file of any kind without waiting for it.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(&path, flags, Mode::empty())?);
        Ok(Self {
            identity: Identity::of(&file.metadata()?),
            path,
            _file: file,
        })
    }

    /// The absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the same file, and nobody has written to it.
    pub(super) fn is_unchanged(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|now| Identity::of(&now) == self.identity)
    }
}

/// What changes when a file is replaced, written to, renamed or given other rights.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    is_file: bool,
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            is_file: metadata.is_file(),
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn sha256_hex(mut file: &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
