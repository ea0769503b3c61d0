//! From an evaluation to its record.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::record::{
    BackendRecord, Backends, DecisionRecord, DifferenceRecord, EvaluationRecord, IdentityRecord,
    LimitsRecord, Masking, Measured, MeasuredBackend, Outcome, Settings,
};
use crate::backend::Usage;
use crate::config::Config;
use crate::model::{IssuedDecision, Request};
use crate::pilot::{Difference, Evaluation};
use crate::sandbox::Limits;

/// What of the surroundings of an evaluation stands in its record.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the source of ids gave, in the order of drawing.
    pub drawn_ids: Vec<String>,
    /// The settings.
    pub settings: Settings,
    /// SHA-256 of the trust registry, in hex.
    pub registry_sha256: Option<String>,
    /// SHA-256 of the governance documents, in hex, by their setting's flag.
    pub documents: BTreeMap<String, String>,
}

impl Settings {
    /// What of the settings a decision depends on.
    pub fn of(config: &Config) -> Self {
        Self {
            fastpath_limits: limits(&config.limits),
            reference_limits: limits(&config.reference_limits()),
        }
    }
}

fn limits(of: &Limits) -> LimitsRecord {
    LimitsRecord {
        evaluate_fuel: of.evaluate_fuel,
        load_fuel: of.load_fuel,
        memory_bytes: of.memory_bytes,
        wall_clock_ms: milliseconds(of.wall_clock),
    }
}

/// Capped at what JSON numbers hold exactly.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(1 << 53)
}

impl EvaluationRecord {
    /// The record of `answer` to `request`, not masked.
    pub fn new(request: &Request, answer: &Evaluation, subject: Subject) -> Self {
        let identity = &answer.effective_decision.identity;
        Self {
            evaluation_id: answer.evaluation_id.clone(),
            time: answer.effective_decision.stamp.timestamp.to_string(),
            drawn_ids: subject.drawn_ids,
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: answer.backend_mode,
            settings: subject.settings,
            backends: Backends {
                reference: answer.sandbox.reference.as_ref().map(backend),
                fastpath: answer.sandbox.fastpath.as_ref().map(backend),
            },
            registry_sha256: subject.registry_sha256,
            documents: subject.documents,
            reports: reports(answer),
            identity: IdentityRecord {
                session_id: identity.session_id.clone(),
                agent_id: identity.agent_id.clone(),
                actor: identity.actor.clone(),
            },
            request: Some(judged(request)),
            masking: Masking {
                masked: Vec::new(),
                failed: false,
                replayable: true,
                sealed: None,
            },
            outcome: outcome(answer),
            measured: Measured {
                reference: answer.sandbox.reference.as_ref().map(measured),
                fastpath: answer.sandbox.fastpath.as_ref().map(measured),
            },
        }
    }
}

/// The request as it was judged, with the fields that nobody looks at.
fn judged(request: &Request) -> Map<String, Value> {
    let mut fields = match serde_json::to_value(request) {
        Ok(Value::Object(fields)) => fields,
        // A request of texts can always be written.
        _ => Map::new(),
    };
    fields.extend(request.extra.clone());
    fields
}

fn outcome(answer: &Evaluation) -> Outcome {
    Outcome {
        selected_backend: answer.selected_backend,
        fallback_used: answer.fallback_used,
        fallback_reason: answer.fallback_reason.clone(),
        fallback_code: answer.fallback_code,
        parity_match: answer.parity_match,
        parity_diff: answer
            .parity_diff
            .as_ref()
            .map(|differences| differences.iter().map(difference).collect()),
        python_decision: answer.python_decision.as_deref().map(decision),
        go_decision: answer.go_decision.as_deref().map(decision),
        effective_decision: decision(&answer.effective_decision),
    }
}

fn difference(of: &Difference) -> DifferenceRecord {
    DifferenceRecord {
        field: of.field.to_owned(),
        python: of.python.clone(),
        go: of.go.clone(),
    }
}

fn decision(of: &IssuedDecision) -> DecisionRecord {
    let it = &of.decision;
    DecisionRecord {
        decision_id: of.stamp.decision_id.clone(),
        decision: it.verdict,
        rule_id: it.rule_id.clone(),
        severity: it.severity,
        reason: it.reason.clone(),
        action_type: it.action_type.clone(),
        target: it.target.clone(),
        requested_operation: it.requested_operation.clone(),
        policy_pack: it.policy_pack.clone(),
        approver_group: it.approver_group.clone(),
        matched_pattern: it.matched_pattern.clone(),
    }
}

fn reports(answer: &Evaluation) -> BTreeMap<String, String> {
    let readiness = answer.reports.readiness.as_ref();
    let readiness = readiness.map(|it| ("readiness".to_owned(), it.status.as_str().to_owned()));
    let promoted = answer.reports.promoted.iter();
    let promoted = promoted.map(|(key, it)| ((*key).to_owned(), it.status().as_str().to_owned()));
    readiness.into_iter().chain(promoted).collect()
}

fn backend(usage: &Usage) -> BackendRecord {
    BackendRecord {
        kind: usage.kind.to_owned(),
        module_sha256: usage.module_sha256.to_string(),
        policy_sha256: usage.policy_sha256.to_string(),
        engine_fingerprint: usage.engine_fingerprint.as_deref().map(str::to_owned),
        fuel_used: usage.fuel_used,
    }
}

fn measured(usage: &Usage) -> MeasuredBackend {
    let stages = usage.stages.as_ref();
    MeasuredBackend {
        microseconds: usage.microseconds,
        instantiate_ns: stages.map(|it| it.instantiate_ns),
        load_ns: stages.map(|it| it.load_ns),
        evaluate_ns: stages.map(|it| it.evaluate_ns),
        drop_ns: stages.map(|it| it.drop_ns),
        peak_memory_bytes: usage.peak_memory_bytes,
        baked: usage.baked,
    }
}
