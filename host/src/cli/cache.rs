//! The cache that the settings name.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

use super::output;
use crate::cache::Cache;
use crate::config::Config;

const AUTO: &str = "auto";
const OFF: &str = "off";

/// Opens the cache. A command does without one that cannot be used: nothing but
/// time is lost.
pub(super) fn open(config: &Config) -> Option<Cache> {
    if config.cache_dir == OFF {
        return None;
    }
    let user = Xdg::new().ok();
    let place = |setting: &str, of_user: fn(&Xdg) -> Option<PathBuf>| match setting {
        AUTO => user.as_ref().and_then(of_user),
        path => Some(PathBuf::from(path)),
    };
    let dir = place(&config.cache_dir, |user| Some(user.cache_dir().join("cavra")))?;
    let key = place(&config.cache_key, |user| {
        Some(user.state_dir()?.join("cavra/cache.key"))
    })?;
    Cache::open(&dir, &key)
        .inspect_err(|error| output::warn(&format!("the cache is not used: {error}")))
        .ok()
}
