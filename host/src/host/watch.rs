//! Watches the files that the settings name.
//!
//! Directories are watched and not files: a file is replaced by renaming another, or
//! by turning a link (`..data` of Kubernetes) to another directory, and a watch on the
//! file would stay with what is gone. What the system tells is a hint only. Whether
//! something changed is seen by how files look, and they are looked at twice a second
//! in any case, so that an event that was missed delays a change and loses none.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

use super::Host;
use super::files::Files;

/// How often files are looked at and reports made anew without any hint.
const TICK: Duration = Duration::from_millis(500);
/// A change is over when nothing was told for so long.
const QUIET: Duration = Duration::from_millis(25);
/// So often it is waited for that.
const MOST_QUIET: usize = 8;

/// The files cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("the files that the settings name cannot be watched: {0}")]
pub struct WatchError(#[from] std::io::Error);

/// Watches as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    stop: Sender<Told>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
enum Told {
    /// Something may have changed.
    Change,
    /// It is over.
    Stop,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // A thread that is gone needs no word.
        let _ = self.stop.send(Told::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Host {
    /// Starts a thread that calls [`refresh`](Self::refresh) when a file that the
    /// settings name has changed, and lets reports follow the time. It ends when the
    /// watcher is dropped, or the host.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn watch(self: &Arc<Self>) -> Result<Watcher, WatchError> {
        let (tell, told) = channel();
        let host = Arc::downgrade(self);
        let hints = tell.clone();
        let thread = std::thread::Builder::new()
            .name("cavra-watch".to_owned())
            .spawn(move || watch(&host, &hints, &told))?;
        Ok(Watcher {
            stop: tell,
            thread: Some(thread),
        })
    }
}

/// Until it is told to stop.
fn watch(host: &Weak<Host>, hints: &Sender<Told>, told: &Receiver<Told>) {
    let mut watched = Watched::default();
    // With what a refresh failed, and whether trust was over then: it is not tried again
    // before files look different, or trust ends in what the old state still uses.
    let mut failed: Option<((Files, Files), bool)> = None;
    loop {
        let Some(host) = host.upgrade() else { return };
        let state = host.state.load_full();
        let known = state.files();
        let found = (
            Files::of_code(&state.config, &host.base),
            Files::of_documents(&state.config),
        );
        let over = host.trust_is_over();
        let tried = failed
            .as_ref()
            .is_some_and(|(files, was_over)| *files == found && *was_over == over);
        if (found != known || over) && !tried {
            failed = match host.refresh() {
                Ok(()) => {
                    tracing::info!("files that the settings name have changed and were read again");
                    None
                }
                Err(error) => {
                    tracing::error!(%error, "files have changed and cannot be used; the old state stays");
                    Some((found.clone(), over))
                }
            };
            // What a directory's name stands for may be another directory by now.
            watched = Watched::default();
        } else if state.has_reports() {
            state.make_reports(state.base.clock.now());
        }
        watched.follow(&found, hints);
        drop((state, host));
        if !wait(told) {
            return;
        }
    }
}

/// Waits for a hint or a tick; false to stop.
fn wait(told: &Receiver<Told>) -> bool {
    match told.recv_timeout(TICK) {
        Err(RecvTimeoutError::Timeout) => return true,
        Err(RecvTimeoutError::Disconnected) | Ok(Told::Stop) => return false,
        Ok(Told::Change) => {}
    }
    // More belongs to the same change.
    for _ in 0..MOST_QUIET {
        match told.recv_timeout(QUIET) {
            Ok(Told::Change) => {}
            Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    true
}

/// The directories that the system watches.
#[derive(Default)]
struct Watched {
    directories: BTreeSet<PathBuf>,
    watcher: Option<notify::RecommendedWatcher>,
}

impl Watched {
    /// Watches where the files lie, if that is not watched yet.
    fn follow(&mut self, (code, documents): &(Files, Files), hints: &Sender<Told>) {
        let mut directories = code.directories();
        directories.extend(documents.directories());
        if directories == self.directories {
            return;
        }
        let hints = hints.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change; and it is what happens after each.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = hints.send(Told::Change);
            }
        });
        self.watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "files are looked at twice a second instead"))
            .ok();
        if let Some(watcher) = &mut self.watcher {
            for directory in &directories {
                // One that is not there, or cannot be watched, is seen by its looks.
                let _ = watcher.watch(directory, RecursiveMode::NonRecursive);
            }
        }
        self.directories = directories;
    }
}
