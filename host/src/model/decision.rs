//! The typed decision, the same whoever made it.

use std::fmt;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What may happen to an action, from least to most restrictive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The action may proceed.
    Allow,
    /// The action may proceed if its author attests to it.
    AllowWithAttestation,
    /// Somebody must approve first.
    RequireApproval,
    /// The action must not happen.
    Block,
}

impl Verdict {
    /// The word in every document: `require_approval` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowWithAttestation => "allow_with_attestation",
            Self::RequireApproval => "require_approval",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much a decision matters, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the four words say it")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The word in every document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A decision as an evaluator gives it: a pure function of request, policy and
/// registry. The host turns it into an [`IssuedDecision`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Decision {
    /// What may happen.
    #[serde(rename = "decision")]
    pub verdict: Verdict,
    /// The rule that decided, such as `filesystem.read.block`.
    pub rule_id: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for people; never compared.
    pub reason: String,
    /// The request's action type.
    pub action_type: String,
    /// What was judged.
    pub target: String,
    /// The operation that was judged.
    pub requested_operation: String,
    /// The request's policy pack.
    pub policy_pack: String,
    /// Who can approve; only with [`Verdict::RequireApproval`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver_group: Option<String>,
    /// The pattern that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_pattern: Option<String>,
}

impl Decision {
    /// Checks what the types do not: each text holds at most `limit` bytes and no
    /// NUL, and only an approval has an approver group.
    ///
    /// # Errors
    /// The sentence for people.
    pub fn check(&self, limit: usize) -> Result<(), String> {
        if self.approver_group.is_some() && self.verdict != Verdict::RequireApproval {
            return Err(format!(
                "`approver_group` is given with the decision `{}`",
                self.verdict
            ));
        }
        let texts = [
            ("rule_id", self.rule_id.as_str()),
            ("reason", &self.reason),
            ("action_type", &self.action_type),
            ("target", &self.target),
            ("requested_operation", &self.requested_operation),
            ("policy_pack", &self.policy_pack),
            (
                "approver_group",
                self.approver_group.as_deref().unwrap_or_default(),
            ),
            (
                "matched_pattern",
                self.matched_pattern.as_deref().unwrap_or_default(),
            ),
        ];
        for (name, text) in texts {
            if text.len() > limit {
                return Err(format!(
                    "`{name}` is {} bytes long; at most {limit} are accepted",
                    text.len()
                ));
            }
            if text.contains('\0') {
                return Err(format!("`{name}` holds a NUL character"));
            }
        }
        Ok(())
    }
}

/// Who asked, with the defaults of the decision semantics filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Identity {
    /// The session; `local` when the request names none.
    pub session_id: String,
    /// The agent; `unknown-agent` when the request names none.
    pub agent_id: String,
    /// The actor; `ai-agent` when the request names none.
    pub actor: String,
}

/// What only the host can add to a decision: ids and the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stamp {
    /// `dec_` and the hex digits of a UUIDv7.
    pub decision_id: String,
    /// `corr_` and the hex digits of a UUIDv7; the same for all decisions of one evaluation.
    #[schema(value_type = String)]
    pub correlation_id: Arc<str>,
    /// RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Arc<str>,
}

/// A decision with everything a document of it carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssuedDecision {
    /// Ids and time.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// The policy that decided: the id of the pack.
    pub policy_id: String,
    /// Who asked.
    #[serde(flatten)]
    pub identity: Arc<Identity>,
    /// `evidence://<session_id>/<decision_id>`.
    pub evidence_refs: Vec<String>,
}

impl IssuedDecision {
    /// Issues `decision` under `stamp` to `identity`.
    pub fn new(decision: Decision, stamp: Stamp, identity: Arc<Identity>) -> Self {
        Self {
            policy_id: decision.policy_pack.clone(),
            evidence_refs: vec![["evidence://", &identity.session_id, "/", &stamp.decision_id].concat()],
            stamp,
            decision,
            identity,
        }
    }
}
