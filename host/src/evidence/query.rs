//! Which records are asked for.

use jiff::Timestamp;

use super::EvaluationRecord;
use crate::fault::FallbackCode;
use crate::model::Verdict;

/// What a record must be to be found; what is not asked for does not matter.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Judged by this pack.
    pub pack: Option<String>,
    /// Decided by this rule.
    pub rule: Option<String>,
    /// Decided so.
    pub decision: Option<Verdict>,
    /// With this fallback code.
    pub fallback_code: Option<FallbackCode>,
    /// Asked in this session.
    pub session: Option<String>,
    /// Only where the two backends did, or did not, agree.
    pub parity: Option<bool>,
}

impl Query {
    /// Whether `record` is asked for.
    pub fn asks_for(&self, record: &EvaluationRecord) -> bool {
        let decision = &record.outcome.effective_decision;
        let time = || record.time.parse::<Timestamp>().ok();
        let text = |asked: &Option<String>, found: &str| asked.as_deref().is_none_or(|it| it == found);
        self.since
            .is_none_or(|since| time().is_some_and(|it| it >= since))
            && self.until.is_none_or(|until| time().is_some_and(|it| it < until))
            && text(&self.pack, &decision.policy_pack)
            && text(&self.rule, &decision.rule_id)
            && text(&self.session, &record.identity.session_id)
            && self.decision.is_none_or(|it| it == decision.decision)
            && self
                .fallback_code
                .is_none_or(|it| Some(it) == record.outcome.fallback_code)
            && self
                .parity
                .is_none_or(|it| Some(it) == record.outcome.parity_match)
    }
}
