//! `cavra evidence`: the log of what was decided, read and verified offline.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;

use super::settings::{EvidenceDirArgs, EvidenceSource};
use super::verify::{PublicKeyArgs, VerifyArgs};
use super::{Exit, Failure, fleet, output};
use crate::evidence::counts::Step;
use crate::evidence::fleet::{FleetError, Found, Store};
use crate::evidence::log::PUBLIC_KEY;
use crate::evidence::note::PublicKey;
use crate::evidence::proof::Proof;
use crate::evidence::query::Query;
use crate::evidence::sealed::{Keys, Store as SealedStore, Unopened};
use crate::evidence::{Entry, EvidenceError, checkpoints, export, reader, schema};
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
    /// How many evaluations there are by host, decision, fallback code, parity, rule and time
    Stats(StatsArgs),
    /// Send what the evidence store has not got yet of a log: for hosts without the service
    Ship(ShipArgs),
    /// Make the tables of the evidence store, or bring them up to this version
    Migrate(PlaceArgs),
    /// Prove that one evaluation is in the log
    Prove(ShowArgs),
    /// Check such a proof, without the log
    VerifyProof(VerifyProofArgs),
    /// The newest signed checkpoint: keep it elsewhere, and verify against it later
    Checkpoint(OneLogArgs),
    /// The public key that checkpoints are signed with: keep it elsewhere
    PublicKey(PublicKeyArgs),
    /// The JSON Schema of an entry
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    pub(super) place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct OneLogArgs {
    #[command(flatten)]
    pub(super) log: LogArgs,
    #[command(flatten)]
    pub(super) place: EvidenceDirArgs,
}

/// Which log of a store.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct LogArgs {
    /// Only this log of the evidence store: its name, what follows the slash in it, or its host
    #[arg(long, value_name = "LOG")]
    pub(super) log: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    /// The log [default: that of the settings]
    pub(super) dir: Option<PathBuf>,
    /// How long the steps are over time: hour or day
    #[arg(long, value_name = "STEP", default_value = "day")]
    pub(super) by: Step,
    /// Print the counts as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
    #[command(flatten)]
    pub(super) place: EvidenceDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShipArgs {
    /// The log [default: that of the settings]
    pub(super) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: EvidenceDirArgs,
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
    log: LogArgs,
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
    log: LogArgs,
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
    log: LogArgs,
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
                let proof = match args.place.source(None)? {
                    EvidenceSource::Dir(dir) => Proof::of(&dir, &args.id)?,
                    EvidenceSource::Store(at) => Store::open(&at)?.prove(&args.id)?,
                };
                output::json(&proof)?;
                Ok(Exit::Done)
            }
            Self::VerifyProof(args) => args.run(),
            Self::Stats(args) => fleet::stats(args),
            Self::Ship(args) => fleet::ship(&args),
            Self::Migrate(args) => fleet::migrate(&args),
            Self::Checkpoint(args) => checkpoint(&args),
            Self::PublicKey(args) => args.run(),
            Self::Schema => {
                output::json(&schema())?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Reads a file that holds one thing.
pub(super) fn read<T: std::str::FromStr<Err: std::fmt::Display>>(path: &Path) -> Result<T, Failure> {
    let told = |what: &dyn std::fmt::Display| Failure::Input(format!("`{}`: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    text.parse().map_err(|error| told(&error))
}

impl LogArgs {
    /// Where to read; `--log` is about a store alone.
    pub(super) fn source(
        &self,
        place: &EvidenceDirArgs,
        given: Option<PathBuf>,
    ) -> Result<EvidenceSource, Failure> {
        match place.source(given)? {
            EvidenceSource::Dir(dir) if self.log.is_some() => Err(Failure::Input(format!(
                "`{}` is one log; --log chooses one of --evidence-store",
                dir.display()
            ))),
            source => Ok(source),
        }
    }
}

fn checkpoint(args: &OneLogArgs) -> Result<Exit, Failure> {
    let (note, log) = match args.log.source(&args.place, None)? {
        EvidenceSource::Dir(dir) => {
            let mut notes = checkpoints::all(&dir)?.into_iter().filter_map(|found| found.note);
            (notes.next_back(), format!("in `{}`", dir.display()))
        }
        EvidenceSource::Store(at) => {
            let mut store = Store::open(&at)?;
            let log = fleet::one(&mut store, &args.log)?;
            (store.checkpoint(&log)?, log.origin)
        }
    };
    let Some(note) = note else {
        return Err(Failure::Internal(format!("the log {log} has no checkpoint yet")));
    };
    let mut out = std::io::stdout().lock();
    write!(out, "{note}")?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Evaluations, each with its log where they come from a store.
type Evaluations = Box<dyn Iterator<Item = Result<Found, Failure>>>;

/// Every evaluation in the log, with its entry; what cannot be read is told.
pub(super) fn evaluations(dir: &Path, query: Query) -> Result<Evaluations, Failure> {
    // Which log it is: evaluations of many logs meet in one place.
    let origin = read::<PublicKey>(&dir.join(PUBLIC_KEY)).map_or_else(|_| "cavra".to_owned(), |it| it.origin);
    let entries = reader::entries(dir)?.filter(move |entry| match entry {
        Ok(entry) => entry.evaluation().is_some_and(|it| query.asks_for(it)),
        Err(_) => true,
    });
    Ok(Box::new(entries.map(move |entry| {
        Ok(Found {
            origin: origin.clone(),
            host: String::new(),
            entry: entry?,
        })
    })))
}

/// What of a log or a store is asked for, and whether it is a store.
fn asked(place: &EvidenceDirArgs, log: &LogArgs, filter: FilterArgs) -> Result<(Evaluations, bool), Failure> {
    let query = filter.query();
    match log.source(place, None)? {
        EvidenceSource::Dir(dir) => Ok((evaluations(&dir, query)?, false)),
        EvidenceSource::Store(at) => {
            let found = Store::open(&at)?.query(query, log.log.as_deref())?;
            Ok((Box::new(found.map(|it| it.map_err(Failure::from))), true))
        }
    }
}

/// Prints entries, for people or as they are.
fn list(
    entries: impl Iterator<Item = Result<Found, Failure>>,
    of_fleet: bool,
    json: bool,
) -> Result<Exit, Failure> {
    if json {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for found in entries {
            out.write_all(&found?.entry.to_line()?)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        return Ok(Exit::Done);
    }
    let mut header = vec![
        "time",
        "evaluation",
        "decision",
        "rule",
        "backend",
        "note",
        "target",
    ];
    if of_fleet {
        header.insert(1, "host");
    }
    let mut table = output::table(&header);
    for found in entries {
        let found = found?;
        let Some(record) = found.entry.evaluation() else {
            continue;
        };
        let decision = &record.outcome.effective_decision;
        let mut row = vec![
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
        ];
        if of_fleet {
            row.insert(1, output::short(&found.host, 40).as_str().into());
        }
        table.add_row(row);
    }
    output::text(&table.to_string())?;
    Ok(Exit::Done)
}

impl TailArgs {
    fn run(self) -> Result<Exit, Failure> {
        let dir = match self.log.source(&self.place, None)? {
            EvidenceSource::Dir(dir) => dir,
            EvidenceSource::Store(at) => {
                let last = Store::open(&at)?.last(self.count, self.log.log.as_deref())?;
                return list(last.into_iter().map(Ok), true, self.json);
            }
        };
        let mut last = VecDeque::new();
        for entry in evaluations(&dir, Query::default())? {
            if last.len() >= self.count {
                last.pop_front();
            }
            if self.count > 0 {
                last.push_back(entry);
            }
        }
        list(last.into_iter(), false, self.json)
    }
}

impl FilterArgs {
    pub(super) fn query(self) -> Query {
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

impl QueryArgs {
    fn run(self) -> Result<Exit, Failure> {
        let (found, of_fleet) = asked(&self.place, &self.log, self.filter)?;
        list(found, of_fleet, self.json)
    }
}

/// The entry of one evaluation of the log in `dir`.
fn find(dir: &Path, id: &str) -> Result<Entry, Failure> {
    for found in evaluations(dir, Query::default())? {
        let entry = found?.entry;
        if entry.evaluation().is_some_and(|it| it.evaluation_id == id) {
            return Ok(entry);
        }
    }
    Err(unknown(id))
}

fn unknown(id: &str) -> Failure {
    Failure::Input(format!("the log has no evaluation `{id}`"))
}

impl ShowArgs {
    fn run(self) -> Result<Exit, Failure> {
        let entry = match self.place.source(None)? {
            EvidenceSource::Dir(dir) => find(&dir, &self.id)?,
            EvidenceSource::Store(at) => {
                let found = Store::open(&at)?.find(&self.id);
                let (_, _, line) = found.map_err(|error| match error {
                    FleetError::Evidence(EvidenceError::Unknown(_)) => unknown(&self.id),
                    other => other.into(),
                })?;
                serde_json::from_slice::<Entry>(&line)?
            }
        };
        output::json(&entry)?;
        Ok(Exit::Done)
    }
}

impl UnsealArgs {
    fn run(self) -> Result<Exit, Failure> {
        let dir = self.place.dir(None)?;
        let keys = Keys::read(&self.identity).map_err(|e| Failure::Input(e.to_string()))?;
        let entry = find(&dir, &self.id)?;
        let Some(record) = entry.evaluation() else {
            return Err(unknown(&self.id));
        };
        match SealedStore::open(&dir)?.unseal(record, &keys) {
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
        let (found, of_fleet) = asked(&self.place, &self.log, self.filter)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        if self.format == Form::Csv {
            let columns = export::COLUMNS.into_iter().chain(of_fleet.then_some("log"));
            writeln!(out, "{}", export::csv(&columns.collect::<Vec<_>>()))?;
        }
        for found in found {
            let Found { origin, entry, .. } = found?;
            let Some(record) = entry.evaluation() else {
                continue;
            };
            match self.format {
                Form::Jsonl => out.write_all(&entry.to_line()?)?,
                Form::Csv => {
                    let row = export::row(&entry, record).into_iter();
                    let row = row.chain(of_fleet.then(|| origin.clone()));
                    out.write_all(export::csv(&row.collect::<Vec<_>>()).as_bytes())?;
                }
                Form::Cloudevents => {
                    serde_json::to_writer(&mut out, &export::cloud_event(&entry, record, &origin))?;
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
