//! The rollback as a running process has it: in memory, and beside the file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::file::Content;
use super::{Rollback, RollbackError, RollbackFile};

/// How often the file is looked at. It is a few bytes.
const EVERY: Duration = Duration::from_millis(200);

/// Whether the pilot is rolled back: read by every evaluation, without a lock.
#[derive(Debug, Default)]
pub struct RollbackSwitch {
    current: ArcSwapOption<Rollback>,
    file: Option<RollbackFile>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What the file held when it was last looked at.
    content: Content,
    /// A rollback that could not be written down: that there is no file does not end it.
    unwritten: bool,
}

impl RollbackSwitch {
    /// The state that a file holds now.
    pub fn open(file: RollbackFile) -> Self {
        let (content, rollback) = file.look();
        Self {
            current: ArcSwapOption::new(rollback.map(Arc::new)),
            file: Some(file),
            seen: Mutex::new(Seen {
                content,
                unwritten: false,
            }),
        }
    }

    /// The state directory; none: there is none.
    pub fn state_dir(&self) -> Option<&std::path::Path> {
        self.file.as_ref().map(RollbackFile::dir)
    }

    /// The rollback, if there is one.
    pub fn get(&self) -> Option<Arc<Rollback>> {
        self.current.load_full()
    }

    /// Whether there is one.
    pub fn engaged(&self) -> bool {
        self.current.load().is_some()
    }

    /// Rolls back: at once for whatever begins from now on, then over restarts.
    ///
    /// # Errors
    /// When it cannot be written down. It is in effect in this process all the same.
    pub fn engage(&self, rollback: Rollback) -> Result<(), RollbackError> {
        let mut seen = self.seen();
        let bytes = RollbackFile::bytes(&rollback);
        let file = self.file.as_ref();
        let written = file.map_or(Ok(()), |file| file.write(&rollback));
        self.current.store(Some(Arc::new(rollback)));
        match written {
            Ok(()) => seen.content = Some(bytes),
            Err(_) => seen.unwritten = true,
        }
        written
    }

    /// Ends the rollback; false where there was none.
    ///
    /// # Errors
    /// When the file cannot be removed. The rollback stays.
    pub fn clear(&self) -> Result<bool, RollbackError> {
        let mut seen = self.seen();
        let kept = match &self.file {
            Some(file) => file.clear()?,
            None => false,
        };
        *seen = Seen::default();
        let was = self.current.swap(None).is_some();
        Ok(was || kept)
    }

    /// Looks whether another process changed the file. True when something changed.
    fn look(&self) -> bool {
        let Some(file) = &self.file else {
            return false;
        };
        let mut seen = self.seen();
        let (content, rollback) = file.look();
        if seen.content == content {
            return false;
        }
        seen.content = content;
        match rollback {
            None if seen.unwritten => return false,
            None => self.current.store(None),
            Some(rollback) => {
                seen.unwritten = false;
                self.current.store(Some(Arc::new(rollback)));
            }
        }
        true
    }

    /// Follows the file for as long as the answer lives; `changed` is called after
    /// every change that another process made.
    pub fn watch(self: &Arc<Self>, changed: impl Fn() + Send + 'static) -> RollbackWatch {
        let (stop, stopped) = mpsc::channel::<()>();
        let switch: Weak<Self> = Arc::downgrade(self);
        thread::spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                match switch.upgrade() {
                    Some(switch) if switch.look() => changed(),
                    Some(_) => {}
                    None => break,
                }
            }
        });
        RollbackWatch { _stop: stop }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the file being followed.
#[derive(Debug)]
pub struct RollbackWatch {
    _stop: mpsc::Sender<()>,
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn rollback(reason: &str) -> Rollback {
        let at = "2030-01-01T00:00:00Z".parse().unwrap();
        Rollback::new(reason, "uid 1".to_owned(), at).unwrap()
    }

    fn soon(what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_another_process_writes_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = RollbackFile::new(dir.path());
        let switch = Arc::new(RollbackSwitch::open(file.clone()));
        let (told, changes) = mpsc::channel();
        let watch = switch.watch(move || {
            let _ = told.send(());
        });
        file.write(&rollback("one")).unwrap();
        soon("rolled back", || switch.engaged());
        changes.recv_timeout(Duration::from_secs(20)).unwrap();
        file.write(&rollback("two")).unwrap();
        soon("changed", || switch.get().unwrap().reason == "two");
        file.clear().unwrap();
        soon("cleared", || !switch.engaged());
        drop(watch);
    }

    #[test]
    fn what_this_process_does_is_in_effect_when_it_returns() {
        let dir = tempfile::tempdir().unwrap();
        let switch = RollbackSwitch::open(RollbackFile::new(dir.path()));
        switch.engage(rollback("now")).unwrap();
        assert!(switch.engaged());
        assert!(!switch.look(), "its own change is no change by another");
        let again = RollbackSwitch::open(RollbackFile::new(dir.path()));
        assert_eq!(again.get().unwrap().reason, "now");
        assert!(switch.clear().unwrap() && !switch.engaged() && !switch.look());
        assert!(!switch.clear().unwrap());
    }

    #[test]
    fn what_cannot_be_written_down_is_in_effect_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("flat"), "").unwrap();
        let place = dir.path().join("state");
        let switch = RollbackSwitch::open(RollbackFile::new(&place));
        std::os::unix::fs::symlink(dir.path().join("flat"), &place).unwrap();
        switch.engage(rollback("now")).unwrap_err();
        assert!(switch.engaged());
        std::fs::remove_file(&place).unwrap();
        switch.look();
        assert!(switch.engaged(), "nothing in the file says that it is over");
        assert!(switch.clear().unwrap() && !switch.engaged());
    }
}
