//! Follows the files of tokens and certificate, and uses them anew when they change.
//!
//! They are read a few times a second and compared: that finds every way in which a
//! file can be replaced, a symbolic link that is swapped included, on every file system.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::operate::Operations;
use crate::config::ServiceConfig;
use crate::digest::sha256_hex;

const EVERY: Duration = Duration::from_millis(400);
/// As much of a file is compared, in bytes.
const COMPARED: u64 = 8 * 1024 * 1024;

/// Follows as long as it lives.
#[derive(Debug)]
pub struct Following {
    _stop: mpsc::Sender<()>,
}

/// The files of tokens and certificate as they are now: to be looked at before they are
/// read, so that what changes while the service starts is a change, too. A token that is
/// revoked then must not stay.
pub struct Followed {
    tokens: Watched,
    certificate: Watched,
}

impl Followed {
    /// The files that the settings name.
    pub fn of(service: &ServiceConfig) -> Self {
        let certificate = service.tls.iter();
        let certificate = certificate.flat_map(|files| [files.cert.clone(), files.key.clone()]);
        Self {
            tokens: Watched::new(service.tokens.iter().cloned().collect()),
            certificate: Watched::new(certificate.collect()),
        }
    }
}

/// Follows the files of a service.
///
/// # Errors
/// When there is no thread for it.
pub fn follow(followed: Followed, operations: &Arc<Operations>) -> std::io::Result<Following> {
    let (stop, stopped) = mpsc::channel();
    let operations = Arc::clone(operations);
    let Followed {
        mut tokens,
        mut certificate,
    } = followed;
    thread::Builder::new().name("files".to_owned()).spawn(move || {
        while stopped.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            if tokens.changed() {
                operations.tokens_changed();
            }
            if certificate.changed() {
                operations.certificate_changed();
            }
        }
    })?;
    Ok(Following { _stop: stop })
}

/// Files that belong together.
struct Watched {
    paths: Vec<PathBuf>,
    /// What was in them when that was last acted on.
    used: Vec<String>,
    /// What was in them when they were last looked at.
    seen: Vec<String>,
}

impl Watched {
    fn new(paths: Vec<PathBuf>) -> Self {
        let now: Vec<String> = paths.iter().map(|path| content(path)).collect();
        Self {
            paths,
            used: now.clone(),
            seen: now,
        }
    }

    /// Whether they have changed since the last time, and have then stayed the same
    /// for a moment: of a certificate and its key one is written first.
    fn changed(&mut self) -> bool {
        let now: Vec<String> = self.paths.iter().map(|path| content(path)).collect();
        let settled = now == self.seen;
        self.seen = now;
        let changed = settled && self.seen != self.used;
        if changed {
            self.used.clone_from(&self.seen);
        }
        changed
    }
}

/// What stands for a file's content and mode: nothing of it is kept.
fn content(path: &Path) -> String {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let read = || -> std::io::Result<String> {
        let file = File::options()
            .read(true)
            // A named pipe is not waited for.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok("no file".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(COMPARED).read_to_end(&mut bytes)?;
        Ok(format!("{:o} {}", metadata.mode(), sha256_hex(&bytes)))
    };
    read().unwrap_or_else(|error| error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_once_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        std::fs::write(&one, "1").unwrap();
        let mut it = Watched::new(vec![one.clone(), other.clone()]);
        assert!(!it.changed() && !it.changed());
        std::fs::write(&one, "2").unwrap();
        assert!(!it.changed(), "it may still be being written");
        std::fs::write(&other, "2").unwrap();
        assert!(!it.changed(), "and so may its neighbour");
        assert!(it.changed());
        assert!(!it.changed(), "once");
        std::fs::remove_file(&other).unwrap();
        assert!(!it.changed());
        assert!(it.changed());
    }

    #[test]
    fn a_swapped_link_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("a", "1"), ("b", "2")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("a", &link).unwrap();
        let mut it = Watched::new(vec![link.clone()]);
        let new = dir.path().join("new");
        std::os::unix::fs::symlink("b", &new).unwrap();
        std::fs::rename(&new, &link).unwrap();
        assert!(!it.changed() && it.changed());
    }
}
