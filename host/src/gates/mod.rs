//! Governance: what must be ready before the fast path may be used.
//!
//! Implements the governance specification, *Reports*.

mod readiness;

pub use readiness::{ReadinessReport, ReadinessSubject};

use serde::Serialize;

/// Whether a check passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It passes.
    Pass,
    /// It does not.
    Warn,
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The check's id, fixed by the contract.
    pub id: &'static str,
    /// Whether it passes.
    pub status: CheckStatus,
    /// Why, for people.
    pub message: String,
}

impl Check {
    /// A check that passes with `Ok`, and does not with `Err`.
    pub fn new(id: &'static str, result: Result<impl Into<String>, impl Into<String>>) -> Self {
        match result {
            Ok(message) => Self {
                id,
                status: CheckStatus::Pass,
                message: message.into(),
            },
            Err(message) => Self {
                id,
                status: CheckStatus::Warn,
                message: message.into(),
            },
        }
    }

    /// Whether it passes.
    pub fn passes(&self) -> bool {
        self.status == CheckStatus::Pass
    }
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// The pilot is disabled.
    Disabled,
    /// Every check passes.
    Ready,
    /// Some check does not pass.
    NeedsAttention,
}

impl ReportStatus {
    /// The word in every document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Ready => "ready",
            Self::NeedsAttention => "needs_attention",
        }
    }
}
