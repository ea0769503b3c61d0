//! The host's reports: computed from one snapshot, kept, and made anew when time or files ask for it.

use std::sync::Arc;

use super::{Host, HostError, State};
use crate::gates::{ApiAccess, ProductionReport, Reports};
use crate::pilot::Gates;

impl Host {
    /// All seven reports, as of now. Documents are read once and again by
    /// [`refresh`](Self::refresh); what depends on the time is computed anew.
    pub fn reports(&self) -> Arc<Reports> {
        self.state.load().make_reports()
    }

    /// Whether this is fit for production.
    pub fn production_readiness(&self, access: ApiAccess) -> ProductionReport {
        let state = self.state.load();
        let packs = state
            .catalog
            .ids()
            .map(|ids| ids.len())
            .map_err(|e| e.to_string());
        ProductionReport::new(state.config.mode, &state.make_reports(), packs, access)
    }

    /// Reads every file again that the settings name, and swaps in what follows from
    /// them: documents at once, modules and policies once they are loaded.
    ///
    /// # Errors
    /// As [`reload`](Self::reload). The old modules and policies stay.
    pub fn refresh(&self) -> Result<(), HostError> {
        let config = self.state.load().config.clone();
        self.reload(config)
    }
}

impl State {
    fn make_reports(&self) -> Arc<Reports> {
        let now = self.base.clock.now();
        let reports = Arc::new(Reports::new(&self.config, self.readiness(), now));
        self.reports.store(Some(Arc::clone(&reports)));
        reports
    }
}
