//! What is recorded of one evaluation, and of the log itself: `cavra.evidence.v1`.
//!
//! Everything in a record but `measured` is a function of what was asked, by what it
//! was judged and of the ids and the time that were drawn: a replay finds it again.
//!
//! Fields are declared in the order of canonical JSON, so that writing a record is all
//! it takes to make it canonical: see `canonical`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::canonical::{Sorted, SortedMap};
use super::{EvidenceError, canonical};
use crate::fault::FallbackCode;
use crate::model::{Severity, Verdict};
use crate::pilot::{Mode, SelectedBackend};

/// The `schema_version` of every entry.
pub const SCHEMA: &str = "cavra.evidence.v1";

/// One line of the log.
///
/// Its hash is SHA-256 over a zero byte and the line without its end: the leaf hash of
/// RFC 6962, so that the chain and the Merkle tree are over the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// `sha256:` and the SHA-256 of the canonical JSON of `event`: tells a damaged entry
    /// from one that does not belong here.
    pub event_sha256: String,
    /// `sha256:` and the hash of the entry before; of the first, 64 zeros.
    pub previous: String,
    /// `cavra.evidence.v1`.
    pub schema_version: String,
    /// Its place in the log, from 0.
    pub sequence: u64,
}

/// What an entry tells.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// An evaluation.
    Evaluation(Box<EvaluationRecord>),
    /// Evaluations that were answered and could not be recorded.
    Gap(Gap),
    /// What a process that ended in the middle of a line has left was set aside.
    Recovered(Recovered),
    /// A segment was removed because it was as old as the settings let it become.
    Pruned(Pruned),
}

/// Evaluations that were answered without a record, under `--on-evidence-failure continue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// How many.
    pub evaluations: u64,
    /// The first of them.
    pub first_evaluation_id: String,
    /// The time of the first, RFC 3339.
    pub first_time: String,
    /// The last of them.
    pub last_evaluation_id: String,
    /// The time of the last, RFC 3339.
    pub last_time: String,
    /// Why the last could not be written.
    pub reason: String,
}

/// Part of a line that was found at the end of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// How many bytes were set aside.
    pub bytes: u64,
    /// The file beside the log that holds them now.
    pub kept_in: String,
    /// The segment.
    pub segment: String,
    /// `sha256:` and the SHA-256 of those bytes.
    pub sha256: String,
}

/// A segment that was removed; the hashes of its entries are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// How many entries it had.
    pub entries: u64,
    /// The file with the hashes of its entries.
    pub kept_in: String,
    /// The segment.
    pub segment: String,
}

/// What is recorded of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRecord {
    /// What judged.
    pub backends: Backends,
    /// SHA-256 of the governance documents, in hex, by their setting's flag; only in
    /// mode `promoted`.
    pub documents: BTreeMap<String, String>,
    /// What the source of ids gave, in the order of drawing: for the evaluation, the
    /// correlation, the reference's decision and the fast path's decision. A replay
    /// draws the same.
    pub drawn_ids: Vec<String>,
    /// `eval_` and the hex digits of a UUIDv7.
    pub evaluation_id: String,
    /// The host's version.
    pub host_version: String,
    /// Who asked, with defaults filled in.
    pub identity: IdentityRecord,
    /// What does not stand here as it was.
    pub masking: Masking,
    /// What it took; of this alone, a replay finds something else.
    pub measured: Measured,
    /// The pilot's mode.
    pub mode: Mode,
    /// What was decided.
    pub outcome: Outcome,
    /// SHA-256 of the trust registry, in hex, where one is set; of the empty one, which the
    /// reference then has, where it cannot be read.
    pub registry_sha256: Option<String>,
    /// The status of every report that was attached to the answer, by its key.
    pub reports: BTreeMap<String, String>,
    /// The request as it was judged, unknown fields as they were given; null where
    /// masking failed.
    #[serde(serialize_with = "canonical::sorted_request")]
    pub request: Option<Map<String, Value>>,
    /// The settings that a decision or its fuel depends on.
    pub settings: Settings,
    /// When, by the host's clock, RFC 3339.
    pub time: String,
}

/// The settings that a decision or its fuel depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The limits of the fast path.
    pub fastpath_limits: LimitsRecord,
    /// The limits of the reference.
    pub reference_limits: LimitsRecord,
}

/// The limits of one backend's sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsRecord {
    /// Fuel for `evaluate`.
    pub evaluate_fuel: u64,
    /// Fuel for instantiating and loading.
    pub load_fuel: u64,
    /// Linear memory, in bytes.
    pub memory_bytes: u64,
    /// The deadline, in milliseconds.
    pub wall_clock_ms: u64,
}

/// What judged; null where it was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backends {
    /// The fast path.
    pub fastpath: Option<BackendRecord>,
    /// The reference.
    pub reference: Option<BackendRecord>,
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendRecord {
    /// The engine's configuration: fuel is equal only where this is.
    pub engine_fingerprint: Option<String>,
    /// Fuel that `evaluate` used.
    pub fuel_used: Option<u64>,
    /// `component` or `native`.
    pub kind: String,
    /// SHA-256 of the module or binary, in hex.
    pub module_sha256: String,
    /// SHA-256 of the compiled policy's canonical JSON, in hex.
    pub policy_sha256: String,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityRecord {
    /// The actor.
    pub actor: String,
    /// The agent.
    pub agent_id: String,
    /// The session.
    pub session_id: String,
}

/// What was masked in a record. The decision was made before, of the request as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// Whether masking failed, so that the record holds no payload.
    pub failed: bool,
    /// Every place in which something was masked, and by which rule, in order.
    pub masked: Vec<Masked>,
    /// Whether the record by itself is enough to judge the request again.
    pub replayable: bool,
    /// The record as it was before, encrypted: where the settings name an auditor's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// What is kept encrypted of a masked record, beside its segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Whose key opens it: `age1…`.
    pub recipient: String,
    /// `sha256:` and the SHA-256 of what is kept.
    pub sha256: String,
}

/// One place in a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// A JSON pointer (RFC 6901) into the record.
    pub pointer: String,
    /// The rule's name.
    pub rule: String,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The decision that counts.
    pub effective_decision: DecisionRecord,
    /// Why, as a word of the closed list.
    pub fallback_code: Option<FallbackCode>,
    /// Why, for people.
    pub fallback_reason: String,
    /// Whether the fast path was to be used and was not.
    pub fallback_used: bool,
    /// The fast path's decision.
    pub go_decision: Option<DecisionRecord>,
    /// The gate's fields in which they differ.
    pub parity_diff: Option<Vec<DifferenceRecord>>,
    /// Whether the two decisions agree.
    pub parity_match: Option<bool>,
    /// The reference's decision.
    pub python_decision: Option<DecisionRecord>,
    /// Whose decision is used.
    pub selected_backend: SelectedBackend,
}

/// A field in which two decisions differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DifferenceRecord {
    /// The field.
    pub field: String,
    /// The fast path's value.
    #[serde(serialize_with = "canonical::sorted")]
    pub go: Value,
    /// The reference's value.
    #[serde(serialize_with = "canonical::sorted")]
    pub python: Value,
}

/// A decision. Ids of the evaluation, time and identity stand in the record once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// The request's action type.
    pub action_type: String,
    /// Who can approve.
    pub approver_group: Option<String>,
    /// What may happen.
    pub decision: Verdict,
    /// `dec_` and the hex digits of a UUIDv7.
    pub decision_id: String,
    /// The pattern that decided.
    pub matched_pattern: Option<String>,
    /// The request's policy pack.
    pub policy_pack: String,
    /// One sentence for people.
    pub reason: String,
    /// The operation that was judged.
    pub requested_operation: String,
    /// The rule that decided.
    pub rule_id: String,
    /// How much it matters.
    pub severity: Severity,
    /// What was judged.
    pub target: String,
}

/// What an evaluation took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The fast path.
    pub fastpath: Option<MeasuredBackend>,
    /// The reference.
    pub reference: Option<MeasuredBackend>,
}

/// What one backend took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasuredBackend {
    /// Whether the instance began with its policy.
    pub baked: Option<bool>,
    /// Taking the instance away, in nanoseconds.
    pub drop_ns: Option<u64>,
    /// Judging, in nanoseconds.
    pub evaluate_ns: Option<u64>,
    /// Making the store and the instance, in nanoseconds.
    pub instantiate_ns: Option<u64>,
    /// Handing over policy and registry, in nanoseconds.
    pub load_ns: Option<u64>,
    /// Wall-clock time of the whole attempt, in microseconds.
    pub microseconds: u64,
    /// The largest size of all linear memories together, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

impl Entry {
    /// The entry at `sequence`, after the one with the hash `previous`.
    ///
    /// # Errors
    /// When the event cannot be written as canonical JSON.
    pub fn new(sequence: u64, previous: &super::Hash, event: Event) -> Result<Self, EvidenceError> {
        Ok(Self {
            event_sha256: super::Hash::of(&canonical::to_vec(&event)?).to_string(),
            event,
            previous: previous.to_string(),
            schema_version: SCHEMA.to_owned(),
            sequence,
        })
    }

    /// The canonical JSON (RFC 8785): the line without its end.
    ///
    /// # Errors
    /// When a number is not one of JSON's.
    pub fn to_line(&self) -> Result<Vec<u8>, EvidenceError> {
        canonical::to_vec(self)
    }

    /// The evaluation that this entry records, if it records one.
    pub fn evaluation(&self) -> Option<&EvaluationRecord> {
        match &self.event {
            Event::Evaluation(record) => Some(record),
            Event::Gap(_) | Event::Recovered(_) | Event::Pruned(_) => None,
        }
    }
}

/// An evaluation with its kind among the other fields, where canonical JSON has it.
#[derive(Serialize)]
struct EvaluationEvent<'a> {
    backends: &'a Backends,
    documents: &'a BTreeMap<String, String>,
    drawn_ids: &'a [String],
    evaluation_id: &'a str,
    host_version: &'a str,
    identity: &'a IdentityRecord,
    kind: &'static str,
    masking: &'a Masking,
    measured: &'a Measured,
    mode: Mode,
    outcome: &'a Outcome,
    registry_sha256: Option<&'a str>,
    reports: &'a BTreeMap<String, String>,
    request: Option<SortedMap<'a>>,
    settings: &'a Settings,
    time: &'a str,
}

impl<'a> From<&'a EvaluationRecord> for EvaluationEvent<'a> {
    fn from(record: &'a EvaluationRecord) -> Self {
        // Every field by name: one that is added later is not forgotten.
        let EvaluationRecord {
            backends,
            documents,
            drawn_ids,
            evaluation_id,
            host_version,
            identity,
            masking,
            measured,
            mode,
            outcome,
            registry_sha256,
            reports,
            request,
            settings,
            time,
        } = record;
        Self {
            backends,
            documents,
            drawn_ids,
            evaluation_id,
            host_version,
            identity,
            kind: "evaluation",
            masking,
            measured,
            mode: *mode,
            outcome,
            registry_sha256: registry_sha256.as_deref(),
            reports,
            request: request.as_ref().map(SortedMap),
            settings,
            time,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, rare) = match self {
            Self::Evaluation(record) => return EvaluationEvent::from(&**record).serialize(serializer),
            Self::Gap(gap) => ("gap", serde_json::to_value(gap)),
            Self::Recovered(recovered) => ("recovered", serde_json::to_value(recovered)),
            Self::Pruned(pruned) => ("pruned", serde_json::to_value(pruned)),
        };
        let mut rare = rare.map_err(serde::ser::Error::custom)?;
        if let Value::Object(fields) = &mut rare {
            fields.insert("kind".to_owned(), kind.into());
        }
        Sorted(&rare).serialize(serializer)
    }
}

/// The JSON Schema (2020-12) of an entry.
pub fn schema() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<Entry>();
    schema.insert("title".to_owned(), SCHEMA.into());
    schema.to_value()
}
