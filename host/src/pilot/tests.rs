//! The pilot with fake backends and gates: every way through it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::backend::Usage;
use crate::clock::{Clock, IdSource};
use crate::config::{Config, Setting};
use crate::gates::{ReadinessSubject, ReportStatus};

struct Fake {
    outcome: Result<Decision, Fault>,
    calls: AtomicUsize,
}

impl Fake {
    fn new(outcome: Result<Decision, Fault>) -> Self {
        Self {
            outcome,
            calls: AtomicUsize::new(0),
        }
    }
}

impl Backend for Fake {
    fn evaluate(&self, _: &Request) -> Attempt {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Attempt {
            outcome: self.outcome.clone(),
            usage: Usage {
                kind: "component",
                ..Usage::default()
            },
        }
    }
}

struct FakeGates {
    readiness: Arc<ReadinessReport>,
    promoted: BTreeMap<ReportKind, Arc<Report>>,
}

impl Gates for FakeGates {
    fn readiness(&self) -> &Arc<ReadinessReport> {
        &self.readiness
    }

    fn promoted(&self, kind: ReportKind) -> Option<&Arc<Report>> {
        self.promoted.get(&kind)
    }
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        "2030-01-02T03:04:05Z".parse().unwrap()
    }
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl IdSource for Counted {
    fn next_id(&self) -> String {
        format!("{:032x}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn request() -> Request {
    Request::from_json(br#"{"action_type":"execute_command","target":" terraform plan ","session_id":"s1"}"#)
        .unwrap()
}

fn allow() -> Decision {
    Decision {
        verdict: Verdict::Allow,
        rule_id: "commands.allow".to_owned(),
        severity: Severity::Low,
        reason: "allowed".to_owned(),
        action_type: "execute_command".to_owned(),
        target: "terraform plan".to_owned(),
        requested_operation: "terraform plan".to_owned(),
        policy_pack: "cavra-ai-agent-baseline".to_owned(),
        approver_group: None,
        matched_pattern: Some("terraform plan*".to_owned()),
    }
}

fn fine() -> ReadinessSubject {
    let digest = || Ok("00".repeat(32));
    ReadinessSubject {
        runtime: digest(),
        policy: digest(),
        registry: None,
        reference: digest(),
        engine_fingerprint: "sha256:00".to_owned(),
        signatures: None,
    }
}

fn gates(mode: Mode, subject: &ReadinessSubject) -> FakeGates {
    let flags = BTreeMap::from([(Setting::Mode, mode.as_str().to_owned())]);
    let config = Config::read(&flags, &BTreeMap::new()).unwrap();
    let mut gates = FakeGates {
        readiness: Arc::new(ReadinessReport::new(&config, subject)),
        promoted: BTreeMap::new(),
    };
    for gate in &PROMOTED_GATES {
        gates.set(gate.report, ReportStatus::Ready);
    }
    gates
}

impl FakeGates {
    /// Lets a report come to `status`; which one it is makes no difference to the pilot.
    fn set(&mut self, kind: ReportKind, status: ReportStatus) {
        let report = ReadinessReport {
            status,
            ..ReadinessReport::clone(&self.readiness)
        };
        self.promoted
            .insert(kind, Arc::new(Report::Readiness(Arc::new(report))));
    }
}

fn ready(mode: Mode) -> FakeGates {
    gates(mode, &fine())
}

fn run(mode: Mode, reference: &Fake, fast: &Fake, gates: &FakeGates) -> Evaluation {
    evaluate(
        mode,
        reference,
        fast,
        gates,
        &request(),
        Stamps::draw(&Fixed, &Counted::default()),
    )
}

fn agreed(mode: Mode) -> Evaluation {
    run(
        mode,
        &Fake::new(Ok(allow())),
        &Fake::new(Ok(allow())),
        &ready(mode),
    )
}

#[test]
fn disabled_runs_only_the_reference() {
    let fast = Fake::new(Ok(allow()));
    let answer = run(
        Mode::Disabled,
        &Fake::new(Ok(allow())),
        &fast,
        &ready(Mode::Disabled),
    );
    assert_eq!(answer.selected_backend, SelectedBackend::Python);
    assert!(!answer.fallback_used);
    assert_eq!(answer.fallback_reason, "go backend pilot is disabled");
    assert_eq!(answer.fallback_code, Some(FallbackCode::Disabled));
    assert_eq!(answer.parity_match, None);
    assert_eq!(fast.calls.load(Ordering::SeqCst), 0);
}

#[test]
fn shadow_compares_and_keeps_the_reference() {
    let answer = agreed(Mode::Shadow);
    assert_eq!(answer.selected_backend, SelectedBackend::Python);
    assert_eq!(answer.parity_match, Some(true));
    assert_eq!(answer.parity_diff, Some(vec![]));
    assert!(!answer.fallback_used);
    assert_eq!(answer.fallback_code, None);
    assert_eq!(Some(&answer.effective_decision), answer.python_decision.as_ref());
}

#[test]
fn enforce_and_promoted_use_the_fast_path_where_it_agrees() {
    for mode in [Mode::Enforce, Mode::Promoted] {
        let answer = agreed(mode);
        assert_eq!(answer.selected_backend, SelectedBackend::Go, "{mode}");
        assert_eq!(Some(&answer.effective_decision), answer.go_decision.as_ref());
    }
}

#[test]
fn each_compared_field_closes_the_parity_gate() {
    type Change = fn(&mut Decision);
    let changes: [(&str, Change); 3] = [
        ("decision", |it| it.verdict = Verdict::Block),
        ("rule_id", |it| it.rule_id = "commands.other".to_owned()),
        ("severity", |it| it.severity = Severity::Critical),
    ];
    for mode in [Mode::Shadow, Mode::Enforce, Mode::Promoted] {
        for (field, change) in changes {
            let mut other = allow();
            change(&mut other);
            let answer = run(mode, &Fake::new(Ok(allow())), &Fake::new(Ok(other)), &ready(mode));
            assert_eq!(answer.selected_backend, SelectedBackend::Python);
            assert_eq!(answer.parity_match, Some(false));
            assert_eq!(answer.fallback_code, Some(FallbackCode::ParityMismatch));
            assert_eq!(
                answer.fallback_reason,
                "go decision diverged from Python parity gate"
            );
            assert_eq!(answer.parity_diff.unwrap()[0].field, field);
            assert!(answer.go_decision.is_some());
        }
    }
}

#[test]
fn fields_that_are_not_compared_do_not_close_the_gate() {
    let mut other = allow();
    other.reason = "other words".to_owned();
    other.matched_pattern = None;
    other.approver_group = Some("Somebody".to_owned());
    let answer = run(
        Mode::Enforce,
        &Fake::new(Ok(allow())),
        &Fake::new(Ok(other)),
        &ready(Mode::Enforce),
    );
    assert_eq!(answer.selected_backend, SelectedBackend::Go);
}

#[test]
fn an_answer_about_something_else_is_invalid_output() {
    type Change = fn(&mut Decision);
    let changes: [Change; 3] = [
        |it| it.action_type = "read_file".to_owned(),
        |it| it.target = "terraform fmt".to_owned(),
        |it| it.policy_pack = "other".to_owned(),
    ];
    for change in changes {
        let mut other = allow();
        change(&mut other);
        let fast = Fake::new(Ok(other.clone()));
        let answer = run(
            Mode::Enforce,
            &Fake::new(Ok(allow())),
            &fast,
            &ready(Mode::Enforce),
        );
        assert_eq!(answer.fallback_code, Some(FallbackCode::OutputInvalid));
        assert_eq!(answer.parity_match, Some(false));
        assert_eq!(answer.selected_backend, SelectedBackend::Python);

        let answer = run(
            Mode::Enforce,
            &Fake::new(Ok(other)),
            &Fake::new(Ok(allow())),
            &ready(Mode::Enforce),
        );
        assert_eq!(
            answer.selected_backend,
            SelectedBackend::None,
            "the reference is held to it too"
        );
    }
}

#[test]
fn every_fault_of_the_fast_path_falls_back_with_its_code() {
    let faults = [
        Fault::MissingRuntime("x".to_owned()),
        Fault::MissingPolicy("x".to_owned()),
        Fault::OutOfFuel { limit: 1 },
        Fault::WallClock { limit_ms: 1 },
        Fault::MemoryLimit { wanted: 2, limit: 1 },
        Fault::Trap("x".to_owned()),
        Fault::OutputInvalid("x".to_owned()),
        Fault::NativeFailed("x".to_owned()),
    ];
    for mode in [Mode::Shadow, Mode::Enforce, Mode::Promoted] {
        for fault in &faults {
            let fast = Fake::new(Err(fault.clone()));
            let answer = run(mode, &Fake::new(Ok(allow())), &fast, &ready(mode));
            assert_eq!(answer.fallback_code, Some(fault.code()));
            assert!(
                answer.fallback_reason.starts_with("go runtime failed: "),
                "{}",
                answer.fallback_reason
            );
            assert!(answer.go_decision.is_none() && answer.parity_match.is_none());
            assert_eq!(answer.effective_decision.decision, allow());
            assert_eq!(answer.selected_backend, SelectedBackend::Python);
        }
    }
}

#[test]
fn a_failing_reference_leaves_no_authority() {
    for mode in [Mode::Disabled, Mode::Shadow, Mode::Enforce, Mode::Promoted] {
        let fast = Fake::new(Ok(allow()));
        let answer = run(
            mode,
            &Fake::new(Err(Fault::Trap("x".to_owned()))),
            &fast,
            &ready(mode),
        );
        let it = &answer.effective_decision.decision;
        assert_eq!((it.verdict, it.severity), (Verdict::Block, Severity::Critical));
        assert_eq!(it.rule_id, "runtime.reference.unavailable");
        assert_eq!(it.target, "terraform plan");
        assert_eq!(answer.selected_backend, SelectedBackend::None);
        assert_eq!(answer.fallback_code, Some(FallbackCode::Trap));
        assert!(answer.python_decision.is_none() && answer.go_decision.is_none());
        assert_eq!(fast.calls.load(Ordering::SeqCst), 0, "nothing to compare with");
    }
}

#[test]
fn readiness_stops_the_fast_path_and_is_attached() {
    type Break = fn(&mut ReadinessSubject);
    let breaks: [(Break, FallbackCode); 4] = [
        (
            |it| it.runtime = Err(Fault::MissingRuntime("gone".to_owned())),
            FallbackCode::MissingRuntime,
        ),
        (
            |it| it.policy = Err(Fault::MissingPolicy("gone".to_owned())),
            FallbackCode::MissingPolicy,
        ),
        (
            |it| it.registry = Some(Err(Fault::MissingPolicy("gone".to_owned()))),
            FallbackCode::MissingPolicy,
        ),
        (
            |it| it.reference = Err(Fault::Trap("gone".to_owned())),
            FallbackCode::NotReady,
        ),
    ];
    for mode in [Mode::Shadow, Mode::Enforce, Mode::Promoted] {
        for (change, code) in breaks {
            let mut subject = fine();
            change(&mut subject);
            let gates = gates(mode, &subject);
            let fast = Fake::new(Ok(allow()));
            let answer = run(mode, &Fake::new(Ok(allow())), &fast, &gates);
            assert_eq!(answer.fallback_reason, "go backend readiness check failed");
            assert_eq!(answer.fallback_code, Some(code));
            assert!(answer.reports.readiness.is_some());
            assert_eq!(fast.calls.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn promoted_stops_at_the_first_gate_that_is_not_ready() {
    for (stop, gate) in PROMOTED_GATES.iter().enumerate() {
        for status in [
            ReportStatus::NeedsAttention,
            ReportStatus::NotRequested,
            ReportStatus::Disabled,
        ] {
            let mut gates = ready(Mode::Promoted);
            for gate in &PROMOTED_GATES[stop..] {
                gates.set(gate.report, status);
            }
            let fast = Fake::new(Ok(allow()));
            let answer = run(Mode::Promoted, &Fake::new(Ok(allow())), &fast, &gates);
            assert_eq!(answer.fallback_code, Some(gate.code));
            assert_eq!(answer.fallback_reason, gate.reason);
            let attached: Vec<&str> = answer.reports.promoted.keys().copied().collect();
            let mut made: Vec<&str> = PROMOTED_GATES[..=stop].iter().map(|gate| gate.key).collect();
            made.sort_unstable();
            assert_eq!(attached, made, "every report made so far is attached");
            assert!(answer.reports.readiness.is_some(), "so is readiness");
            assert_eq!(answer.selected_backend, SelectedBackend::Python);
            assert_eq!(fast.calls.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn a_drill_that_is_due_soon_closes_nothing() {
    let mut gates = ready(Mode::Promoted);
    gates.set(ReportKind::DrillSchedule, ReportStatus::DueSoon);
    let answer = run(
        Mode::Promoted,
        &Fake::new(Ok(allow())),
        &Fake::new(Ok(allow())),
        &gates,
    );
    assert_eq!(answer.selected_backend, SelectedBackend::Go);
    assert_eq!(
        answer.reports,
        Reports::default(),
        "an answer that is used carries no reports"
    );
}

#[test]
fn a_gate_that_nothing_reports_on_is_closed() {
    let mut gates = ready(Mode::Promoted);
    gates.promoted.clear();
    let answer = run(
        Mode::Promoted,
        &Fake::new(Ok(allow())),
        &Fake::new(Ok(allow())),
        &gates,
    );
    assert_eq!(answer.fallback_code, Some(FallbackCode::PromotionNotReady));
    let enforced = run(
        Mode::Enforce,
        &Fake::new(Ok(allow())),
        &Fake::new(Ok(allow())),
        &gates,
    );
    assert_eq!(
        enforced.selected_backend,
        SelectedBackend::Go,
        "the other modes do not ask"
    );
}

#[test]
fn stamps_come_from_the_caller_and_are_the_same_in_a_replay() {
    let answer = agreed(Mode::Enforce);
    let again = agreed(Mode::Enforce);
    assert_eq!(json!(answer), json!(again));
    let python = answer.python_decision.unwrap();
    let go = answer.go_decision.unwrap();
    assert_ne!(python.stamp.decision_id, go.stamp.decision_id);
    assert_eq!(python.stamp.correlation_id, go.stamp.correlation_id);
    assert_eq!(*python.stamp.timestamp, *"2030-01-02T03:04:05Z");
    assert_eq!(
        go.evidence_refs,
        [format!("evidence://s1/{}", go.stamp.decision_id)]
    );
}
