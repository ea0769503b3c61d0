//! `cavra replay`: recorded decisions made again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::material::MaterialArgs;
use super::settings::SettingsArgs;
use super::{Exit, Failure, cache, output, store};
use crate::config::{Config, Setting};
use crate::evidence::EvaluationRecord;
use crate::evidence::reader::Line;
use crate::evidence::sealed::{Keys, Store};
use crate::replay::source::{Item, item, lines};
use crate::replay::{
    Change, Changes, Evaluators, Finding, Fuel, Missing, Obstacle, Rejudged, Replayed, Totals, in_order,
    rejudge, replay,
};

/// How many records that are not identical are shown to people.
const SHOWN: u64 = 20;
/// How many reasons why records cannot be replayed are told apart.
const REASONS: usize = 50;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cavra replay /var/lib/cavra/evidence
  cavra replay evidence --modules old-modules --policies compiled --check
  cavra replay evidence --id eval_0199… --json
  cavra replay evidence --against new-fastpath.wasm

Exit status:
  0  done; with --check: no record differs, and not all of them cannot be replayed
  1  failure
  2  with --check: a record differs, or none could be replayed
  3  bad usage, configuration or input")]
pub(super) struct ReplayArgs {
    /// An evidence log's directory, or a file of its entries [default: the evidence directory of the settings]
    log: Option<PathBuf>,
    /// Only this evaluation; may be repeated
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Instead: what would this module have decided? A component, or `builtin:…`
    #[arg(long, value_name = "MODULE")]
    against: Option<String>,
    /// The auditor's key (an identity file of age): what is masked and sealed is replayed as it was
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Tell of every record, also of those that are identical
    #[arg(long)]
    all: bool,
    /// How many threads replay [default: one for each processor]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Let the exit status tell whether a record differs
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    material: MaterialArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What is told in the end.
#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    totals: Totals,
    /// Lines that are no entries.
    unreadable: u64,
    seconds: f64,
    records_per_second: f64,
    threads: u32,
    engine_fingerprint: String,
}

#[derive(Serialize)]
struct Against<'a> {
    schema_version: &'static str,
    module: &'a str,
    module_sha256: &'a str,
    records: u64,
    unchanged: u64,
    changed: u64,
    cannot: u64,
    changes: Vec<Change>,
    seconds: f64,
    records_per_second: f64,
}

impl ReplayArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let log = self
            .log
            .clone()
            .or_else(|| config.evidence.as_ref().map(|it| it.dir.clone()));
        let log = log.ok_or_else(|| {
            Failure::Input(format!("name the evidence log, or set {}", Setting::EvidenceDir))
        })?;
        let threads = self.threads.unwrap_or_else(processors);
        let memory = config.reference_limits().memory_bytes;
        let material = self.material.open(&config)?;
        let evaluators = Evaluators::new(material, threads, memory, cache::open(&config))
            .map_err(|e| Failure::Internal(e.to_string()))?;
        match &self.against {
            Some(module) => self.against(&log, module, &evaluators, threads, &config),
            None => self.replay(&log, &evaluators, threads),
        }
    }

    fn wanted(&self) -> Option<BTreeSet<&str>> {
        let ids: BTreeSet<&str> = self.id.iter().map(String::as_str).collect();
        (!ids.is_empty()).then_some(ids)
    }

    /// Who opens what is sealed, if a key is given.
    fn opener(&self, log: &Path) -> Result<Option<Opener>, Failure> {
        let Some(identity) = &self.identity else {
            return Ok(None);
        };
        // Beside a file of entries there is a store where the log's directory has one.
        let dir = if log.is_dir() {
            Some(log)
        } else {
            log.parent().filter(|it| !it.as_os_str().is_empty())
        };
        Ok(Some(Opener {
            keys: Keys::read(identity).map_err(unreadable)?,
            store: Store::open(dir.unwrap_or(Path::new("."))).map_err(unreadable)?,
        }))
    }

    /// Does `work` with every record that is asked for, and gives what comes of it to `tell`.
    fn each<R: Send>(
        &self,
        log: &Path,
        threads: u32,
        work: impl Fn(&EvaluationRecord) -> R + Sync,
        mut tell: impl FnMut(Read<R>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let wanted = self.wanted();
        let opener = self.opener(log)?;
        let mut found = BTreeSet::new();
        let judge = |line: Result<Line, _>| -> Result<Read<R>, Failure> {
            Ok(match item(&line?) {
                Item::Record(record) => {
                    let id = record.evaluation_id.as_str();
                    if wanted.as_ref().is_some_and(|ids| !ids.contains(id)) {
                        return Ok(Read::Other);
                    }
                    let open = opener.as_ref().and_then(|it| it.open(&record));
                    let judged = work(open.as_ref().unwrap_or(&*record));
                    Read::Record(record.evaluation_id.clone(), judged)
                }
                Item::Other => Read::Other,
                Item::Bad(problem) => Read::Bad(problem),
            })
        };
        in_order(lines(log).map_err(unreadable)?, threads, judge, |read| {
            let read = read?;
            if let (Read::Record(id, _), Some(_)) = (&read, &wanted) {
                found.insert(id.clone());
            }
            tell(read)
        })?;
        let absent = wanted.into_iter().flatten().find(|id| !found.contains(*id));
        match absent {
            Some(id) => Err(Failure::Input(format!(
                "`{}` has no evaluation `{id}`",
                log.display()
            ))),
            None => Ok(()),
        }
    }

    fn replay(&self, log: &Path, evaluators: &Evaluators, threads: u32) -> Result<Exit, Failure> {
        let began = Instant::now();
        let mut report = Report::new(self.json, self.all);
        let mut unreadable = 0_u64;
        report.begin()?;
        let work = |record: &EvaluationRecord| replay(evaluators, record);
        self.each(log, threads, work, |read| match read {
            Read::Record(_, replayed) => report.tell(&replayed),
            Read::Bad(problem) => {
                unreadable = unreadable.saturating_add(1);
                output::warn(&format!("no entry of an evidence log: {problem}"));
                Ok(())
            }
            Read::Other => Ok(()),
        })?;
        let taken = began.elapsed();
        let totals = report.totals;
        report.end(&Summary {
            totals,
            unreadable,
            seconds: taken.as_secs_f64(),
            records_per_second: rate(totals.records, taken),
            threads,
            engine_fingerprint: evaluators.fingerprint().to_owned(),
        })?;
        Ok(if self.check && !totals.proven() {
            Exit::Blocked
        } else {
            Exit::Done
        })
    }

    fn against(
        &self,
        log: &Path,
        name: &str,
        evaluators: &Evaluators,
        threads: u32,
        config: &Config,
    ) -> Result<Exit, Failure> {
        let told = |problem: String| Failure::Input(format!("`{name}`: {problem}"));
        let bytes = store::fetch(name, config)?.bytes;
        let module = evaluators.load(bytes, config.limits).map_err(told)?;
        let began = Instant::now();
        let mut changes = Changes::default();
        let work = |record: &EvaluationRecord| rejudge(evaluators, &module, record);
        self.each(log, threads, work, |read| {
            match read {
                Read::Record(_, rejudged) => changes.add(rejudged),
                Read::Bad(detail) => {
                    let obstacle = Obstacle::Malformed;
                    changes.add(Rejudged::Cannot(vec![Missing { obstacle, detail }]));
                }
                Read::Other => {}
            }
            Ok(())
        })?;
        let taken = began.elapsed();
        let table = changes.table();
        let changed = table.iter().fold(0_u64, |sum, it| sum.saturating_add(it.count));
        let report = Against {
            schema_version: "cavra.replay-against.v1",
            module: name,
            module_sha256: module.sha256(),
            records: changes.records,
            unchanged: changes.unchanged,
            changed,
            cannot: changes.cannot,
            changes: table,
            seconds: taken.as_secs_f64(),
            records_per_second: rate(changes.records, taken),
        };
        if self.json {
            output::json(&report)?;
        } else {
            show_changes(&report, &changes)?;
        }
        let proven = changed == 0 && (changes.unchanged > 0 || changes.records == 0);
        Ok(if self.check && !proven {
            Exit::Blocked
        } else {
            Exit::Done
        })
    }
}

/// Opens what is sealed.
struct Opener {
    keys: Keys,
    store: Store,
}

impl Opener {
    /// The record as it was. One that is not sealed, or cannot be opened, is replayed as
    /// it stands in the log, and says that it was masked.
    fn open(&self, record: &EvaluationRecord) -> Option<EvaluationRecord> {
        record.masking.sealed.as_ref()?;
        match self.store.unseal(record, &self.keys) {
            Ok(open) => Some(open),
            Err(error) => {
                let id = output::short(&record.evaluation_id, 80);
                output::warn(&format!("{id}: {error}"));
                None
            }
        }
    }
}

/// What became of one line.
enum Read<R> {
    Record(String, R),
    Other,
    Bad(String),
}

pub(super) fn unreadable(error: crate::evidence::EvidenceError) -> Failure {
    Failure::Input(error.to_string())
}

fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count).unwrap_or(1).clamp(1, 1024)
}

fn rate(records: u64, taken: Duration) -> f64 {
    records as f64 / taken.as_secs_f64().max(1e-9)
}

/// What is printed while records are replayed: nothing is kept of them but the totals.
struct Report {
    json: bool,
    all: bool,
    totals: Totals,
    told: u64,
    shown: u64,
    /// Why records cannot be replayed, as far as people are told.
    missing: BTreeMap<Missing, u64>,
}

impl Report {
    fn new(json: bool, all: bool) -> Self {
        Self {
            json,
            all,
            totals: Totals::default(),
            told: 0,
            shown: 0,
            missing: BTreeMap::new(),
        }
    }

    fn begin(&self) -> Result<(), Failure> {
        if self.json {
            write!(
                io::stdout(),
                "{{\n  \"schema_version\": \"cavra.replay.v1\",\n  \"records\": ["
            )?;
        }
        Ok(())
    }

    fn tell(&mut self, it: &Replayed) -> Result<(), Failure> {
        self.totals.add(it);
        let identical = it.finding == Finding::Identical;
        if identical && !self.all {
            return Ok(());
        }
        let first = self.told == 0;
        self.told = self.told.saturating_add(1);
        if self.json {
            let mut out = io::stdout().lock();
            out.write_all(if first { b"\n    " } else { b",\n    " })?;
            serde_json::to_writer(&mut out, it)?;
            return Ok(());
        }
        if let (false, Finding::Cannot { missing }) = (self.all, &it.finding) {
            // Thousands can want for the same.
            for missing in missing {
                if self.missing.len() < REASONS || self.missing.contains_key(missing) {
                    let count = self.missing.entry(missing.clone()).or_default();
                    *count = count.saturating_add(1);
                }
            }
            return Ok(());
        }
        self.shown = self.shown.saturating_add(1);
        if self.all || self.shown <= SHOWN {
            return output::text(&line(it));
        }
        if self.shown == SHOWN.saturating_add(1) {
            return output::text("…          --all tells of every record");
        }
        Ok(())
    }

    fn end(self, summary: &Summary) -> Result<(), Failure> {
        if self.json {
            let mut out = io::stdout().lock();
            let end = if self.told == 0 { "" } else { "\n  " };
            let text = serde_json::to_string_pretty(summary)?.replace('\n', "\n  ");
            writeln!(out, "{end}],\n  \"summary\": {text}\n}}")?;
            out.flush()?;
            return Ok(());
        }
        let mut table = output::table(&[]);
        let totals = &summary.totals;
        let mut row = |name: &str, count: u64, about: &str| {
            table.add_row(vec![name.to_owned(), count.to_string(), about.to_owned()]);
        };
        row("records", totals.records, "");
        row("identical", totals.identical, "");
        row("differs", totals.differs, "");
        row("cannot", totals.cannot, "");
        row("fuel", totals.fuel_compared, "compared, with everything else");
        if totals.fuel_not_comparable > 0 {
            row(
                "",
                totals.fuel_not_comparable,
                "not comparable: counted by another engine",
            );
        }
        if summary.unreadable > 0 {
            row("unreadable", summary.unreadable, "lines that are no entries");
        }
        let mut reasons = String::new();
        for (missing, count) in &self.missing {
            reasons.push_str(&format!(
                "\n  {count} cannot: {}",
                output::short(&missing.to_string(), 240)
            ));
        }
        output::text(&format!(
            "{table}{reasons}\n{:.1} seconds, {:.0} records a second on {} threads",
            summary.seconds, summary.records_per_second, summary.threads
        ))
    }
}

fn line(it: &Replayed) -> String {
    let word = it.finding.as_str();
    let id = output::short(&it.evaluation_id, 80);
    let fuel = match it.fuel {
        Fuel::NotComparable => "; fuel not comparable",
        Fuel::Compared | Fuel::None => "",
    };
    let mut text = format!("{word:<9}  {id}{fuel}");
    match &it.finding {
        Finding::Identical => {}
        Finding::Differs { fields } => {
            for field in fields {
                let shown = |value: &Option<String>| match value {
                    Some(value) => output::short(value, 120),
                    None => "nothing".to_owned(),
                };
                text.push_str(&format!(
                    "\n           {} from byte {}: recorded {}, replayed {}",
                    output::short(&field.field, 120),
                    field.byte,
                    shown(&field.recorded),
                    shown(&field.replayed)
                ));
            }
        }
        Finding::Cannot { missing } => {
            for missing in missing {
                text.push_str(&format!(
                    "\n           {}",
                    output::short(&missing.to_string(), 240)
                ));
            }
        }
    }
    text
}

fn show_changes(it: &Against<'_>, changes: &Changes) -> Result<(), Failure> {
    let mut table = output::table(&["count", "from", "to", "for example"]);
    let told = |ruling: &crate::replay::Ruling| {
        let words = [&ruling.decision, &ruling.rule_id, &ruling.severity].map(|word| output::short(word, 80));
        words.join(" ").trim_end().to_owned()
    };
    for change in &it.changes {
        for (i, example) in change.examples.iter().enumerate() {
            let (count, from, to) = match i {
                0 => (change.count.to_string(), told(&change.from), told(&change.to)),
                _ => Default::default(),
            };
            let example = format!(
                "{} {} {}",
                output::short(&example.evaluation_id, 40),
                output::short(&example.action_type, 20),
                output::short(&example.target, 60)
            );
            table.add_row(vec![count, from, to, example]);
        }
    }
    let mut text = format!(
        "{} records: {} decided as they were, {} otherwise, {} not decided again",
        it.records, it.unchanged, it.changed, it.cannot
    );
    for (obstacle, (count, example)) in &changes.missing {
        text.push_str(&format!(
            "\n  {count} {}: {}",
            obstacle.as_str(),
            output::short(example, 200)
        ));
    }
    if !it.changes.is_empty() {
        text.push_str(&format!("\n\n{table}"));
    }
    output::text(&text)
}
