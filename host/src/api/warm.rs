//! Loading what the first request needs, before it comes.

use std::sync::Arc;

use super::App;
use crate::model::DEFAULT_POLICY_PACK;

/// Loads the modules and the default pack and lets the reference decide a probe; then
/// the service is ready. Requests that come earlier wait for what they need. To be
/// called again where a service that was not ready may have become it.
pub fn start(app: &Arc<App>) {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || {
        let prepared = app.host.prepare(DEFAULT_POLICY_PACK).is_ok();
        let probed = app.host.readiness().reference_decided();
        if prepared && probed {
            app.phase.serve();
        }
    });
}
