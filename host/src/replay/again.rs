//! One record, judged again.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::evaluators::{Evaluators, Parts, Role};
use super::{
    Departure, Finding, Fuel, Missing, Obstacle, RecordedClock, RecordedIds, Replayed, Taken, departures,
};
use crate::backend::{Attempt, Backend, MissingBackend};
use crate::evidence::{BackendRecord, DecisionRecord, EvaluationRecord, Subject};
use crate::fault::{FallbackCode, Fault};
use crate::model::{Decision, Request};
use crate::pilot::{self, Begun, SelectedBackend, Stamps};

/// How a fast path's failure is told.
const FAILED: &str = "go runtime failed: ";

/// What of a record no replay gives again, beside what the record itself sets apart:
/// which release wrote it, and how it was masked.
const APART: [&str; 4] = ["measured", "host_version", "masking", "reports"];

/// Judges the request of `record` again, by the modules and policies that it names, at
/// its time and under its ids, and compares everything.
pub fn replay(evaluators: &Evaluators, record: &EvaluationRecord) -> Replayed {
    let mut replay = Replay {
        evaluators,
        record,
        taken: Vec::new(),
        missing: Vec::new(),
    };
    let (finding, fuel) = replay.run();
    Replayed {
        evaluation_id: record.evaluation_id.clone(),
        finding,
        fuel,
        taken: replay.taken,
    }
}

/// The request of a record, if the record holds what was judged.
pub(super) fn request(record: &EvaluationRecord) -> Result<Request, Missing> {
    let missing = |obstacle, detail: String| Missing { obstacle, detail };
    let Some(fields) = record.request.as_ref().filter(|_| !record.masking.failed) else {
        return Err(missing(
            Obstacle::NoRequest,
            "masking failed when it was recorded".to_owned(),
        ));
    };
    if !record.masking.replayable {
        let masked = record.masking.masked.iter().map(|it| it.pointer.as_str());
        // One text may hold several secrets.
        let masked: BTreeSet<&str> = masked.filter(|at| at.starts_with("/request")).collect();
        let masked = Vec::from_iter(masked);
        return Err(missing(Obstacle::Masked, masked.join(", ")));
    }
    // Not by the door for bodies: with its defaults filled in, a request may be longer.
    serde_json::from_value(Value::Object(fields.clone()))
        .map_err(|e| missing(Obstacle::Malformed, format!("its request: {e}")))
}

/// What the evaluator of one backend of a record is made of.
pub(super) fn parts(record: &EvaluationRecord, backend: &BackendRecord, role: Role) -> Parts {
    let pack = record.request.as_ref().and_then(|it| it.get("policy_pack"));
    Parts {
        module: backend.module_sha256.clone(),
        policy: backend.policy_sha256.clone(),
        pack: pack.and_then(Value::as_str).unwrap_or_default().to_owned(),
        registry: record.registry_sha256.clone(),
        limits: match role {
            Role::Reference => (&record.settings.reference_limits).into(),
            Role::FastPath => (&record.settings.fastpath_limits).into(),
        },
    }
}

struct Replay<'a> {
    evaluators: &'a Evaluators,
    record: &'a EvaluationRecord,
    taken: Vec<Taken>,
    missing: Vec<Missing>,
}

impl Replay<'_> {
    fn run(&mut self) -> (Finding, Fuel) {
        let cannot = |missing| (Finding::Cannot { missing }, Fuel::None);
        let request = match request(self.record) {
            Ok(request) => request,
            Err(missing) => return cannot(vec![missing]),
        };
        let stamps = match self.stamps() {
            Ok(stamps) => stamps,
            Err(missing) => return cannot(vec![missing]),
        };
        let Some(reference) = self.reference() else {
            return cannot(std::mem::take(&mut self.missing));
        };
        let closed = self.closed();
        let mode = self.record.mode;
        let answer = match pilot::begin_again(mode, reference.evaluate(&request), closed, &request, stamps) {
            Begun::Decided(answer) => answer,
            Begun::Open(open) => match self.fast_path() {
                Fast::Run(backend) => open.conclude(&request, backend.evaluate(&request)),
                Fast::Recorded(attempt) => open.conclude(&request, *attempt),
                Fast::NoTurn(fault) => open.give_up(&fault),
            },
        };
        let subject = Subject {
            drawn_ids: self.record.drawn_ids.clone(),
            settings: self.record.settings.clone(),
            registry_sha256: self.record.registry_sha256.clone(),
            documents: self.record.documents.clone(),
        };
        let again = EvaluationRecord::new(&request, &answer, subject);
        self.compare(again)
    }

    fn stamps(&self) -> Result<Stamps, Missing> {
        let time = self.record.time.parse().map_err(|e| Missing {
            obstacle: Obstacle::Malformed,
            detail: format!("its time: {e}"),
        })?;
        let ids = RecordedIds::new(self.record.drawn_ids.iter().map(String::as_str));
        Ok(Stamps::draw(&RecordedClock(time), &ids))
    }

    /// What stands for the reference; none where it is missing, for without it nothing is decided.
    fn reference(&mut self) -> Option<Box<dyn Backend>> {
        let code = self.record.outcome.fallback_code;
        let failed = self.record.outcome.selected_backend == SelectedBackend::None;
        let backend = self.record.backends.reference.as_ref();
        let backend = backend.filter(|it| !it.module_sha256.is_empty());
        match backend.filter(|_| !(failed && code == Some(FallbackCode::TimeoutWallClock))) {
            Some(backend) => {
                let parts = parts(self.record, backend, Role::Reference);
                match self.evaluators.get(Role::Reference, &parts) {
                    Ok(evaluator) => Some(Box::new(evaluator)),
                    Err(missing) => {
                        self.missing.extend(missing);
                        None
                    }
                }
            }
            None => {
                self.taken.push(Taken::ReferenceFault);
                Some(Box::new(MissingBackend(fault(code))))
            }
        }
    }

    /// The gate that stopped the fast path, if one did. A record without a fast path that
    /// was not given up for want of time has been stopped.
    fn closed(&mut self) -> Option<(FallbackCode, &'static str)> {
        let outcome = &self.record.outcome;
        let code = outcome.fallback_code?;
        let asked = self.record.backends.fastpath.is_some() || outcome.fallback_reason.starts_with(FAILED);
        if asked || matches!(code, FallbackCode::Disabled) || outcome.python_decision.is_none() {
            return None;
        }
        self.taken.push(Taken::Gates);
        // The reason is taken with it: see `Self::compare`.
        Some((code, ""))
    }

    fn fast_path(&mut self) -> Fast {
        let outcome = &self.record.outcome;
        let code = outcome.fallback_code;
        let Some(backend) = &self.record.backends.fastpath else {
            self.taken.push(Taken::FastpathFault);
            return Fast::NoTurn(fault(code));
        };
        let gave_none = outcome.go_decision.is_none();
        let timed_out = gave_none && code == Some(FallbackCode::TimeoutWallClock);
        if backend.module_sha256.is_empty() || timed_out {
            self.taken.push(Taken::FastpathFault);
            return self.recorded();
        }
        if backend.kind != "component" {
            self.missing.push(Missing {
                obstacle: Obstacle::Native,
                detail: format!("binary {}", backend.module_sha256),
            });
            return self.recorded();
        }
        let parts = parts(self.record, backend, Role::FastPath);
        match self.evaluators.get(Role::FastPath, &parts) {
            Ok(evaluator) => Fast::Run(Box::new(evaluator)),
            // The reference is still put to the test.
            Err(missing) => {
                self.missing.extend(missing);
                self.recorded()
            }
        }
    }

    fn recorded(&self) -> Fast {
        let outcome = match &self.record.outcome.go_decision {
            Some(it) => Ok(decision(it)),
            None => Err(fault(self.record.outcome.fallback_code)),
        };
        Fast::Recorded(Box::new(Attempt {
            outcome,
            usage: Default::default(),
        }))
    }

    fn compare(&mut self, mut again: EvaluationRecord) -> (Finding, Fuel) {
        let old = self.record;
        let took = |what| self.taken.contains(&what);
        let incomplete = !self.missing.is_empty();
        if incomplete || !self.taken.is_empty() {
            again
                .outcome
                .fallback_reason
                .clone_from(&old.outcome.fallback_reason);
        }
        if took(Taken::ReferenceFault) {
            again.backends.reference.clone_from(&old.backends.reference);
        }
        if incomplete || took(Taken::FastpathFault) {
            again.backends.fastpath.clone_from(&old.backends.fastpath);
        }
        let ran: Vec<&BackendRecord> = [
            old.backends
                .reference
                .as_ref()
                .filter(|_| !took(Taken::ReferenceFault)),
            old.backends
                .fastpath
                .as_ref()
                .filter(|_| !incomplete && !took(Taken::FastpathFault)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let known = self.evaluators.fingerprint();
        let same_engine = |it: &&BackendRecord| it.engine_fingerprint.as_deref() == Some(known);
        let fuel = if ran.iter().all(|it| it.fuel_used.is_none()) {
            Fuel::None
        } else if ran.iter().all(same_engine) {
            Fuel::Compared
        } else {
            Fuel::NotComparable
        };
        let fields = match (plain(old), plain(&again)) {
            (Some(mut old), Some(mut again)) => {
                if fuel != Fuel::Compared {
                    apart(&mut old);
                    apart(&mut again);
                }
                let fields = departures(&old, &again);
                self.unmasked(fields)
            }
            _ => Vec::new(),
        };
        let missing = std::mem::take(&mut self.missing);
        let finding = if !fields.is_empty() {
            Finding::Differs { fields }
        } else if !missing.is_empty() {
            // The rest of it proves nothing of the fuel.
            return (Finding::Cannot { missing }, Fuel::None);
        } else {
            Finding::Identical
        };
        (finding, fuel)
    }

    /// Without those that differ because something was masked in the record.
    fn unmasked(&self, mut fields: Vec<Departure>) -> Vec<Departure> {
        let masked = &self.record.masking.masked;
        fields.retain(|it| !masked.iter().any(|masked| masked.pointer == it.field));
        fields
    }
}

enum Fast {
    Run(Box<dyn Backend>),
    Recorded(Box<Attempt>),
    NoTurn(Fault),
}

/// A record as a document, without what is set apart.
fn plain(record: &EvaluationRecord) -> Option<Value> {
    let mut value = serde_json::to_value(record).ok()?;
    if let Value::Object(fields) = &mut value {
        fields.retain(|key, _| !APART.contains(&key.as_str()));
    }
    Some(value)
}

/// Takes fuel away, and the engine that it is counted by.
fn apart(record: &mut Value) {
    for backend in ["/backends/reference", "/backends/fastpath"] {
        if let Some(Value::Object(fields)) = record.pointer_mut(backend) {
            let fields: &mut Map<String, Value> = fields;
            fields.remove("fuel_used");
            fields.remove("engine_fingerprint");
        }
    }
}

/// A fault with this code. What it says is taken from the record.
fn fault(code: Option<FallbackCode>) -> Fault {
    let said = String::new;
    match code {
        Some(FallbackCode::MissingPolicy) => Fault::MissingPolicy(said()),
        Some(FallbackCode::TimeoutFuel) => Fault::OutOfFuel { limit: 0 },
        Some(FallbackCode::TimeoutWallClock) => Fault::WallClock { limit_ms: 0 },
        Some(FallbackCode::MemoryLimit) => Fault::MemoryLimit { wanted: 0, limit: 0 },
        Some(FallbackCode::Trap) => Fault::Trap(said()),
        Some(FallbackCode::OutputInvalid) => Fault::OutputInvalid(said()),
        Some(FallbackCode::NativeFailed) => Fault::NativeFailed(said()),
        _ => Fault::MissingRuntime(said()),
    }
}

fn decision(it: &DecisionRecord) -> Decision {
    Decision {
        verdict: it.decision,
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
