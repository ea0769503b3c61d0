//! The promotion evidence, and approvals.

use serde_json::{Value, json};

use super::shape::{Anything, At, Date, Field, Flag, Pass, Reader, Ready, Text, object};
use super::{Binding, Model, Subject};

object! {
    /// Why the fast path may be promoted, and who approved it.
    pub(crate) PromotionEvidence (document) {
        /// Whether the backends were found to agree.
        optional parity_status: Pass,
        /// The same as `status` of an object; read where `parity_status` is absent.
        optional parity: Anything,
        /// Whether the deployment was found to be ready.
        optional deployment_status: Ready,
        /// The same as `status` of an object; read where `deployment_status` is absent.
        optional deployment: Anything,
        /// Where the evidence is.
        optional evidence_refs: Vec<Text>,
        /// Whether promotion is approved; false denies it, whatever else is said.
        optional approved: Flag,
        /// The approval.
        optional approval: Approval,
        /// The id of the approval.
        optional approval_id: Text,
        /// What it is about.
        optional subject: Subject,
        /// When it was issued.
        optional issued_at: Date,
        /// When it stops holding.
        optional expires_at: Date,
    }
}

object! {
    /// An approval.
    pub(crate) Approval {
        /// `approved`; anything else denies.
        optional status: Text,
        /// Its id.
        optional approval_id: Text,
    }
}

impl Model for PromotionEvidence {
    const SCHEMA: &'static str = "cavra.go-backend-promotion-evidence.v1";

    fn rules(&self, reader: &mut Reader) {
        either(
            &self.parity_status,
            "parity_status",
            &self.parity,
            "parity",
            "pass",
            reader,
        );
        let status = &self.deployment_status;
        either(
            status,
            "deployment_status",
            &self.deployment,
            "deployment",
            "ready",
            reader,
        );
    }

    fn refine(schema: &mut schemars::Schema) {
        let nested = |flat: &str, name: &str, word: &str| {
            json!({ "anyOf": [
                { "required": [flat] },
                {
                    "required": [name],
                    "properties": { name: {
                        "type": "object",
                        "required": ["status"],
                        "properties": { "status": { "const": word } },
                    } },
                },
            ] })
        };
        let all = json!([
            nested("parity_status", "parity", "pass"),
            nested("deployment_status", "deployment", "ready"),
        ]);
        schema.insert("allOf".to_owned(), all);
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![Binding {
            at: String::new(),
            subject: self.subject.given(),
            issued_at: self.issued_at.given(),
            expires_at: self.expires_at.given(),
        }]
    }
}

/// Where the flat member is absent, the `status` of the other counts.
fn either<T>(
    flat: &Field<T>,
    flat_name: &str,
    nested: &Field<Anything>,
    name: &str,
    word: &str,
    reader: &mut Reader,
) {
    if !flat.is_absent() {
        return;
    }
    let object = At::Key(&At::Root, name);
    match nested.given() {
        None => reader.fault(
            &At::Key(&At::Root, flat_name),
            format!("is missing, and so is `/{name}/status`; one must be `{word}`"),
        ),
        Some(Anything(value)) => match value.get("status") {
            Some(Value::String(status)) if status == word => {}
            Some(status) => reader.wanted(&At::Key(&object, "status"), status, &format!("`{word}`")),
            None => reader.fault(
                &At::Key(&object, "status"),
                format!("is missing; it must be `{word}`"),
            ),
        },
    }
}

impl PromotionEvidence {
    /// What it says of parity and of the deployment, wherever it says it.
    pub(crate) fn statuses(&self) -> (String, String) {
        (
            status(self.parity_status.given().map(|_| "pass"), &self.parity),
            status(self.deployment_status.given().map(|_| "ready"), &self.deployment),
        )
    }
}

fn status(flat: Option<&str>, nested: &Field<Anything>) -> String {
    let nested = || nested.given()?.0.get("status")?.as_str();
    super::judged::clip(flat.or_else(nested).unwrap_or_default())
}

/// Whether a document is approved, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approved {
    Yes,
    /// Nobody says so.
    No,
    /// Somebody says that it is not.
    Denied,
}

impl Approved {
    /// The pointers that speak of approval.
    pub(crate) const POINTERS: [&str; 2] = ["/approved", "/approval/status"];

    /// An explicit denial wins over any approval.
    pub(crate) fn of(approved: &Field<Flag>, approval: &Field<Approval>) -> Self {
        let status = approval.given().and_then(|approval| approval.status.given());
        let status = status.map(|status| status.0 == "approved");
        match (approved.given(), status) {
            (Some(Flag::No), _) | (_, Some(false)) => Self::Denied,
            (Some(Flag::Yes), _) | (_, Some(true)) => Self::Yes,
            (None, None) => Self::No,
        }
    }
}

/// The id of an approval: the document's own, or else the one of its approval.
pub(crate) fn approval_id<'a>(own: &'a Field<Text>, approval: &'a Field<Approval>) -> Option<&'a Text> {
    if own.is_absent() {
        approval.given()?.approval_id.given()
    } else {
        own.given()
    }
}
