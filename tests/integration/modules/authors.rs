//! `cavra module new`, `check`, `test` and `inspect`, as somebody uses them who writes a
//! module in Rust, and another who writes one in Python.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use integration_tests::{cavra, fast_path, misbehaving, root};
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The status of every check, in the report's order.
fn statuses(report: &Value) -> Vec<(&str, &str)> {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|check| (check["id"].as_str().unwrap(), check["status"].as_str().unwrap()))
        .collect()
}

/// The message of a check.
fn message<'a>(report: &'a Value, id: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id).unwrap();
    check["message"].as_str().unwrap()
}

fn check(module: &Path) -> (Option<i32>, Value) {
    let output = cavra(["module", "check", text(module), "--json"]).run();
    (output.code, output.json())
}

/// The project of the template, built once for all tests of a run. What it depends on is
/// built once for all runs.
fn template() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let room = root().canonicalize().unwrap().join("target/template");
        let project = room.join("harbor-policy");
        let _ = std::fs::remove_dir_all(&project);
        let written = cavra(["module", "new", text(&project)]).run();
        assert_eq!(written.code, Some(0), "{}", written.stderr);
        assert!(
            written.stdout.contains("harbor_policy.wasm"),
            "{}",
            written.stdout
        );
        // The versions that this repository has downloaded.
        std::fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
        // As `scripts/modules.sh` builds modules.
        let build = r#"
            setup=$(scripts/toolchain.sh --env)
            eval "$setup"
            export RUSTFLAGS=$GUEST_RUSTFLAGS CARGO_TARGET_DIR=$1/built-$GUEST_ROUTE
            cd "$1/harbor-policy"
            cargo build --quiet --release --offline --target wasm32-wasip2 $GUEST_CARGO_FLAGS >&2
            echo "$CARGO_TARGET_DIR/wasm32-wasip2/release/harbor_policy.wasm"
        "#;
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", build, "bash", text(&room)])
            .current_dir(root())
            // What is meant for this build of the tests is not meant for that of a module.
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// The example in Python; `make test` has built it.
fn python() -> PathBuf {
    let module = root().join("target/modules/examples/python.wasm");
    assert!(module.is_file(), "run scripts/python-module.sh first");
    module
}

#[test]
fn a_new_module_is_built_checked_tested_and_run_beside_the_reference() {
    let module = template();
    let (code, report) = check(module);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["status"], "pass");
    assert_eq!(report["description"]["name"], "harbor-policy");
    assert!(
        message(&report, "policy").contains("baked into snapshots"),
        "{}",
        message(&report, "policy")
    );
    assert_eq!(report["packs"].as_array().unwrap().len(), 3);
    assert!(report["evaluations"].as_u64().unwrap() > 100);

    let cases = root().join("target/template/harbor-policy/cases.yaml");
    for flags in [&[][..], &["--against-reference"]] {
        let tested = cavra(["module", "test", text(module), text(&cases)])
            .args(flags)
            .run();
        assert_eq!(tested.code, Some(0), "{}\n{}", tested.stdout, tested.stderr);
    }

    let answered = |request: &str| {
        cavra(["evaluate", "-"])
            .args(fast_path("shadow", text(module)))
            .run_with(request.as_bytes())
            .json()
    };
    let same = answered(r#"{"action_type":"mcp_tool_call","server":"shell","tool":"run"}"#);
    assert_eq!(same["parity_match"], true, "{same:#}");
    let other = answered(r#"{"action_type":"read_file","target":".env"}"#);
    assert_eq!(other["parity_match"], false, "{other:#}");
    assert_eq!(other["effective_decision"]["decision"], "block");
    assert_eq!(other["go_decision"]["decision"], "require_approval");
}

#[test]
fn what_a_new_module_says_of_a_case_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases.yaml");
    std::fs::write(
        &cases,
        "tests:\n  - name: secrets stay unread\n    request: {action_type: read_file, target: .env}\n    \
         expect: {decision: block}\n",
    )
    .unwrap();
    let run = |flags: &[&str]| {
        cavra(["module", "test", text(template()), text(&cases), "--json"])
            .args(flags)
            .run()
    };
    let alone = run(&[]);
    assert_eq!(alone.code, Some(1));
    let problems = alone.json()[0]["cases"][0]["problems"].clone();
    assert_eq!(problems[0], "expected decision `block`, got `require_approval`");
    assert_eq!(problems.as_array().unwrap().len(), 1);
    let both = run(&["--against-reference"]).json();
    let problems = both[0]["cases"][0]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(
        problems[1]
            .as_str()
            .unwrap()
            .contains("differs from the reference in `decision`")
    );
}

#[test]
fn a_directory_that_holds_something_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let refused = cavra(["module", "new", text(dir.path()), "--name", "harbor"]).run();
    assert_eq!(refused.code, Some(3), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("is not an empty directory"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let bad = cavra(["module", "new", text(&dir.path().join("Über Uns"))]).run();
    assert_eq!(bad.code, Some(3));
    assert!(bad.stderr.contains("--name"), "{}", bad.stderr);
}

#[test]
fn built_in_modules_pass_every_check() {
    for module in ["builtin:reference", "builtin:fastpath"] {
        let (code, report) = check(Path::new(module));
        assert_eq!(code, Some(0), "{module}: {report:#}");
        let ids: Vec<&str> = statuses(&report).iter().map(|(id, _)| *id).collect();
        let table: Vec<&str> = cavra::authors::CheckId::TABLE
            .iter()
            .map(|(_, word, _)| *word)
            .collect();
        assert_eq!(ids, table);
        assert!(statuses(&report).iter().all(|(_, status)| *status == "pass"));
        assert_eq!(message(&report, "imports"), "nothing");
    }
}

#[test]
fn a_module_that_misbehaves_fails_the_check_that_it_should() {
    for (guest, failed, told) in [
        ("wrong_world", "world", "does not export"),
        ("wrong_version", "world", "evaluator@2.0.0"),
        ("unknown_import", "imports", "acme:telemetry/sink@1.0.0"),
        ("wrong_semantics", "description", "decision semantics `2`"),
        ("load_says_invalid_policy", "policy", "refuses the policy"),
        ("panic", "answers", "trapped"),
        ("lie_about_target", "answers", "another target"),
        ("huge_reason", "answers", "invalid output"),
        ("grow_memory_handled", "memory", "bytes of memory"),
        ("spin_in_evaluate", "fuel", "used up its fuel"),
    ] {
        let (code, report) = check(&misbehaving(guest));
        assert_eq!(code, Some(1), "{guest}: {report:#}");
        assert_eq!(report["status"], "fail");
        let statuses = statuses(&report);
        let failing: Vec<&str> = statuses
            .iter()
            .filter(|(_, status)| *status == "fail")
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(failing, [failed], "{guest}: {report:#}");
        assert!(message(&report, failed).contains(told), "{guest}: {report:#}");
    }
}

#[test]
fn bytes_that_are_no_component_fail_and_a_file_that_is_not_there_is_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("module.wasm");
    for (bytes, failed) in [
        (&b"#!/bin/sh\n"[..], "component"),
        (b"\0asm\x01\0\0\0", "component"),
        (b"\0asm\x0d\0\x01\0\xff\xff", "component"),
        (b"\0asm\x0d\0\x01\0", "world"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let (code, report) = check(&file);
        assert_eq!(code, Some(1));
        let checks = statuses(&report);
        assert!(checks.contains(&(failed, "fail")), "{report:#}");
        assert!(checks.contains(&("determinism", "skipped")), "{report:#}");
    }
    // A component by its beginning, and a file that is none.
    for beginning in [&b"\0asm\x0d\0\x01\0"[..], b""] {
        std::fs::write(&file, beginning).unwrap();
        let large = std::fs::File::options().write(true).open(&file).unwrap();
        large.set_len(2 << 30).unwrap();
        let (code, report) = check(&file);
        assert_eq!((code, &report["bytes"]), (Some(1), &(2_u64 << 30).into()));
        assert!(statuses(&report).contains(&("size", "fail")), "{report:#}");
    }
    let missing = cavra(["module", "check", text(&dir.path().join("none.wasm"))]).run();
    assert_eq!(missing.code, Some(3));
}

/// There is nothing by which a module could tell one evaluation from another: neither
/// clocks nor randomness, and not how often it can look at a timer.
#[test]
fn modules_that_ask_for_time_and_randomness_are_deterministic() {
    for guest in ["capabilities", "race_the_clock", "remember"] {
        let (_, report) = check(&misbehaving(guest));
        let statuses = statuses(&report);
        assert!(statuses.contains(&("determinism", "pass")), "{guest}: {report:#}");
        assert!(report["evaluations"].as_u64().unwrap() > 0);
    }
}

#[test]
fn cases_and_policies_of_ones_own_are_asked_too() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.json");
    let compiled = cavra(["policy", "compile", "--policy-pack", "cavra-hipaa"]).run();
    std::fs::write(&policy, compiled.stdout).unwrap();
    let cases = root().join("host/templates/module/cases.yaml");
    let plain = cavra(["module", "check", "builtin:fastpath", "--json", "--policy-path"])
        .args([&policy])
        .run()
        .json();
    assert_eq!(plain["packs"], serde_json::json!(["cavra-hipaa"]));
    let more = cavra(["module", "check", "builtin:fastpath", "--json", "--policy-path"])
        .args([&policy, Path::new("--cases"), &cases])
        .run()
        .json();
    let count = |report: &Value| report["evaluations"].as_u64().unwrap();
    assert_eq!(count(&more), count(&plain) + 2 * 4);

    // Limits of the settings are those of the check.
    let tight = cavra([
        "module",
        "check",
        "builtin:fastpath",
        "--json",
        "--evaluate-fuel",
        "500",
    ])
    .run();
    assert_eq!(tight.code, Some(1));
    assert!(
        statuses(&tight.json()).contains(&("fuel", "fail")),
        "{}",
        tight.stdout
    );

    let broken = dir.path().join("cases.yaml");
    std::fs::write(&broken, "tests: 7\n").unwrap();
    let refused = cavra(["module", "check", "builtin:fastpath", "--cases", text(&broken)]).run();
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.contains("cases.yaml"), "{}", refused.stderr);
}

#[test]
fn a_disagreement_with_the_reference_is_told_case_by_case() {
    let cases = root().join("host/policies/cavra-ai-agent-baseline/tests.yaml");
    let module = misbehaving("disagree_on_severity");
    let run = |flags: &[&str]| {
        cavra(["module", "test", text(&module), text(&cases), "--json"])
            .args(flags)
            .run()
    };
    let output = run(&["--against-reference"]);
    assert_eq!(output.code, Some(1));
    let result = output.json();
    let told = |case: &&Value| {
        case["problems"]
            .to_string()
            .contains("differs from the reference in `severity`")
    };
    let cases = result[0]["cases"].as_array().unwrap();
    let differing = cases.iter().filter(told).count();
    assert!(
        differing > 0 && differing < cases.len(),
        "{differing} of {}",
        cases.len()
    );
    // The fast path has every decision of the reference.
    let honest = cavra(["module", "test", "builtin:fastpath"])
        .args([root().join("host/policies/cavra-ai-agent-baseline/tests.yaml")])
        .args(["--against-reference"])
        .run();
    assert_eq!(honest.code, Some(0), "{}", honest.stdout);
}

#[test]
fn inspecting_tells_what_a_module_is_made_of() {
    let it = cavra(["module", "inspect", text(template()), "--json"])
        .run()
        .json();
    assert_eq!(it["world"], "cavra:enforcement/policy-module@1.0.0");
    assert_eq!(it["all_exports"][0], it["exports"]);
    let languages = &it["producers"]["language"];
    assert!(languages["Rust"].is_string(), "{it:#}");
    assert!(
        it["producers"]["processed-by"]["wit-component"].is_string(),
        "{it:#}"
    );
    let memory = &it["memories"][0];
    assert_eq!(memory["page_bytes"], 65_536);
    assert!(memory["initial_pages"].as_u64().unwrap() > 0);
    let shown = cavra(["module", "inspect", text(template())]).run().stdout;
    for word in ["world", "made by", "memories", "processed-by: ", "to begin with"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}

#[test]
fn a_module_in_python_is_checked_and_tested_under_the_default_limits() {
    let cases = root().join("examples/python-module/cases.yaml");
    let checked = cavra([
        "module",
        "check",
        text(&python()),
        "--json",
        "--cases",
        text(&cases),
    ])
    .run();
    let report = checked.json();
    assert_eq!(checked.code, Some(0), "{report:#}");
    assert_eq!(report["description"]["name"], "example-python");
    assert!(
        message(&report, "policy").contains("wasi:cli/environment"),
        "{}",
        message(&report, "policy")
    );
    let tested = cavra([
        "module",
        "test",
        text(&python()),
        text(&cases),
        "--against-reference",
    ])
    .run();
    assert_eq!(tested.code, Some(0), "{}\n{}", tested.stdout, tested.stderr);
}

/// Files, MCP calls, pull requests and unknown actions: what the module judges as the
/// reference does, as the packs' own tests have them.
#[test]
fn a_module_in_python_agrees_with_the_reference_where_it_judges() {
    let mut requests = String::new();
    for pack in ["cavra-ai-agent-baseline", "cavra-mcp-enterprise"] {
        let file = root().join(format!("host/policies/{pack}/tests.yaml"));
        let tests = cavra::policy::PackTests::parse(&std::fs::read(file).unwrap(), "tests.yaml").unwrap();
        for test in tests.tests {
            let mut request = test.request;
            request.insert("policy_pack".to_owned(), pack.into());
            requests.push_str(&format!("{}\n", Value::Object(request)));
        }
    }
    requests.push_str("{\"action_type\":\"open_valve\",\"requested_operation\":\"slowly\"}\n");
    let module = python();
    let answers = cavra(["evaluate", "-"])
        .args(fast_path("shadow", text(&module)))
        .run_with(requests.as_bytes())
        .lines();
    let (mut agreed, mut differed) = (0, 0);
    for answer in answers {
        let asked = &answer["python_decision"];
        assert!(answer["go_decision"].is_object(), "{answer:#}");
        assert_eq!(answer["selected_backend"], "python");
        match asked["action_type"].as_str().unwrap() {
            "execute_command" | "git_operation" => match answer["parity_match"].as_bool().unwrap() {
                true => {}
                false => {
                    assert_eq!(answer["fallback_code"], "parity_mismatch");
                    assert!(!answer["parity_diff"].as_array().unwrap().is_empty());
                    differed += 1;
                }
            },
            _ => {
                assert_eq!(answer["parity_match"], true, "{answer:#}");
                agreed += 1;
            }
        }
    }
    assert!(
        agreed > 50 && differed > 10,
        "{agreed} agreed, {differed} differed"
    );
}
