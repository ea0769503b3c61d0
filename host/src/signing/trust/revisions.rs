//! Which revisions this host has used: what tells that an old one has come back.
//!
//! `revisions.json` in the state directory is written by hosts, `revision-allowances.json`
//! by operators. Both are replaced at once, and changed under a lock of the directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::directory;
use crate::signing::{ArtifactKind, Refusal, RefusalCode};

const SEEN: &str = "revisions.json";
const ALLOWED: &str = "revision-allowances.json";
const SEEN_SCHEMA: &str = "cavra.revisions.v1";
const ALLOWED_SCHEMA: &str = "cavra.revision-allowances.v1";
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// How long a reason may be, in bytes.
const MAX_REASON_BYTES: usize = 500;

/// The state of revisions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The file system says no.
    #[error("`{}` cannot be used: {error}; set --state-dir", .path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It holds something else.
    #[error("`{}` holds no state of revisions ({problem}); restore it, or remove it to begin anew", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Others could change it.
    #[error("`{}` {problem}; only its owner may write there", .path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// A reason that is no reason.
    #[error("a reason is one line of 1 to {MAX_REASON_BYTES} bytes")]
    Reason,
}

/// The highest revision of a name that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// What kind of file.
    pub kind: ArtifactKind,
    /// Its name.
    pub name: String,
    /// The revision.
    pub revision: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// When it was first used.
    pub at: Timestamp,
}

/// That an operator allows an older revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// What kind of file.
    pub kind: ArtifactKind,
    /// Its name.
    pub name: String,
    /// The revision that is allowed although a higher one was used.
    pub revision: u64,
    /// Why.
    pub reason: String,
    /// Who: `uid <number>`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenFile {
    schema_version: String,
    revisions: Vec<Seen>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowedFile {
    schema_version: String,
    allowances: Vec<Allowance>,
}

/// The state in one directory. Processes share it.
#[derive(Clone, Debug)]
pub struct Revisions {
    dir: PathBuf,
}

impl Revisions {
    /// The state in this directory. Nothing is made yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The file that operators write: when it changes, what is refused may be taken.
    pub fn allowances_file(dir: &Path) -> PathBuf {
        dir.join(ALLOWED)
    }

    /// The highest revisions that were used.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn seen(&self) -> Result<Vec<Seen>, RevisionError> {
        let file: Option<SeenFile> = self.read(SEEN)?;
        Ok(file.map(|file| file.revisions).unwrap_or_default())
    }

    /// What operators allow.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn allowances(&self) -> Result<Vec<Allowance>, RevisionError> {
        let file: Option<AllowedFile> = self.read(ALLOWED)?;
        Ok(file.map(|file| file.allowances).unwrap_or_default())
    }

    /// Whether a revision may be used; keeps it if it is the highest so far and `keep`.
    ///
    /// # Errors
    /// `revision_rollback`, `revision_reused`, `revision_state_unusable`.
    pub fn admit(&self, wanted: Seen, keep: bool) -> Result<(), Refusal> {
        let unusable = |e: RevisionError| Refusal::new(RefusalCode::RevisionStateUnusable, e.to_string());
        // Without a lock first: nearly always there is nothing to write.
        if self.judge(&wanted).map_err(unusable)?? && keep {
            let _lock = self.lock().map_err(unusable)?;
            if self.judge(&wanted).map_err(unusable)?? {
                self.keep(wanted).map_err(unusable)?;
            }
        }
        Ok(())
    }

    /// Whether it may be used, and is one to keep.
    fn judge(&self, wanted: &Seen) -> Result<Result<bool, Refusal>, RevisionError> {
        let seen = self.seen()?;
        let Some(seen) = seen
            .iter()
            .find(|it| (it.kind, &it.name) == (wanted.kind, &wanted.name))
        else {
            return Ok(Ok(true));
        };
        if wanted.revision > seen.revision {
            return Ok(Ok(true));
        }
        if wanted.revision == seen.revision && wanted.sha256 == seen.sha256 {
            return Ok(Ok(false));
        }
        let allowed = self
            .allowances()?
            .iter()
            .any(|it| (it.kind, &it.name, it.revision) == (wanted.kind, &wanted.name, wanted.revision));
        if allowed {
            return Ok(Ok(false));
        }
        let (name, revision) = (&wanted.name, wanted.revision);
        let allow = format!(
            "`cavra trust allow-revision {name} {revision} --kind {} --reason …` would allow it",
            wanted.kind
        );
        Ok(Err(if revision == seen.revision {
            Refusal::new(
                RefusalCode::RevisionReused,
                format!(
                    "other bytes were used as revision {revision} of `{name}`; publish them under a new one, or {allow}"
                ),
            )
        } else {
            Refusal::new(
                RefusalCode::RevisionRollback,
                format!(
                    "revision {} of `{name}` was used since {}, and this is {revision}; {allow}",
                    seen.revision, seen.at
                ),
            )
        }))
    }

    fn keep(&self, wanted: Seen) -> Result<(), RevisionError> {
        let mut all: BTreeMap<(ArtifactKind, String), Seen> = self
            .seen()?
            .into_iter()
            .map(|it| ((it.kind, it.name.clone()), it))
            .collect();
        all.insert((wanted.kind, wanted.name.clone()), wanted);
        self.write(
            SEEN,
            &SeenFile {
                schema_version: SEEN_SCHEMA.to_owned(),
                revisions: all.into_values().collect(),
            },
        )
    }

    /// Puts on record that a revision is allowed.
    ///
    /// # Errors
    /// When the reason is none, or the state cannot be written.
    pub fn allow(&self, allowance: Allowance) -> Result<(), RevisionError> {
        let reason = allowance.reason.trim();
        if reason.is_empty() || reason.len() > MAX_REASON_BYTES || reason.chars().any(char::is_control) {
            return Err(RevisionError::Reason);
        }
        self.change(|all| {
            all.retain(|it| {
                (it.kind, &it.name, it.revision) != (allowance.kind, &allowance.name, allowance.revision)
            });
            all.push(allowance);
        })
    }

    /// Withdraws an allowance; false where there was none.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn withdraw(&self, kind: ArtifactKind, name: &str, revision: u64) -> Result<bool, RevisionError> {
        let mut found = false;
        self.change(|all| {
            let before = all.len();
            all.retain(|it| (it.kind, it.name.as_str(), it.revision) != (kind, name, revision));
            found = all.len() < before;
        })?;
        Ok(found)
    }

    fn change(&self, apply: impl FnOnce(&mut Vec<Allowance>)) -> Result<(), RevisionError> {
        let _lock = self.lock()?;
        let mut allowances = self.allowances()?;
        apply(&mut allowances);
        self.write(
            ALLOWED,
            &AllowedFile {
                schema_version: ALLOWED_SCHEMA.to_owned(),
                allowances,
            },
        )
    }

    /// Makes the directory, checks that nobody else can change what is in it, and locks it.
    fn lock(&self) -> Result<File, RevisionError> {
        let told = |error| io_error(&self.dir, error);
        directory::make_private(&self.dir).map_err(told)?;
        let dir = File::open(&self.dir).map_err(told)?;
        self.check(&dir.metadata().map_err(told)?)?;
        dir.lock().map_err(told)?;
        Ok(dir)
    }

    /// Whether nobody else can change what is in the directory.
    fn check(&self, metadata: &fs::Metadata) -> Result<(), RevisionError> {
        let problem = if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
            Some("belongs to another user")
        } else if metadata.mode() & 0o022 != 0 {
            Some("can be written to by others")
        } else {
            None
        };
        match problem {
            None => Ok(()),
            Some(problem) => Err(RevisionError::Exposed {
                path: self.dir.clone(),
                problem,
            }),
        }
    }

    fn read<T: DeserializeOwned + Versioned>(&self, name: &str) -> Result<Option<T>, RevisionError> {
        // What somebody else may have written, or removed, says nothing of what was used.
        match fs::metadata(&self.dir) {
            Ok(metadata) => self.check(&metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&self.dir, error)),
        }
        let path = self.dir.join(name);
        let told = |error| io_error(&path, error);
        let opened = File::options()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(error)),
        };
        if !file.metadata().map_err(told)?.is_file() {
            return Err(told(io::Error::other("it is no regular file")));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(told)?;
        let damaged = |problem: String| RevisionError::Damaged {
            path: path.clone(),
            problem,
        };
        let read: T = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if !read.is_current() {
            return Err(damaged("it is of another version".to_owned()));
        }
        Ok(Some(read))
    }

    /// Replaces a file: readers see the old one or the new one. Under the lock.
    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), RevisionError> {
        let path = self.dir.join(name);
        let told = |error| io_error(&path, error);
        let mut bytes = serde_json::to_vec_pretty(content).map_err(|e| told(e.into()))?;
        bytes.push(b'\n');
        let mut file = tempfile::Builder::new()
            .prefix(".revisions-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.dir)
            .map_err(told)?;
        file.write_all(&bytes).map_err(told)?;
        file.as_file().sync_all().map_err(told)?;
        file.persist(&path).map_err(|failed| told(failed.error))?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(told)
    }
}

fn io_error(path: &Path, error: io::Error) -> RevisionError {
    RevisionError::Io {
        path: path.to_owned(),
        error,
    }
}

trait Versioned {
    fn is_current(&self) -> bool;
}

impl Versioned for SeenFile {
    fn is_current(&self) -> bool {
        self.schema_version == SEEN_SCHEMA
    }
}

impl Versioned for AllowedFile {
    fn is_current(&self) -> bool {
        self.schema_version == ALLOWED_SCHEMA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(revision: u64, sha256: &str) -> Seen {
        Seen {
            kind: ArtifactKind::Module,
            name: "a".to_owned(),
            revision,
            sha256: sha256.to_owned(),
            at: "2030-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn code(result: Result<(), Refusal>) -> Option<RefusalCode> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn an_older_revision_is_refused_until_it_is_allowed() {
        let scratch = tempfile::tempdir().unwrap();
        let state = Revisions::new(scratch.path().join("state"));
        assert_eq!(code(state.admit(seen(5, "x"), false)), None);
        assert!(state.seen().unwrap().is_empty(), "looking keeps nothing");
        assert_eq!(code(state.admit(seen(5, "x"), true)), None);
        assert_eq!(code(state.admit(seen(5, "x"), true)), None);
        assert_eq!(
            code(state.admit(seen(5, "y"), true)),
            Some(RefusalCode::RevisionReused)
        );
        assert_eq!(
            code(state.admit(seen(4, "x"), true)),
            Some(RefusalCode::RevisionRollback)
        );
        let allowance = Allowance {
            kind: ArtifactKind::Module,
            name: "a".to_owned(),
            revision: 4,
            reason: "5 has a defect".to_owned(),
            by: "uid 1".to_owned(),
            at: "2030-01-02T00:00:00Z".parse().unwrap(),
        };
        state.allow(allowance.clone()).unwrap();
        assert_eq!(code(state.admit(seen(4, "x"), true)), None);
        assert_eq!(
            code(state.admit(seen(3, "x"), true)),
            Some(RefusalCode::RevisionRollback)
        );
        assert_eq!(state.seen().unwrap()[0].revision, 5, "the highest stays");
        assert!(state.withdraw(ArtifactKind::Module, "a", 4).unwrap());
        assert_eq!(
            code(state.admit(seen(4, "x"), true)),
            Some(RefusalCode::RevisionRollback)
        );
        assert!(matches!(
            state.allow(Allowance {
                reason: " ".to_owned(),
                ..allowance
            }),
            Err(RevisionError::Reason)
        ));
        let mode = fs::metadata(scratch.path().join("state").join(SEEN))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_read_or_kept_refuses() {
        let scratch = tempfile::tempdir().unwrap();
        let state = Revisions::new(scratch.path());
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for text in [
            "",
            "{}",
            "{\"schema_version\":\"cavra.revisions.v2\",\"revisions\":[]}",
        ] {
            fs::write(scratch.path().join(SEEN), text).unwrap();
            assert_eq!(
                code(state.admit(seen(5, "x"), true)),
                Some(RefusalCode::RevisionStateUnusable)
            );
        }
        fs::remove_file(scratch.path().join(SEEN)).unwrap();
        assert_eq!(code(state.admit(seen(5, "x"), true)), None);
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
        // There is nothing to write, and what is read could be anybody's.
        assert_eq!(
            code(state.admit(seen(5, "x"), true)),
            Some(RefusalCode::RevisionStateUnusable)
        );
        assert!(matches!(state.seen(), Err(RevisionError::Exposed { .. })));
    }
}
