//! Whether the service was told to stop.

use tokio::sync::watch;

/// Whether the service was told to stop. Threads share one.
#[derive(Debug, Default)]
pub struct Phase {
    stopping: watch::Sender<bool>,
}

impl Phase {
    /// The service was told to stop, and stays so.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether it was.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until it is.
    pub async fn stopped(&self) {
        // The other end is in this value, so there is one.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}
