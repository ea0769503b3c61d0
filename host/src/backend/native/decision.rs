//! From a runtime's document to the typed decision.
//!
//! Implements the sandbox specification, *The native adapter*: nothing of foreign
//! JSON goes on but what fits the decision semantics, *Decision*. Fields that the
//! host adds itself (ids, times, identity) and fields it does not know are read
//! as strictly as the rest, and dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::printable;
use crate::fault::Fault;
use crate::model::{Decision, Severity, Verdict};

/// How much of a parser's message is shown, in characters: it may quote the document.
const MESSAGE_SHOWN: usize = 200;

/// Reads a decision from the document that a runtime wrote.
///
/// # Errors
/// [`Fault::OutputInvalid`] unless it is exactly one JSON object in UTF-8, no
/// field is given twice, no string holds NUL, and every field of a decision has
/// its type and one of its words. Nesting is limited to 128 levels. The strings
/// together cannot be longer than the document.
pub(super) fn parse(document: &[u8]) -> Result<Decision, Fault> {
    let invalid = |why: String| Fault::OutputInvalid(printable(&why, MESSAGE_SHOWN));
    let text = std::str::from_utf8(document).map_err(|e| {
        invalid(format!(
            "not UTF-8 (first bad byte at offset {})",
            e.valid_up_to()
        ))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(invalid("nothing on its standard output".to_owned()));
    }
    serde_json::from_str::<Document>(text)
        .map(|document| document.0)
        .map_err(|e| invalid(e.to_string()))
}

struct Document(Decision);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decision as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut fields = Fields::default();
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<Text>()? {
            let name = key.0.as_str();
            if Fields::NAMES.contains(&name) {
                let value = map.next_value::<Option<Text>>().map_err(|e| in_field(name, &e))?;
                fields.0.insert(key.0.clone(), value.map(|text| text.0));
            } else {
                map.next_value::<Dropped>()?;
            }
            if !seen.insert(key.0) {
                return Err(A::Error::custom("a field is given twice"));
            }
        }
        fields.into_decision().map(Document)
    }
}

fn in_field<E: Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("field `{name}`: {error}"))
}

/// The strings that the document has for the fields of a decision; null is absent.
#[derive(Default)]
struct Fields(BTreeMap<String, Option<String>>);

impl Fields {
    const NAMES: [&str; 10] = [
        "decision",
        "rule_id",
        "severity",
        "reason",
        "action_type",
        "target",
        "requested_operation",
        "policy_pack",
        "approver_group",
        "matched_pattern",
    ];

    fn into_decision<E: Error>(mut self) -> Result<Decision, E> {
        let verdict: Verdict = self.word("decision")?;
        let approver_group = self.optional("approver_group");
        if approver_group.is_some() && verdict != Verdict::RequireApproval {
            return Err(E::custom(format_args!(
                "field `approver_group` does not go with `{verdict}`"
            )));
        }
        Ok(Decision {
            verdict,
            rule_id: self.required("rule_id")?,
            severity: self.word::<Severity, E>("severity")?,
            reason: self.optional("reason").unwrap_or_default(),
            action_type: self.required("action_type")?,
            target: self.required("target")?,
            requested_operation: self.optional("requested_operation").unwrap_or_default(),
            policy_pack: self.required("policy_pack")?,
            approver_group,
            matched_pattern: self.optional("matched_pattern"),
        })
    }

    fn required<E: Error>(&mut self, name: &'static str) -> Result<String, E> {
        self.0
            .remove(name)
            .flatten()
            .ok_or_else(|| E::missing_field(name))
    }

    /// A field of which an empty string says as much as its absence.
    fn optional(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).flatten().filter(|text| !text.is_empty())
    }

    fn word<'de, T: Deserialize<'de>, E: Error>(&mut self, name: &'static str) -> Result<T, E> {
        let word = self.required::<E>(name)?;
        T::deserialize(StrDeserializer::new(&word)).map_err(|e| in_field(name, &e))
    }
}

/// A string without NUL.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('\0') {
            Err(D::Error::custom("a string holds a NUL character"))
        } else {
            Ok(Self(text))
        }
    }
}

/// Any value, held to the same rules as the rest, and forgotten.
struct Dropped;

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DroppedVisitor)
    }
}

struct DroppedVisitor;

impl<'de> Visitor<'de> for DroppedVisitor {
    type Value = Dropped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Dropped, E> {
        Ok(Dropped)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Dropped, E> {
        Ok(Dropped)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Dropped, E> {
        Ok(Dropped)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Dropped, E> {
        Ok(Dropped)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Dropped, E> {
        Ok(Dropped)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Dropped, E> {
        if text.contains('\0') {
            Err(E::custom("a string holds a NUL character"))
        } else {
            Ok(Dropped)
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dropped, A::Error> {
        while items.next_element::<Dropped>()?.is_some() {}
        Ok(Dropped)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dropped, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(Text(key)) = map.next_key()? {
            map.next_value::<Dropped>()?;
            if !seen.insert(key) {
                return Err(A::Error::custom("a field is given twice"));
            }
        }
        Ok(Dropped)
    }
}
