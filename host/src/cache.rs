//! What was compiled and baked, kept on disk for the next process.
//!
//! An entry may hold machine code, and whoever can choose the code can run it. So every
//! entry carries a MAC under a key that only this host has, over the entry and the
//! name it is asked by; one that fails its check is removed and made again.
//! Implements the caching of the sandbox specification, *What speed is reachable*.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most bytes that all entries together may have: 1 GiB. When they have more,
/// the oldest go.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// The kind and the MAC, which follow what an entry holds.
const TRAILER_BYTES: u64 = 1 + MAC_BYTES as u64;
/// How much of an entry is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
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
        make_private(dir)?;
        let owner = exposed(dir, 0o022)?;
        Ok(Self {
            dir: dir.to_owned(),
            key: read_key(key, owner)?,
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
        Ok(genuine.then_some(Entry { file, kind, length }))
    }

    /// Keeps an entry of a `kind`, which means what whoever asks for it wants it to.
    /// Readers see all of it or nothing.
    pub(crate) fn put(&self, name: &Name, kind: u8, entry: &[u8]) -> io::Result<()> {
        let mut hasher = self.hasher(name);
        hasher.update(entry);
        hasher.update(&[kind]);
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.dir)?;
        file.write_all(entry)?;
        file.write_all(&[kind])?;
        file.write_all(hasher.finalize().as_bytes())?;
        file.persist(self.path(name))?;
        self.prune(MAX_BYTES)
    }

    fn hasher(&self, name: &Name) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&name.0);
        hasher
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.dir.join(blake3::Hash::from_bytes(name.0).to_hex().as_str())
    }

    /// Removes the oldest entries while all together have more than `most` bytes.
    fn prune(&self, most: u64) -> io::Result<()> {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Another process may have removed it.
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        let mut bytes: u64 = entries.iter().map(|(_, length, _)| length).sum();
        entries.sort();
        for (_, length, path) in entries {
            if bytes <= most {
                break;
            }
            bytes = bytes.saturating_sub(length);
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

fn told(path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |error| CacheError::Io { path, error }
}

fn make_private(dir: &Path) -> Result<(), CacheError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(told(dir))
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
    make_private(dir)?;
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut key))
        .map_err(told(Path::new("/dev/urandom")))?;
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
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::open(&scratch.path().join("entries"), &scratch.path().join("key")).unwrap();
        (scratch, cache)
    }

    #[test]
    fn a_name_depends_on_its_kind_and_on_where_its_parts_end() {
        let names = [
            Name::new("a", &[b"bc"]),
            Name::new("ab", &[b"c"]),
            Name::new("a", &[b"b", b"c"]),
            Name::new("a", &[b"bc", b""]),
            Name::new("a", &[]),
        ];
        for (at, name) in names.iter().enumerate() {
            for other in names.iter().skip(at + 1) {
                assert_ne!(name, other);
            }
        }
    }

    #[test]
    fn what_was_kept_comes_back_with_its_kind() {
        let (_scratch, cache) = cache();
        let name = Name::new("test", &[]);
        assert!(cache.get(&name).is_none());
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
            let bytes: Vec<u8> = (0..length).map(|it| (it % 251) as u8).collect();
            cache.put(&name, b'x', &bytes).unwrap();
            let entry = cache.get(&name).unwrap();
            assert_eq!((entry.kind, entry.bytes().unwrap()), (b'x', bytes.clone()));
            let mapped = fs::read(entry.path()).unwrap();
            assert!(mapped.starts_with(&bytes));
        }
    }

    #[test]
    fn the_kind_is_authenticated_too() {
        let (_scratch, cache) = cache();
        let name = Name::new("test", &[]);
        cache.put(&name, b'x', b"entry").unwrap();
        let path = cache.path(&name);
        let mut bytes = fs::read(&path).unwrap();
        let kind = bytes.len() - MAC_BYTES - 1;
        assert_eq!(bytes[kind], b'x');
        bytes[kind] = b'y';
        fs::write(&path, bytes).unwrap();
        assert!(cache.get(&name).is_none());
        assert!(!path.exists());
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let (_scratch, cache) = cache();
        let names = ["one", "two", "three"].map(|kind| Name::new(kind, &[]));
        for (age, name) in names.iter().enumerate() {
            cache.put(name, b'x', &[0; 1000]).unwrap();
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + age as u64);
            let file = File::options().write(true).open(cache.path(name)).unwrap();
            file.set_modified(written).unwrap();
        }
        cache.prune(2 * (1000 + TRAILER_BYTES)).unwrap();
        let left = names.map(|name| cache.get(&name).is_some());
        assert_eq!(left, [false, true, true]);
    }
}
