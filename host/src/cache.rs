//! What was compiled and baked, kept on disk for the next process.
//!
//! An entry may hold machine code, and whoever can choose the code can run it. So every
//! entry carries a MAC under a key that only this host has, over the entry and the
//! name it is asked by; one that fails its check is removed and made again.
//! Implements the caching of the sandbox specification, *What speed is reachable*.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::directory;

/// The most bytes that all entries together may have: 1 GiB. When they have more,
/// those go that were not used for the longest time.
pub const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// When some have to go, so much more goes that the next ones to come find room.
const HEADROOM_BYTES: u64 = MAX_BYTES / 8;
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// The kind and the MAC, which follow what an entry holds.
const TRAILER_BYTES: u64 = 1 + MAC_BYTES as u64;
/// How much of an entry is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How what is being written is called.
const HALF_DONE: &str = ".new-";
/// What has been written for so long was interrupted: nobody waits for it.
const LEFT_OVER: Duration = Duration::from_secs(3600);
/// Changes with the code that makes and checks what is kept: what another version of
/// the host has made is nothing to this one.
const CODE: &str = env!("CAVRA_CODE_DIGEST");

/// Why a cache cannot be used. Nothing but speed is lost.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system says no.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was said.
        error: io::Error,
    },
    /// Somebody else could have put code there.
    #[error("`{}` {problem}; the cache holds machine code, so only its owner may write there", .path.display())]
    Exposed {
        /// Which file or directory.
        path: PathBuf,
        /// What is wrong with its owner or mode.
        problem: &'static str,
    },
    /// The key file holds something else than a key.
    #[error("`{}` holds no key of {KEY_BYTES} bytes; remove it to have a new one made", .0.display())]
    Key(PathBuf),
}

/// A directory of authenticated entries. Processes may share it.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    /// How many bytes there are, as far as this process knows: it has looked when it
    /// first wrote, and what others write meanwhile they count themselves. None: it has
    /// not looked yet.
    bytes: Mutex<Option<u64>>,
}

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheReport {
    /// How many entries are left.
    pub entries: usize,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many entries were removed.
    pub removed: usize,
    /// How many bytes these had.
    pub removed_bytes: u64,
}

/// What an entry is asked by: a digest of everything that it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name([u8; 32]);

impl Name {
    /// The name of the thing of this `kind` that depends on `parts`.
    pub(crate) fn new(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [CODE.as_bytes(), kind.as_bytes()]
            .into_iter()
            .chain(parts.iter().copied())
        {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// An entry that passed its check.
#[derive(Debug)]
pub(crate) struct Entry {
    file: File,
    length: u64,
    /// What kind it was kept as.
    pub(crate) kind: u8,
}

impl Entry {
    /// What the entry holds.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// A path that leads to the very file that was checked, whatever its name leads
    /// to by now. The trailer follows what the entry holds.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

impl Cache {
    /// Opens the cache in `dir`, with the key in the file `key`; makes what is missing.
    ///
    /// # Errors
    /// When either belongs to somebody else, or others may write the directory or
    /// read the key, or the file system refuses.
    pub fn open(dir: &Path, key: &Path) -> Result<Self, CacheError> {
        directory::make_private(dir).map_err(told(dir))?;
        let owner = exposed(dir, 0o022)?;
        Ok(Self {
            dir: dir.to_owned(),
            key: read_key(key, owner)?,
            bytes: Mutex::default(),
        })
    }

    /// The entry, if there is one and it passes its check.
    pub(crate) fn get(&self, name: &Name) -> Option<Entry> {
        let path = self.path(name);
        let entry = self.check(name, File::open(&path).ok()?).ok().flatten();
        if entry.is_none() {
            // If it cannot be removed it is written over.
            let _ = fs::remove_file(&path);
        }
        entry
    }

    /// Reads through a file; `None` if this host has not written it under this name.
    fn check(&self, name: &Name, mut file: File) -> io::Result<Option<Entry>> {
        let Some(length) = file.metadata()?.len().checked_sub(TRAILER_BYTES) else {
            return Ok(None);
        };
        let mut hasher = self.hasher(name);
        let mut left = length.saturating_add(1);
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut kind = 0;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let chunk = buffer.get_mut(..room).unwrap_or_default();
            file.read_exact(chunk)?;
            hasher.update(chunk);
            kind = chunk.last().copied().unwrap_or_default();
            left = left.saturating_sub(room as u64);
        }
        let mut mac = [0; MAC_BYTES];
        file.read_exact(&mut mac)?;
        // Compared in constant time.
        let genuine = hasher.finalize() == blake3::Hash::from_bytes(mac);
        if genuine {
            touch(&file);
        }
        Ok(genuine.then_some(Entry { file, kind, length }))
    }

    /// Keeps an entry of a `kind`, which means what whoever asks for it wants it to.
    /// Readers see all of it or nothing.
    pub(crate) fn put(&self, name: &Name, kind: u8, entry: &[u8]) -> io::Result<()> {
        let mut hasher = self.hasher(name);
        hasher.update(entry);
        hasher.update(&[kind]);
        let mut file = tempfile::Builder::new()
            .prefix(HALF_DONE)
            .tempfile_in(&self.dir)?;
        file.write_all(entry)?;
        file.write_all(&[kind])?;
        file.write_all(hasher.finalize().as_bytes())?;
        let length = file.as_file().metadata()?.len();
        file.persist(self.path(name))?;
        self.make_room(length)
    }

    /// Counts what was written, and removes what is too much. The directory is read once
    /// by a process, and again when it is full.
    fn make_room(&self, written: u64) -> io::Result<()> {
        let mut known = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match *known {
            Some(bytes) => bytes.saturating_add(written),
            // What was written is among them.
            None => self.entries()?.iter().fold(0, |sum, it| it.1.saturating_add(sum)),
        };
        *known = Some(bytes);
        if bytes > MAX_BYTES {
            let report = self.collect(MAX_BYTES.saturating_sub(HEADROOM_BYTES), false)?;
            *known = Some(report.bytes);
        }
        Ok(())
    }

    fn hasher(&self, name: &Name) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&name.0);
        hasher
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.dir.join(blake3::Hash::from_bytes(name.0).to_hex().as_str())
    }

    /// Removes entries while all together have more than `most` bytes: first those that
    /// were not used for the longest time. In a `dry_run` it is only told which would go.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn collect(&self, most: u64, dry_run: bool) -> io::Result<CacheReport> {
        let mut entries = self.entries()?;
        let bytes = entries.iter().map(|(_, length, _)| length);
        let mut report = CacheReport {
            entries: entries.len(),
            bytes: bytes.fold(0, |sum, length| sum.saturating_add(*length)),
            ..CacheReport::default()
        };
        entries.sort();
        for (_, length, path) in entries {
            if report.bytes <= most {
                break;
            }
            // Another process may have been faster.
            let gone = dry_run
                || match fs::remove_file(path) {
                    Ok(()) => true,
                    Err(error) => error.kind() == io::ErrorKind::NotFound,
                };
            if !gone {
                continue;
            }
            report.entries = report.entries.saturating_sub(1);
            report.bytes = report.bytes.saturating_sub(length);
            report.removed = report.removed.saturating_add(1);
            report.removed_bytes = report.removed_bytes.saturating_add(length);
        }
        Ok(report)
    }

    /// Every entry, and what interrupted processes have left: when it was used last, how
    /// long it is, where it lies. Whatever else is in the directory is somebody else's.
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with the times of files, and with nothing that is decided"
    )]
    fn entries(&self) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let half_done = name.starts_with(HALF_DONE);
            if !half_done && !is_entry(name) {
                continue;
            }
            // Another process may have removed it.
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                let used = metadata.accessed()?.max(metadata.modified()?);
                if half_done && now.duration_since(used).unwrap_or_default() < LEFT_OVER {
                    continue;
                }
                entries.push((used, metadata.len(), entry.path()));
            }
        }
        Ok(entries)
    }
}

/// Whether a file is called as an entry is.
fn is_entry(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

/// Marks that an entry was used now, whatever the file system does on its own. When that
/// cannot be done it only goes sooner.
fn touch(file: &File) {
    let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let _ = rustix::fs::futimens(
        file,
        &Timestamps {
            last_access: at(UTIME_NOW),
            // When it was made.
            last_modification: at(UTIME_OMIT),
        },
    );
}

fn told(path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |error| CacheError::Io { path, error }
}

/// Refuses what somebody else owns or has a `forbidden` permission for; tells the owner.
fn exposed(path: &Path, forbidden: u32) -> Result<u32, CacheError> {
    let metadata = fs::metadata(path).map_err(told(path))?;
    let problem = if metadata.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if metadata.mode() & forbidden != 0 {
        "is open to other users"
    } else {
        return Ok(metadata.uid());
    };
    Err(CacheError::Exposed {
        path: path.to_owned(),
        problem,
    })
}

/// The key in the file `path`, which only this user can read; made where it is missing.
pub(crate) fn own_key(path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    read_key(path, rustix::process::geteuid().as_raw())
}

fn read_key(path: &Path, owner: u32) -> Result<[u8; KEY_BYTES], CacheError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_key(path)?;
            File::open(path).map_err(told(path))?
        }
        Err(error) => return Err(told(path)(error)),
    };
    let metadata = file.metadata().map_err(told(path))?;
    if metadata.uid() != owner || metadata.mode() & 0o077 != 0 {
        return Err(CacheError::Exposed {
            path: path.to_owned(),
            problem: "can be read by other users",
        });
    }
    let mut key = Vec::with_capacity(KEY_BYTES);
    file.take(KEY_BYTES as u64 + 1)
        .read_to_end(&mut key)
        .map_err(told(path))?;
    key.try_into().map_err(|_| CacheError::Key(path.to_owned()))
}

/// Makes a key, unless another process is faster.
fn make_key(path: &Path) -> Result<(), CacheError> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    directory::make_private(dir).map_err(told(dir))?;
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| told(path)(io::Error::other(error.to_string())))?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .tempfile_in(dir)
        .map_err(told(dir))?;
    file.write_all(&key).map_err(told(path))?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(told(path)(error.error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
