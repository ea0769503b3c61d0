//! The token file on disk: who may read it, and how it is changed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::entry::{self, ID_RULE, MAX_TOKENS, TokenEntry, TokenFileFaults};
use super::{Roles, Secret, Tokens};

const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// A token file cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read or written.
    #[error("the token file `{path}` cannot be used: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others than its owner can read or change it.
    #[error("the token file `{path}` {problem}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// What it says cannot be.
    #[error("the token file `{path}` is not valid: {faults}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        faults: TokenFileFaults,
    },
    /// A token with this id is there already.
    #[error("there is a token `{0}` already; choose another id")]
    Taken(String),
    /// There is no token with this id.
    #[error("there is no token `{0}`; `cavra token list` shows the ids")]
    Missing(String),
    /// The id is not one.
    #[error("`{0}` is no id: {ID_RULE}")]
    Id(String),
    /// The file is full.
    #[error("the file holds {MAX_TOKENS} tokens and takes no more; make another file")]
    Full,
    /// The expiry lies beyond the calendar.
    #[error("a token cannot live for {0} days; give fewer")]
    Lifetime(u32),
    /// No randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// A token that was just made. The only time that its secret is seen.
#[derive(Debug)]
pub struct Created {
    /// What the file holds of it.
    pub entry: TokenEntry,
    /// Its secret.
    pub secret: Secret,
}

/// A token file.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// The file at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the tokens.
    ///
    /// # Errors
    /// When it is unreadable, is no regular file, can be read or written by others
    /// than its owner, belongs to somebody else, or is not valid: every fault at once.
    pub fn read(&self) -> Result<Tokens, TokenFileError> {
        let told = |error| self.io(error);
        let file = File::options()
            .read(true)
            // A named pipe is told as such and not waited for.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&self.path)
            .map_err(told)?;
        // Of the open file: a path could be another file by now.
        self.private(&file.metadata().map_err(told)?)?;
        let mut text = String::new();
        let most = MAX_FILE_BYTES.saturating_add(1);
        let read = file.take(most).read_to_string(&mut text).map_err(told)?;
        if read as u64 >= most {
            return Err(told(io::Error::other("it is larger than 8 MiB")));
        }
        entry::parse(&text).map_err(|faults| TokenFileError::Invalid {
            path: self.path.clone(),
            faults,
        })
    }

    /// Makes a token. Without an id it gets a random one.
    ///
    /// # Errors
    /// When the file cannot be used or changed, or has a token of this id.
    pub fn create(
        &self,
        id: Option<String>,
        roles: Roles,
        expires_in_days: Option<u32>,
        now: Timestamp,
    ) -> Result<Created, TokenFileError> {
        let id = match id {
            Some(id) if entry::valid_id(&id) => id,
            Some(other) => return Err(TokenFileError::Id(other)),
            None => {
                let mut random = [0; 6];
                getrandom::fill(&mut random)?;
                ["t-", &crate::digest::digits(&random)].concat()
            }
        };
        let lifetime = |days: u32| {
            let hours = i64::from(days).saturating_mul(24);
            now.checked_add(SignedDuration::from_hours(hours))
                .map_err(|_| TokenFileError::Lifetime(days))
        };
        let secret = Secret::random()?;
        let (salt, hash) = secret.salted()?;
        let entry = TokenEntry {
            id,
            roles,
            salt,
            hash,
            created_at: now,
            expires_at: expires_in_days.map(lifetime).transpose()?,
            revoked_at: None,
        };
        self.change(|tokens| {
            if tokens.by_id.contains_key(&entry.id) {
                return Err(TokenFileError::Taken(entry.id.clone()));
            }
            if tokens.len() >= MAX_TOKENS {
                return Err(TokenFileError::Full);
            }
            tokens.by_id.insert(entry.id.clone(), entry.clone());
            Ok(())
        })?;
        Ok(Created { entry, secret })
    }

    /// Revokes a token. Its entry stays, so that its id is not given again.
    ///
    /// # Errors
    /// When the file cannot be used or changed, or has no token of this id.
    pub fn revoke(&self, id: &str, now: Timestamp) -> Result<(), TokenFileError> {
        self.change(|tokens| {
            let entry = tokens.by_id.get_mut(id);
            let entry = entry.ok_or_else(|| TokenFileError::Missing(id.to_owned()))?;
            entry.revoked_at.get_or_insert(now);
            Ok(())
        })
    }

    /// Changes the tokens: one process at a time, and readers see the old file or the
    /// new one.
    fn change(
        &self,
        apply: impl FnOnce(&mut Tokens) -> Result<(), TokenFileError>,
    ) -> Result<(), TokenFileError> {
        let told = |error| self.io(error);
        // What a symbolic link leads to is replaced, not the link.
        let path = match fs::canonicalize(&self.path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            Err(error) => return Err(told(error)),
        };
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        // The lock is on the directory: the file itself is replaced.
        let lock = File::open(dir).map_err(told)?;
        lock.lock().map_err(told)?;
        let mut tokens = match Self::new(&path).read() {
            Err(TokenFileError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Tokens::default()
            }
            other => other?,
        };
        apply(&mut tokens)?;
        let mut file = tempfile::Builder::new()
            .prefix(".tokens-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(dir)
            .map_err(told)?;
        file.write_all(entry::render(&tokens).as_bytes()).map_err(told)?;
        file.as_file().sync_all().map_err(told)?;
        file.persist(&path).map_err(|failed| told(failed.error))?;
        lock.sync_all().map_err(told)
    }

    fn private(&self, metadata: &fs::Metadata) -> Result<(), TokenFileError> {
        let owner = metadata.uid();
        let problem = if !metadata.is_file() {
            "is not a regular file".to_owned()
        } else if owner != rustix::process::geteuid().as_raw() && owner != 0 {
            "belongs to another user; make it this user's".to_owned()
        } else if metadata.mode() & 0o077 != 0 {
            format!(
                "has mode {:03o}, so that others can read or change it; run `chmod 600` on it",
                metadata.mode() & 0o777
            )
        } else {
            return Ok(());
        };
        Err(TokenFileError::Exposed {
            path: self.path.clone(),
            problem,
        })
    }

    fn io(&self, error: io::Error) -> TokenFileError {
        TokenFileError::Io {
            path: self.path.clone(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Refusal, Role};
    use super::*;

    fn now() -> Timestamp {
        "2030-01-01T00:00:00Z".parse().unwrap()
    }

    fn roles() -> Roles {
        [Role::Evaluate].into_iter().collect()
    }

    #[test]
    fn tokens_are_made_used_and_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("tokens.toml"));
        let made = file
            .create(Some("one".to_owned()), roles(), Some(1), now())
            .unwrap();
        let token = made.secret.token(&made.entry.id);
        assert_eq!(file.read().unwrap().verify(&token, now()).unwrap().id, "one");
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(token.rsplit('_').next().unwrap()), "{text}");
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        file.revoke("one", now()).unwrap();
        assert_eq!(file.read().unwrap().verify(&token, now()), Err(Refusal::Revoked));
        let again = file.create(Some("one".to_owned()), roles(), None, now());
        assert!(matches!(again, Err(TokenFileError::Taken(_))), "{again:?}");
        assert!(matches!(
            file.revoke("two", now()),
            Err(TokenFileError::Missing(_))
        ));
        assert!(matches!(
            file.create(Some("Two".to_owned()), roles(), None, now()),
            Err(TokenFileError::Id(_))
        ));
        assert!(matches!(
            file.create(None, roles(), Some(u32::MAX), now()),
            Err(TokenFileError::Lifetime(_))
        ));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("tokens.toml"));
        file.create(None, roles(), None, now()).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let told = file.read().unwrap_err().to_string();
            assert!(told.contains("chmod 600"), "{told}");
            assert!(file.create(None, roles(), None, now()).is_err());
        }
        assert!(TokenFile::new(dir.path()).read().is_err());
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let real = TokenFile::new(dir.path().join("real.toml"));
        real.create(None, roles(), None, now()).unwrap();
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(real.path(), &link).unwrap();
        TokenFile::new(&link).create(None, roles(), None, now()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(real.read().unwrap().len(), 2);
    }
}
