//! How two decisions are compared.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::Decision;

/// How strictly two decisions must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// The parity gate's: `decision`, `rule_id`, `severity`.
    Gate,
    /// Our tests' own: also `approver_group`, `matched_pattern` and
    /// `requested_operation`.
    Full,
}

/// A field in which two decisions differ, with both values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Difference {
    /// The field's name.
    pub field: &'static str,
    /// The reference's value.
    #[schema(value_type = String)]
    pub python: Value,
    /// The fast path's value.
    #[schema(value_type = String)]
    pub go: Value,
}

/// The fields in which `fast` differs from `reference`, in a fixed order.
pub fn compare(reference: &Decision, fast: &Decision, strictness: Strictness) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut field = |name, python: Value, go: Value| {
        if python != go {
            differences.push(Difference {
                field: name,
                python,
                go,
            });
        }
    };
    if reference.verdict != fast.verdict {
        field("decision", json!(reference.verdict), json!(fast.verdict));
    }
    if reference.rule_id != fast.rule_id {
        field("rule_id", json!(reference.rule_id), json!(fast.rule_id));
    }
    if reference.severity != fast.severity {
        field("severity", json!(reference.severity), json!(fast.severity));
    }
    if strictness == Strictness::Full {
        field(
            "approver_group",
            json!(reference.approver_group),
            json!(fast.approver_group),
        );
        field(
            "matched_pattern",
            json!(reference.matched_pattern),
            json!(fast.matched_pattern),
        );
        field(
            "requested_operation",
            json!(reference.requested_operation),
            json!(fast.requested_operation),
        );
    }
    differences
}
