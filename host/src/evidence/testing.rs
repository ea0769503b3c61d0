//! Records for unit tests.

use serde_json::json;

use super::{
    BackendRecord, Backends, DecisionRecord, DifferenceRecord, EvaluationRecord, IdentityRecord,
    LimitsRecord, Masked, Masking, Measured, MeasuredBackend, Outcome, Settings,
};
use crate::fault::FallbackCode;
use crate::model::{Severity, Verdict};
use crate::pilot::{Mode, SelectedBackend};

fn decision() -> DecisionRecord {
    DecisionRecord {
        action_type: "execute_command".to_owned(),
        approver_group: Some("platform".to_owned()),
        decision: Verdict::RequireApproval,
        decision_id: "dec_1".to_owned(),
        matched_pattern: Some("terraform *".to_owned()),
        policy_pack: "example-pack".to_owned(),
        reason: "somebody must approve it".to_owned(),
        requested_operation: "execute_command".to_owned(),
        rule_id: "commands.require_approval".to_owned(),
        severity: Severity::High,
        target: "terraform apply".to_owned(),
    }
}

fn backend() -> BackendRecord {
    BackendRecord {
        engine_fingerprint: Some("wasmtime".to_owned()),
        fuel_used: Some(12_345),
        kind: "component".to_owned(),
        module_sha256: "ab".repeat(32),
        policy_sha256: "cd".repeat(32),
    }
}

fn measured() -> MeasuredBackend {
    MeasuredBackend {
        baked: Some(true),
        drop_ns: Some(1),
        evaluate_ns: Some(2),
        instantiate_ns: Some(3),
        load_ns: Some(4),
        microseconds: 5,
        peak_memory_bytes: Some(6),
    }
}

/// A record in which everything is there.
pub(super) fn full() -> EvaluationRecord {
    let texts = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect()
    };
    let limits = LimitsRecord {
        evaluate_fuel: 50_000_000,
        load_fuel: 5_000_000_000,
        memory_bytes: 1 << 26,
        wall_clock_ms: 5_000,
    };
    let request =
        json!({"action_type": "execute_command", "target": "terraform apply", "ticket": {"id": 7.5}});
    EvaluationRecord {
        backends: Backends {
            fastpath: Some(backend()),
            reference: Some(backend()),
        },
        documents: texts(&[("rollback-plan-path", "ef"), ("promotion-evidence-path", "01")]),
        drawn_ids: ["1", "2", "3", "4"].map(str::to_owned).to_vec(),
        evaluation_id: "eval_1".to_owned(),
        host_version: "0.1.0".to_owned(),
        identity: IdentityRecord {
            actor: "ai-agent".to_owned(),
            agent_id: "unknown-agent".to_owned(),
            session_id: "local".to_owned(),
        },
        masking: Masking {
            failed: false,
            masked: vec![Masked {
                pointer: "/request/target".to_owned(),
                rule: "flag".to_owned(),
            }],
            replayable: false,
            sealed: None,
        },
        measured: Measured {
            fastpath: Some(measured()),
            reference: Some(measured()),
        },
        mode: Mode::Promoted,
        outcome: Outcome {
            effective_decision: decision(),
            fallback_code: Some(FallbackCode::ParityMismatch),
            fallback_reason: "they differ".to_owned(),
            fallback_used: true,
            go_decision: Some(decision()),
            parity_diff: Some(vec![DifferenceRecord {
                field: "decision".to_owned(),
                go: json!("allow"),
                python: json!("block"),
            }]),
            parity_match: Some(false),
            python_decision: Some(decision()),
            selected_backend: SelectedBackend::Python,
        },
        registry_sha256: Some("23".repeat(32)),
        reports: texts(&[("rollback_readiness", "ready"), ("promotion_readiness", "ready")]),
        request: request.as_object().cloned(),
        settings: Settings {
            fastpath_limits: limits.clone(),
            reference_limits: limits,
        },
        time: "2026-01-01T00:00:00Z".to_owned(),
    }
}

/// A record in which nothing is that need not be.
pub(super) fn sparse() -> EvaluationRecord {
    let mut record = full();
    record.backends = Backends {
        fastpath: None,
        reference: None,
    };
    record.documents.clear();
    record.drawn_ids.clear();
    record.reports.clear();
    record.registry_sha256 = None;
    record.request = None;
    record.masking.masked.clear();
    record.measured = Measured {
        fastpath: None,
        reference: None,
    };
    let outcome = &mut record.outcome;
    outcome.fallback_code = None;
    outcome.go_decision = None;
    outcome.parity_diff = None;
    outcome.parity_match = None;
    outcome.python_decision = None;
    outcome.effective_decision.approver_group = None;
    outcome.effective_decision.matched_pattern = None;
    record
}
