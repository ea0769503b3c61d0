//! What somebody may try with a module, its signature or a key: each is refused with a
//! word of its own, and the reference goes on deciding.

use std::fs;

use super::{MODULE, NAME, Shop, assert_refused, assert_selected, copy};

const BUNDLE: &str = "fast.wasm.sigstore.json";

fn refused(it: &Shop, code: &str) {
    assert_refused(&it.evaluate(&[]), "missing_runtime", code);
}

/// Replaces one text of the policy.
fn policy(it: &Shop, from: &str, to: &str) {
    let text = it.policy();
    assert!(text.contains(from), "{text}");
    it.trust(&text.replace(from, to));
}

#[test]
fn what_is_signed_is_used() {
    let it = Shop::new();
    let answer = it.evaluate(&[]);
    assert_selected(&answer);
    let report = it.cavra(&[
        "runtime",
        "go-pilot-readiness",
        "--mode",
        "enforce",
        "--runtime-path",
        &it.text(MODULE),
        "--policy-path",
        "auto",
        "--trust-policy",
        &it.text("trust.toml"),
        "--json",
    ]);
    let report = report.json();
    let signatures = report["signatures"].as_array().unwrap();
    let of = |what: &str| signatures.iter().find(|it| it["what"] == what).unwrap();
    assert_eq!(of("reference")["status"], "pinned");
    let runtime = of("runtime");
    assert_eq!(runtime["status"], "verified");
    assert_eq!(runtime["signers"], serde_json::json!(["publisher"]));
    assert_eq!(
        (&runtime["name"], &runtime["revision"]),
        (&NAME.into(), &10.into())
    );
}

#[test]
fn an_unsigned_module() {
    let it = Shop::new();
    fs::remove_file(it.path(BUNDLE)).unwrap();
    refused(&it, "unsigned");
}

#[test]
fn a_built_in_module_that_the_policy_does_not_name() {
    let it = Shop::new();
    let answer = it.evaluate(&["--runtime-path", "builtin:fastpath"]);
    assert_refused(&answer, "missing_runtime", "builtin_not_pinned");
}

#[test]
fn another_key() {
    let it = Shop::new();
    it.sign_module("stranger", 11);
    refused(&it, "unknown_key");
    // That says it is a key that is trusted.
    let bundle = fs::read_to_string(it.path(BUNDLE)).unwrap();
    let mut bundle: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    it.sign_module("publisher", 11);
    let good = fs::read_to_string(it.path(BUNDLE)).unwrap();
    let good: serde_json::Value = serde_json::from_str(&good).unwrap();
    bundle["verificationMaterial"] = good["verificationMaterial"].clone();
    fs::write(it.path(BUNDLE), bundle.to_string()).unwrap();
    refused(&it, "signature_invalid");
}

#[test]
fn the_right_key_in_the_wrong_role() {
    let it = Shop::new();
    it.sign_module("approver", 11);
    refused(&it, "wrong_role");
}

#[test]
fn a_key_that_the_policy_does_not_list_for_the_name() {
    let it = Shop::new();
    policy(
        &it,
        "roles = [\"release-approver\"]",
        "roles = [\"release-approver\", \"module-publisher\"]",
    );
    let text = fs::read_to_string(it.path("trust.toml")).unwrap();
    it.trust(&text.replace("minimum_revision = 5", "keys = [\"publisher\"]"));
    assert_selected(&it.evaluate(&[]));
    it.sign_module("approver", 11);
    refused(&it, "key_not_allowed");
}

#[test]
fn a_key_whose_time_is_over_or_has_not_come() {
    let it = Shop::new();
    let roles = "roles = [\"module-publisher\"]";
    policy(&it, roles, &format!("{roles}\nnot_after = 2020-01-01T00:00:00Z"));
    refused(&it, "key_expired");
    policy(&it, roles, &format!("{roles}\nnot_before = 9000-01-01T00:00:00Z"));
    refused(&it, "key_not_yet_valid");
}

#[test]
fn a_revoked_key() {
    let it = Shop::new();
    let roles = "roles = [\"module-publisher\"]";
    let revoked =
        format!("{roles}\nrevoked_at = 2020-01-01T00:00:00Z\nrevoked_reason = \"it was found in a bin\"");
    policy(&it, roles, &revoked);
    refused(&it, "key_revoked");
}

#[test]
fn a_statement_whose_time_is_over_or_has_not_come() {
    let it = Shop::new();
    let signed = ["--name", NAME, "--revision", "11"];
    it.sign(
        "module",
        MODULE,
        "publisher",
        &[&signed[..], &["--not-after", "2020-01-01T00:00:00Z"]].concat(),
    );
    refused(&it, "statement_expired");
    it.sign(
        "module",
        MODULE,
        "publisher",
        &[&signed[..], &["--not-before", "9000-01-01T00:00:00Z"]].concat(),
    );
    refused(&it, "statement_not_yet_valid");
}

#[test]
fn a_signature_without_a_statement() {
    let it = Shop::new();
    it.sign("module", MODULE, "publisher", &[]);
    refused(&it, "statement_missing");
}

#[test]
fn a_module_of_another_name() {
    let it = Shop::new();
    it.sign(
        "module",
        MODULE,
        "publisher",
        &["--name", "acme-other", "--revision", "11"],
    );
    refused(&it, "name_not_trusted");
}

#[test]
fn a_name_is_written_in_one_way() {
    let it = Shop::new();
    for name in [
        "Acme-Fastpath",
        "acme-fastpath ",
        "../acme-fastpath",
        "acme/fastpath",
        "acme-fastpäth",
        "",
    ] {
        let signed = it.cavra(&[
            "module",
            "sign",
            &it.text(MODULE),
            "--key",
            &it.key("publisher"),
            "--revision",
            "11",
            "--name",
            name,
        ]);
        assert_eq!(signed.code, Some(3), "{name}: {signed:?}");
    }
}

#[test]
fn a_file_of_another_kind() {
    let it = Shop::new();
    it.sign(
        "policy",
        MODULE,
        "publisher",
        &["--name", NAME, "--revision", "11"],
    );
    refused(&it, "statement_mismatch");
}

#[test]
fn a_fast_path_as_the_reference() {
    let it = Shop::new();
    let output = it.cavra(&[
        "runtime",
        "go-pilot-readiness",
        "--reference-module",
        &it.text(MODULE),
        "--trust-policy",
        &it.text("trust.toml"),
        "--json",
    ]);
    let report = output.json();
    assert_eq!(
        report["signatures"][0]["code"], "backend_not_allowed",
        "{report:#}"
    );
    // Without a reference everything is blocked.
    let answer = it.cavra(&[
        "evaluate",
        "read_file",
        "README.md",
        "--reference-module",
        &it.text(MODULE),
        "--trust-policy",
        &it.text("trust.toml"),
        "--json",
    ]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert_eq!(answer.json()["effective_decision"]["decision"], "block");
}

#[test]
fn a_world_that_the_policy_does_not_allow() {
    let it = Shop::new();
    policy(
        &it,
        "minimum_revision = 5",
        "worlds = [\"cavra:enforcement/other@1.0.0\"]",
    );
    refused(&it, "world_not_allowed");
}

#[test]
fn an_old_revision() {
    let it = Shop::new();
    it.sign_module("publisher", 4);
    refused(&it, "revision_too_low");
}

#[test]
fn a_revision_that_was_left_behind_needs_an_operator() {
    let it = Shop::new();
    copy(&it.path(BUNDLE), &it.path("old.json"));
    it.sign_module("publisher", 11);
    assert_selected(&it.evaluate(&[]));
    copy(&it.path("old.json"), &it.path(BUNDLE));
    refused(&it, "revision_rollback");
    let verified = it.cavra(&[
        "module",
        "verify",
        &it.text(MODULE),
        "--trust-policy",
        &it.text("trust.toml"),
        "--json",
    ]);
    assert_eq!(
        (verified.code, &verified.json()["code"]),
        (Some(1), &"revision_rollback".into())
    );
    let allow = |name: &str| {
        let reason = "11 misses a rule";
        it.done(&["trust", "allow-revision", name, "10", "--reason", reason])
    };
    let allowed = allow(NAME);
    assert!(
        allowed.stdout.contains("the highest that was used is 11"),
        "{allowed:?}"
    );
    assert_eq!(allowed.stderr, "");
    assert_selected(&it.evaluate(&[]));
    let record = it.done(&["trust", "revisions", "--json"]).json();
    assert_eq!(record["revisions"][0]["revision"], 11);
    assert_eq!(record["allowances"][0]["reason"], "11 misses a rule");
    it.done(&["trust", "allow-revision", NAME, "10", "--withdraw"]);
    refused(&it, "revision_rollback");
    // Another name helps nobody.
    let mistyped = allow("acme-fatspath");
    assert!(
        mistyped.stderr.contains("no module named `acme-fatspath`"),
        "{mistyped:?}"
    );
    refused(&it, "revision_rollback");
}

#[test]
fn other_bytes_as_the_same_revision() {
    let it = Shop::new();
    assert_selected(&it.evaluate(&[]));
    // A custom section changes nothing but the bytes.
    let mut bytes = fs::read(it.path(MODULE)).unwrap();
    bytes.extend([0, 3, 1, b'x', 0]);
    fs::write(it.path(MODULE), bytes).unwrap();
    it.sign_module("publisher", 10);
    refused(&it, "revision_reused");
}

#[test]
fn a_state_that_says_nothing() {
    let it = Shop::new();
    assert_selected(&it.evaluate(&[]));
    fs::write(it.path("state/revisions.json"), "{}").unwrap();
    refused(&it, "revision_state_unusable");
    // Nor is anything allowed that nobody could look up.
    let output = it.cavra(&["trust", "allow-revision", NAME, "9", "--reason", "to see"]);
    assert_ne!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("revisions.json"), "{output:?}");
    assert!(!it.path("state/revision-allowances.json").exists());
}

#[test]
fn other_bytes_than_those_that_were_signed() {
    let it = Shop::new();
    let good = fs::read(it.path(MODULE)).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(it.path(MODULE), flipped).unwrap();
    refused(&it, "digest_mismatch");
    fs::write(it.path(MODULE), &good[..good.len() / 2]).unwrap();
    refused(&it, "digest_mismatch");
    it.sign("module", MODULE, "publisher", &[]);
    fs::write(it.path(MODULE), &good).unwrap();
    refused(&it, "digest_mismatch");
}

#[test]
fn the_bundle_of_another_file() {
    let it = Shop::new();
    copy(&root_module("reference"), &it.path("other.wasm"));
    it.sign(
        "module",
        "other.wasm",
        "publisher",
        &["--name", NAME, "--revision", "11"],
    );
    copy(&it.path("other.wasm.sigstore.json"), &it.path(BUNDLE));
    refused(&it, "digest_mismatch");
}

#[test]
fn a_bundle_that_is_none() {
    let it = Shop::new();
    let good = fs::read_to_string(it.path(BUNDLE)).unwrap();
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        &good[..good.len() / 2],
        &good.replace("bundle.v0.3+json", "bundle+json;version=0.1"),
        &good.replace("\"publicKey\":{", "\"certificate\":{\"rawBytes\":\"AAAA\","),
    ] {
        fs::write(it.path(BUNDLE), bad).unwrap();
        refused(&it, "bundle_invalid");
    }
    // Larger than any.
    let file = fs::File::create(it.path(BUNDLE)).unwrap();
    file.set_len(2 << 30).unwrap();
    refused(&it, "bundle_invalid");
}

#[test]
fn a_file_of_two_gibibytes() {
    let it = Shop::new();
    let file = fs::File::options().write(true).open(it.path(MODULE)).unwrap();
    file.set_len(2 << 30).unwrap();
    let answer = it.evaluate(&[]);
    assert_eq!(answer["fallback_code"], "missing_runtime", "{answer:#}");
    assert_eq!(answer["selected_backend"], "python");
    assert!(answer.to_string().contains("is larger than"), "{answer:#}");
}

#[test]
fn fewer_keys_than_the_role_asks_for() {
    let it = Shop::new();
    let role = "roles = [\"release-approver\"]";
    let both = "roles = [\"release-approver\", \"module-publisher\"]";
    let text = it.policy().replace(role, both) + "\n[threshold]\nmodule-publisher = 2\n";
    it.trust(&text);
    refused(&it, "threshold_not_met");
    // The same key once more is no other key.
    it.sign(
        "module",
        MODULE,
        "publisher",
        &["--name", NAME, "--revision", "10", "--add"],
    );
    refused(&it, "threshold_not_met");
    it.sign(
        "module",
        MODULE,
        "approver",
        &["--name", NAME, "--revision", "10", "--add"],
    );
    assert_selected(&it.evaluate(&[]));
    it.sign(
        "module",
        MODULE,
        "publisher",
        &["--name", NAME, "--revision", "12"],
    );
    refused(&it, "statement_mismatch");
}

#[test]
fn a_native_binary() {
    let it = Shop::new();
    let script = "#!/bin/sh\nexit 1\n";
    fs::write(it.path("native.sh"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(it.path("native.sh"), mode).unwrap();
    let path = it.text("native.sh");
    let answer = || it.evaluate(&["--runtime-path", &path]);
    assert_refused(&answer(), "missing_runtime", "unsigned");
    it.sign(
        "module",
        "native.sh",
        "publisher",
        &["--name", NAME, "--revision", "11"],
    );
    assert_refused(&answer(), "missing_runtime", "world_not_allowed");
    policy(&it, "minimum_revision = 5", "worlds = [\"native\"]");
    // It is run, and fails.
    assert_eq!(answer()["fallback_code"], "native_failed");
    fs::write(it.path("native.sh"), format!("{script}# more\n")).unwrap();
    assert_refused(&answer(), "missing_runtime", "digest_mismatch");
}

fn root_module(name: &str) -> std::path::PathBuf {
    integration_tests::root().join(format!("dist/modules/{name}.wasm"))
}
