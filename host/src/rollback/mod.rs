//! The rollback: the pilot forced into `disabled`, at once and over restarts.
//!
//! It is a file in the state directory. What cannot be read or understood there
//! counts as rolled back: whoever cannot tell whether an incident is over must not
//! act as if it were.

mod file;
mod switch;

pub use file::{RollbackError, RollbackFile};
pub use switch::{RollbackSwitch, RollbackWatch};

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gates::ReportKind;
use crate::pilot::Mode;

/// How long a reason may be, in characters.
pub const MAX_REASON_CHARACTERS: usize = 500;

/// That the pilot is rolled back: why, by whom and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RollbackState)]
pub struct Rollback {
    /// `cavra.rollback-state.v1`.
    #[schema(value_type = String)]
    pub schema_version: SchemaVersion,
    /// Why, for people.
    pub reason: String,
    /// Who: `token <id>`, `loopback` or `uid <number>`; none where the state is unreadable.
    pub by: Option<String>,
    /// When; none where the state is unreadable.
    #[schema(value_type = Option<String>)]
    pub at: Option<Timestamp>,
}

/// The one version of the state file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaVersion {
    /// `cavra.rollback-state.v1`.
    #[default]
    #[serde(rename = "cavra.rollback-state.v1")]
    V1,
}

/// `cavra.go-backend-pilot.rollback.v1`: what a rollback, or its end, has come to.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
// The report on rollback readiness has the same name, and one description has one place.
#[schema(as = RollbackOutcome)]
pub struct RollbackReport {
    /// `cavra.go-backend-pilot.rollback.v1`.
    pub schema_version: &'static str,
    /// Whether the pilot is rolled back now.
    pub rolled_back: bool,
    /// Whether that is another state than before.
    pub changed: bool,
    /// The mode of the settings.
    #[schema(value_type = String)]
    pub configured_mode: Mode,
    /// The mode in effect.
    #[schema(value_type = String)]
    pub effective_mode: Mode,
    /// Why, by whom and since when.
    #[schema(value_type = Option<Rollback>)]
    pub rollback: Option<Arc<Rollback>>,
}

impl RollbackReport {
    /// The report where `rollback` is in force.
    pub fn new(configured_mode: Mode, rollback: Option<Arc<Rollback>>, changed: bool) -> Self {
        Self {
            schema_version: "cavra.go-backend-pilot.rollback.v1",
            rolled_back: rollback.is_some(),
            changed,
            configured_mode,
            effective_mode: match rollback {
                Some(_) => Mode::Disabled,
                None => configured_mode,
            },
            rollback,
        }
    }
}

/// A document, and that the pilot is rolled back where it is: what every report says
/// then beside its own.
#[derive(Clone, Debug, Serialize)]
pub struct InForce<T> {
    /// The document.
    #[serde(flatten)]
    pub document: T,
    /// Why, by whom and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<Arc<Rollback>>,
    /// The same, in the report about the way back: there `rollback` is the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_state: Option<Arc<Rollback>>,
}

impl<T> InForce<T> {
    /// A document about the pilot.
    pub fn new(document: T, rollback: Option<Arc<Rollback>>) -> Self {
        Self {
            document,
            rollback,
            rollback_state: None,
        }
    }

    /// The report of this kind.
    pub fn report(kind: ReportKind, document: T, rollback: Option<Arc<Rollback>>) -> Self {
        let new = Self::new(document, rollback);
        match kind {
            ReportKind::Rollback => Self {
                rollback_state: new.rollback,
                rollback: None,
                ..new
            },
            _ => new,
        }
    }
}

/// A reason that is too long or holds control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of at most {MAX_REASON_CHARACTERS} characters")]
pub struct BadReason;

impl Rollback {
    /// A rollback by `by`, now.
    ///
    /// # Errors
    /// When the reason is no line of at most [`MAX_REASON_CHARACTERS`].
    pub fn new(reason: &str, by: String, at: Timestamp) -> Result<Self, BadReason> {
        if reason.chars().count() > MAX_REASON_CHARACTERS || reason.chars().any(char::is_control) {
            return Err(BadReason);
        }
        let reason = reason.trim();
        let reason = if reason.is_empty() {
            "no reason was given"
        } else {
            reason
        };
        Ok(Self {
            schema_version: SchemaVersion::V1,
            reason: reason.to_owned(),
            by: Some(by),
            at: Some(at),
        })
    }

    /// What stands in for a state that says nothing.
    fn unreadable(problem: &str) -> Self {
        Self {
            schema_version: SchemaVersion::V1,
            reason: format!("the rollback state is unusable and counts as rolled back: {problem}"),
            by: None,
            at: None,
        }
    }

    /// The sentence of reports and tables.
    pub fn note(&self) -> String {
        let by = self.by.as_deref().map(|by| format!(" by {by}"));
        let at = self.at.map(|at| format!(" since {at}"));
        format!(
            "The pilot is rolled back{}{}: {}. It stays disabled until `cavra runtime rollback --clear`.",
            at.unwrap_or_default(),
            by.unwrap_or_default(),
            self.reason.trim_end_matches('.')
        )
    }
}
