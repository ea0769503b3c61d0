//! `cavra module save` and `load`: modules in one file, for machines without a registry.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::settings::SettingsArgs;
use super::store::{self, Gate, Kept, told};
use super::{Exit, Failure, output};
use crate::clock::{Clock, SystemClock};
use crate::oci::archive::{self, Archive, ArchiveError};
use crate::store::{Digest, ModuleStore, Origin, PinName, StoreError, Stored};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cavra module save prod --out modules.tar
  cavra module load modules.tar")]
pub(super) struct SaveArgs {
    /// Which modules: sha256:<hex>, or the names of pins
    #[arg(required = true, value_name = "REF")]
    modules: Vec<String>,
    /// The archive to write; one that is there is replaced
    #[arg(long, value_name = "FILE.tar")]
    out: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl SaveArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let store = store::open(&self.settings.config()?)?;
        let names: BTreeSet<&String> = self.modules.iter().collect();
        let found: Result<Vec<_>, Failure> = names.into_iter().map(|name| find(&store, name)).collect();
        let found = found?;
        self.write(&found)?;
        for (_, stored) in &found {
            output::text(&format!("{} is in {}", stored.digest, self.out.display()))?;
        }
        Ok(Exit::Done)
    }

    /// Writes the archive at once: whoever copies it meanwhile has the old one or the new one.
    fn write(&self, modules: &[(Option<String>, Stored)]) -> Result<(), Failure> {
        let failed = |e: std::io::Error| told(format!("`{}` cannot be written: {e}", self.out.display()));
        let dir = match self.out.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .prefix(".cavra-")
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(dir)
            .map_err(failed)?;
        archive::write(BufWriter::new(file.as_file_mut()), modules).map_err(|error| match error {
            ArchiveError::Io(error) => failed(error),
            other => told(other),
        })?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.out).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

/// A module of the store, by its digest or the name of a pin.
fn find(store: &ModuleStore, name: &str) -> Result<(Option<String>, Stored), Failure> {
    if name.starts_with("sha256:") {
        let digest: Digest = name.parse()?;
        return Ok((None, store.get(&digest)?));
    }
    let pin: PinName = name.parse()?;
    let pins = store.pins()?;
    let digest = pins.get(&pin).ok_or(StoreError::NoSuchPin(pin))?;
    Ok((Some(name.to_owned()), store.get(digest)?))
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// The archive: an OCI image layout with modules and their signatures
    file: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Serialize)]
struct Loaded {
    /// By which names the archive knows it.
    names: Vec<String>,
    #[serde(flatten)]
    kept: Kept,
}

impl LoadArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let about = self.file.display().to_string();
        let failed = |e: ArchiveError| told(format!("`{about}`: {e}"));
        let gate = Gate::open(&config)?;
        let archive = Archive::open(self.open()?).map_err(failed)?;
        // All of them are asked before any is let in.
        let mut admissions = Vec::new();
        let mut refused = Vec::new();
        for module in archive.modules() {
            let bytes = archive.module(module).map_err(failed)?;
            let bundles = archive.bundles(module).map_err(failed)?;
            let digest = &module.module.digest;
            ModuleStore::acceptable(&bytes, &bundles).map_err(|e| {
                told(format!(
                    "`{about}`: {digest}: {e}; nothing of the archive was put into the store"
                ))
            })?;
            match gate.check(&bytes, &bundles) {
                Ok(admission) => admissions.push(admission),
                Err(refusal) => refused.push(format!("`{about}`: {digest} is {refusal}")),
            }
        }
        if !refused.is_empty() {
            refused.push("nothing of the archive was put into the store".to_owned());
            return Err(Failure::Internal(refused.join("\n")));
        }
        let store = store::open(&config)?;
        let mut loaded = Vec::new();
        for (module, admission) in archive.modules().iter().zip(admissions) {
            // Its digest is checked again: these are the bytes that were let in.
            let bytes = archive.module(module).map_err(failed)?;
            let bundles = archive.bundles(module).map_err(failed)?;
            let origin = Origin {
                reference: Some(about.clone()),
                time: SystemClock.now(),
            };
            // A setting names it as in the registry that it was saved from.
            let manifest = archive.manifest(module).map_err(failed)?;
            let digest = store.put_known(&bytes, &bundles, &origin, &manifest)?;
            loaded.push(Loaded {
                names: module.names.clone(),
                kept: Kept::new(digest, &bytes, &bundles, admission, origin.reference),
            });
        }
        if self.json {
            output::json(&loaded)?;
            return Ok(Exit::Done);
        }
        for it in &loaded {
            let names: Vec<String> = it.names.iter().map(|name| output::short(name, 80)).collect();
            let names = match names.is_empty() {
                true => String::new(),
                false => format!(" (`{}`)", names.join("`, `")),
            };
            output::text(&format!("{}{names}", it.kept.told()))?;
        }
        Ok(Exit::Done)
    }

    fn open(&self) -> Result<File, Failure> {
        let failed = |e: std::io::Error| told(format!("`{}` cannot be read: {e}", self.file.display()));
        // Opening a pipe would wait for its writer.
        let file = File::options()
            .read(true)
            .custom_flags(
                (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY)
                    .bits()
                    .cast_signed(),
            )
            .open(&self.file)
            .map_err(failed)?;
        match file.metadata().map_err(failed)?.is_file() {
            true => Ok(file),
            false => Err(told(format!("`{}` is no regular file", self.file.display()))),
        }
    }
}
