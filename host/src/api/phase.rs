//! Where the service is between its start and its end.

use std::sync::atomic::{AtomicU8, Ordering};

/// The phase that `/readyz` tells. Threads share one.
#[derive(Debug, Default)]
pub struct Phase(AtomicU8);

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

impl Phase {
    /// Modules are loaded and the probe was decided. A service that is stopping
    /// stays so.
    pub fn serve(&self) {
        let _ = self
            .0
            .compare_exchange(STARTING, SERVING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The service was told to stop.
    pub fn stop(&self) {
        self.0.store(STOPPING, Ordering::Release);
    }

    /// The word in documents.
    pub fn as_str(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            STARTING => "starting",
            SERVING => "serving",
            _ => "stopping",
        }
    }

    /// Whether modules are loaded and nobody told the service to stop.
    pub fn is_serving(&self) -> bool {
        self.0.load(Ordering::Acquire) == SERVING
    }
}
