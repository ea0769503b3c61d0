//! The command line as its users meet it.

use integration_tests::{cavra, root};

#[test]
fn exit_statuses_tell_the_decision_only_when_asked() {
    let decide = |target: &str, check: &[&str]| {
        cavra(["evaluate", "execute_command", target])
            .args(check)
            .run()
            .code
    };
    for (target, status) in [("npm test", 0), ("terraform apply", 2), ("unheard-of", 4)] {
        assert_eq!(decide(target, &[]), Some(0));
        assert_eq!(decide(target, &["--check"]), Some(status), "{target}");
    }
}

#[test]
fn bad_usage_and_input_are_status_3_and_say_what_to_do() {
    let cases: [(&[&str], &str); 8] = [
        (&[], "Usage"),
        (&["no-such-command"], "no-such-command"),
        (&["evaluate"], "ACTION_TYPE"),
        (
            &["evaluate", "read_file", "a", "--no-such-flag"],
            "--no-such-flag",
        ),
        (
            &["evaluate", "read_file", "a", "--policy-pack", "cavra-pci-ds"],
            "cavra-pci-dss",
        ),
        (
            &["evaluate", "read_file", "a", "--policy-dir", "/nonexistent"],
            "/nonexistent",
        ),
        (&["policy", "compile", "--policy-pack", "Bad Id"], "Bad Id"),
        (&["module", "inspect", "builtin:nothing"], "builtin:reference"),
    ];
    for (args, says) in cases {
        let output = cavra(args).run();
        assert_eq!(output.code, Some(3), "{args:?}: {output:?}");
        assert_eq!(output.stdout, "", "{args:?}");
        assert!(output.stderr.contains(says), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn help_teaches_with_examples_and_names_every_status() {
    let help = cavra(["--help"]).run();
    assert_eq!(help.code, Some(0));
    for part in ["Examples:", "Exit status:", "evaluate", "policy", "tour"] {
        assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
    }
    assert!(!help.stdout.contains("native-supervisor"));
    let evaluate = cavra(["evaluate", "--help"]).run().stdout;
    for part in [
        "Examples:",
        "--mode",
        "CAVRA_GO_BACKEND_MODE",
        "--evaluate-fuel",
        "default: 50000000",
    ] {
        assert!(evaluate.contains(part), "{part}: {evaluate}");
    }
    assert_eq!(cavra(["--version"]).run().code, Some(0));
}

#[test]
fn completions_are_printed_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let output = cavra(["completions", shell]).run();
        assert_eq!(output.code, Some(0));
        assert!(output.stdout.contains("go-pilot-evaluate"), "{shell}");
    }
}

#[test]
fn words_for_people_have_no_colour_codes_in_a_pipe() {
    for args in [
        vec!["evaluate", "execute_command", "terraform apply"],
        vec!["policy", "list"],
        vec!["tour"],
    ] {
        let output = cavra(&args).run();
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(!output.stdout.contains('\u{1b}'), "{args:?}");
    }
    let shown = cavra(["evaluate", "execute_command", "terraform apply"])
        .run()
        .stdout;
    for part in ["block", "commands.block", "terraform apply*", "python"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn control_characters_of_a_target_do_not_reach_the_terminal() {
    let shown = cavra(["evaluate", "execute_command", "ls \u{1b}[2J\u{7}"])
        .run()
        .stdout;
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
}

#[test]
fn explain_names_the_pattern_and_the_pack_it_comes_from() {
    let shown = cavra([
        "policy",
        "explain",
        "execute_command",
        "terraform apply",
        "--policy-pack",
        "cavra-pci-dss",
    ])
    .run();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in [
        "block",
        "commands.block",
        "from the pack `cavra-ai-agent-baseline`",
        "both evaluators agree",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
}

#[test]
fn inspect_says_what_a_module_is() {
    let shown = cavra(["module", "inspect", "builtin:fastpath", "--json"])
        .run()
        .json();
    assert_eq!(shown["description"]["name"], "cavra-fastpath");
    assert_eq!(
        shown["imports"],
        serde_json::json!([]),
        "the built-in modules import nothing"
    );
    assert_eq!(shown["exports"], "cavra:enforcement/evaluator@1.0.0");
    let file = root().join("dist/modules/reference.wasm");
    let shown = cavra(["module", "inspect", file.to_str().unwrap()]).run();
    assert!(shown.stdout.contains("cavra-reference"), "{shown:?}");
    let wrong = cavra([
        "module",
        "inspect",
        integration_tests::misbehaving("wrong_version").to_str().unwrap(),
    ])
    .run();
    assert_eq!(wrong.code, Some(3));
    assert!(wrong.stderr.contains("evaluator@2.0.0"), "{}", wrong.stderr);
}

#[test]
fn the_tour_shows_a_day_and_the_safety_net() {
    let folder = root().join("target/modules/misbehaving");
    let output = cavra(["tour", "--misbehaving", folder.to_str().unwrap()]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let session = std::fs::read_to_string(root().join("examples/agent-session.jsonl")).unwrap();
    let actions = session.lines().count();
    assert!((70..=100).contains(&actions), "{actions} actions");
    assert!(
        output.stdout.contains(&format!("{actions} actions: ")),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("; 0 fallbacks;"), "{}", output.stdout);
    for code in [
        "timeout_fuel",
        "missing_runtime",
        "parity_mismatch",
        "trap",
        "output_invalid",
    ] {
        assert!(output.stdout.contains(code), "{code}: {}", output.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let input = r#"{"action_type":"read_file","target":"a"}"#.to_owned() + "\n";
    let mut child = cavra(["evaluate", "-"])
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        for _ in 0..100 {
            if stdin.write_all(input.as_bytes()).is_err() {
                return;
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.len()),
        (Some(0), 0),
        "{output:?}"
    );
}

#[test]
fn bench_judges_by_a_compiled_policy_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let policy = r#"{"metadata": {"id": "own"}, "commands": {"allow": ["npm test*"]}}"#;
    std::fs::write(&file, policy).unwrap();
    let bench = |more: &[&str]| {
        cavra(["module", "bench", "builtin:fastpath", "--evaluations", "3"])
            .args(["--policy-path", file.to_str().unwrap()])
            .args(more)
            .run()
    };
    let shown = bench(&[]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in ["3 evaluations by `own`", "KiB of memory", "baked", "together"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let refused = bench(&["--policy-pack", "another"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("another"), "{}", refused.stderr);
}

#[test]
fn inspect_refuses_what_the_host_would_refuse_as_a_fast_path() {
    let output = cavra(["module", "inspect", "builtin:fastpath", "--memory-bytes", "65536"]).run();
    assert_eq!(output.code, Some(3), "{}", output.stdout);
    let told = "needs 131072 bytes of memory; an instance may have 65536";
    assert!(output.stderr.contains(told), "{}", output.stderr);
}
