//! The module store: list, pin, collect, add; and what other commands get from it.

use std::path::PathBuf;
use std::sync::Arc;

use bytesize::ByteSize;
use clap::Args;
use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Serialize;

use super::settings::SettingsArgs;
use super::{Exit, Failure, cache, output, rollback};
use crate::cache::{CacheReport, MAX_BYTES};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Setting};
use crate::digest::Hashed;
use crate::host::{self, Fetched, read_module, world_of};
use crate::signing::trust::{Admission, Guard, Wanted};
use crate::signing::{ArtifactKind, Refusal, Seals, bundles_beside};
use crate::store::{Digest, GcPolicy, GcReport, Listed, ModuleStore, Origin, PinName, StoreError};

const AUTO: &str = "auto";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { .. }
            | StoreError::Busy { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Damaged { .. } => Self::Internal(error.to_string()),
            other => Self::Input(other.to_string()),
        }
    }
}

pub(super) fn told(error: impl std::fmt::Display) -> Failure {
    Failure::Input(error.to_string())
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
        told(format!(
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

/// The trust policy, at the door of the store: what no backend would load is not let in.
pub(super) struct Gate(Option<Guard>);

impl Gate {
    /// The trust policy of the settings. Without one everything is let in, as everything
    /// is loaded.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let Some(path) = &config.trust_policy else {
            return Ok(Self(None));
        };
        let state = rollback::file(config);
        let state = state.as_ref().map(crate::rollback::RollbackFile::dir);
        let guard = Guard::open(path, state, Arc::new(SystemClock)).map_err(told)?;
        Ok(Self(Some(guard)))
    }

    /// Whether a module with these bundles may be used as anything; on whose word.
    pub(super) fn check(&self, bytes: &[u8], bundles: &[Vec<u8>]) -> Result<Option<Admission>, Refusal> {
        let Some(guard) = &self.0 else {
            return Ok(None);
        };
        let seals = Seals::of_bundles(bundles);
        let wanted = Wanted {
            kind: ArtifactKind::Module,
            name: None,
            backend: None,
            document: None,
            world: Some(world_of(bytes)),
            bytes: &Hashed::new(bytes),
            seals: &seals,
        };
        guard.peek(&wanted).map(Some)
    }
}

/// A module that was put into the store.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    digest: Digest,
    bytes: usize,
    /// How many signatures came with it.
    signatures: usize,
    /// The keys that signed it, if the trust policy was asked.
    signers: Vec<String>,
    /// What it was signed as.
    name: Option<String>,
    version: Option<String>,
    revision: Option<u64>,
    /// Where it came from.
    from: Option<String>,
}

impl Kept {
    pub(super) fn new(
        digest: Digest,
        bytes: &[u8],
        bundles: &[Vec<u8>],
        admission: Option<Admission>,
        from: Option<String>,
    ) -> Self {
        let (signers, artifact) = admission.map_or((Vec::new(), None), |it| (it.signers, it.artifact));
        Self {
            digest,
            bytes: bytes.len(),
            signatures: bundles.len(),
            signers,
            name: artifact.as_ref().map(|it| it.name.clone()),
            version: artifact.as_ref().and_then(|it| it.version.clone()),
            revision: artifact.as_ref().map(|it| it.revision),
            from,
        }
    }

    /// The sentence for people.
    pub(super) fn told(&self) -> String {
        let signed = match (&self.name, self.revision, self.signatures) {
            (Some(name), Some(revision), _) => format!(
                "signed by {} as `{name}`, revision {revision}",
                self.signers.join(", ")
            ),
            (_, _, 0) => "unsigned".to_owned(),
            (_, _, count) => {
                format!("with {count} signatures that nobody has verified: there is no trust policy")
            }
        };
        format!("{} is in the store, {signed}", self.digest)
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Serialize)]
struct Listing {
    store: PathBuf,
    modules: Vec<Listed>,
}

impl ListArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.settings.config()?)?;
        let listing = Listing {
            store: store.path().to_owned(),
            modules: store.list()?,
        };
        if self.json {
            output::json(&listing)?;
            return Ok(Exit::Done);
        }
        let mut table = output::table(&["module", "size", "signatures", "pins", "used", "from"]);
        for it in &listing.modules {
            let pins: Vec<&str> = it.pins.iter().map(PinName::as_str).collect();
            let from = it.origin.as_ref().and_then(|origin| origin.reference.as_deref());
            table.add_row(vec![
                &it.digest.to_string(),
                &ByteSize(it.bytes).to_string(),
                &it.signatures.to_string(),
                &pins.join(", "),
                &it.used.to_string(),
                &output::short(from.unwrap_or_default(), 120),
            ]);
        }
        output::text(&table.to_string())?;
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub(super) struct PinArgs {
    /// The module: sha256:<hex>
    #[arg(required_unless_present = "remove")]
    digest: Option<Digest>,
    /// What the pin is called; one that there is becomes this module's
    #[arg(required_unless_present = "remove")]
    name: Option<PinName>,
    /// Remove this pin instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["digest", "name"])]
    remove: Option<PinName>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl PinArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let store = open(&self.settings.config()?)?;
        if let Some(name) = &self.remove {
            store.unpin(name)?;
            output::text(&format!("the pin `{name}` is removed"))?;
        } else if let (Some(digest), Some(name)) = (&self.digest, &self.name) {
            let before = store.pin(digest, name)?.filter(|before| before != digest);
            let before = before.map(|before| format!("; it was {before}"));
            output::text(&format!("`{name}` pins {digest}{}", before.unwrap_or_default()))?;
        }
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The module: sha256:<hex>
    digest: Digest,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl RemoveArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        open(&self.settings.config()?)?.remove(&self.digest)?;
        output::text(&format!("{} is removed", self.digest))?;
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The component; the bundles beside it come with it
    file: PathBuf,
    /// Pin it by this name, too
    #[arg(long, value_name = "NAME")]
    pin: Option<PinName>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl AddArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let about = self.file.display();
        let refused = |refusal: Refusal| Failure::Internal(format!("`{about}` is {refusal}"));
        let bytes = read_module(&self.file).map_err(|e| told(format!("`{about}`: {e}")))?;
        let bundles = bundles_beside(&self.file).map_err(refused)?;
        let admission = Gate::open(&config)?.check(&bytes, &bundles).map_err(refused)?;
        let origin = Origin {
            reference: Some(about.to_string()),
            time: SystemClock.now(),
        };
        let digest = open(&config)?.put_pinned(&bytes, &bundles, &origin, self.pin.as_ref())?;
        let kept = Kept::new(digest, &bytes, &bundles, admission, origin.reference);
        match self.json {
            true => output::json(&kept)?,
            false => output::text(&kept.told())?,
        }
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without an option no module goes; the cache is brought below its limit.

Examples:
  cavra module gc --older-than 30d
  cavra module gc --keep-bytes 500MiB --cache-bytes 200MiB --dry-run")]
pub(super) struct GcArgs {
    /// The most that modules may have together: those go that were not used for the longest time
    #[arg(long, value_name = "SIZE", value_parser = size)]
    keep_bytes: Option<ByteSize>,
    /// Modules go that were not used for so long, such as 30d or 12h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Option<SignedDuration>,
    /// The most that the compile cache may have
    #[arg(long, value_name = "SIZE", value_parser = size, default_value_t = ByteSize(MAX_BYTES))]
    cache_bytes: ByteSize,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// A size as people write it.
fn size(text: &str) -> Result<ByteSize, String> {
    let size = text.parse();
    size.map_err(|_| "it must be a number of bytes, or a number and a unit such as 500MiB".to_owned())
}

/// A duration as people write it. A day has 24 hours.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Result<Span, jiff::Error> = text.parse();
    let span = span.map_err(|_| "it must be a number and a unit, such as 30d or 12h".to_owned())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let duration = duration.map_err(|_| "it must be weeks, days, hours, minutes or seconds".to_owned())?;
    match duration.is_negative() {
        true => Err("it must not be negative".to_owned()),
        false => Ok(duration),
    }
}

#[derive(Serialize)]
struct Collected {
    dry_run: bool,
    modules: GcReport,
    /// None: there is no cache.
    cache: Option<CacheReport>,
}

impl GcArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let now = SystemClock.now();
        let policy = GcPolicy {
            keep_bytes: self.keep_bytes.map(|size| size.0),
            // Longer ago than time goes is never.
            unused_since: self
                .older_than
                .map(|age| now.checked_sub(age).unwrap_or(Timestamp::MIN)),
            dry_run: self.dry_run,
        };
        let cache = cache::open(&config);
        let cache = cache.map(|cache| cache.collect(self.cache_bytes.0, self.dry_run));
        let collected = Collected {
            dry_run: self.dry_run,
            modules: open(&config)?.gc(&policy)?,
            cache: cache.transpose()?,
        };
        if self.json {
            output::json(&collected)?;
            return Ok(Exit::Done);
        }
        for it in &collected.modules.removed {
            output::text(&format!("{} {}", it.digest, ByteSize(it.bytes)))?;
        }
        output::text(&collected.told())?;
        Ok(Exit::Done)
    }
}

impl Collected {
    fn told(&self) -> String {
        let verb = match self.dry_run {
            true => "would be removed",
            false => "removed",
        };
        let it = &self.modules;
        let bytes: u64 = it.removed.iter().map(|it| it.bytes).sum();
        let mut text = format!(
            "modules: {} {verb} ({}); {} left ({}), {} of them pinned",
            it.removed.len(),
            ByteSize(bytes),
            it.kept,
            ByteSize(it.kept_bytes),
            it.pinned
        );
        if let Some(it) = &self.cache {
            text.push_str(&format!(
                "\ncache: {} entries {verb} ({}); {} left ({})",
                it.removed,
                ByteSize(it.removed_bytes),
                it.entries,
                ByteSize(it.bytes)
            ));
        }
        text
    }
}
