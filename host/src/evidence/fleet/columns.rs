//! By what an entry is found in the store: taken from its line.

use jiff::Timestamp;
use serde::Deserialize;

/// Of an entry's line, what the chain and the columns need; the rest is not looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Outline {
    pub(super) sequence: u64,
    pub(super) previous: String,
    event: EventOutline,
}

#[derive(Debug, Deserialize)]
struct EventOutline {
    kind: String,
    evaluation_id: Option<String>,
    time: Option<String>,
    identity: Option<Identity>,
    outcome: Option<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Identity {
    session_id: String,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    fallback_code: Option<String>,
    parity_match: Option<bool>,
    effective_decision: Decision,
}

#[derive(Debug, Deserialize)]
struct Decision {
    decision: String,
    rule_id: String,
    policy_pack: String,
}

/// The columns of one entry; nothing but the kind where it is no evaluation, and
/// nothing at all where its line is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Columns {
    pub(super) kind: Option<String>,
    pub(super) evaluation_id: Option<String>,
    /// RFC 3339, cut to microseconds, as the database tells time.
    pub(super) time: Option<String>,
    pub(super) policy_pack: Option<String>,
    pub(super) rule_id: Option<String>,
    pub(super) decision: Option<String>,
    pub(super) fallback_code: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) parity_match: Option<bool>,
}

/// The columns, to be read from the database as [`Columns`] has them.
pub(super) const SELECTED: &str = "kind, evaluation_id, \
    to_char(\"time\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS \"time\", \
    policy_pack, rule_id, decision, fallback_code, session_id, parity_match";

impl Outline {
    /// The outline of a line.
    ///
    /// # Errors
    /// When the line is no entry.
    pub(super) fn of(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    pub(super) fn columns(self) -> Columns {
        let event = self.event;
        let mut columns = Columns {
            kind: Some(event.kind),
            ..Columns::default()
        };
        if columns.kind.as_deref() != Some("evaluation") {
            return columns;
        }
        columns.evaluation_id = event.evaluation_id.map(storable);
        columns.time = event.time.as_deref().and_then(|it| it.parse().ok()).map(shown);
        columns.session_id = event.identity.map(|it| storable(it.session_id));
        if let Some(outcome) = event.outcome {
            let decision = outcome.effective_decision;
            columns.fallback_code = outcome.fallback_code.map(storable);
            columns.parity_match = outcome.parity_match;
            columns.decision = Some(storable(decision.decision));
            columns.rule_id = Some(storable(decision.rule_id));
            columns.policy_pack = Some(storable(decision.policy_pack));
        }
        columns
    }
}

/// PostgreSQL's texts hold no zero byte, and an agent may put one into a name: the
/// line has it as it was, the column something else in its place.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

/// A time as the database tells it.
pub(super) fn shown(time: Timestamp) -> String {
    let micros = time.as_nanosecond().div_euclid(1000);
    let cut = i64::try_from(micros).ok().map(Timestamp::from_microsecond);
    format!("{:.6}", cut.and_then(Result::ok).unwrap_or(time))
}

/// The first time as the database tells it that is no earlier.
pub(super) fn ceiling(time: Timestamp) -> String {
    let micros = time.as_nanosecond().saturating_add(999).div_euclid(1000);
    let next = i64::try_from(micros).ok().map(Timestamp::from_microsecond);
    format!("{:.6}", next.and_then(Result::ok).unwrap_or(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_as_the_database_cuts_them() {
        let time: Timestamp = "2026-11-25T10:00:00.123456789Z".parse().unwrap();
        assert_eq!(shown(time), "2026-11-25T10:00:00.123456Z");
        assert_eq!(ceiling(time), "2026-11-25T10:00:00.123457Z");
        let whole: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        assert_eq!(shown(whole), "2026-11-25T10:00:00.000000Z");
        assert_eq!(ceiling(whole), shown(whole));
    }

    #[test]
    fn what_is_no_evaluation_has_its_kind_alone() {
        let line = br#"{"event":{"kind":"gap","reason":"disk"},"previous":"sha256:0","sequence":4}"#;
        let outline = Outline::of(line).unwrap();
        assert_eq!(outline.sequence, 4);
        let columns = outline.columns();
        assert_eq!(columns.kind.as_deref(), Some("gap"));
        assert_eq!(columns.decision, None);
    }
}
