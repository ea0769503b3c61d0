//! `cavra evidence`: the log of what was decided, read and verified offline.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;

use super::settings::EvidenceDirArgs;
use super::{Exit, Failure, output};
use crate::evidence::log::PUBLIC_KEY;
use crate::evidence::note::{Checkpoint, PublicKey};
use crate::evidence::proof::Proof;
use crate::evidence::query::Query;
use crate::evidence::sealed::{Keys, Store, Unopened};
use crate::evidence::verify::{Verification, verify};
use crate::evidence::{Entry, EvaluationRecord, checkpoints, export, reader, schema};
use crate::fault::FallbackCode;
use crate::model::Verdict;

#[derive(Debug, Subcommand)]
pub(super) enum EvidenceCommand {
    /// Verify a log: that nothing was changed, dropped, added, and that it only grew
    Verify(VerifyArgs),
    /// The last evaluations
    Tail(TailArgs),
    /// The evaluations that were decided so, then, by this rule, in that session
    Query(QueryArgs),
    /// One entry, all of it
    Show(ShowArgs),
    /// A masked evaluation as it was, opened by the auditor's key
    Unseal(UnsealArgs),
    /// Evaluations for other tools
    Export(ExportArgs),
    /// Prove that one evaluation is in the log
    Prove(ShowArgs),
    /// Check such a proof, without the log
    VerifyProof(VerifyProofArgs),
    /// The newest signed checkpoint: keep it elsewhere, and verify against it later
    Checkpoint(PlaceArgs),
    /// The public key that checkpoints are signed with: keep it elsewhere
    PublicKey(PlaceArgs),
    /// The JSON Schema of an entry
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The log [default: that of the settings]
    dir: Option<PathBuf>,
    /// An old checkpoint, as `cavra evidence checkpoint` has printed it: the log must still hold what it is about
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The log's public key, kept elsewhere; without it, the one beside the log is used
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// How many
    #[arg(short = 'n', long, default_value_t = 10)]
    count: usize,
    /// Print entries as JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Print entries as JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// At this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Judged by this pack
    #[arg(long, value_name = "ID")]
    policy_pack: Option<String>,
    /// Decided by this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Decided so: allow, allow_with_attestation, require_approval, block
    #[arg(long, value_parser = word::<Verdict>)]
    decision: Option<Verdict>,
    /// With this fallback code
    #[arg(long, value_name = "CODE", value_parser = word::<FallbackCode>)]
    fallback_code: Option<FallbackCode>,
    /// Asked in this session
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Only where the two backends agreed (true), or did not (false)
    #[arg(long, value_name = "BOOL")]
    parity: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The evaluation's id
    id: String,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct UnsealArgs {
    /// The evaluation's id
    id: String,
    /// The auditor's key: an identity file, as `age-keygen` writes it
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// In which form
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyProofArgs {
    /// The proof, as `cavra evidence prove` has printed it
    proof: PathBuf,
    /// The log's public key
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Entries as they stand in the log
    Jsonl,
    /// A table
    Csv,
    /// CloudEvents 1.0, one a line
    Cloudevents,
    /// OCSF API Activity, one a line
    Ocsf,
}

/// Reads a word as documents write it.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
}

impl EvidenceCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Verify(args) => args.run(),
            Self::Tail(args) => args.run(),
            Self::Query(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Unseal(args) => args.run(),
            Self::Export(args) => args.run(),
            Self::Prove(args) => {
                output::json(&Proof::of(&args.place.dir(None)?, &args.id)?)?;
                Ok(Exit::Done)
            }
            Self::VerifyProof(args) => args.run(),
            Self::Checkpoint(args) => checkpoint(&args.place.dir(None)?),
            Self::PublicKey(args) => {
                let path = args.place.dir(None)?.join(PUBLIC_KEY);
                output::text(read::<PublicKey>(&path)?.to_string().trim_end())?;
                Ok(Exit::Done)
            }
            Self::Schema => {
                output::json(&schema())?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Reads a file that holds one thing.
fn read<T: std::str::FromStr<Err: std::fmt::Display>>(path: &Path) -> Result<T, Failure> {
    let told = |what: &dyn std::fmt::Display| Failure::Input(format!("`{}`: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    text.parse().map_err(|error| told(&error))
}

fn checkpoint(dir: &Path) -> Result<Exit, Failure> {
    let notes = checkpoints::all(dir)?.into_iter().filter_map(|found| found.note);
    let Some(note) = notes.last() else {
        return Err(Failure::Internal(format!(
            "the log in `{}` has no checkpoint yet",
            dir.display()
        )));
    };
    let mut out = std::io::stdout().lock();
    write!(out, "{note}")?;
    out.flush()?;
    Ok(Exit::Done)
}

impl VerifyArgs {
    fn run(self) -> Result<Exit, Failure> {
        let dir = self.place.dir(self.dir)?;
        let key = self.public_key.as_deref().map(read::<PublicKey>).transpose()?;
        let old = self.checkpoint.as_deref().map(read::<Checkpoint>).transpose()?;
        let found = verify(&dir, key.as_ref(), old.as_ref())?;
        if self.json {
            output::json(&found)?;
        } else {
            show(&found)?;
        }
        Ok(if found.verified { Exit::Done } else { Exit::Failure })
    }
}

fn show(found: &Verification) -> Result<(), Failure> {
    let mut table = output::table(&[]);
    let word = if found.verified {
        "verified"
    } else {
        "not verified"
    };
    table.add_row(vec!["log".into(), output::mark(word, found.verified)]);
    let mut row = |name: &str, value: String| {
        table.add_row(vec![name.to_owned(), value]);
    };
    row("entries", found.entries.to_string());
    row("evaluations", found.evaluations.to_string());
    row(
        "checkpoints",
        format!(
            "{}, and {} entries after the last",
            found.checkpoints, found.unsigned
        ),
    );
    row("root", found.root.clone());
    let told = if found.key_was_given {
        "given"
    } else {
        "found beside the log"
    };
    if let Some(key) = &found.public_key {
        row("key", format!("{key} ({told})"));
    }
    for (name, count, what) in [
        ("pruned", found.pruned, "entries are left as hashes"),
        ("gaps", found.gaps, "evaluations were answered without a record"),
        (
            "recovered",
            found.recovered,
            "times part of a line was set aside after a crash",
        ),
        ("sealed", found.sealed, "masked records are in the sealed store"),
        ("torn", found.torn_bytes, "bytes at the end are part of a line"),
    ] {
        if count > 0 {
            row(name, format!("{count} {what}"));
        }
    }
    output::text(&table.to_string())?;
    if found.faults.is_empty() {
        return Ok(());
    }
    let mut table = output::table(&["fault", "place", "entry", "what"]);
    for fault in &found.faults {
        table.add_row(vec![
            fault.kind.as_str().to_owned(),
            fault.place.clone(),
            fault.sequence.map(|it| it.to_string()).unwrap_or_default(),
            output::short(&fault.message, 200),
        ]);
    }
    output::text(&table.to_string())
}

/// Every evaluation in the log, with its entry.
fn evaluations(dir: &Path) -> Result<impl Iterator<Item = Result<Entry, Failure>> + use<>, Failure> {
    let entries = reader::entries(dir)?;
    let entries = entries.filter(|entry| entry.as_ref().map_or(true, |it| it.evaluation().is_some()));
    Ok(entries.map(|entry| entry.map_err(Failure::from)))
}

/// Prints entries, for people or as they are.
fn list(entries: impl Iterator<Item = Result<Entry, Failure>>, json: bool) -> Result<Exit, Failure> {
    if json {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for entry in entries {
            out.write_all(&entry?.to_line()?)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        return Ok(Exit::Done);
    }
    let mut table = output::table(&[
        "time",
        "evaluation",
        "decision",
        "rule",
        "backend",
        "note",
        "target",
    ]);
    for entry in entries {
        let entry = entry?;
        let Some(record) = entry.evaluation() else {
            continue;
        };
        let decision = &record.outcome.effective_decision;
        table.add_row(vec![
            record.time.as_str().into(),
            record.evaluation_id.as_str().into(),
            output::verdict(decision.decision),
            decision.rule_id.as_str().into(),
            record.outcome.selected_backend.as_str().into(),
            record
                .outcome
                .fallback_code
                .map(|it| it.as_str())
                .unwrap_or_default()
                .into(),
            output::short(&decision.target, 60).as_str().into(),
        ]);
    }
    output::text(&table.to_string())?;
    Ok(Exit::Done)
}

impl TailArgs {
    fn run(self) -> Result<Exit, Failure> {
        let mut last = VecDeque::new();
        for entry in evaluations(&self.place.dir(None)?)? {
            if last.len() >= self.count {
                last.pop_front();
            }
            if self.count > 0 {
                last.push_back(entry);
            }
        }
        list(last.into_iter(), self.json)
    }
}

impl FilterArgs {
    fn query(self) -> Query {
        Query {
            since: self.since,
            until: self.until,
            pack: self.policy_pack,
            rule: self.rule,
            decision: self.decision,
            fallback_code: self.fallback_code,
            session: self.session_id,
            parity: self.parity,
        }
    }
}

/// What of the log is asked for; what cannot be read is told.
fn asked(dir: &Path, query: Query) -> Result<impl Iterator<Item = Result<Entry, Failure>> + use<>, Failure> {
    let asked = move |record: &EvaluationRecord| query.asks_for(record);
    Ok(evaluations(dir)?.filter(move |entry| {
        entry
            .as_ref()
            .map_or(true, |it| it.evaluation().is_some_and(&asked))
    }))
}

impl QueryArgs {
    fn run(self) -> Result<Exit, Failure> {
        list(asked(&self.place.dir(None)?, self.filter.query())?, self.json)
    }
}

/// The entry of one evaluation.
fn find(dir: &Path, id: &str) -> Result<Entry, Failure> {
    for entry in evaluations(dir)? {
        let entry = entry?;
        if entry.evaluation().is_some_and(|it| it.evaluation_id == id) {
            return Ok(entry);
        }
    }
    Err(Failure::Input(format!("the log has no evaluation `{id}`")))
}

impl ShowArgs {
    fn run(self) -> Result<Exit, Failure> {
        output::json(&find(&self.place.dir(None)?, &self.id)?)?;
        Ok(Exit::Done)
    }
}

impl UnsealArgs {
    fn run(self) -> Result<Exit, Failure> {
        let dir = self.place.dir(None)?;
        let keys = Keys::read(&self.identity).map_err(|e| Failure::Input(e.to_string()))?;
        let entry = find(&dir, &self.id)?;
        let Some(record) = entry.evaluation() else {
            return Err(Failure::Input(format!("`{}` is no evaluation", self.id)));
        };
        match Store::open(&dir)?.unseal(record, &keys) {
            Ok(open) => {
                output::json(&open)?;
                Ok(Exit::Done)
            }
            Err(Unopened::NotSealed) => Err(Failure::Input(format!(
                "`{}` is not sealed: {}",
                self.id,
                Unopened::NotSealed
            ))),
            Err(error) => Err(Failure::Internal(format!("`{}`: {error}", self.id))),
        }
    }
}

impl ExportArgs {
    fn run(self) -> Result<Exit, Failure> {
        let dir = self.place.dir(None)?;
        // Which log it is: events of many logs meet in one place.
        let source =
            read::<PublicKey>(&dir.join(PUBLIC_KEY)).map_or_else(|_| "cavra".to_owned(), |it| it.origin);
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        if self.format == Form::Csv {
            writeln!(out, "{}", export::csv(&export::COLUMNS))?;
        }
        for entry in asked(&dir, self.filter.query())? {
            let entry = entry?;
            let Some(record) = entry.evaluation() else {
                continue;
            };
            match self.format {
                Form::Jsonl => out.write_all(&entry.to_line()?)?,
                Form::Csv => out.write_all(export::csv(&export::row(&entry, record)).as_bytes())?,
                Form::Cloudevents => {
                    serde_json::to_writer(&mut out, &export::cloud_event(&entry, record, &source))?;
                }
                Form::Ocsf => serde_json::to_writer(&mut out, &export::ocsf(&entry, record))?,
            }
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

impl VerifyProofArgs {
    fn run(self) -> Result<Exit, Failure> {
        let key = read::<PublicKey>(&self.public_key)?;
        let told =
            |what: &dyn std::fmt::Display| Failure::Input(format!("`{}`: {what}", self.proof.display()));
        let bytes = std::fs::read(&self.proof).map_err(|error| told(&error))?;
        let proof: Proof = serde_json::from_slice(&bytes).map_err(|error| told(&error))?;
        match proof.verify(&key) {
            Ok((entry, note)) => {
                let id = entry.evaluation().map_or("", |it| it.evaluation_id.as_str());
                output::text(&format!(
                    "proved: {id} is entry {} of the first {} of {}",
                    entry.sequence, note.size, note.origin
                ))?;
                Ok(Exit::Done)
            }
            Err(error) => {
                output::complain(&error.to_string());
                Ok(Exit::Failure)
            }
        }
    }
}
