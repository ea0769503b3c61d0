//! Flags of commands that need what records were made with.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, output, store};
use crate::config::Config;
use crate::policy::Catalog;
use crate::replay::Material;
use crate::store::ModuleStore;

/// Where modules, policies and registries are looked for, beside what is built in.
#[derive(Debug, Args)]
pub(super) struct MaterialArgs {
    /// Modules, found by digest: a file or a folder; may be repeated
    #[arg(long, value_name = "PATH")]
    modules: Vec<PathBuf>,
    /// Compiled policies and trust registries, found by digest: a JSON file or a folder; may be repeated
    #[arg(long, value_name = "PATH")]
    policies: Vec<PathBuf>,
}

impl MaterialArgs {
    /// Everything that was named, here and by the settings.
    pub(super) fn open(&self, config: &Config) -> Result<Material, Failure> {
        let catalog = match &config.policy_dir {
            Some(dir) => Catalog::open(dir)?,
            None => Catalog::builtin(),
        };
        let mut material = Material::new(catalog);
        let told = |e: crate::replay::MaterialError| Failure::Input(e.to_string());
        // What the settings name may be what records were made with.
        for setting in [&config.reference_module, &config.runtime_path] {
            let path = std::path::Path::new(setting);
            if path.is_file() {
                material.add_modules(path).map_err(told)?;
            }
        }
        // A store that is not there is not made for this.
        if let Some(dir) = store::dir(config).filter(|dir| dir.is_dir()) {
            match ModuleStore::open(&dir) {
                Ok(store) => material.add_store(store),
                Err(error) => output::warn(&format!("the module store is not used: {error}")),
            }
        }
        for setting in [&config.policy_path, &config.registry_path] {
            let path = std::path::Path::new(setting);
            if path.exists() {
                material.add_documents(path).map_err(told)?;
            }
        }
        for path in &self.modules {
            material.add_modules(path).map_err(told)?;
        }
        for path in &self.policies {
            material.add_documents(path).map_err(told)?;
        }
        Ok(material)
    }
}
