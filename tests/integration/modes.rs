//! The four modes, through the binary.

use integration_tests::{cavra, fast_path};
use serde_json::{Value, json};

const PLAN: [&str; 4] = [
    "runtime",
    "go-pilot-evaluate",
    "execute_command",
    "terraform plan",
];

fn plan(mode: &str) -> Value {
    let output = cavra(PLAN)
        .args(fast_path(mode, "builtin:fastpath"))
        .args(["--json"])
        .run();
    assert_eq!(output.code, Some(0), "{output:?}");
    output.json()
}

#[test]
fn without_settings_the_pilot_is_disabled_and_the_reference_decides() {
    let answer = cavra(PLAN).args(["--json"]).run().json();
    assert_eq!(answer["schema_version"], "cavra.go-backend-pilot.evaluation.v1");
    assert_eq!(answer["backend_mode"], "disabled");
    assert_eq!(answer["selected_backend"], "python");
    assert_eq!(answer["fallback_used"], false);
    assert_eq!(answer["fallback_reason"], "go backend pilot is disabled");
    assert_eq!(answer["fallback_code"], "disabled");
    assert_eq!(answer["parity_match"], Value::Null);
    assert_eq!(answer["go_decision"], Value::Null);
    assert_eq!(answer["sandbox"]["fastpath"], Value::Null);
    assert_eq!(answer["effective_decision"]["decision"], "allow");
}

#[test]
fn shadow_compares_and_keeps_the_reference() {
    let answer = plan("shadow");
    assert_eq!(answer["selected_backend"], "python");
    assert_eq!(answer["parity_match"], true);
    assert_eq!(answer["fallback_used"], false);
    assert_eq!(answer["effective_decision"], answer["python_decision"]);
}

#[test]
fn enforce_selects_the_fast_path_where_it_agrees() {
    let answer = plan(" Enforce ");
    assert_eq!(answer["backend_mode"], "enforce");
    assert_eq!(answer["selected_backend"], "go");
    assert_eq!(answer["parity_match"], true);
    assert_eq!(answer["parity_diff"], json!([]));
    assert_eq!(answer["fallback_code"], Value::Null);
    assert_eq!(answer["effective_decision"], answer["go_decision"]);
    let sandbox = &answer["sandbox"];
    for backend in ["reference", "fastpath"] {
        assert!(sandbox[backend]["fuel_used"].as_u64().unwrap() > 0);
        assert!(sandbox[backend]["peak_memory_bytes"].as_u64().unwrap() > 0);
        assert_eq!(sandbox[backend]["module_sha256"].as_str().unwrap().len(), 64);
        assert_eq!(sandbox[backend]["policy_sha256"].as_str().unwrap().len(), 64);
    }
    assert_ne!(
        sandbox["reference"]["module_sha256"],
        sandbox["fastpath"]["module_sha256"]
    );
    assert_eq!(
        sandbox["reference"]["policy_sha256"],
        sandbox["fastpath"]["policy_sha256"]
    );
    assert_eq!(
        sandbox["reference"]["engine_fingerprint"],
        sandbox["fastpath"]["engine_fingerprint"]
    );
}

#[test]
fn promoted_stays_with_the_reference_while_a_gate_is_closed() {
    let answer = plan("promoted");
    assert_eq!(answer["selected_backend"], "python");
    assert_eq!(answer["fallback_used"], true);
    assert_eq!(answer["fallback_code"], "promotion_not_ready");
    assert_eq!(
        answer["fallback_reason"],
        "go backend promotion readiness check failed"
    );
    assert_eq!(answer["go_decision"], Value::Null);
}

#[test]
fn a_compiled_policy_from_a_file_or_a_folder_serves_the_fast_path() {
    let compiled = cavra(["policy", "compile", "--policy-pack", "cavra-ai-agent-baseline"]).run();
    assert_eq!(compiled.code, Some(0), "{compiled:?}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cavra-ai-agent-baseline.json");
    std::fs::write(&file, &compiled.stdout).unwrap();
    let module = integration_tests::root().join("dist/modules/fastpath.wasm");
    for policy in [file.as_path(), dir.path()] {
        let run = |pack: &str| {
            let settings = ["--mode", "enforce", "--policy-pack", pack, "--json"];
            let paths = [
                "--runtime-path".as_ref(),
                module.as_os_str(),
                "--policy-path".as_ref(),
                policy.as_os_str(),
            ];
            cavra(PLAN).args(settings).args(paths).run().json()
        };
        let held = run("cavra-ai-agent-baseline");
        assert_eq!(held["selected_backend"], "go", "{held}");
        let not_held = run("cavra-pci-dss");
        assert_eq!(not_held["selected_backend"], "python");
        assert_eq!(not_held["fallback_code"], "missing_policy");
        assert_eq!(not_held["effective_decision"]["policy_pack"], "cavra-pci-dss");
    }
}

#[test]
fn what_is_missing_is_told_by_its_own_code() {
    let cases = [
        (
            vec!["--mode", "enforce", "--policy-path", "auto"],
            "missing_runtime",
        ),
        (
            vec!["--mode", "enforce", "--runtime-path", "builtin:fastpath"],
            "missing_policy",
        ),
        (
            vec![
                "--mode",
                "enforce",
                "--runtime-path",
                "builtin:other",
                "--policy-path",
                "auto",
            ],
            "missing_runtime",
        ),
        (
            vec![
                "--mode",
                "enforce",
                "--runtime-path",
                "/nonexistent.wasm",
                "--policy-path",
                "auto",
            ],
            "missing_runtime",
        ),
        (
            vec![
                "--mode",
                "enforce",
                "--runtime-path",
                "builtin:fastpath",
                "--policy-path",
                "/nonexistent.json",
            ],
            "missing_policy",
        ),
    ];
    for (settings, code) in cases {
        let answer = cavra(PLAN).args(&settings).args(["--json"]).run().json();
        assert_eq!(answer["fallback_code"], code, "{settings:?}");
        assert_eq!(answer["fallback_reason"], "go backend readiness check failed");
        assert_eq!(answer["readiness"]["status"], "needs_attention");
        assert_eq!(answer["effective_decision"]["decision"], "allow");
        assert_eq!(answer["selected_backend"], "python");
        let checks = answer["readiness"]["checks"].as_array().unwrap();
        let failing = checks.iter().find(|check| check["status"] == "warn").unwrap();
        let words = cavra(PLAN).args(&settings).run().stdout;
        let why = words.lines().find(|line| line.trim_start().starts_with("why "));
        let message: String = failing["message"].as_str().unwrap().chars().take(20).collect();
        assert!(why.is_some_and(|why| why.contains(&message)), "{words}");
    }
}

#[test]
fn a_registry_that_cannot_be_read_vouches_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let registry = dir.path().join("registry.json");
    std::fs::write(&registry, "{\"mcp_servers\": 7}").unwrap();
    let answer = cavra([
        "evaluate",
        "mcp_tool_call",
        "example-mcp",
        "--tool",
        "read",
        "--json",
    ])
    .args(fast_path("enforce", "builtin:fastpath"))
    .args(["--registry-path".as_ref(), registry.as_os_str()])
    .run()
    .json();
    assert_eq!(answer["fallback_code"], "missing_policy");
    assert_eq!(answer["effective_decision"]["decision"], "block");
    assert_eq!(answer["effective_decision"]["rule_id"], "mcp.registry.unknown");
}

#[test]
fn without_a_reference_everything_is_blocked() {
    let output = cavra(PLAN)
        .args(fast_path("enforce", "builtin:fastpath"))
        .args(["--reference-module", "/nonexistent.wasm", "--json"])
        .run();
    assert_eq!(output.code, Some(1));
    let answer = output.json();
    assert_eq!(answer["selected_backend"], "none");
    assert_eq!(answer["python_decision"], Value::Null);
    let decision = &answer["effective_decision"];
    assert_eq!(decision["decision"], "block");
    assert_eq!(decision["severity"], "critical");
    assert_eq!(decision["rule_id"], "runtime.reference.unavailable");
}

#[test]
fn the_readiness_report_says_what_is_loaded_and_what_is_not() {
    let ready = cavra(["runtime", "go-pilot-readiness", "--json", "--check"])
        .args(fast_path("shadow", "builtin:fastpath"))
        .run();
    assert_eq!(ready.code, Some(0), "{ready:?}");
    let report = ready.json();
    assert_eq!(report["schema_version"], "cavra.go-backend-pilot.readiness.v1");
    assert_eq!(report["status"], "ready");
    let ids: Vec<_> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["id"].clone())
        .collect();
    assert_eq!(
        ids,
        [
            "go_backend_opt_in",
            "go_runtime_binary",
            "go_runtime_policy",
            "go_runtime_registry",
            "python_fallback",
            "parity_gate"
        ]
    );
    for digest in ["runtime_sha256", "policy_sha256", "reference_sha256"] {
        assert_eq!(report["digests"][digest].as_str().unwrap().len(), 64, "{digest}");
    }

    let disabled = cavra(["runtime", "go-pilot-readiness", "--json", "--check"]).run();
    assert_eq!(disabled.code, Some(2));
    assert_eq!(disabled.json()["status"], "disabled");

    let broken = cavra(["runtime", "go-pilot-readiness", "--json", "--check"])
        .args(fast_path("shadow", "builtin:fastpath"))
        .args(["--reference-module", "builtin:nothing"])
        .run();
    assert_eq!(broken.code, Some(2));
    assert_eq!(broken.json()["checks"][4]["status"], "warn");
}
