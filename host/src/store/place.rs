//! A directory of the store, and what can be done in it.
//!
//! Every name is one step, and is opened relative to the directory's handle without
//! following a link: whatever somebody puts there, nothing outside is touched.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};

use super::StoreError;
use crate::directory;

/// What is written before it has its name.
pub(super) const HALF_DONE: &str = ".new";
/// What whoever changes the store holds. Only this user can open it: a lock on something
/// that others can read is theirs to hold, too.
const LOCK: &str = ".lock";
/// How long it is waited before the lock is tried again.
const PAUSE: Duration = Duration::from_millis(1);

/// A directory.
#[derive(Debug)]
pub(super) struct Place {
    dir: Dir,
    path: PathBuf,
}

/// Nobody else changes the store while this is held.
#[derive(Debug)]
pub(super) struct Turn {
    /// The lock ends with the handle.
    _lock: File,
}

impl Place {
    /// The store's own directory, made where it is missing.
    pub(super) fn top(path: &Path) -> Result<Self, StoreError> {
        let told = told(path);
        match directory::make_private(path) {
            Ok(()) => {}
            // A store that cannot be written may be there to be read.
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(told(error)),
        }
        Self::existing(path)
    }

    /// The store's own directory, if it is there.
    pub(super) fn existing(path: &Path) -> Result<Self, StoreError> {
        let file = rustix::fs::open(path, directory(), Mode::empty());
        let file = File::from(file.map_err(|e| told(path)(e.into()))?);
        Self::of(file, path.to_owned())
    }

    fn of(file: File, path: PathBuf) -> Result<Self, StoreError> {
        let metadata = file.metadata().map_err(told(&path))?;
        // What root has put there is as good as what this user has.
        let problem = if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
            "belongs to another user"
        } else if metadata.mode() & 0o022 != 0 {
            "can be written to by others"
        } else {
            let dir = Dir::from_std_file(file);
            return Ok(Self { dir, path });
        };
        Err(StoreError::Exposed { path, problem })
    }

    /// Where a name of this directory is, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Waits until nobody else changes the store, but not for ever.
    pub(super) fn turn(&self, patience: Duration) -> Result<Turn, StoreError> {
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        // A handle of its own: threads of one process wait for each other too.
        let lock = rustix::fs::openat(&self.dir, LOCK, flags, Mode::from_raw_mode(0o600));
        let lock = File::from(lock.map_err(|error| self.irregular(LOCK, error, "a file"))?);
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Turn { _lock: lock }),
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Busy {
                        path: self.path(LOCK),
                        seconds: patience.as_secs(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(told(&self.path(LOCK))(error)),
            }
        }
    }

    /// A directory in this one; none where nothing has the name.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>, StoreError> {
        match rustix::fs::openat(&self.dir, name, directory() | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(dir) => Self::of(dir.into(), self.path(name)).map(Some),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(self.irregular(name, error, "a directory")),
        }
    }

    /// A directory in this one, made where it is missing.
    pub(super) fn make_child(&self, name: &str) -> Result<Self, StoreError> {
        let mut builder = DirBuilder::new();
        builder.mode(0o755);
        match self.dir.create_dir_with(name, &builder) {
            Ok(()) => self.sync()?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(told(&self.path(name))(error)),
        }
        let made = self.child(name)?;
        made.ok_or_else(|| told(&self.path(name))(ErrorKind::NotFound.into()))
    }

    /// Whether `place` is still what `name` leads to.
    pub(super) fn still_has(&self, name: &str, place: &Self) -> bool {
        let stat = |it: rustix::io::Result<rustix::fs::Stat>| it.ok().map(|it| (it.st_dev, it.st_ino));
        let named = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
        stat(named).is_some_and(|it| Some(it) == stat(rustix::fs::fstat(&place.dir)))
    }

    /// A regular file, and how long it is; none where nothing has the name.
    pub(super) fn file(&self, name: &str) -> Result<Option<(File, u64)>, StoreError> {
        // Opening a pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.irregular(name, error, "a file")),
        };
        let metadata = file.metadata().map_err(told(&self.path(name)))?;
        if !metadata.is_file() {
            return Err(self.irregular(name, rustix::io::Errno::INVAL, "a file"));
        }
        Ok(Some((file, metadata.len())))
    }

    /// What a regular file holds. Its length is asked before anything is read.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((file, length)) = self.file(name)? else {
            return Ok(None);
        };
        let large = |bytes| StoreError::TooLarge {
            what: format!("the module store: `{}`", self.path(name).display()),
            bytes,
            most,
        };
        if length > most {
            return Err(large(length));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(told(&self.path(name)))?;
        // It may have grown since.
        if bytes.len() as u64 > most {
            return Err(large(bytes.len() as u64));
        }
        Ok(Some(bytes))
    }

    /// Writes a file that is not there yet, as far as the disk.
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let written = rustix::fs::openat(&self.dir, name, flags, mode)
            .map_err(io::Error::from)
            .and_then(|file| {
                let mut file = File::from(file);
                file.write_all(bytes)?;
                file.sync_all()
            });
        written.map_err(told(&self.path(name)))
    }

    /// Puts a file in the place of the one that there may be: readers see all of one of
    /// them. Somebody who has their turn.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.clear(HALF_DONE)?;
        self.create(HALF_DONE, bytes)?;
        self.rename(HALF_DONE, self, name)?;
        self.sync()
    }

    /// An empty directory without a name yet. Somebody who has their turn.
    pub(super) fn half_done(&self) -> Result<Self, StoreError> {
        self.clear(HALF_DONE)?;
        self.make_child(HALF_DONE)
    }

    /// Gives what is half done its name, which nothing else has.
    pub(super) fn finish(&self, name: &str, to: &Self) -> Result<(), StoreError> {
        self.rename(HALF_DONE, to, name)?;
        to.sync()
    }

    pub(super) fn rename(&self, from: &str, to: &Self, name: &str) -> Result<(), StoreError> {
        let renamed = self.dir.rename(from, &to.dir, name);
        renamed.map_err(told(&to.path(name)))
    }

    /// Removes a file; whether there was one.
    pub(super) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        match self.dir.remove_file(name) {
            Ok(()) => self.sync().map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(told(&self.path(name))(error)),
        }
    }

    /// Removes whatever has the name, and what is in it; whether there was anything.
    pub(super) fn clear(&self, name: &str) -> Result<bool, StoreError> {
        let found = match self.dir.symlink_metadata(name) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(told(&self.path(name))(error)),
        };
        let removed = match found.is_dir() {
            true => self.dir.remove_dir_all(name),
            false => self.dir.remove_file(name),
        };
        removed.map(|()| true).map_err(told(&self.path(name)))
    }

    /// The names in this directory, in order. One that is not UTF-8 is none of the store's.
    pub(super) fn names(&self) -> Result<Vec<String>, StoreError> {
        let told = told(&self.path);
        let mut names = Vec::new();
        for entry in self.dir.entries().map_err(&told)? {
            names.extend(entry.map_err(&told)?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Marks that what is here was used now. That may not be possible, and is no matter then.
    pub(super) fn touch(&self) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let _ = rustix::fs::futimens(
            &self.dir,
            &Timestamps {
                last_access: now,
                last_modification: now,
            },
        );
    }

    /// When what is here was used or changed last.
    pub(super) fn used(&self) -> Result<jiff::Timestamp, StoreError> {
        let stat = rustix::fs::fstat(&self.dir).map_err(|e| told(&self.path)(e.into()))?;
        let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(jiff::Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Waits until the disk knows the names in this directory.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        rustix::fs::fsync(&self.dir).map_err(|e| told(&self.path)(e.into()))
    }

    /// What stands in the way, if that is why a name could not be opened.
    fn irregular(&self, name: &str, error: rustix::io::Errno, wanted: &'static str) -> StoreError {
        let path = self.path(name);
        let Ok(stat) = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return told(&path)(error.into());
        };
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => "a symbolic link",
            FileType::Directory if wanted != "a directory" => "a directory",
            FileType::RegularFile if wanted != "a file" => "a file",
            FileType::Directory | FileType::RegularFile => return told(&path)(error.into()),
            _ => "neither a file nor a directory",
        };
        StoreError::Irregular { path, found, wanted }
    }
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

pub(super) fn told(path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| StoreError::Io {
        path: path.clone(),
        error,
    }
}
