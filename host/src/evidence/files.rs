//! The files beside the segments, and the turns that writers take.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::FlockOperation;

use super::EvidenceError;
use super::note::{PublicKey, SigningKey};

/// The file with the log's public key.
pub const PUBLIC_KEY: &str = "log.pub";

/// The file by which writers take turns.
pub(super) const LOCK: &str = "lock";

/// Gives the turn back when it is dropped.
pub(super) struct Turn(Arc<File>);

impl Drop for Turn {
    fn drop(&mut self) {
        // Unlocking what is locked does not fail; the end of the process would do the same.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// A file that nobody else reads, made if it is not there.
pub(super) fn private(path: &Path, append: bool) -> Result<File, EvidenceError> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .append(append)
        .mode(0o600)
        .open(path)
        .map_err(EvidenceError::io(path))
}

/// Waits until the disk knows what files there are.
pub(super) fn sync_names(dir: &Path) -> Result<(), EvidenceError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(EvidenceError::io(dir))
}

/// Waits for the turn.
pub(super) fn take(lock: &Arc<File>, dir: &Path) -> Result<Turn, EvidenceError> {
    let told = EvidenceError::io(dir);
    loop {
        match rustix::fs::flock(lock, FlockOperation::LockExclusive) {
            Ok(()) => {
                let turn = Turn(Arc::clone(lock));
                // A lock that is no longer in the directory is nobody else's lock.
                return match lock.metadata().map_err(told)?.nlink() {
                    0 => Err(EvidenceError::Changed { path: dir.join(LOCK) }),
                    _ => Ok(turn),
                };
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(told(error.into())),
        }
    }
}

/// The turn, if nobody has it. Whoever has it may [`take`] it again.
pub(super) fn take_at_once(lock: &Arc<File>) -> Option<Turn> {
    let locked = rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive);
    locked.ok().map(|()| Turn(Arc::clone(lock)))
}

/// The turn to look, beside others who look; none where there is no lock, and so nobody
/// who writes.
pub(super) fn look(dir: &Path) -> Result<Option<Turn>, EvidenceError> {
    let told = EvidenceError::io(dir);
    let lock = match File::open(dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error)),
    };
    while let Err(error) = rustix::fs::flock(&lock, FlockOperation::LockShared) {
        if error != rustix::io::Errno::INTR {
            return Err(told(error.into()));
        }
    }
    Ok(Some(Turn(Arc::new(lock))))
}

/// The log's public key, which names the log; made when the log is.
pub(super) fn public_key(dir: &Path, key: &SigningKey) -> Result<PublicKey, EvidenceError> {
    let path = dir.join(PUBLIC_KEY);
    let told = EvidenceError::io(&path);
    if path.exists() {
        let text = fs::read_to_string(&path).map_err(told)?;
        let public: PublicKey = text.parse().map_err(|_| EvidenceError::Changed { path })?;
        if public.is_key_of(key) {
            return Ok(public);
        }
        return Err(EvidenceError::ForeignKey { dir: dir.to_owned() });
    }
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|error| told(io::Error::other(error.to_string())))?;
    let public = key.public(&format!("cavra-evidence/{:032x}", u128::from_be_bytes(name)));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(&told)?;
    writeln!(file, "{public}").map_err(&told)?;
    file.persist(&path).map_err(|error| told(error.error))?;
    Ok(public)
}
