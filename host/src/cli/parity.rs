//! `cavra parity`: what two evaluators disagree about.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::material::MaterialArgs;
use super::replay::unreadable;
use super::settings::SettingsArgs;
use super::{Exit, Failure, output, store};
use crate::config::{Config, Setting};
use crate::evidence::{BackendRecord, EvaluationRecord};
use crate::policy::TrustRegistry;
use crate::replay::Material;
use crate::replay::source::{Item, find, item, lines};
use crate::shrink::{Case, Court, Shrunk, Story, Subject, shrink};

#[derive(Debug, Subcommand)]
pub(super) enum ParityCommand {
    /// Shrink a recorded disagreement to a smallest pack and request, as a test case
    #[command(after_help = "\
Examples:
  cavra parity shrink eval_0199… --evidence-dir /var/lib/cavra/evidence --modules modules
  cavra parity shrink record.json --runtime-path my-fastpath.wasm --out case")]
    Shrink(Box<ShrinkArgs>),
}

#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    /// An evaluation of the evidence log, or a file with one record
    #[arg(value_name = "ID|FILE")]
    record: String,
    /// Where the test case is written [default: parity-ID]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How long to search at most
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    material: MaterialArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Serialize)]
struct Told<'a> {
    schema_version: &'static str,
    evaluation_id: &'a str,
    disagreement: String,
    minimal: bool,
    trials: u64,
    bytes_before: usize,
    bytes_after: usize,
    pack: &'a serde_json::Value,
    request: &'a serde_json::Value,
    registry: Option<&'a serde_json::Value>,
    pack_file: &'a Path,
    tests_file: &'a Path,
    request_file: &'a Path,
    command: String,
}

impl ParityCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Shrink(args) => args.run(),
        }
    }
}

/// A module, its digest, and how a setting names it.
struct Named {
    bytes: Cow<'static, [u8]>,
    sha256: String,
    name: String,
}

impl ShrinkArgs {
    fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let record = self.find(&config)?;
        let material = self.material.open(&config)?;
        let reference = self.module(&config, &material, Setting::ReferenceModule, &record)?;
        let fast = self.module(&config, &material, Setting::RuntimePath, &record)?;
        let subject = subject(&material, &record)?;
        let before = subject.bytes();
        let court = Court::new(reference.bytes.clone(), fast.bytes.clone(), config.limits)
            .map_err(|e| Failure::Input(e.to_string()))?;
        let limit = Duration::from_secs(self.seconds);
        let shrunk = shrink(&court, subject, limit).map_err(|e| Failure::Input(e.to_string()))?;
        let disagreement = shrunk.disagreement.to_string();
        let story = Story {
            evaluation_id: &record.evaluation_id,
            disagreement: &disagreement,
            reference_sha256: &reference.sha256,
            fastpath_sha256: &fast.sha256,
        };
        let out = self.out.clone().unwrap_or_else(|| {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            format!(
                "parity-{}",
                record.evaluation_id.chars().map(plain).collect::<String>()
            )
            .into()
        });
        let case = Case::write(&out, &shrunk.subject, &shrunk.judgement.reference, &story)
            .map_err(|e| Failure::Input(e.to_string()))?;
        let command = case.command("cavra", &reference.name, &fast.name);
        self.tell(&record, &shrunk, before, &case, command)?;
        Ok(Exit::Done)
    }

    fn find(&self, config: &Config) -> Result<EvaluationRecord, Failure> {
        let path = Path::new(&self.record);
        if path.is_file() {
            for line in lines(path).map_err(unreadable)? {
                if let Item::Record(record) = item(&line.map_err(unreadable)?) {
                    return Ok(*record);
                }
            }
            return Err(Failure::Input(format!("`{}` holds no record", self.record)));
        }
        let Some(dir) = config.evidence.as_ref().map(|it| &it.dir) else {
            return Err(Failure::Input(format!(
                "`{}` is no file; to find an evaluation by its id, set {}",
                self.record,
                Setting::EvidenceDir
            )));
        };
        let found = find(dir, &self.record).map_err(unreadable)?;
        found
            .ok_or_else(|| Failure::Input(format!("`{}` has no evaluation `{}`", dir.display(), self.record)))
    }

    /// The module of a backend: the one that the flag names, or else the recorded one.
    fn module(
        &self,
        config: &Config,
        material: &Material,
        setting: Setting,
        record: &EvaluationRecord,
    ) -> Result<Named, Failure> {
        if let Some(name) = self.settings.0.get(&setting).filter(|name| !name.is_empty()) {
            let bytes = store::fetch(name, config)?.bytes;
            return Ok(Named {
                sha256: bytes.sha256_hex(),
                bytes: bytes.into_bytes(),
                name: name.clone(),
            });
        }
        let backend = match setting {
            Setting::ReferenceModule => &record.backends.reference,
            _ => &record.backends.fastpath,
        };
        let sha256 = module_of(backend.as_ref(), setting)?;
        let found = material.module(&sha256).zip(material.module_name(&sha256));
        let (bytes, name) = found.ok_or_else(|| {
            Failure::Input(format!(
                "no module is {sha256}; give it by --modules, or another by --{}",
                setting.flag()
            ))
        })?;
        Ok(Named { bytes, sha256, name })
    }

    fn tell(
        &self,
        record: &EvaluationRecord,
        shrunk: &Shrunk,
        before: usize,
        case: &Case,
        command: String,
    ) -> Result<(), Failure> {
        let null = serde_json::Value::Null;
        let part = |name: &str| shrunk.subject.0.get(name);
        let told = Told {
            schema_version: "cavra.parity-shrink.v1",
            evaluation_id: &record.evaluation_id,
            disagreement: shrunk.disagreement.to_string(),
            minimal: shrunk.minimal,
            trials: shrunk.trials,
            bytes_before: before,
            bytes_after: shrunk.subject.bytes(),
            pack: part("policy").unwrap_or(&null),
            request: part("request").unwrap_or(&null),
            registry: part("registry"),
            pack_file: &case.pack,
            tests_file: &case.tests,
            request_file: &case.request,
            command,
        };
        if self.json {
            return output::json(&told);
        }
        let mut table = output::table(&[]);
        let mut row = |name: &str, value: String| {
            table.add_row(vec![name.to_owned(), output::short(&value, 400)]);
        };
        row("disagreement", told.disagreement.clone());
        row(
            "shrunk",
            format!(
                "from {before} to {} bytes in {} trials",
                told.bytes_after, told.trials
            ),
        );
        if !told.minimal {
            row(
                "",
                format!("not to the end: {} seconds were over (--seconds)", self.seconds),
            );
        }
        row("request", told.request.to_string());
        row("pack", case.pack.display().to_string());
        row("test", case.tests.display().to_string());
        output::text(&format!("{table}\n\nTo see it:\n  {}", told.command))
    }
}

fn module_of(backend: Option<&BackendRecord>, setting: Setting) -> Result<String, Failure> {
    let which = if setting == Setting::ReferenceModule {
        "reference"
    } else {
        "fast path"
    };
    let backend = backend.filter(|it| !it.module_sha256.is_empty());
    let backend = backend.ok_or_else(|| {
        Failure::Input(format!(
            "no {which} was run in this evaluation; name one by --{}",
            setting.flag()
        ))
    })?;
    if backend.kind != "component" {
        return Err(Failure::Input(format!(
            "the {which} was a native binary; only components are shrunk. Name one by --{}",
            setting.flag()
        )));
    }
    Ok(backend.module_sha256.clone())
}

/// What was judged, as far as the record and the material hold it.
fn subject(material: &Material, record: &EvaluationRecord) -> Result<Subject, Failure> {
    let id = &record.evaluation_id;
    let request = record
        .request
        .as_ref()
        .filter(|_| record.masking.replayable && !record.masking.failed);
    let request = request.ok_or_else(|| {
        Failure::Input(format!(
            "the request of {id} was masked; what was judged is not in its record"
        ))
    })?;
    let pack = request
        .get("policy_pack")
        .and_then(|it| it.as_str())
        .unwrap_or_default();
    let digest = record
        .backends
        .reference
        .as_ref()
        .map(|it| it.policy_sha256.as_str())
        .unwrap_or_default();
    let policy = material.policy(digest, pack).ok_or_else(|| {
        Failure::Input(format!(
            "no policy of `{pack}` is {digest}; give it by --policies or --policy-dir"
        ))
    })?;
    let registry: Option<TrustRegistry> = match &record.registry_sha256 {
        None => None,
        Some(digest) => Some(material.registry(digest).ok_or_else(|| {
            Failure::Input(format!(
                "no registry is {digest}; give it by --policies or --registry-path"
            ))
        })?),
    };
    Ok(Subject::new(&policy, registry.as_ref(), request)?)
}
