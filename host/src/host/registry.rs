//! A module that a setting names as in a registry: from the module store, or else pulled,
//! once.

use std::time::Duration;

use super::source::{open, pulled_before};
use super::{Fetched, State};
use crate::fault::Fault;
use crate::oci::{self, OciError, Patience, Pulled, Reference};
use crate::signing::trust::Slot;
use crate::store::StoreError;

/// How long it is waited for whoever changes the store: a decision waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

impl State {
    /// The module that a setting names, if the trust policy takes it.
    pub(super) fn obtain(&self, slot: Slot, setting: &str) -> Result<Fetched, Fault> {
        if !Reference::is_meant(setting) {
            let fetched = self.base.fetch(setting)?;
            self.admit_module(slot, setting, &fetched)?;
            return Ok(fetched);
        }
        let missing = |error: OciError| Fault::MissingRuntime(error.to_string());
        let store = self.base.module_store.as_deref();
        let reference: Reference = setting.parse().map_err(|e| missing(OciError::from(e)))?;
        let stored = match pulled_before(&reference, store) {
            // What is damaged is fetched again, and mended by that.
            Err(OciError::Store(
                StoreError::Corrupt { .. } | StoreError::NotFound(_) | StoreError::TooLarge { .. },
            )) => None,
            found => found.map_err(missing)?,
        };
        if let Some(stored) = stored {
            let fetched = Fetched::from(stored);
            self.admit_module(slot, setting, &fetched)?;
            return Ok(fetched);
        }
        // Whatever comes could not be kept.
        open(store).map_err(missing)?;
        let pulled = pull(&reference).map_err(missing)?;
        let fetched = Fetched::pulled(&pulled);
        // Before it is where it could be loaded from.
        self.admit_module(slot, setting, &fetched)?;
        self.keep(&pulled);
        Ok(fetched)
    }

    /// The next host finds it; this one has it.
    fn keep(&self, pulled: &Pulled) {
        let store = open(self.base.module_store.as_deref());
        let kept = store.and_then(|store| {
            let store = store.with_patience(PATIENCE);
            pulled.keep(&store, &*self.base.clock)
        });
        match kept {
            Ok(module) => {
                tracing::info!(reference = %pulled.reference, %module, "a module was pulled into the module store");
            }
            Err(error) => {
                tracing::warn!(%error, reference = %pulled.reference, "a module was pulled and cannot be kept; it is pulled again next time");
            }
        }
    }
}

fn pull(reference: &Reference) -> Result<Pulled, OciError> {
    tracing::info!(%reference, "a module is pulled, for it is not in the module store");
    oci::pull(reference, Patience::HOST)
}
