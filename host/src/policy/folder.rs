//! Bounded reading of files, and folders that cannot be left.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::PolicyError;
use crate::signing::{MAX_BUNDLE_BYTES, Seals, bundle_names};

/// Reads a regular file that the user named, at most `limit` bytes of it.
pub(super) fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, PolicyError> {
    let file = path.display().to_string();
    let unreadable = |source| PolicyError::Unreadable {
        file: file.clone(),
        source,
    };
    // Opening a pipe would wait for its writer, so its kind is asked first.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(not_a_file()));
    }
    read_bounded(File::open(path).map_err(unreadable)?, limit, &file)
}

/// A folder that was configured. No name that is looked up in it, and no symbolic
/// link, leads out of it: the system resolves every step beneath its handle.
#[derive(Debug)]
pub(super) struct Folder {
    dir: Dir,
    /// What stands before the name of a file of this folder in errors.
    label: String,
}

impl Folder {
    pub(super) fn open(path: &Path, label: &str) -> Result<Self, PolicyError> {
        let dir =
            Dir::open_ambient_dir(path, ambient_authority()).map_err(|source| PolicyError::Unreadable {
                file: path.display().to_string(),
                source,
            })?;
        Ok(Self {
            dir,
            label: label.to_owned(),
        })
    }

    /// The name of a file of this folder in errors.
    pub(super) fn label(&self, name: &str) -> String {
        format!("{}{name}", self.label)
    }

    /// Whether there is something called `name`, readable or not: a link that leads nowhere counts.
    pub(super) fn has(&self, name: &str) -> bool {
        !matches!(self.dir.symlink_metadata(name), Err(error) if is_absent(&error))
    }

    /// Reads at most `limit` bytes of a regular file; `None` if nothing has that name.
    pub(super) fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, PolicyError> {
        if !self.has(name) {
            return Ok(None);
        }
        let file = self.label(name);
        let unreadable = |source| PolicyError::Unreadable {
            file: file.clone(),
            source,
        };
        if !self.dir.metadata(name).map_err(unreadable)?.is_file() {
            return Err(unreadable(not_a_file()));
        }
        let opened = self.dir.open(name).map_err(unreadable)?;
        read_bounded(opened, limit, &file).map(Some)
    }

    /// The signatures beside a file of this folder.
    pub(super) fn seals(&self, name: &str) -> Seals {
        let limit = usize::try_from(MAX_BUNDLE_BYTES).unwrap_or(usize::MAX);
        let [one, more] = bundle_names(name).map(|name| self.read(&name, limit).map_err(|e| e.to_string()));
        Seals::of(one, more)
    }

    /// The names in this folder, in order.
    pub(super) fn names(&self) -> Result<Vec<String>, PolicyError> {
        let unreadable = |source| PolicyError::Unreadable {
            file: self.label("."),
            source,
        };
        let mut names = Vec::new();
        for entry in self.dir.entries().map_err(unreadable)? {
            // A name that is not UTF-8 is no pack id, and no file that is looked for.
            names.extend(entry.map_err(unreadable)?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// A name below a file (`file/policy.yaml`) is as absent as one that nothing has.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn not_a_file() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "not a regular file")
}

fn read_bounded(reader: impl Read, limit: usize, file: &str) -> Result<Vec<u8>, PolicyError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|source| PolicyError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
    if bytes.len() > limit {
        return Err(PolicyError::TooLarge {
            file: file.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}
