//! Records in the forms that other tools read.

use serde_json::{Value, json};

use super::{Entry, EvaluationRecord};
use crate::model::{Severity, Verdict};

/// The columns of a table of records, in order.
pub const COLUMNS: [&str; 16] = [
    "sequence",
    "time",
    "evaluation_id",
    "mode",
    "selected_backend",
    "decision",
    "rule_id",
    "severity",
    "action_type",
    "target",
    "policy_pack",
    "session_id",
    "agent_id",
    "actor",
    "fallback_code",
    "parity_match",
];

/// The row of a record.
pub fn row(entry: &Entry, record: &EvaluationRecord) -> [String; COLUMNS.len()] {
    let decision = &record.outcome.effective_decision;
    let identity = &record.identity;
    [
        entry.sequence.to_string(),
        record.time.clone(),
        record.evaluation_id.clone(),
        record.mode.to_string(),
        record.outcome.selected_backend.as_str().to_owned(),
        decision.decision.to_string(),
        decision.rule_id.clone(),
        decision.severity.to_string(),
        decision.action_type.clone(),
        decision.target.clone(),
        decision.policy_pack.clone(),
        identity.session_id.clone(),
        identity.agent_id.clone(),
        identity.actor.clone(),
        record
            .outcome
            .fallback_code
            .map(|it| it.to_string())
            .unwrap_or_default(),
        record
            .outcome
            .parity_match
            .map(|it| it.to_string())
            .unwrap_or_default(),
    ]
}

/// One line of CSV (RFC 4180). What a spreadsheet would take for a formula begins with
/// an apostrophe: a target is whatever an agent has written.
pub fn csv(fields: &[impl AsRef<str>]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| {
            let field = field.as_ref();
            let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
            let guarded = if formula {
                format!("'{field}")
            } else {
                field.to_owned()
            };
            if guarded.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", guarded.replace('"', "\"\""))
            } else {
                guarded
            }
        })
        .collect();
    fields.join(",")
}

/// A CloudEvent (1.0, structured mode) of a record.
pub fn cloud_event(entry: &Entry, record: &EvaluationRecord, source: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": record.evaluation_id,
        "source": source,
        "type": "cavra.evidence.evaluation.v1",
        "time": record.time,
        "subject": record.outcome.effective_decision.policy_pack,
        "datacontenttype": "application/json",
        "data": entry,
    })
}

/// An event of OCSF 1.3, class *API Activity* (6003), of a record.
pub fn ocsf(entry: &Entry, record: &EvaluationRecord) -> Value {
    let decision = &record.outcome.effective_decision;
    let allowed = decision.decision < Verdict::RequireApproval;
    let (severity_id, severity) = match decision.severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let (action_id, action) = if allowed { (1, "Allowed") } else { (2, "Denied") };
    let (status_id, status) = if allowed { (1, "Success") } else { (2, "Failure") };
    let time = record.time.parse::<jiff::Timestamp>();
    json!({
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "activity_id": 99,
        "activity_name": decision.action_type,
        "type_uid": 600_399,
        "time": time.map(jiff::Timestamp::as_millisecond).unwrap_or_default(),
        "severity_id": severity_id,
        "severity": severity,
        "action_id": action_id,
        "action": action,
        "status_id": status_id,
        "status": status,
        "status_detail": decision.reason,
        "actor": {
            "user": {"name": record.identity.actor},
            "session": {"uid": record.identity.session_id},
            "app_name": record.identity.agent_id,
        },
        "api": {"operation": decision.requested_operation},
        "src_endpoint": {"name": record.identity.agent_id},
        "resources": [{"name": decision.target, "type": decision.action_type}],
        "policy": {"uid": decision.policy_pack, "name": decision.rule_id},
        "metadata": {
            "version": "1.3.0",
            "uid": record.evaluation_id,
            "sequence": entry.sequence,
            "product": {"name": "CAVRA", "vendor_name": "CAVRA", "version": record.host_version},
        },
        "unmapped": {
            "decision": decision.decision,
            "selected_backend": record.outcome.selected_backend,
            "fallback_code": record.outcome.fallback_code,
            "parity_match": record.outcome.parity_match,
            "event_sha256": entry.event_sha256,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_no_formula() {
        let fields = ["a", "b,c", "say \"x\"", "=cmd()", "two\nlines"];
        assert_eq!(csv(&fields), "a,\"b,c\",\"say \"\"x\"\"\",'=cmd(),\"two\nlines\"");
    }
}
