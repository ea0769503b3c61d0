//! What another module would have decided.

use std::collections::BTreeMap;

use serde::Serialize;

use super::again::{parts, request};
use super::evaluators::{Evaluators, Role};
use super::{Missing, Obstacle};
use crate::evidence::EvaluationRecord;
use crate::model::Decision;
use crate::sandbox::Module;

/// How many examples a change keeps.
const EXAMPLES: usize = 3;

/// What a module decides, or that it does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ruling {
    /// The decision; where there is none, the fallback code.
    pub decision: String,
    /// The rule; empty where there is no decision.
    pub rule_id: String,
    /// The severity; empty where there is no decision.
    pub severity: String,
}

/// A record under another module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejudged {
    /// Decided as it was.
    Same,
    /// Decided otherwise.
    Changed {
        /// As it was.
        from: Ruling,
        /// As it would have been.
        to: Ruling,
        /// The evaluation.
        example: Example,
    },
    /// Not decided again.
    Cannot(Vec<Missing>),
}

/// An evaluation that would have been decided otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The evaluation.
    pub evaluation_id: String,
    /// Its action type.
    pub action_type: String,
    /// Its target.
    pub target: String,
}

/// Judges the request of a record by `module`, under the policy of the reference and the
/// limits that the module was loaded with, and compares with the decision that counted.
pub fn rejudge(evaluators: &Evaluators, module: &Module, record: &EvaluationRecord) -> Rejudged {
    let request = match request(record) {
        Ok(request) => request,
        Err(missing) => return Rejudged::Cannot(vec![missing]),
    };
    let backend = record.backends.reference.as_ref();
    let Some(backend) = backend.filter(|it| !it.policy_sha256.is_empty()) else {
        return Rejudged::Cannot(vec![Missing {
            obstacle: Obstacle::ReferencePolicy,
            detail: "the record names none".to_owned(),
        }]);
    };
    let parts = parts(record, backend, Role::Reference);
    let evaluator = match evaluators.substitute(module, Role::Reference, &parts) {
        Ok(evaluator) => evaluator,
        Err(missing) => return Rejudged::Cannot(missing),
    };
    let it = &record.outcome.effective_decision;
    let from = Ruling {
        decision: it.decision.as_str().to_owned(),
        rule_id: it.rule_id.clone(),
        severity: it.severity.as_str().to_owned(),
    };
    let to = match evaluator.evaluate(&request).outcome {
        Ok(decision) => ruling(&decision),
        Err(fault) => Ruling {
            decision: fault.code().as_str().to_owned(),
            rule_id: String::new(),
            severity: String::new(),
        },
    };
    if from == to {
        return Rejudged::Same;
    }
    Rejudged::Changed {
        from,
        to,
        example: Example {
            evaluation_id: record.evaluation_id.clone(),
            action_type: it.action_type.clone(),
            target: it.target.clone(),
        },
    }
}

fn ruling(it: &Decision) -> Ruling {
    Ruling {
        decision: it.verdict.as_str().to_owned(),
        rule_id: it.rule_id.clone(),
        severity: it.severity.as_str().to_owned(),
    }
}

/// All changes of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As it was.
    pub from: Ruling,
    /// As it would have been.
    pub to: Ruling,
    /// How often.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// What another module would have decided, of many records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// All records.
    pub records: u64,
    /// Those that would have been decided as they were.
    pub unchanged: u64,
    /// Those that were not decided again.
    pub cannot: u64,
    /// Why, by obstacle, with the first that it stopped.
    pub missing: BTreeMap<Obstacle, (u64, String)>,
    changed: BTreeMap<(Ruling, Ruling), (u64, Vec<Example>)>,
}

impl Changes {
    /// Counts one more.
    pub fn add(&mut self, it: Rejudged) {
        self.records = self.records.saturating_add(1);
        match it {
            Rejudged::Same => self.unchanged = self.unchanged.saturating_add(1),
            Rejudged::Cannot(missing) => {
                self.cannot = self.cannot.saturating_add(1);
                for it in missing {
                    let entry = self.missing.entry(it.obstacle).or_insert((0, it.detail));
                    entry.0 = entry.0.saturating_add(1);
                }
            }
            Rejudged::Changed { from, to, example } => {
                let entry = self.changed.entry((from, to)).or_default();
                entry.0 = entry.0.saturating_add(1);
                if entry.1.len() < EXAMPLES {
                    entry.1.push(example);
                }
            }
        }
    }

    /// The changes, the most frequent first.
    pub fn table(&self) -> Vec<Change> {
        let changes = self.changed.iter().map(|((from, to), (count, examples))| Change {
            from: from.clone(),
            to: to.clone(),
            count: *count,
            examples: examples.clone(),
        });
        let mut table: Vec<Change> = changes.collect();
        table.sort_by_key(|it| std::cmp::Reverse(it.count));
        table
    }
}
