//! Promoted mode from the command line: a set-up that is ready, and everything that
//! closes it, one at a time.

use std::fs;
use std::path::Path;

use cavra::gates::DocumentKind;
use integration_tests::{cavra, misbehaving, root};
use serde_json::{Value, json};

use super::governance::SetUp;

const KEYS: [&str; 6] = [
    "readiness",
    "promotion_readiness",
    "rollback_readiness",
    "rollback_rehearsal",
    "rollback_drill_history",
    "rollback_drill_schedule",
];

const STOPS: [(&str, &str); 6] = [
    ("missing_runtime", "go backend readiness check failed"),
    (
        "promotion_not_ready",
        "go backend promotion readiness check failed",
    ),
    ("rollback_not_ready", "go backend rollback readiness check failed"),
    (
        "rehearsal_not_ready",
        "go backend rollback rehearsal check failed",
    ),
    (
        "drill_history_not_ready",
        "go backend rollback drill history check failed",
    ),
    (
        "drill_schedule_not_ready",
        "go backend rollback drill schedule check failed",
    ),
];

fn evaluate(it: &SetUp) -> Value {
    let output = it.run(&["evaluate", "execute_command", "terraform plan", "--json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.json()
}

fn attached(answer: &Value) -> Vec<&'static str> {
    KEYS.into_iter().filter(|key| answer.get(key).is_some()).collect()
}

/// The answer of a pilot that stopped at the gate of this place in [`KEYS`].
fn assert_stopped(answer: &Value, place: usize, what: &str) {
    let (code, reason) = STOPS[place];
    assert_eq!(answer["fallback_code"], code, "{what}");
    assert_eq!(answer["fallback_reason"], reason, "{what}");
    assert_eq!(answer["fallback_used"], true);
    assert_eq!(answer["selected_backend"], "python", "{what}");
    assert_eq!(answer["go_decision"], Value::Null);
    assert_eq!(answer["effective_decision"], answer["python_decision"]);
    assert_eq!(attached(answer), KEYS[..=place], "{what}");
    for key in &KEYS[..place] {
        assert_eq!(answer[key]["status"], "ready", "{what}: {key}");
    }
    assert_eq!(answer[KEYS[place]]["status"], "needs_attention", "{what}");
}

fn assert_selected(answer: &Value) {
    assert_eq!(answer["selected_backend"], "go", "{answer}");
    assert_eq!(answer["fallback_used"], false);
    assert_eq!(answer["parity_match"], true);
    assert_eq!(answer["effective_decision"], answer["go_decision"]);
    assert!(
        attached(answer).is_empty(),
        "an answer that is used carries no reports"
    );
}

/// At which gate a document stops the pilot.
fn place(kind: DocumentKind) -> usize {
    match kind {
        DocumentKind::RollbackPlan => 2,
        DocumentKind::RollbackRehearsal => 3,
        DocumentKind::DrillHistory => 4,
        DocumentKind::DrillSchedule => 5,
        // The deployment is asked for by the promotion report.
        _ => 1,
    }
}

#[test]
fn a_scaffolded_set_up_selects_the_fast_path() {
    assert_selected(&evaluate(&SetUp::new(&[])));
}

#[test]
fn each_document_closes_its_gate() {
    let it = SetUp::new(&[]);
    for kind in DocumentKind::ALL {
        let path = it.path(kind);
        let good = fs::read(&path).unwrap();
        let stopped = |what: &str| assert_stopped(&evaluate(&it), place(kind), &format!("{kind} {what}"));
        fs::remove_file(&path).unwrap();
        stopped("removed");
        fs::create_dir(&path).unwrap();
        stopped("a directory");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        stopped("cut");
        let other = if kind == DocumentKind::RollbackPlan {
            DocumentKind::DrillSchedule
        } else {
            DocumentKind::RollbackPlan
        };
        fs::copy(it.path(other), &path).unwrap();
        stopped("another document");
        fs::write(&path, &good).unwrap();
    }
    assert_selected(&evaluate(&it));
}

#[test]
fn age_denial_and_another_subject_close_gates() {
    let it = SetUp::new(&[]);
    for (kind, pointer, value) in [
        (
            DocumentKind::PromotionEvidence,
            "/expires_at",
            json!("2020-01-01"),
        ),
        (DocumentKind::PromotionEvidence, "/issued_at", json!("9999-01-01")),
        (DocumentKind::PromotionEvidence, "/approved", json!(false)),
        (
            DocumentKind::PromotionEvidence,
            "/approval/status",
            json!("revoked"),
        ),
        (
            DocumentKind::PromotionEvidence,
            "/subject/engine_fingerprint",
            json!("sha256:00"),
        ),
        (DocumentKind::RollbackPlan, "/approved", json!(false)),
        (DocumentKind::RollbackPlan, "/expires_at", json!("2020-01-01")),
        (
            DocumentKind::RollbackRehearsal,
            "/expires_at",
            json!("2020-01-01"),
        ),
        (
            DocumentKind::RollbackRehearsal,
            "/subject/runtime_sha256",
            json!("00"),
        ),
        (
            DocumentKind::DrillHistory,
            "/drills/0/executed_at",
            json!("2020-01-01"),
        ),
        (
            DocumentKind::DrillHistory,
            "/drills/0/executed_at",
            json!("9999-01-01"),
        ),
        (DocumentKind::DrillSchedule, "/next_due_at", json!("2020-01-01")),
        (DocumentKind::DrillSchedule, "/status", json!("paused")),
    ] {
        let good = fs::read(it.path(kind)).unwrap();
        it.put(kind, pointer, value.clone());
        assert_stopped(
            &evaluate(&it),
            place(kind),
            &format!("{kind} {pointer} = {value}"),
        );
        fs::write(it.path(kind), good).unwrap();
    }
    assert_selected(&evaluate(&it));
}

#[test]
fn a_drill_that_is_due_soon_still_selects_the_fast_path() {
    let mut it = SetUp::new(&[]);
    it.settings.push((
        "CAVRA_GO_ROLLBACK_DRILL_DUE_SOON_DAYS".to_owned(),
        "31".to_owned(),
    ));
    let report = it.run(&["runtime", "go-rollback-drill-schedule", "--json", "--check"]);
    assert_eq!(report.code, Some(0));
    assert_eq!(report.json()["status"], "due_soon");
    assert_selected(&evaluate(&it));
}

#[test]
fn another_runtime_or_policy_closes_the_gates_by_itself() {
    let files = tempfile::tempdir().unwrap();
    let runtime = files.path().join("runtime.wasm");
    let policy = files.path().join("policy.json");
    fs::copy(root().join("dist/modules/fastpath.wasm"), &runtime).unwrap();
    let compile = |overlay: Option<&Path>| {
        let mut command = cavra(["policy", "compile"]);
        if let Some(overlay) = overlay {
            command = command.args(["--overlay".as_ref(), overlay.as_os_str()]);
        }
        let output = command.run();
        assert_eq!(output.code, Some(0), "{output:?}");
        fs::write(&policy, output.stdout).unwrap();
    };
    compile(None);
    let it = SetUp::new(&[
        "--runtime-path",
        runtime.to_str().unwrap(),
        "--policy-path",
        policy.to_str().unwrap(),
    ]);
    assert_selected(&evaluate(&it));

    // One that answers alike is another all the same.
    let mut other = fs::read(&runtime).unwrap();
    // An empty custom section: a name of one letter, and nothing.
    other.extend([0, 2, 1, b'x']);
    fs::write(&runtime, other).unwrap();
    assert_stopped(&evaluate(&it), 1, "another build of the runtime");
    fs::copy(misbehaving("disagree_on_verdict"), &runtime).unwrap();
    assert_stopped(&evaluate(&it), 1, "another runtime");
    fs::write(&runtime, b"\0asm").unwrap();
    assert_stopped(&evaluate(&it), 0, "no runtime");
    fs::copy(root().join("dist/modules/fastpath.wasm"), &runtime).unwrap();
    assert_selected(&evaluate(&it));

    let overlay = files.path().join("overlay.yaml");
    fs::write(&overlay, "commands:\n  block: [\"acme-wipe *\"]\n").unwrap();
    compile(Some(&overlay));
    assert_stopped(&evaluate(&it), 1, "another policy");
    compile(None);
    assert_selected(&evaluate(&it));
}
