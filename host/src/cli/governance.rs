//! `cavra governance`: the documents of promoted mode.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::settings::SettingsArgs;
use super::signing::{SignArgs, VerifyArgs};
use super::{Exit, Failure, open_reporting_host, output};
use crate::config::{Config, Setting};
use crate::gates::document::schema;
use crate::gates::{DocumentFaults, DocumentKind, ReportKind, Reports, Scaffold};
use crate::pilot::Mode;
use crate::signing::ArtifactKind;

/// The folder of the four deployment documents in a set-up.
const PACKAGE: &str = "package";
const ENV_FILE: &str = "promoted.env";
const README: &str = "README.md";

#[derive(Debug, Subcommand)]
pub(super) enum GovernanceCommand {
    /// Write a complete set-up of promoted mode, about what is loaded, to try out and to begin from
    #[command(after_help = "\
Example:
  cavra governance scaffold --out /etc/cavra/promoted
  set -a; . /etc/cavra/promoted/promoted.env; set +a
  cavra evaluate execute_command \"npm test\"")]
    Scaffold(Box<ScaffoldArgs>),
    /// Check all documents of the settings, or of a folder, and tell every fault
    Check(Box<CheckArgs>),
    /// Print the JSON Schema (2020-12) of a document
    Schema(SchemaArgs),
    /// Sign a document
    Sign(Box<SignArgs>),
    /// Verify a document's signature with keys, or by the trust policy
    Verify(Box<VerifyArgs>),
}

#[derive(Debug, Args)]
pub(super) struct ScaffoldArgs {
    /// The folder to write to; the paths in promoted.env begin with it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write over documents that are there
    #[arg(long)]
    force: bool,
    /// Leave both approvals to people: promoted mode stays with the reference until they are given
    #[arg(long)]
    unapproved: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A folder as `scaffold` writes it [default: what the settings name]
    dir: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The document
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(DocumentKind::ALL.map(DocumentKind::name)))]
    name: String,
}

impl GovernanceCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Scaffold(args) => scaffold(*args),
            Self::Check(args) => check(*args),
            Self::Sign(args) => args.run(ArtifactKind::Document),
            Self::Verify(args) => args.run(ArtifactKind::Document, None),
            Self::Schema(args) => {
                let kind: DocumentKind = args.name.parse().map_err(|e| told(&e))?;
                output::json(&schema(kind))?;
                Ok(Exit::Done)
            }
        }
    }
}

fn told(error: &dyn std::fmt::Display) -> Failure {
    Failure::Input(error.to_string())
}

/// The settings, with the built-in fast path and the packs themselves where nothing
/// else is set.
fn with_defaults(mut settings: SettingsArgs) -> Result<SettingsArgs, Failure> {
    let config = settings.config()?;
    if config.runtime_path.is_empty() {
        settings
            .0
            .insert(Setting::RuntimePath, "builtin:fastpath".to_owned());
    }
    if config.policy_path.is_empty() {
        settings.0.insert(Setting::PolicyPath, "auto".to_owned());
    }
    Ok(settings)
}

fn place(dir: &Path, kind: DocumentKind) -> PathBuf {
    if kind.in_package() {
        dir.join(PACKAGE).join(kind.file())
    } else {
        dir.join(kind.file())
    }
}

fn scaffold(args: ScaffoldArgs) -> Result<Exit, Failure> {
    let mut settings = with_defaults(args.settings)?;
    settings.0.insert(Setting::Mode, Mode::Shadow.to_string());
    let config = settings.config()?;
    let host = open_reporting_host(config.clone())?;
    let probe = host.probe().map_err(|e| told(&e))?;
    let scaffold = Scaffold {
        digests: &probe.digests,
        now: probe.now,
        recovery_minutes: probe.recovery_minutes,
        approved: !args.unapproved,
    };
    let mut files = Vec::new();
    for kind in DocumentKind::ALL {
        files.push((place(&args.out, kind), scaffold.document(kind)?));
    }
    files.push((args.out.join(ENV_FILE), environment(&args.out, &config)));
    files.push((args.out.join(README), readme(args.unapproved)));
    if let Some((path, _)) = files.iter().find(|(path, _)| !args.force && path.exists()) {
        return Err(told(&format!(
            "`{}` is there already; give another folder, or --force to write over it",
            path.display()
        )));
    }
    std::fs::create_dir_all(args.out.join(PACKAGE))
        .map_err(|e| told(&format!("`{}`: {e}", args.out.display())))?;
    for (path, text) in &files {
        write(path, text).map_err(|e| told(&format!("`{}`: {e}", path.display())))?;
    }
    output::text(&format!(
        "{} files written to {}; {} requests were judged alike by both backends",
        files.len(),
        args.out.display(),
        probe.requests
    ))?;
    output::warn(if args.unapproved {
        "nobody has approved anything: set `approved` in promotion-evidence.json and rollback-plan.json"
    } else {
        "the approvals in these documents were given by nobody; they are for trying out and expire in 7 days"
    });
    Ok(Exit::Done)
}

/// Replaces the file at once, so that whoever reads it never sees a part of it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

/// The settings under which the documents are used.
fn environment(out: &Path, config: &Config) -> String {
    let mut text = String::from("# Promoted mode with the documents beside this file.\n");
    let mut line = |setting: Setting, value: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+@".contains(c);
        let quoted = if value.chars().all(plain) {
            value.to_owned()
        } else {
            format!("'{}'", value.replace('\'', "'\\''"))
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}={quoted}", setting.env());
    };
    line(Setting::Mode, Mode::Promoted.as_str());
    line(Setting::RuntimePath, &config.runtime_path);
    line(Setting::PolicyPath, &config.policy_path);
    for (setting, value) in [
        (Setting::RegistryPath, config.registry_path.clone()),
        (
            Setting::PolicyDir,
            config
                .policy_dir
                .as_ref()
                .map(|dir| dir.display().to_string())
                .unwrap_or_default(),
        ),
        (Setting::ReferenceModule, config.reference_module.clone()),
    ] {
        if !value.is_empty() && value != setting.default() {
            line(setting, &value);
        }
    }
    line(Setting::PackageDir, &out.join(PACKAGE).display().to_string());
    for kind in DocumentKind::ALL.into_iter().filter(|kind| !kind.in_package()) {
        line(kind.setting(), &place(out, kind).display().to_string());
    }
    text
}

fn readme(unapproved: bool) -> String {
    let approvals = if unapproved {
        "Nobody has approved anything yet: promoted mode stays with the reference until `approved` is true in\n\
         `promotion-evidence.json` and in `rollback-plan.json`, and the rehearsal names the plan's approval."
    } else {
        "The approvals were given by nobody. They are there so that promoted mode can be tried out, and stop holding\n\
         after seven days."
    };
    format!(
        "# Promoted mode, scaffolded\n\n\
         Written by `cavra governance scaffold`. `promoted.env` names the settings.\n\n\
         {approvals}\n\n\
         Before this is used for anything but trying out, people decide and write down:\n\n\
         - `package/`: what is deployed where, and by which channel;\n\
         - `promotion-evidence.json`: who approved the promotion on which evidence, and until when;\n\
         - `rollback-plan.json`: the steps back, who approved them, and how long they may take;\n\
         - `rollback-rehearsal.json`, `rollback-drill-history.json`: what was rehearsed, when, and how long it took;\n\
         - `rollback-drill-schedule.json`: who is told of the next drill, and how.\n\n\
         `subject` binds a document to what was loaded when it was written: after an upgrade of the runtime, the policy,\n\
         the reference or the engine the gates are closed until somebody looks again.\n\n\
         `cavra governance check` tells every fault; `cavra governance schema` prints what a document must be.\n"
    )
}

fn check(args: CheckArgs) -> Result<Exit, Failure> {
    let mut settings = args.settings;
    if let Some(dir) = &args.dir {
        settings = with_defaults(settings)?;
        settings.0.insert(Setting::Mode, Mode::Promoted.to_string());
        let found = folder(dir)?;
        for (setting, path) in found {
            settings.0.insert(setting, path.display().to_string());
        }
    }
    let config = settings.config()?;
    let reports = open_reporting_host(config)?.reports();
    let documents = reports.documents();
    // One that is not set is no fault of a document; the gates say what that means.
    let set: Vec<&DocumentFaults> = documents.iter().filter(|it| !it.path.is_empty()).collect();
    let valid = set.iter().all(|it| it.faults.is_empty());
    if args.json {
        let told: Vec<_> = set
            .iter()
            .map(|it| {
                json!({
                    "document": it.kind.name(),
                    "path": it.path,
                    "valid": it.faults.is_empty(),
                    "faults": it.faults,
                })
            })
            .collect();
        let gates: serde_json::Map<_, _> = ReportKind::ALL
            .iter()
            .map(|kind| {
                (
                    kind.route().to_owned(),
                    reports.get(*kind).status().as_str().into(),
                )
            })
            .collect();
        output::json(&json!({ "valid": valid, "documents": told, "reports": gates }))?;
    } else {
        show(&set, &reports)?;
    }
    Ok(if valid { Exit::Done } else { Exit::Usage })
}

/// The documents of a folder, by the setting that names each.
fn folder(dir: &Path) -> Result<Vec<(Setting, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for kind in DocumentKind::ALL {
        let flat = dir.join(kind.file());
        let path = Some(place(dir, kind))
            .filter(|path| path.exists())
            .unwrap_or(flat);
        if path.exists() {
            found.push((kind.setting(), path));
        }
    }
    if found.is_empty() {
        return Err(told(&format!(
            "`{}` holds no document; their names are {}",
            dir.display(),
            DocumentKind::ALL.map(DocumentKind::file).join(", ")
        )));
    }
    Ok(found)
}

fn show(documents: &[&DocumentFaults], reports: &Reports) -> Result<(), Failure> {
    let mut table = output::table(&["document", "valid", "file or fault"]);
    for it in documents {
        let valid = it.faults.is_empty();
        let word = if valid { "yes" } else { "NO" };
        table.add_row(vec![
            it.kind.name().into(),
            output::mark(word, valid),
            output::short(&it.path, 120).into(),
        ]);
        for fault in &it.faults {
            table.add_row(vec!["".into(), "".into(), output::short(&fault.to_string(), 200)]);
        }
    }
    let mut gates = output::table(&["report", "status"]);
    for kind in ReportKind::ALL {
        let status = reports.get(kind).status();
        gates.add_row(vec![
            kind.route().into(),
            output::mark(status.as_str(), status.is_ready()),
        ]);
    }
    if documents.is_empty() {
        output::text("no document is set; `cavra governance scaffold` writes a set-up to begin from")?;
        return output::text(&gates.to_string());
    }
    output::text(&format!("{table}\n\n{gates}"))
}
