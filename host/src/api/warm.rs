//! Loading what the first request needs, before it comes.

use std::sync::Arc;

use super::App;
use crate::model::DEFAULT_POLICY_PACK;

/// Loads the modules and the default pack and lets the reference decide a probe; then
/// the service is ready. Requests that come earlier wait for what they need.
///
/// Called when the service starts, and by `/readyz` where it is not ready: what could
/// not be used may have been replaced. One at a time; more are one.
pub(super) fn start(app: &Arc<App>) {
    let Ok(permit) = Arc::clone(&app.warming).try_acquire_owned() else {
        return;
    };
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || {
        // Why it cannot be loaded is told where it is asked for: by evaluations and reports.
        let _ = app.host.prepare(DEFAULT_POLICY_PACK);
        app.host.readiness();
        drop(permit);
    });
}
