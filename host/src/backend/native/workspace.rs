//! The private directory with what a runtime judges by.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::pinned::PinnedFile;
use crate::fault::Fault;

/// The policy and the registry as files that nobody else can reach: mode 0400 in
/// a directory of mode 0700, removed on drop.
#[derive(Debug)]
pub(super) struct Workspace {
    policy: PinnedFile,
    registry: Option<PinnedFile>,
    _directory: TempDir,
}

impl Workspace {
    /// Writes the two texts to new files.
    ///
    /// # Errors
    /// [`Fault::MissingPolicy`] if they cannot be written.
    pub(super) fn create(policy_json: &str, registry_json: Option<&str>) -> Result<Self, Fault> {
        Self::write(policy_json, registry_json).map_err(|e| {
            Fault::MissingPolicy(format!(
                "the private copy for the native runtime cannot be written to `{}`: {e}",
                std::env::temp_dir().display()
            ))
        })
    }

    fn write(policy_json: &str, registry_json: Option<&str>) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("cavra-native-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        // The binary runs in another directory.
        let root = std::path::absolute(directory.path())?;
        let policy = write_private(root.join("policy.json"), policy_json)?;
        let registry = registry_json
            .map(|text| write_private(root.join("registry.json"), text))
            .transpose()?;
        Ok(Self {
            policy,
            registry,
            _directory: directory,
        })
    }

    /// Where the policy lies.
    pub(super) fn policy(&self) -> &Path {
        self.policy.path()
    }

    /// Where the registry lies, if there is one.
    pub(super) fn registry(&self) -> Option<&Path> {
        self.registry.as_ref().map(PinnedFile::path)
    }

    /// Whether both are as they were written. The runtime has the same user, and
    /// must not choose what the next request is judged by.
    pub(super) fn is_unchanged(&self) -> bool {
        self.policy.is_unchanged() && self.registry.as_ref().is_none_or(PinnedFile::is_unchanged)
    }
}

fn write_private(path: PathBuf, text: &str) -> io::Result<PinnedFile> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(&path)?;
    file.write_all(text.as_bytes())?;
    drop(file);
    PinnedFile::open(path)
}
