//! How many evaluations there are of each kind: `cavra.evidence-stats.v1`.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use super::EvaluationRecord;

/// The `schema_version`.
const SCHEMA: &str = "cavra.evidence-stats.v1";

/// How long each step of the counts over time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// An hour.
    Hour,
    /// A day, UTC.
    #[default]
    Day,
}

impl Step {
    /// How much of a time in RFC 3339, UTC, tells the step that it is in.
    fn digits(self) -> usize {
        match self {
            Self::Hour => "2026-11-25T10".len(),
            Self::Day => "2026-11-25".len(),
        }
    }

    /// The step's name, as PostgreSQL's `date_trunc` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The begin of the step that a time is in.
    pub fn begin(self, time: Timestamp) -> String {
        let text = time.to_string();
        let begin = text.get(..self.digits()).unwrap_or_default();
        match self {
            Self::Hour => format!("{begin}:00:00Z"),
            Self::Day => format!("{begin}T00:00:00Z"),
        }
    }
}

impl FromStr for Step {
    type Err = super::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            _ => Err(super::UnknownWord("hour or day")),
        }
    }
}

/// What evaluations are counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The log, and its machine.
    pub log: String,
    /// The machine that the log is of.
    pub host: String,
    /// The decision that counted.
    pub decision: String,
    /// Why the fast path's was not used, if it was to be.
    pub fallback_code: Option<String>,
    /// Whether the two decisions agreed, if there were two.
    pub parity_match: Option<bool>,
    /// The rule that decided.
    pub rule: String,
    /// When the step began in which it was.
    pub begin: String,
}

/// The counts of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OfLog {
    /// The log's name.
    pub log: String,
    /// The machine's name; empty where the log was read from its files.
    pub host: String,
    /// How many.
    pub evaluations: u64,
}

/// How many evaluations there are of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// `cavra.evidence-stats.v1`.
    pub schema_version: &'static str,
    /// How many altogether.
    pub evaluations: u64,
    /// By log, in the order of their names.
    pub logs: Vec<OfLog>,
    /// By decision.
    pub decisions: BTreeMap<String, u64>,
    /// By fallback code; of those that have one.
    pub fallback_codes: BTreeMap<String, u64>,
    /// By whether both backends agreed: `match`, `mismatch`, `none` where one was not asked.
    pub parity: BTreeMap<&'static str, u64>,
    /// By rule.
    pub rules: BTreeMap<String, u64>,
    /// `hour` or `day`.
    pub step: &'static str,
    /// By time, from the begin of each step.
    pub times: BTreeMap<String, u64>,
}

impl Counts {
    /// Nothing yet.
    pub fn new(step: Step) -> Self {
        Self {
            schema_version: SCHEMA,
            evaluations: 0,
            logs: Vec::new(),
            decisions: BTreeMap::new(),
            fallback_codes: BTreeMap::new(),
            parity: BTreeMap::new(),
            rules: BTreeMap::new(),
            step: step.as_str(),
            times: BTreeMap::new(),
        }
    }

    /// Counts one record of a log that is read from its files.
    pub fn count(&mut self, log: &str, record: &EvaluationRecord, step: Step) {
        let decision = &record.outcome.effective_decision;
        let time = record.time.parse().map(|time| step.begin(time));
        let cell = Cell {
            log: log.to_owned(),
            host: String::new(),
            decision: decision.decision.to_string(),
            fallback_code: record.outcome.fallback_code.map(|it| it.to_string()),
            parity_match: record.outcome.parity_match,
            rule: decision.rule_id.clone(),
            begin: time.unwrap_or_default(),
        };
        self.add(cell, 1);
    }

    /// Counts as many at once.
    pub fn add(&mut self, cell: Cell, count: u64) {
        let more = |counts: &mut BTreeMap<String, u64>, key: String| {
            let it = counts.entry(key).or_default();
            *it = it.saturating_add(count);
        };
        self.evaluations = self.evaluations.saturating_add(count);
        let at = match self.logs.binary_search_by(|it| it.log.cmp(&cell.log)) {
            Ok(at) => at,
            Err(at) => {
                let log = OfLog {
                    log: cell.log,
                    host: cell.host,
                    evaluations: 0,
                };
                self.logs.insert(at, log);
                at
            }
        };
        if let Some(log) = self.logs.get_mut(at) {
            log.evaluations = log.evaluations.saturating_add(count);
        }
        more(&mut self.decisions, cell.decision);
        if let Some(code) = cell.fallback_code {
            more(&mut self.fallback_codes, code);
        }
        more(&mut self.rules, cell.rule);
        more(&mut self.times, cell.begin);
        let parity = match cell.parity_match {
            Some(true) => "match",
            Some(false) => "mismatch",
            None => "none",
        };
        let it = self.parity.entry(parity).or_default();
        *it = it.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_added_up_by_each_of_their_sides() {
        let mut counts = Counts::new(Step::Hour);
        for (log, decision, count) in [("b", "allow", 2), ("a", "block", 3), ("b", "block", 4)] {
            let cell = Cell {
                log: log.to_owned(),
                decision: decision.to_owned(),
                begin: Step::Hour.begin("2026-11-25T10:59:59.9Z".parse().unwrap()),
                ..Cell::default()
            };
            counts.add(cell, count);
        }
        assert_eq!(counts.evaluations, 9);
        let logs: Vec<_> = counts
            .logs
            .iter()
            .map(|it| (it.log.as_str(), it.evaluations))
            .collect();
        assert_eq!(logs, [("a", 3), ("b", 6)]);
        assert_eq!(counts.decisions["block"], 7);
        assert_eq!(counts.times["2026-11-25T10:00:00Z"], 9);
        assert_eq!(counts.parity["none"], 9);
    }
}
