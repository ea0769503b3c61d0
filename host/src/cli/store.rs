//! The module store that the settings name.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

use super::Failure;
use crate::config::{Config, Setting};
use crate::host::{self, Fetched};
use crate::store::{ModuleStore, StoreError};

const AUTO: &str = "auto";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { .. } | StoreError::Corrupt { .. } | StoreError::Damaged { .. } => {
                Self::Internal(error.to_string())
            }
            other => Self::Input(other.to_string()),
        }
    }
}

/// Where the store is; none where no directory can be found.
pub(super) fn dir(config: &Config) -> Option<PathBuf> {
    match config.module_store.as_str() {
        AUTO => Some(Xdg::new().ok()?.data_dir().join("cavra/modules")),
        path => Some(PathBuf::from(path)),
    }
}

/// The store, for those who must have it.
pub(super) fn open(config: &Config) -> Result<ModuleStore, Failure> {
    let dir = dir(config).ok_or_else(|| {
        Failure::Input(format!(
            "no data directory can be found for the module store; set {}",
            Setting::ModuleStore
        ))
    })?;
    Ok(ModuleStore::open(&dir)?)
}

/// The module that `name` stands for: a built-in one, one of the store, or a file.
pub(super) fn fetch(name: &str, config: &Config) -> Result<Fetched, Failure> {
    host::fetch(name, dir(config).as_deref()).map_err(Failure::Input)
}
