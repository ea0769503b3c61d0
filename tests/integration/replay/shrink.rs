//! Disagreements, shrunk to test cases.

use cavra::sandbox::Limits;
use cavra::shrink::{Court, Subject};
use integration_tests::{cavra, fast_path, misbehaving};
use serde_json::{Value, json};

use super::misbehaving_folder;
use crate::evidence::Place;

/// A forced push, which `forget_force` lets through, and what it came with.
fn forced() -> Value {
    json!({
        "action_type": "execute_command",
        "target": "sudo git push --force origin main",
        "workspace": "/home/sam/harbor-web",
        "session_id": "harbor-7",
        "note": {"any": ["thing"]},
    })
}

#[test]
fn a_recorded_disagreement_becomes_a_smallest_test_case() {
    let place = Place::new();
    let module = misbehaving("forget_force");
    let requests = [
        forced(),
        json!({"action_type": "read_file", "target": "README.md"}),
    ];
    place.judge(&fast_path("enforce", module.to_str().unwrap()), &requests);
    let records = place.records();
    assert_eq!(records[0].outcome.parity_match, Some(false));
    let modules = misbehaving_folder();
    let out = place.path("a case");
    let shrink = |id: &str| {
        let output = place.cavra(&["parity", "shrink", id, "--json", "--modules"]);
        output
            .args([&modules])
            .args(["--out".as_ref(), out.as_os_str()])
            .run()
    };
    let output = shrink(&records[0].evaluation_id);
    assert_eq!(output.code, Some(0), "{output:?}");
    let told = output.json();
    assert_eq!(told["minimal"], true);
    assert_eq!(
        told["request"],
        json!({"action_type": "execute_command", "target": "push--force"})
    );
    assert_eq!(told["pack"]["commands"], json!({"block": ["push*"]}));
    assert!(told["bytes_after"].as_u64() < told["bytes_before"].as_u64());

    // Nothing more can be taken away, by the judgement of the modules themselves.
    let reference = cavra::builtin::module("builtin:reference").unwrap().unwrap();
    let fast = std::fs::read(&module).unwrap();
    let court = Court::new(reference.into(), fast.into(), Limits::default()).unwrap();
    let whole = json!({"policy": told["pack"], "request": told["request"]});
    let same = court.judge(&Subject(whole.clone())).unwrap().disagreement();
    assert!(same.is_some());
    for at in ["/policy/commands/block/0", "/request/target"] {
        let text: Vec<char> = whole.pointer(at).unwrap().as_str().unwrap().chars().collect();
        for skipped in 0..text.len() {
            let mut less = whole.clone();
            let rest = text
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != skipped)
                .map(|it| it.1);
            *less.pointer_mut(at).unwrap() = rest.collect::<String>().into();
            let judged = court.judge(&Subject(less)).and_then(|it| it.disagreement());
            assert_ne!(judged, same, "{at} without character {skipped}");
        }
    }

    // The command that was printed shows it, and the pack's test passes where the bug is not.
    let command = told["command"]
        .as_str()
        .unwrap()
        .replacen("cavra ", "\"$CAVRA\" ", 1);
    let mut shell = std::process::Command::new("sh");
    shell
        .arg("-c")
        .arg(&command)
        .env("CAVRA", integration_tests::binary())
        .env("CAVRA_CACHE_DIR", "off");
    let shown = shell.output().unwrap();
    let answer: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(answer["parity_match"], false, "{command}");
    assert_eq!(answer["python_decision"]["decision"], "block");
    assert_eq!(answer["go_decision"]["decision"], "allow");
    let tested = cavra(["policy", "test", "shrunk", "--json", "--policy-dir"])
        .args([&out])
        .run();
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(
        tested.stdout.contains("the evaluators agree on a shrunk request"),
        "{}",
        tested.stdout
    );

    // What is there is not written over, and where there is no disagreement nothing is written.
    let output = shrink(&records[0].evaluation_id);
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("--out"), "{}", output.stderr);
    let output = shrink(&records[1].evaluation_id);
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("agree"), "{}", output.stderr);
    assert_eq!(shrink("eval_none").code, Some(3));
}

#[test]
fn a_record_in_a_file_is_shrunk_against_any_module() {
    let place = Place::new();
    // Recorded where the two agreed; the flag names a module that does not.
    place.judge(
        &fast_path("enforce", "builtin:fastpath"),
        &[json!({
            "action_type": "git_operation", "operation": "push", "target": "main", "actor": "sam",
        })],
    );
    let file = place.path("record.json");
    std::fs::write(&file, serde_json::to_string_pretty(&place.records()[0]).unwrap()).unwrap();
    let out = place.path("case");
    let output = cavra(["parity", "shrink", "--json", "--runtime-path"])
        .args([misbehaving("disagree_on_severity").as_os_str(), file.as_os_str()])
        .args(["--out".as_ref(), out.as_os_str()])
        .run();
    assert_eq!(output.code, Some(0), "{output:?}");
    let told = output.json();
    assert!(
        told["disagreement"].as_str().unwrap().starts_with("severity"),
        "{told:#}"
    );
    assert_eq!(told["request"].get("actor"), None);
    assert!(out.join("shrunk/policy.yaml").is_file());
    assert!(out.join("request.json").is_file());
}
