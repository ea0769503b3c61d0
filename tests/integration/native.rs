//! Native runtimes, through the binary: the scripts in `tests/native`.

use std::time::Instant;

use integration_tests::{Output, cavra, root};

/// Judges the request that the scripts know, with one of them as the fast path.
fn judge(script: &str, timeout: &str) -> Output {
    let runtime = root().join("tests/native").join(script);
    cavra([
        "evaluate",
        "read_file",
        "notes/today.md",
        "--mode",
        "enforce",
        "--policy-path",
        "auto",
        "--json",
    ])
    .args(["--timeout-seconds", timeout])
    .args(["--runtime-path".as_ref(), runtime.as_os_str()])
    .run()
}

#[test]
fn a_native_runtime_that_agrees_is_used_under_the_same_gates() {
    let answer = judge("agree.sh", "20").json();
    assert_eq!(answer["selected_backend"], "go", "{answer}");
    assert_eq!(answer["parity_match"], true);
    assert_eq!(answer["sandbox"]["fastpath"]["kind"], "native");
    assert_eq!(
        answer["sandbox"]["fastpath"]["fuel_used"],
        serde_json::Value::Null
    );
    assert_eq!(
        answer["sandbox"]["fastpath"]["policy_sha256"],
        answer["sandbox"]["reference"]["policy_sha256"]
    );
}

#[test]
fn whatever_a_native_runtime_does_the_reference_stands() {
    let cases = [
        ("diverge.sh", "20", "parity_mismatch"),
        ("other_target.sh", "20", "output_invalid"),
        ("other_pack.sh", "20", "output_invalid"),
        ("array.sh", "20", "output_invalid"),
        ("not_utf8.sh", "20", "output_invalid"),
        ("deep.sh", "20", "output_invalid"),
        ("flood_stdout.sh", "20", "output_invalid"),
        ("wrong_status.sh", "20", "native_failed"),
        ("not_executable.sh", "20", "missing_runtime"),
        ("no_such_script.sh", "20", "missing_runtime"),
        ("hang.sh", "1", "timeout_wall_clock"),
    ];
    for (script, timeout, code) in cases {
        let output = judge(script, timeout);
        assert_eq!(output.code, Some(0), "{script}: {output:?}");
        let answer = output.json();
        assert_eq!(
            answer["fallback_code"], code,
            "{script}: {}",
            answer["fallback_reason"]
        );
        assert_eq!(answer["selected_backend"], "python", "{script}");
        assert_eq!(answer["effective_decision"]["decision"], "allow", "{script}");
    }
}

#[test]
fn what_the_system_takes_for_no_program_is_not_given_to_a_shell() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (runtime, trace) = (dir.path().join("runtime"), dir.path().join("trace"));
    for head in ["\x7fELF garbage\n", "", ": no first line for a system\n"] {
        std::fs::write(
            &runtime,
            format!("{head}/bin/echo it ran > {}\n", trace.display()),
        )
        .unwrap();
        std::fs::set_permissions(&runtime, std::fs::Permissions::from_mode(0o755)).unwrap();
        let answer = judge(runtime.to_str().unwrap(), "20").json();
        assert_eq!(answer["fallback_code"], "native_failed", "{head:?}: {answer}");
        assert!(!trace.exists(), "{head:?}");
    }
}

#[test]
fn a_runtime_that_hangs_ends_at_its_deadline() {
    let started = Instant::now();
    judge("hang.sh", "1");
    assert!(
        started.elapsed().as_secs() < 30,
        "the script itself would hang for ever"
    );
}
