//! `cavra trust`: the trust policy, and the revisions that were used under it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::SettingsArgs;
use super::{Exit, Failure, output, rollback};
use crate::builtin;
use crate::clock::{Clock, SystemClock};
use crate::config::Setting;
use crate::digest::sha256_hex;
use crate::signing::trust::{Allowance, PolicyFault, Revisions, SCHEMA, Seen, TrustPolicy};
use crate::signing::{ArtifactKind, predicate_schema, valid_name};

#[derive(Debug, Subcommand)]
pub(super) enum TrustCommand {
    /// Check a trust policy, and tell every fault with its line
    Check(CheckArgs),
    /// Print the JSON Schema (2020-12) of a trust policy, or of the statements that signatures make
    Schema(SchemaArgs),
    /// Print what a trust policy says to take the built-in modules of this binary
    Builtin,
    /// The revisions that were used, and the older ones that are allowed
    Revisions(RevisionsArgs),
    /// Put on record that an older revision may be used
    #[command(after_help = "\
Example:
  cavra trust allow-revision acme-fastpath 41 --reason \"42 misses a rule; see the change\"")]
    AllowRevision(AllowArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The policy [default: that of the settings]
    file: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The schema of the statement's predicate
    #[arg(long)]
    statement: bool,
}

#[derive(Debug, Args)]
pub(super) struct RevisionsArgs {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct AllowArgs {
    /// The name that the file was signed as
    name: String,
    /// The revision
    revision: u64,
    /// What kind of file: module, policy, pack or registry
    #[arg(long, default_value = "module", value_parser = kind)]
    kind: ArtifactKind,
    /// Why, for people; one line
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        required_unless_present = "withdraw"
    )]
    reason: String,
    /// Allow it no longer
    #[arg(long, conflicts_with = "reason")]
    withdraw: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

fn kind(word: &str) -> Result<ArtifactKind, String> {
    let kinds = [
        ArtifactKind::Module,
        ArtifactKind::Policy,
        ArtifactKind::Pack,
        ArtifactKind::Registry,
    ];
    let found = kinds.into_iter().find(|kind| kind.as_str() == word);
    found.ok_or_else(|| "it must be module, policy, pack or registry".to_owned())
}

fn told(error: impl std::fmt::Display) -> Failure {
    Failure::Input(error.to_string())
}

#[derive(Serialize)]
struct Checked {
    path: String,
    valid: bool,
    faults: Vec<FaultLine>,
    keys: Vec<KeyLine>,
}

#[derive(Serialize)]
struct FaultLine {
    line: usize,
    key: String,
    problem: String,
}

#[derive(Serialize)]
struct KeyLine {
    id: String,
    algorithm: &'static str,
    fingerprint: String,
    roles: Vec<&'static str>,
    state: String,
}

impl From<PolicyFault> for FaultLine {
    fn from(fault: PolicyFault) -> Self {
        Self {
            line: fault.line,
            key: fault.key,
            problem: fault.problem,
        }
    }
}

impl TrustCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Check(args) => check(args),
            Self::Schema(args) => {
                let schema = match args.statement {
                    true => predicate_schema(),
                    false => serde_json::Value::from_str(SCHEMA)?,
                };
                output::json(&schema)?;
                Ok(Exit::Done)
            }
            Self::Builtin => builtins(),
            Self::Revisions(args) => revisions(&args),
            Self::AllowRevision(args) => allow(args),
        }
    }
}

fn check(args: CheckArgs) -> Result<Exit, Failure> {
    let path = match args.file {
        Some(path) => path,
        None => args
            .settings
            .only(Setting::TrustPolicy)?
            .trust_policy
            .ok_or_else(|| {
                told(format!(
                    "which policy? give its file, or set {}",
                    Setting::TrustPolicy
                ))
            })?,
    };
    let read = TrustPolicy::read(&path);
    let now = SystemClock.now();
    let checked = Checked {
        path: path.display().to_string(),
        valid: read.is_ok(),
        keys: read.as_ref().map_or(Vec::new(), |policy| {
            let lines = policy.keys.iter().map(|key| KeyLine {
                id: key.id.clone(),
                algorithm: key.key.algorithm().as_str(),
                fingerprint: key.key.fingerprint(),
                roles: key.roles.iter().map(|role| role.as_str()).collect(),
                state: match (&key.revoked, key.not_before, key.not_after) {
                    (Some((at, reason)), _, _) if *at <= now => format!("revoked since {at}: {reason}"),
                    (_, Some(from), _) if now < from => format!("trusted from {from} on"),
                    (_, _, Some(until)) if now >= until => format!("expired since {until}"),
                    _ => "trusted".to_owned(),
                },
            });
            lines.collect()
        }),
        faults: match read {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0.into_iter().map(FaultLine::from).collect(),
        },
    };
    if args.json {
        output::json(&checked)?;
    } else if checked.valid {
        let mut table = output::table(&["key", "algorithm", "roles", "state", "fingerprint"]);
        for key in &checked.keys {
            table.add_row(vec![
                &key.id,
                key.algorithm,
                &key.roles.join(", "),
                &output::short(&key.state, 120),
                &key.fingerprint,
            ]);
        }
        output::text(&format!("{} is valid\n{table}", checked.path))?;
    } else {
        for fault in &checked.faults {
            let place = match fault.line {
                0 => String::new(),
                line => format!("{}:{line}: {}: ", checked.path, fault.key),
            };
            output::complain(&format!("{place}{}", fault.problem));
        }
    }
    Ok(if checked.valid { Exit::Done } else { Exit::Usage })
}

fn builtins() -> Result<Exit, Failure> {
    let mut text = String::from("# The modules that this binary carries; others have others.");
    for name in ["builtin:reference", "builtin:fastpath"] {
        let bytes = builtin::module(name).unwrap_or_else(|| Err(format!("`{name}` is not built in")));
        let sha256 = sha256_hex(bytes.map_err(Failure::Internal)?);
        text.push_str(&format!(
            "\n\n[[builtin]]\nsha256 = \"{sha256}\"\nnote = \"{name} of cavra {}\"",
            env!("CARGO_PKG_VERSION")
        ));
    }
    output::text(&text)?;
    Ok(Exit::Done)
}

fn state(settings: &SettingsArgs) -> Result<Revisions, Failure> {
    let file = rollback::required(&settings.only(Setting::StateDir)?)?;
    Ok(Revisions::new(file.dir()))
}

#[derive(Serialize)]
struct RevisionState {
    revisions: Vec<Seen>,
    allowances: Vec<Allowance>,
}

fn revisions(args: &RevisionsArgs) -> Result<Exit, Failure> {
    let state = state(&args.settings)?;
    let found = RevisionState {
        revisions: state.seen().map_err(told)?,
        allowances: state.allowances().map_err(told)?,
    };
    if args.json {
        output::json(&found)?;
        return Ok(Exit::Done);
    }
    let mut table = output::table(&["kind", "name", "highest", "since", "sha256"]);
    for it in &found.revisions {
        table.add_row(vec![
            it.kind.as_str(),
            &output::short(&it.name, 80),
            &it.revision.to_string(),
            &it.at.to_string(),
            &output::short(&it.sha256, 64),
        ]);
    }
    let mut text = table.to_string();
    for it in &found.allowances {
        text.push_str(&format!(
            "\nrevision {} of the {} `{}` is allowed since {} by {}: {}",
            it.revision,
            it.kind,
            output::short(&it.name, 80),
            it.at,
            output::short(&it.by, 40),
            output::short(&it.reason, 500)
        ));
    }
    output::text(&text)?;
    Ok(Exit::Done)
}

fn allow(args: AllowArgs) -> Result<Exit, Failure> {
    if !valid_name(&args.name) {
        return Err(told(format!("`{}` is no name of a signed file", args.name)));
    }
    let state = state(&args.settings)?;
    let what = format!("revision {} of the {} `{}`", args.revision, args.kind, args.name);
    let done = if args.withdraw {
        match state
            .withdraw(args.kind, &args.name, args.revision)
            .map_err(told)?
        {
            true => format!("{what} is allowed no longer"),
            false => format!("{what} was not allowed"),
        }
    } else {
        let (kind, name) = (args.kind, args.name);
        // First, so that where it cannot be read nothing is allowed either.
        let used = state.seen().map_err(told)?;
        state
            .allow(Allowance {
                kind,
                name: name.clone(),
                revision: args.revision,
                reason: args.reason.trim().to_owned(),
                by: format!("uid {}", rustix::process::geteuid().as_raw()),
                at: SystemClock.now(),
            })
            .map_err(told)?;
        let used = used.iter().find(|it| (it.kind, &it.name) == (kind, &name));
        if used.is_none() {
            output::warn(&format!(
                "no {kind} named `{name}` was used with this state directory yet; an allowance has an effect only where the name and --kind are those of the statement"
            ));
        }
        let although = used.map_or_else(String::new, |it| {
            format!("; the highest that was used is {}", it.revision)
        });
        format!("{what} is allowed{although}")
    };
    output::text(&done)?;
    Ok(Exit::Done)
}
