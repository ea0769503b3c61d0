//! How YAML is read: under which limits, how strictly, and what a fault is called.

use serde::Deserialize;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{DefaultMessageFormatter, Error, Location, MessageFormatter, Options};

use super::document::at_start;
use super::error::{Faults, Position, quoted, visible};
use super::problem::Problem;

/// How deep objects and lists may nest.
const MAX_DEPTH: usize = 32;
/// How many values a file may hold, what its aliases repeat included.
const MAX_VALUES: usize = 250_000;
/// How many aliases (`*name`) a file may hold.
const MAX_ALIASES: usize = 1_000;
/// How much text a file may hold, what its aliases repeat included, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;

/// Reads the one document of `text`.
pub(super) fn read<'de, T: Deserialize<'de>>(text: &'de str, file: &str) -> Result<T, Faults> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| fault(error.without_snippet(), file))
}

/// `None` if the parser could not tell.
pub(super) fn position(at: Location) -> Option<Position> {
    (at.line() > 0).then(|| Position {
        line: at.line(),
        column: at.column(),
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_VALUES,
            // Beside its start, a list or object has an end.
            max_events: MAX_VALUES.saturating_mul(2),
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_total_scalar_bytes: MAX_TEXT_BYTES,
            max_recorded_anchor_bytes: MAX_TEXT_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_VALUES,
            max_replay_stack_depth: MAX_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `inherits` is the one way to take over another's rules.
        merge_keys: MergeKeyPolicy::Error,
        // `yes`, `no` and `on` are commands and branch names, not booleans.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn fault(error: &Error, file: &str) -> Faults {
    let error = match error {
        Error::AliasError { error, .. } => error,
        error => error,
    };
    let problem = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => Problem::DuplicateKey { key: key.clone() },
        Error::Budget { breach, .. } => limit(breach).unwrap_or_else(|| syntax(said_by_parser(error))),
        Error::AliasReplayLimitExceeded { .. } => values(),
        Error::AliasReplayStackDepthExceeded { .. } => depth(),
        Error::MergeKeyNotAllowed { .. } => {
            syntax("the merge key `<<` is not read; use `metadata.inherits`".to_owned())
        }
        Error::UnknownAnchor { .. } => {
            syntax("the alias has no anchor; quote a text that begins with `*`".to_owned())
        }
        Error::UnsupportedTag { tag, .. } => syntax(format!(
            "the tag {} is not read; quote a text that begins with `!`",
            quoted(tag)
        )),
        Error::MultipleDocuments { .. } => {
            syntax("a second document begins here; write one file for each".to_owned())
        }
        Error::NonFiniteFloat { value, .. } => syntax(format!("{} is no number; quote it", quoted(value))),
        _ => syntax(said_by_parser(error)),
    };
    at_start(file, error.location().and_then(position), problem)
}

fn limit(breach: &BudgetBreach) -> Option<Problem> {
    match breach {
        BudgetBreach::Depth { .. } => Some(depth()),
        BudgetBreach::Events { .. } | BudgetBreach::Nodes { .. } => Some(values()),
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => Some(Problem::Limit {
            most: MAX_ALIASES,
            what: "aliases or anchors",
        }),
        BudgetBreach::ScalarBytes { .. } => Some(Problem::Limit {
            most: MAX_TEXT_BYTES,
            what: "bytes of text",
        }),
        _ => None,
    }
}

fn depth() -> Problem {
    Problem::Limit {
        most: MAX_DEPTH,
        what: "objects and lists inside one another",
    }
}

fn values() -> Problem {
    Problem::Limit {
        most: MAX_VALUES,
        what: "values, with those that aliases repeat",
    }
}

fn syntax(message: String) -> Problem {
    Problem::Syntax {
        format: "YAML",
        message,
    }
}

fn said_by_parser(error: &Error) -> String {
    visible(&DefaultMessageFormatter.format_message(error))
}
