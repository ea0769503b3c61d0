//! Governance: what must be ready before the fast path may be used.
//!
//! Implements the governance specification, *Reports*.

mod deployment;
mod drill_history;
mod drill_schedule;
mod kind;
mod production;
mod promotion;
mod readiness;
mod rehearsal;
mod report;
mod rollback;

pub use deployment::{DeploymentReport, MetadataPaths};
pub use drill_history::{DrillHistoryReport, HistorySummary};
pub use drill_schedule::{DrillScheduleReport, ScheduleSummary};
pub use kind::ReportKind;
pub use production::{ApiAccess, ProductionReport};
pub use promotion::{EvidenceSummary, PromotionReport};
pub use readiness::{Digests, ReadinessReport, ReadinessSubject};
pub use rehearsal::{RehearsalReport, RehearsalSummary};
pub use report::{Report, Reports};
pub use rollback::{PlanSummary, RollbackReport};

use serde::Serialize;

/// Whether a check passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It passes.
    Pass,
    /// It does not.
    Warn,
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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
        let (status, message) = match result {
            Ok(message) => (CheckStatus::Pass, message.into()),
            Err(message) => (CheckStatus::Warn, message.into()),
        };
        Self { id, status, message }
    }

    /// Whether it passes.
    pub fn passes(&self) -> bool {
        self.status == CheckStatus::Pass
    }
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// The pilot is disabled.
    Disabled,
    /// Nobody asks for it: the pilot is disabled and nothing is set.
    NotConfigured,
    /// Nobody asks for it: the mode is not promoted and its document is not set.
    NotRequested,
    /// Every check passes.
    Ready,
    /// Every check passes, and the next drill is near.
    DueSoon,
    /// Some check does not pass.
    NeedsAttention,
}

impl ReportStatus {
    /// The word in every document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NotConfigured => "not_configured",
            Self::NotRequested => "not_requested",
            Self::Ready => "ready",
            Self::DueSoon => "due_soon",
            Self::NeedsAttention => "needs_attention",
        }
    }

    /// Whether the report lets a promoted fast path through, and `--check` succeed:
    /// it is ready, or ready and the next drill is near.
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::DueSoon)
    }
}

/// Whether anybody vouches for a document.
///
/// Signatures are not verified yet: a document is judged on its content, and the
/// reports say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// There is no document.
    #[default]
    None,
    /// Nobody does that this host knows of.
    Unsigned,
}
