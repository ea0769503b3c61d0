//! The state file: `rollback.json` in the state directory.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Rollback;
use crate::directory;

const NAME: &str = "rollback.json";
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The state cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The directory or the file cannot be used.
    #[error("the state directory `{path}` cannot be used: {error}; set --state-dir")]
    Io {
        /// The directory or the file in it.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others could clear a rollback.
    #[error("the state directory `{path}` {problem}, who could undo a rollback; mend it or set --state-dir")]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Why.
        problem: &'static str,
    },
}

/// Where the rollback is kept.
#[derive(Clone, Debug)]
pub struct RollbackFile {
    dir: PathBuf,
}

/// What the file held when it was read: nothing, or all of it.
pub(super) type Content = Option<Vec<u8>>;

impl RollbackFile {
    /// The file in this state directory. Nothing is made yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the pilot is rolled back.
    pub fn read(&self) -> Option<Rollback> {
        self.look().1
    }

    /// What the file holds, and what that means.
    pub(super) fn look(&self) -> (Content, Option<Rollback>) {
        match self.content() {
            Ok(None) => (None, None),
            Ok(Some(bytes)) => {
                let parsed = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                    Rollback::unreadable(&format!("it is no rollback state ({error})"))
                });
                (Some(bytes), Some(parsed))
            }
            Err(error) => {
                // Of the kind alone: a system's message may name the file.
                let told = error.kind().to_string();
                (Some(told.clone().into_bytes()), Some(Rollback::unreadable(&told)))
            }
        }
    }

    fn content(&self) -> io::Result<Content> {
        let opened = File::options()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(self.path());
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes the directory, and checks that nobody else could undo a rollback in it.
    ///
    /// # Errors
    /// When it cannot be made, belongs to another user, or others can write to it.
    pub fn prepare(&self) -> Result<(), RollbackError> {
        let told = |error| self.told(&self.dir, error);
        directory::make_private(&self.dir).map_err(told)?;
        let metadata = fs::metadata(&self.dir).map_err(told)?;
        let owner = metadata.uid();
        let problem = if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            "belongs to another user"
        } else if metadata.mode() & 0o022 != 0 {
            "can be written to by others"
        } else {
            return Ok(());
        };
        Err(RollbackError::Exposed {
            path: self.dir.clone(),
            problem,
        })
    }

    /// Keeps a rollback: readers see all of it or nothing of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, rollback: &Rollback) -> Result<(), RollbackError> {
        let path = self.path();
        let told = |error| self.told(&path, error);
        self.prepare()?;
        let mut file = tempfile::Builder::new()
            .prefix(".rollback-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.dir)
            .map_err(told)?;
        file.write_all(&Self::bytes(rollback)).map_err(told)?;
        file.as_file().sync_all().map_err(told)?;
        file.persist(&path).map_err(|failed| told(failed.error))?;
        self.sync().map_err(told)
    }

    /// Ends a rollback; false where there was none.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn clear(&self) -> Result<bool, RollbackError> {
        let path = self.path();
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.told(&path, error)),
        }
        self.sync().map_err(|error| self.told(&path, error))?;
        Ok(true)
    }

    /// What the file of a rollback holds.
    pub(super) fn bytes(rollback: &Rollback) -> Vec<u8> {
        // Strings and times alone: this cannot fail, and nothing would count as rolled back.
        let mut bytes = serde_json::to_vec_pretty(rollback).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// So that a power cut does not undo what was answered.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn told(&self, path: &Path, error: io::Error) -> RollbackError {
        RollbackError::Io {
            path: path.to_owned(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollback() -> Rollback {
        let at = "2030-01-01T00:00:00Z".parse().unwrap();
        Rollback::new("too many mismatches.", "token ops".to_owned(), at).unwrap()
    }

    #[test]
    fn it_is_kept_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let file = RollbackFile::new(dir.path().join("a/b"));
        assert_eq!(file.read(), None);
        assert!(!file.clear().unwrap());
        file.write(&rollback()).unwrap();
        assert_eq!(file.read(), Some(rollback()));
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            rollback().note(),
            "The pilot is rolled back since 2030-01-01T00:00:00Z by token ops: too many mismatches. \
             It stays disabled until `cavra runtime rollback --clear`."
        );
        assert!(file.clear().unwrap());
        assert_eq!(file.read(), None);
    }

    #[test]
    fn whatever_says_nothing_counts_as_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = RollbackFile::new(dir.path());
        for text in [
            "",
            "{}",
            "null",
            "[]",
            "{\"schema_version\":\"cavra.rollback-state.v2\",\"reason\":\"\",\"by\":null,\"at\":null}",
            "{\"schema_version\":\"cavra.rollback-state.v1\",\"reason\":\"\",\"by\":null,\"at\":null,\"active\":false}",
        ] {
            fs::write(file.path(), text).unwrap();
            let state = file.read().unwrap();
            assert_eq!((state.by, state.at), (None, None), "{text}");
            assert!(!state.reason.contains('/'), "no path: {}", state.reason);
        }
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(file.read().is_some(), "a directory is no state");
        fs::remove_dir(file.path()).unwrap();
        fs::write(dir.path().join("flat"), "").unwrap();
        let beneath = RollbackFile::new(dir.path().join("flat"));
        assert!(beneath.read().is_some(), "a state directory that is none");
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let file = RollbackFile::new(dir.path());
        assert!(matches!(
            file.write(&rollback()),
            Err(RollbackError::Exposed { .. })
        ));
    }

    #[test]
    fn a_reason_is_a_line() {
        let at = "2030-01-01T00:00:00Z".parse().unwrap();
        let of = |reason: &str| Rollback::new(reason, "uid 1".to_owned(), at);
        assert_eq!(of("a\nb"), Err(super::super::BadReason));
        assert!(of(&"x".repeat(501)).is_err() && of(&"x".repeat(500)).is_ok());
        assert_eq!(of(" ").unwrap().reason, "no reason was given");
    }
}
