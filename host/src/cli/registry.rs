//! `cavra module push` and `pull`: modules into registries, and from there into the store.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::settings::SettingsArgs;
use super::{Exit, Failure, output, store};
use crate::clock::SystemClock;
use crate::config::Setting;
use crate::host::read_module;
use crate::oci::{self, OciError, Patience, Reference};
use crate::signing::{Artifact, bundles_beside};
use crate::store::ModuleStore;

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        match error {
            OciError::Reference(_) | OciError::TagIsNoIdentity(_) => Self::Input(error.to_string()),
            OciError::Store(error) => error.into(),
            other => Self::Internal(other.to_string()),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The component; the bundles beside it are attached to it
    file: PathBuf,
    /// Where to: oci://host/repository:tag
    #[arg(value_name = "oci://…")]
    reference: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// What: oci://host/repository:tag, or oci://host/repository@sha256:…
    #[arg(value_name = "oci://…")]
    reference: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Serialize)]
struct PushReport {
    /// As it was asked for.
    reference: String,
    /// The digest of the manifest.
    digest: String,
    /// The digest of the module.
    module: String,
    bytes: usize,
    signatures: usize,
    runtime_path: String,
}

impl PushArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let reference: Reference = self.reference.parse().map_err(OciError::from)?;
        let told = |problem: String| Failure::Input(format!("`{}`: {problem}", self.file.display()));
        let bytes = read_module(&self.file).map_err(told)?;
        let bundles = bundles_beside(&self.file).map_err(|e| told(format!("its signatures are {e}")))?;
        let length = bytes.len();
        let pushed = oci::push(&reference, bytes, bundles, Patience::COMMAND)?;
        if pushed.bundles == 0 {
            output::warn("there is no signature beside the module; a trust policy takes none without one");
        }
        let by_digest = pushed.reference.to_string();
        let report = PushReport {
            reference: reference.to_string(),
            digest: pushed.reference.version().to_string(),
            module: pushed.module.to_string(),
            bytes: length,
            signatures: pushed.bundles,
            runtime_path: by_digest,
        };
        if self.json {
            output::json(&report)?;
            return Ok(Exit::Done);
        }
        output::text(&format!(
            "{} is there: {} bytes, {} attached\nuse it with --runtime-path {}",
            report.reference,
            report.bytes,
            signatures(report.signatures),
            report.runtime_path
        ))?;
        Ok(Exit::Done)
    }
}

fn signatures(count: usize) -> String {
    match count {
        0 => "no signature".to_owned(),
        1 => "one signature".to_owned(),
        more => format!("{more} signatures"),
    }
}

#[derive(Serialize)]
struct PullReport {
    /// As it was asked for.
    reference: String,
    /// The digest of the manifest.
    digest: String,
    /// The digest of the module.
    module: String,
    bytes: usize,
    signatures: usize,
    /// Whether the trust policy was asked, and takes it.
    verified: bool,
    signers: Vec<String>,
    statement: Option<Artifact>,
    /// Where it lies.
    file: String,
    runtime_path: String,
}

impl PullArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let reference: Reference = self.reference.parse().map_err(OciError::from)?;
        // What cannot be verified or kept need not be fetched.
        let gate = store::Gate::open(&config)?;
        let store = store::open(&config)?;
        let pulled = oci::pull(&reference, Patience::COMMAND)?;
        let admission = gate.check(&pulled.module, &pulled.bundles).map_err(|refusal| {
            Failure::Internal(format!(
                "`{}` is {refusal}; it is not put into the module store",
                pulled.reference
            ))
        })?;
        let module = pulled.keep(&store, &SystemClock)?;
        let runtime_path = pulled.reference.to_string();
        let verified = admission.is_some();
        let (signers, statement) = admission.map(|it| (it.signers, it.artifact)).unwrap_or_default();
        let report = PullReport {
            reference: reference.to_string(),
            digest: pulled.reference.version().to_string(),
            file: ModuleStore::module_path(store.path(), &module)
                .display()
                .to_string(),
            module: module.to_string(),
            bytes: pulled.module.len(),
            signatures: pulled.bundles.len(),
            verified,
            signers,
            statement,
            runtime_path,
        };
        if !report.verified {
            output::warn(&format!(
                "nothing was verified but digests: there is no trust policy; set {}",
                Setting::TrustPolicy
            ));
        }
        if self.json {
            output::json(&report)?;
        } else {
            output::text(&report.told())?;
        }
        Ok(Exit::Done)
    }
}

impl PullReport {
    fn told(&self) -> String {
        let signed = match (&self.statement, self.verified) {
            (_, false) => format!("{}, not verified", signatures(self.signatures)),
            (None, true) => format!("signed by {}", self.signers.join(", ")),
            (Some(it), true) => format!(
                "signed by {} as the {} `{}`, revision {}",
                self.signers.join(", "),
                it.kind,
                it.name,
                it.revision
            ),
        };
        let mut table = output::table(&[]);
        table.add_row(vec!["pulled", &self.reference]);
        table.add_row(vec!["digest", &self.digest]);
        table.add_row(vec!["module", &format!("{}, {} bytes", self.module, self.bytes)]);
        table.add_row(vec!["signatures", &signed]);
        table.add_row(vec!["file", &self.file]);
        table.add_row(vec!["use", &format!("--runtime-path {}", self.runtime_path)]);
        table.to_string()
    }
}
