//! Governance: what must be ready before the fast path may be used.
//!
//! Implements the governance specification, *Reports*.

mod checks;
mod date;
mod deployment;
pub mod document;
mod drill_history;
mod drill_schedule;
mod kind;
mod production;
mod promotion;
mod readiness;
mod rehearsal;
mod report;
mod rollback;
mod scaffold;

#[cfg(test)]
mod tests;

pub use checks::CHECKS;
pub use deployment::{DeploymentReport, MetadataFaults, MetadataPaths};
pub use document::{DocumentKind, Documents};
pub use drill_history::{DrillHistoryReport, HistorySummary};
pub use drill_schedule::{DrillScheduleReport, ScheduleSummary};
pub use kind::ReportKind;
pub use production::{ApiAccess, ProductionReport};
pub use promotion::{EvidenceSummary, PromotionReport};
pub use readiness::{Digests, ReadinessReport, ReadinessSubject};
pub use rehearsal::{RehearsalReport, RehearsalSummary};
pub use report::{DocumentFaults, Report, Reports};
pub use rollback::{PlanSummary, RollbackReport};
pub use scaffold::Scaffold;

use serde::Serialize;

use crate::config::{Config, Setting};
use crate::pilot::Mode;
use crate::signing::RefusalCode;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// There is no document.
    #[default]
    None,
    /// Nobody does, or no trust policy says whose word is taken: it is judged on its content.
    Unsigned,
    /// Keys do that may.
    Verified,
    /// The trust policy does not take it.
    Refused,
}

/// Who vouches for a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Vouched {
    /// none, unsigned, verified or refused.
    pub signature: Signature,
    /// The ids of the keys that signed it, as the trust policy calls them.
    pub signed_by: Vec<String>,
    /// Why the trust policy does not take it.
    pub signature_refusal: Option<RefusalCode>,
}

/// Whether anybody asks for a report.
struct Requested {
    mode: Mode,
    setting: Setting,
    path_is_set: bool,
}

/// Whether the mode is promoted or the report's own path is set.
fn requested(config: &Config, setting: Setting) -> Requested {
    Requested {
        mode: config.mode,
        setting,
        path_is_set: config.documents.contains_key(&setting),
    }
}

impl Requested {
    fn is_so(&self) -> bool {
        self.mode == Mode::Promoted || self.path_is_set
    }

    fn check(&self, id: &'static str) -> Check {
        Check::new(
            id,
            match (self.mode, self.path_is_set) {
                (Mode::Promoted, _) => Ok("the mode is promoted".to_owned()),
                (_, true) => Ok(format!("{} is set", self.setting)),
                (mode, false) => Err(format!("the mode is {mode} and {} is not set", self.setting)),
            },
        )
    }
}

/// What checks come to where somebody asks for them.
fn conclude(asked: &Requested, checks: &[Check]) -> ReportStatus {
    if !asked.is_so() {
        ReportStatus::NotRequested
    } else if checks.iter().all(Check::passes) {
        ReportStatus::Ready
    } else {
        ReportStatus::NeedsAttention
    }
}

/// What to do next about a report.
fn notes(config: &Config, kind: ReportKind, status: ReportStatus, documents_are_set: bool) -> Vec<String> {
    let gate = match kind {
        ReportKind::Readiness | ReportKind::Deployment => "",
        _ => " Until it is ready, promoted mode keeps the reference's decision.",
    };
    let next = match status {
        ReportStatus::NotRequested | ReportStatus::NotConfigured | ReportStatus::Disabled => {
            "Nobody asks for this report: it counts in mode promoted, or once its documents are set."
                .to_owned()
        }
        ReportStatus::Ready => "Nothing needs to be done.".to_owned(),
        ReportStatus::DueSoon => "Make the next rollback drill before it is due, and record it.".to_owned(),
        ReportStatus::NeedsAttention => {
            format!("Mend what the checks name; `cavra governance check` lists every fault.{gate}")
        }
    };
    let mut notes = vec![next];
    if documents_are_set && config.trust_policy.is_none() {
        notes.push(format!(
            "No trust policy is set: signatures are not verified, and documents are judged on their content; see {}.",
            Setting::TrustPolicy
        ));
    }
    notes
}

/// A setting as a report tells it.
fn setting(config: &Config, setting: Setting) -> String {
    let path = config.documents.get(&setting);
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// A number of days, to four decimals.
fn rounded(days: f64) -> f64 {
    (days * 10_000.0).round() / 10_000.0
}
