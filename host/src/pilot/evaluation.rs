//! The answer to one request: `cavra.go-backend-pilot.evaluation.v1`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{Difference, Mode};
use crate::backend::Usage;
use crate::clock::{Clock, IdSource};
use crate::fault::FallbackCode;
use crate::gates::{ReadinessReport, Report};
use crate::model::{Decision, Identity, IssuedDecision, Request, Stamp};
use crate::rollback::Rollback;

/// Whose decision is used. The words are the contract's: `python` is the
/// reference, `go` the fast path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectedBackend {
    /// The reference.
    Python,
    /// The fast path.
    Go,
    /// Neither: the reference failed, and the action is blocked.
    None,
}

impl SelectedBackend {
    /// The word in every document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Go => "go",
            Self::None => "none",
        }
    }
}

/// The ids and the time of one evaluation, drawn before it in a fixed order so
/// that a replay can draw the same.
#[derive(Clone, Debug)]
pub struct Stamps {
    now: Timestamp,
    evaluation_id: String,
    correlation_id: Arc<str>,
    timestamp: Arc<str>,
    decision_ids: std::array::IntoIter<String, 2>,
    identity: Option<Arc<Identity>>,
}

impl Stamps {
    /// Draws the time and the ids: of the evaluation, its correlation, the
    /// reference's decision, the fast path's decision.
    pub fn draw(clock: &dyn Clock, ids: &dyn IdSource) -> Self {
        let now = clock.now();
        Self {
            now,
            timestamp: now.to_string().into(),
            evaluation_id: ["eval_", &ids.next_id()].concat(),
            correlation_id: ["corr_", &ids.next_id()].concat().into(),
            decision_ids: [(); 2].map(|()| ["dec_", &ids.next_id()].concat()).into_iter(),
            identity: None,
        }
    }

    /// The time of the evaluation.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The same, under a correlation that the caller brought.
    #[must_use]
    pub fn correlated(mut self, correlation: Option<&Arc<str>>) -> Self {
        if let Some(correlation) = correlation {
            self.correlation_id = Arc::clone(correlation);
        }
        self
    }

    /// Issues a decision under the next stamp. No evaluation has more than two.
    pub(super) fn issue(&mut self, decision: Decision, request: &Request) -> Arc<IssuedDecision> {
        let stamp = Stamp {
            decision_id: self.decision_ids.next().unwrap_or_default(),
            correlation_id: Arc::clone(&self.correlation_id),
            timestamp: Arc::clone(&self.timestamp),
        };
        let identity = self.identity.get_or_insert_with(|| Arc::new(request.identity()));
        Arc::new(IssuedDecision::new(decision, stamp, Arc::clone(identity)))
    }
}

/// What each backend was and used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Sandbox {
    /// The reference.
    pub reference: Option<Usage>,
    /// The fast path; null where it was not run.
    pub fastpath: Option<Usage>,
}

/// The reports that were made on the way, under their own names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reports {
    /// The readiness report, where it or a gate of promoted mode stopped the fast path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Arc<ReadinessReport>>,
    /// The reports of promoted mode, up to the one that stopped the fast path.
    #[serde(flatten)]
    pub promoted: BTreeMap<&'static str, Arc<Report>>,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Evaluation {
    /// `cavra.go-backend-pilot.evaluation.v1`.
    pub schema_version: &'static str,
    /// `eval_` and the hex digits of a UUIDv7.
    pub evaluation_id: String,
    /// The mode.
    pub backend_mode: Mode,
    /// Whose decision is used.
    pub selected_backend: SelectedBackend,
    /// Whether the fast path was to be used and was not.
    pub fallback_used: bool,
    /// Why, for people; empty when nothing is to be said.
    pub fallback_reason: String,
    /// Why, as a word of the closed list; null when nothing is to be said.
    pub fallback_code: Option<FallbackCode>,
    /// Whether the two decisions agree; null where they were not compared.
    pub parity_match: Option<bool>,
    /// The gate's fields in which they differ; null where they were not compared.
    pub parity_diff: Option<Vec<Difference>>,
    /// The reference's decision; null when it failed.
    pub python_decision: Option<Arc<IssuedDecision>>,
    /// The fast path's decision; null where there is none.
    pub go_decision: Option<Arc<IssuedDecision>>,
    /// The decision that counts.
    pub effective_decision: Arc<IssuedDecision>,
    /// What both backends were and used.
    pub sandbox: Sandbox,
    /// That the pilot is rolled back: then the mode is `disabled` whatever the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Rollback>)]
    pub rollback: Option<Arc<Rollback>>,
    /// Reports that were made on the way.
    #[serde(flatten)]
    #[schema(ignore)]
    pub reports: Reports,
}

impl Evaluation {
    /// An answer in which nothing but the effective decision is known.
    pub(super) fn new(
        mode: Mode,
        stamps: &Stamps,
        selected_backend: SelectedBackend,
        effective_decision: Arc<IssuedDecision>,
    ) -> Self {
        Self {
            schema_version: "cavra.go-backend-pilot.evaluation.v1",
            evaluation_id: stamps.evaluation_id.clone(),
            backend_mode: mode,
            selected_backend,
            fallback_used: false,
            fallback_reason: String::new(),
            fallback_code: None,
            parity_match: None,
            parity_diff: None,
            python_decision: None,
            go_decision: None,
            effective_decision,
            sandbox: Sandbox::default(),
            rollback: None,
            reports: Reports::default(),
        }
    }

    /// Says why the fast path's answer is not used.
    pub(super) fn fall_back(&mut self, code: FallbackCode, reason: impl Into<String>) {
        self.fallback_used = true;
        self.fallback_code = Some(code);
        self.fallback_reason = reason.into();
    }
}
