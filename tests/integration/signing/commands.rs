//! Keys, signatures and their verification from the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::cavra;

use super::{MODULE, NAME, Shop};

#[test]
fn a_key_is_encrypted_unless_somebody_asks() {
    let it = Shop::new();
    let out = it.text("keys/locked.pem");
    let args = ["module", "keygen", "--algorithm", "ecdsa-p256", "--out", &out];
    let made = cavra(args).env("CAVRA_KEY_PASSPHRASE", "correct horse").run();
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(!made.stdout.contains("PRIVATE"), "{}", made.stdout);
    let pem = fs::read_to_string(&out).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    let module = it.text(MODULE);
    let sign = ["module", "sign", &module, "--key", &out];
    let none = cavra(sign).run();
    assert_eq!(none.code, Some(3), "{none:?}");
    assert!(none.stderr.contains("CAVRA_KEY_PASSPHRASE"), "{}", none.stderr);
    let wrong = cavra(sign).env("CAVRA_KEY_PASSPHRASE", "wrong horse").run();
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    fs::write(it.path("passphrase"), "correct horse\nnot this\n").unwrap();
    let signed = cavra(sign)
        .args(["--passphrase-file", &it.text("passphrase")])
        .run();
    assert_eq!(signed.code, Some(0), "{signed:?}");
    let public = it.text("keys/locked.pub.pem");
    it.done(&["module", "verify", &module, "--key", &public]);

    let again = cavra(args).env("CAVRA_KEY_PASSPHRASE", "correct horse").run();
    assert_eq!(again.code, Some(3), "a key is never written over: {again:?}");
    assert_eq!(fs::read_to_string(&out).unwrap(), pem);
    let short = cavra(["module", "keygen", "--out", &it.text("keys/short.pem")]);
    let short = short.env("CAVRA_KEY_PASSPHRASE", "short").run();
    assert_eq!(short.code, Some(3), "{short:?}");
    assert!(!it.path("keys/short.pem").exists());
}

#[test]
fn verify_says_whose_signature_it_is_and_what_it_says() {
    let it = Shop::new();
    let module = it.text(MODULE);
    let verified = it
        .done(&[
            "module",
            "verify",
            &module,
            "--key",
            &it.public("publisher"),
            "--json",
        ])
        .json();
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["statement"]["name"], NAME);
    assert_eq!(
        verified["statement"]["world"],
        "cavra:enforcement/policy-module@1.0.0"
    );
    assert!(verified["statement"]["semantics_version"].is_string());
    let other = it.cavra(&[
        "module",
        "verify",
        &module,
        "--key",
        &it.public("stranger"),
        "--json",
    ]);
    assert_eq!(
        (other.code, &other.json()["code"]),
        (Some(1), &"unknown_key".into())
    );
    let both = ["--key", &it.public("stranger"), "--key", &it.public("publisher")];
    it.done(&[&["module", "verify", &module][..], &both].concat());
    // A key vouches for a file as what it was signed as.
    let as_policy = it.cavra(&[
        "policy",
        "verify",
        &module,
        "--key",
        &it.public("publisher"),
        "--json",
    ]);
    assert_eq!(
        (as_policy.code, &as_policy.json()["code"]),
        (Some(1), &"statement_mismatch".into())
    );

    let by_policy = it
        .done(&[
            "module",
            "verify",
            &module,
            "--trust-policy",
            &it.text("trust.toml"),
            "--json",
        ])
        .json();
    assert_eq!(by_policy["signers"], serde_json::json!(["publisher"]));
    assert!(!it.path("state").exists(), "looking keeps no revision");
    let neither = it.cavra(&["module", "verify", &module]);
    assert_eq!(neither.code, Some(3), "{neither:?}");

    let inspected = it.done(&["module", "inspect", &module, "--json"]).json();
    assert_eq!(inspected["signatures"][0]["name"], NAME);
    assert_eq!(inspected["signatures"][0]["revision"], 10);
    let table = it.done(&["module", "inspect", &module]).stdout;
    assert!(
        table.contains("revision 10") && table.contains("unverified"),
        "{table}"
    );
}

#[test]
fn policies_and_registries_are_signed_too() {
    let it = Shop::new();
    let compiled = it.done(&["policy", "compile"]).stdout;
    fs::write(it.path("policy.json"), compiled).unwrap();
    fs::write(it.path("registry.json"), "{\"mcp_servers\":[]}").unwrap();
    let policy = it.text("policy.json");
    let registry = it.text("registry.json");
    let answer = || it.evaluate(&["--policy-path", &policy, "--registry-path", &registry]);
    let code = |answer: &serde_json::Value| -> Vec<String> {
        let signatures = answer["readiness"]["signatures"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let refused = signatures.iter().filter(|it| it["status"] == "refused");
        refused
            .map(|it| it["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let found = answer();
    assert_eq!(found["fallback_code"], "missing_policy", "{found:#}");
    assert_eq!(code(&found), ["unsigned", "unsigned"]);
    it.sign("policy", "policy.json", "policies", &["--revision", "1"]);
    it.sign(
        "policy",
        "registry.json",
        "publisher",
        &["--registry", "--name", "servers", "--revision", "1"],
    );
    let found = answer();
    assert_eq!(found["fallback_code"], "missing_policy", "{found:#}");
    assert_eq!(code(&found), ["wrong_role"]);
    it.sign(
        "policy",
        "registry.json",
        "policies",
        &["--registry", "--name", "servers", "--revision", "1"],
    );
    super::assert_selected(&answer());
    // Signed for another pack.
    it.sign(
        "policy",
        "policy.json",
        "policies",
        &["--name", "cavra-pci-dss", "--revision", "2"],
    );
    assert_eq!(code(&answer()), ["statement_mismatch"]);

    // The same in a directory.
    fs::create_dir(it.path("policies")).unwrap();
    super::copy(
        &it.path("policy.json"),
        &it.path("policies/cavra-ai-agent-baseline.json"),
    );
    let directory = it.text("policies");
    let answer = it.evaluate(&["--policy-path", &directory]);
    assert_eq!(
        (&answer["fallback_code"], code(&answer)),
        (&"missing_policy".into(), vec!["unsigned".to_owned()])
    );
    it.sign(
        "policy",
        "policies/cavra-ai-agent-baseline.json",
        "policies",
        &["--revision", "3"],
    );
    super::assert_selected(&it.evaluate(&["--policy-path", &directory]));
}

#[test]
fn a_pack_of_the_policy_directory_is_refused_unless_it_is_signed() {
    let it = Shop::new();
    let from = integration_tests::root().join("dist/policies/cavra-pci-dss/policy.yaml");
    fs::create_dir_all(it.path("packs/cavra-pci-dss")).unwrap();
    super::copy(&from, &it.path("packs/cavra-pci-dss/policy.yaml"));
    let (packs, trust) = (it.text("packs"), it.text("trust.toml"));
    let args = [
        "evaluate",
        "read_file",
        "README.md",
        "--policy-pack",
        "cavra-pci-dss",
        "--policy-dir",
        &packs,
        "--trust-policy",
        &trust,
        "--json",
    ];
    let refused = it.cavra(&args);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(
        refused.stderr.contains("refused (`unsigned`)"),
        "{}",
        refused.stderr
    );
    it.sign(
        "policy",
        "packs/cavra-pci-dss/policy.yaml",
        "policies",
        &["--revision", "1"],
    );
    it.done(&args);
    let mut text = fs::read_to_string(it.path("packs/cavra-pci-dss/policy.yaml")).unwrap();
    text.push_str("# changed\n");
    fs::write(it.path("packs/cavra-pci-dss/policy.yaml"), text).unwrap();
    let refused = it.cavra(&args);
    assert!(refused.stderr.contains("digest_mismatch"), "{}", refused.stderr);
}

#[test]
fn a_pack_and_the_policy_compiled_from_it_have_revisions_of_their_own() {
    let it = Shop::new();
    let from = integration_tests::root().join("dist/policies/cavra-pci-dss/policy.yaml");
    fs::create_dir_all(it.path("packs/cavra-pci-dss")).unwrap();
    super::copy(&from, &it.path("packs/cavra-pci-dss/policy.yaml"));
    let packs = it.text("packs");
    let pack = ["--policy-pack", "cavra-pci-dss", "--policy-dir", &packs];
    let compiled = it.done(&[&["policy", "compile"][..], &pack].concat()).stdout;
    fs::write(it.path("policy.json"), compiled).unwrap();
    it.sign("policy", "policy.json", "policies", &["--revision", "5"]);
    it.sign(
        "policy",
        "packs/cavra-pci-dss/policy.yaml",
        "policies",
        &["--revision", "3"],
    );
    let policy = it.text("policy.json");
    for _ in 0..2 {
        let answer = it.evaluate(&[&pack[..], &["--policy-path", &policy]].concat());
        super::assert_selected(&answer);
    }
    let kept = it.done(&["trust", "revisions", "--json"]).json();
    for (kind, revision) in [("pack", 3), ("policy", 5)] {
        let mut kept = kept["revisions"].as_array().unwrap().iter();
        let found = kept.find(|it| it["kind"] == kind).unwrap();
        assert_eq!(found["revision"], revision, "{found}");
    }
    // The one is not taken for the other.
    let yaml = it.text("packs/cavra-pci-dss/policy.yaml");
    let public = it.public("policies");
    let verified = it.done(&["policy", "verify", &yaml, "--key", &public, "--json"]);
    assert_eq!(verified.json()["statement"]["kind"], "pack");
}

#[test]
fn once_a_registry_is_listed_no_other_name_is_taken() {
    let it = Shop::new();
    fs::write(it.path("registry.json"), "{\"mcp_servers\":[]}").unwrap();
    it.sign(
        "policy",
        "registry.json",
        "policies",
        &["--registry", "--name", "servers", "--revision", "1"],
    );
    let registry = it.text("registry.json");
    for (listed, code) in [("servers", None), ("others", Some("name_not_trusted"))] {
        it.trust(&(it.policy() + &format!("\n[[registry]]\nname = \"{listed}\"\n")));
        let answer = it.evaluate(&["--registry-path", &registry]);
        match code {
            None => super::assert_selected(&answer),
            Some(code) => super::assert_refused(&answer, "missing_policy", code),
        }
    }
}
