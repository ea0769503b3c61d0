//! Policy directories and folders that a run is made with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cavra::policy::Catalog;

use crate::generate;

/// Patterns in each of the six lists of a generated pack.
const RULES: usize = 20;

/// Writes one pack into a policy directory.
pub(crate) fn write(policies: &Path, id: &str, text: &str) -> Result<()> {
    let folder = policies.join(id);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join("policy.yaml"), text)?)
}

/// A policy directory that has, with the packs built in, at least `count` packs.
pub(crate) fn directory(scratch: &Path, count: usize) -> Result<PathBuf> {
    let folder = scratch.join(format!("packs-{count}"));
    fs::create_dir_all(&folder)?;
    let built_in = Catalog::builtin().ids()?.len();
    for number in 0..count.saturating_sub(built_in) {
        let id = format!("generated-{number}");
        write(&folder, &id, &generate::pack(&id, RULES))?;
    }
    Ok(folder)
}
