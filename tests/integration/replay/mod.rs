//! Recorded decisions, made again.

mod fixtures;
mod shrink;

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::service::Service;
use integration_tests::{Output, cavra, fast_path, misbehaving, root};
use serde_json::{Value, json};

use crate::evidence::Place;

/// A day of a coding agent.
fn session() -> Vec<Value> {
    let text = fs::read_to_string(root().join("examples/agent-session.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn misbehaving_folder() -> PathBuf {
    misbehaving("any").parent().unwrap().to_owned()
}

/// `cavra replay LOG --json`, with more flags.
fn replay(log: &Path, flags: &[&str]) -> Output {
    cavra(["replay"])
        .args([log.as_os_str()])
        .args(["--json"])
        .args(flags)
        .run()
}

/// The log's lines, each changed, as a file of its own.
fn changed(place: &Place, name: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let mut text = String::new();
    for segment in place.segments() {
        for line in fs::read_to_string(segment).unwrap().lines() {
            let mut entry: Value = serde_json::from_str(line).unwrap();
            change(&mut entry["event"]);
            text.push_str(&format!("{entry}\n"));
        }
    }
    let path = place.path(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn what_the_command_line_and_the_service_recorded_is_the_same_to_the_byte() {
    let place = Place::new();
    let session = session();
    let few = &session[..12];
    let mut recorded = 0;
    let mut judge = |flags: &[&str], requests: &[Value]| {
        place.judge(flags, requests);
        recorded += requests.len();
    };
    judge(&fast_path("enforce", "builtin:fastpath"), &session);
    judge(&fast_path("shadow", "builtin:fastpath"), &session);
    judge(&[], few);
    // A gate that is closed, and a fast path that is not there.
    judge(&fast_path("promoted", "builtin:fastpath"), few);
    judge(&fast_path("enforce", "/nonexistent.wasm"), few);
    judge(
        &[
            "--mode",
            "enforce",
            "--runtime-path",
            "builtin:fastpath",
            "--policy-path",
            "/nonexistent",
        ],
        few,
    );
    // A registry that cannot be read vouches for nobody, then as now.
    let broken = place.path("broken.json");
    fs::write(&broken, "{").unwrap();
    let call =
        json!({"action_type": "mcp_tool_call", "target": "example-mcp", "tool": "read", "n": [1, 2.5]});
    judge(&["--registry-path", broken.to_str().unwrap()], &[call]);
    let service = Service::ready(
        place
            .cavra(&["serve"])
            .args(fast_path("enforce", "builtin:fastpath")),
    );
    for request in &session {
        assert_eq!(service.evaluate(request).status, 200);
        recorded += 1;
    }
    drop(service);

    let output = replay(&place.dir(), &["--check"]);
    let report = output.json();
    assert_eq!(output.code, Some(0), "{report:#}");
    assert_eq!(report["schema_version"], "cavra.replay.v1");
    assert_eq!(report["records"], json!([]));
    let summary = &report["summary"];
    assert_eq!(summary["records"], recorded);
    assert_eq!(summary["identical"], recorded);
    assert_eq!(summary["fuel_compared"], recorded);
    assert!(summary["records_per_second"].as_f64().unwrap() > 0.0);

    let told = cavra(["replay".as_ref(), place.dir().as_os_str()]).run();
    assert_eq!(told.code, Some(0));
    assert!(
        told.stdout.contains("identical") && told.stdout.contains("records a second"),
        "{told:?}"
    );
}

#[test]
fn whatever_went_wrong_goes_wrong_again() {
    let place = Place::new();
    let push = json!({"action_type": "git_operation", "operation": "push", "target": "main"});
    let guests = [
        "abort",
        "panic",
        "recurse",
        "spin_in_evaluate",
        "grow_memory",
        "huge_reason",
        "lie_about_target",
        "load_says_invalid_policy",
        "disagree_on_rule",
        "disagree_on_verdict",
    ];
    let judge = |guest: &str, more: &[&str]| {
        let module = misbehaving(guest);
        let mut flags = fast_path("enforce", module.to_str().unwrap()).to_vec();
        flags.extend(more);
        let answer = place.judge(&flags, std::slice::from_ref(&push)).lines().remove(0);
        answer["fallback_code"].as_str().unwrap_or_default().to_owned()
    };
    let codes: std::collections::BTreeSet<String> = guests.iter().map(|guest| judge(guest, &[])).collect();
    assert!(codes.len() > 4, "{codes:?}");
    let late = ["--evaluate-fuel", "900000000000", "--timeout-seconds", "0.05"];
    assert_eq!(judge("spin_in_evaluate", &late), "timeout_wall_clock");

    let modules = misbehaving_folder();
    let output = replay(
        &place.dir(),
        &["--check", "--all", "--modules", modules.to_str().unwrap()],
    );
    let report = output.json();
    assert_eq!(output.code, Some(0), "{report:#}");
    assert_eq!(report["summary"]["identical"], guests.len() + 1);
    // How long something took is another each time, and told to be taken.
    let records = report["records"].as_array().unwrap();
    assert_eq!(records.last().unwrap()["taken"], json!(["fastpath_fault"]));
    assert_eq!(records[0]["taken"], json!([]));

    let output = replay(&place.dir(), &["--check"]);
    let report = output.json();
    // The one that was late is decided by the reference alone, which is built in.
    assert_eq!(report["summary"]["cannot"], guests.len(), "{report:#}");
    let missing = &report["records"][0]["missing"];
    assert_eq!(missing[0]["obstacle"], "fastpath_module");
    assert!(missing[0]["detail"].as_str().unwrap().contains("--modules"));
}

#[test]
fn what_was_changed_in_a_record_is_told_to_the_byte() {
    let place = Place::new();
    let requests = &session()[..3];
    place.judge(&fast_path("enforce", "builtin:fastpath"), requests);
    let differs = |name: &str, change: &dyn Fn(&mut Value)| {
        let output = replay(&changed(&place, name, change), &["--check"]);
        let report = output.json();
        assert_eq!(output.code, Some(2), "{report:#}");
        assert_eq!(report["summary"]["differs"], requests.len());
        report["records"][0].clone()
    };
    let record = differs("rule", &|event| {
        event["outcome"]["python_decision"]["rule_id"] = "commands.allowed".into();
    });
    assert_eq!(record["result"], "differs");
    let fields: Vec<_> = record["fields"].as_array().unwrap().iter().collect();
    assert_eq!(fields.len(), 1, "{record:#}");
    assert_eq!(fields[0]["field"], "/outcome/python_decision/rule_id");
    assert_eq!(fields[0]["recorded"], "\"commands.allowed\"");

    let fuel = |event: &mut Value| {
        let fuel = &mut event["backends"]["reference"]["fuel_used"];
        *fuel = (fuel.as_u64().unwrap() + 1).into();
    };
    let record = differs("fuel", &fuel);
    assert_eq!(record["fields"][0]["field"], "/backends/reference/fuel_used");
    let record = differs("id", &|event| event["drawn_ids"][2] = "0".repeat(32).into());
    assert_eq!(
        record["fields"][0]["field"],
        "/outcome/python_decision/decision_id"
    );

    // On another engine the same takes another amount, and the decisions still are the same.
    let path = changed(&place, "engine", |event| {
        fuel(event);
        for backend in ["reference", "fastpath"] {
            event["backends"][backend]["engine_fingerprint"] = "sha256:another".into();
        }
    });
    let output = replay(&path, &["--check", "--all"]);
    let report = output.json();
    assert_eq!(output.code, Some(0), "{report:#}");
    assert_eq!(report["summary"]["identical"], requests.len());
    assert_eq!(report["summary"]["fuel_not_comparable"], requests.len());
    assert_eq!(report["summary"]["fuel_compared"], 0);
    assert_eq!(report["records"][0]["fuel"], "not_comparable");
    let told = cavra(["replay".as_ref(), path.as_os_str()]).run();
    assert!(told.stdout.contains("not comparable"), "{}", told.stdout);
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    let target = "deploy --password hunter2-x91 && check --password hunter3-x92";
    let secret = json!({"action_type": "execute_command", "target": target});
    place.judge(&[], &[secret]);
    let path = changed(&place, "masked", |_| {});
    let cannot = |path: &Path, flags: &[&str], obstacle: &str| {
        let output = replay(path, flags);
        let report = output.json();
        assert_eq!(output.code, Some(0), "{report:#}");
        let record = &report["records"][0];
        assert_eq!(record["result"], "cannot", "{report:#}");
        assert_eq!(record["missing"][0]["obstacle"], obstacle, "{report:#}");
        // Nothing that is missing proves anything.
        let mut flags = flags.to_vec();
        flags.push("--check");
        assert_eq!(replay(path, &flags).code, Some(2));
    };
    cannot(&path, &[], "masked");
    let report = replay(&path, &[]).json();
    assert_eq!(report["records"][0]["missing"][0]["detail"], "/request/target");

    let place = Place::new();
    let registry = root().join("examples/mcp-registry.json");
    let registry = registry.to_str().unwrap();
    place.judge(&["--registry-path", registry], &session()[..1]);
    cannot(&place.dir(), &[], "registry");
    for flag in ["--policies", "--registry-path"] {
        let output = replay(&place.dir(), &["--check", flag, registry]);
        assert_eq!(output.code, Some(0), "{}", output.stdout);
    }
    let with = ["--registry-path", registry];
    for (field, obstacle) in [
        ("module_sha256", "reference_module"),
        ("policy_sha256", "reference_policy"),
    ] {
        let path = changed(&place, field, |event| {
            event["backends"]["reference"][field] = "ab".repeat(32).into();
        });
        cannot(&path, &with, obstacle);
    }
    let path = changed(&place, "time", |event| event["time"] = "yesterday".into());
    cannot(&path, &with, "malformed");
    let path = changed(&place, "memory", |event| {
        event["settings"]["reference_limits"]["memory_bytes"] = (1_u64 << 40).into();
    });
    cannot(&path, &with, "limits");

    // A line that is no entry hides no other.
    let path = place.path("torn.jsonl");
    let line = fs::read_to_string(&place.segments()[0]).unwrap();
    fs::write(&path, format!("{{\"event\":\n{line}")).unwrap();
    let output = replay(&path, &["--registry-path", registry]);
    assert_eq!(output.json()["summary"]["identical"], 1);
    assert_eq!(output.json()["summary"]["unreadable"], 1);
    assert!(output.stderr.contains("torn.jsonl:1"), "{}", output.stderr);
}

#[test]
fn one_evaluation_can_be_asked_for() {
    let place = Place::new();
    place.judge(&[], &session()[..4]);
    let id = place.records()[2].evaluation_id.clone();
    let output = place.cavra(&["replay", "--id", &id, "--all", "--json"]).run();
    let report = output.json();
    assert_eq!(report["summary"]["records"], 1);
    assert_eq!(report["records"][0]["evaluation_id"], id.as_str());
    let output = replay(&place.dir(), &["--id", "eval_none"]);
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("eval_none"), "{}", output.stderr);
    assert_eq!(cavra(["replay"]).run().code, Some(3));
    assert_eq!(cavra(["replay", "/nonexistent"]).run().code, Some(3));
}

#[test]
fn what_another_module_would_have_decided_is_told_by_rule() {
    let place = Place::new();
    let session = session();
    place.judge(&fast_path("enforce", "builtin:fastpath"), &session);
    let other = misbehaving("disagree_on_verdict");
    let output = replay(&place.dir(), &["--check", "--against", other.to_str().unwrap()]);
    let report = output.json();
    assert_eq!(output.code, Some(2), "{report:#}");
    assert_eq!(report["records"], session.len());
    let changes = report["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{report:#}");
    let change = &changes[0];
    assert_eq!(change["from"]["decision"], "block");
    assert_eq!(
        change["from"]["rule_id"],
        "git.protected_branch.block_direct_push"
    );
    assert_eq!(change["to"]["decision"], "allow");
    let changed = report["changed"].as_u64().unwrap();
    assert_eq!(change["count"], changed);
    assert!(changed > 0);
    assert_eq!(report["unchanged"], session.len() as u64 - changed);
    let ids: Vec<String> = place
        .records()
        .iter()
        .map(|it| it.evaluation_id.clone())
        .collect();
    let example = change["examples"][0]["evaluation_id"].as_str().unwrap();
    assert!(ids.iter().any(|id| id == example));

    let output = replay(&place.dir(), &["--check", "--against", "builtin:fastpath"]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    assert_eq!(output.json()["unchanged"], session.len());
    // One that gives no decision is told by its fault.
    let output = replay(
        &place.dir(),
        &["--against", misbehaving("abort").to_str().unwrap()],
    );
    for change in output.json()["changes"].as_array().unwrap() {
        assert_eq!(change["to"]["decision"], "trap");
    }
    let told = cavra([
        "replay".as_ref(),
        place.dir().as_os_str(),
        "--against".as_ref(),
        other.as_os_str(),
    ])
    .run();
    assert!(
        told.stdout.contains("git.protected_branch.block_direct_push"),
        "{}",
        told.stdout
    );
    let output = replay(&place.dir(), &["--against", "builtin:nothing"]);
    assert_eq!(output.code, Some(3));
}
