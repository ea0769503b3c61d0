//! What others make is taken, and others take what is made here: securesystemslib and
//! OpenSSL, with nothing of ours between.

use std::fs;
use std::process::{Command, Output, Stdio};

use integration_tests::{cavra, root};
use serde_json::{Value, json};

use super::{MODULE, NAME, Shop};

fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output.unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn openssl(args: &[&str]) -> Vec<u8> {
    let output = run("openssl", args);
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
    output.stdout
}

/// Runs the script that uses securesystemslib.
fn library(args: &[&str]) -> Output {
    let python = root().join("target/tools/signing/bin/python");
    assert!(python.exists(), "run scripts/signing-tools.sh first");
    let script = root().join("tests/signing/interop.py").display().to_string();
    run(
        &python.display().to_string(),
        &[&[script.as_str()][..], args].concat(),
    )
}

/// A key of each algorithm, made here.
fn keys(it: &Shop) -> [&'static str; 2] {
    let out = it.text("keys/p256.pem");
    let algorithm = ["--algorithm", "ecdsa-p256", "--unencrypted", "--out", &out];
    let made = cavra([&["module", "keygen"][..], &algorithm].concat()).run();
    assert_eq!(made.code, Some(0), "{made:?}");
    ["publisher", "p256"]
}

#[test]
fn another_library_verifies_bundles_that_are_made_here() {
    let it = Shop::new();
    let module = it.text(MODULE);
    let bundle = it.text("fast.wasm.sigstore.json");
    for key in keys(&it) {
        let public = it.public(key);
        for (more, form) in [
            (vec![], "message"),
            (vec!["--name", NAME, "--version", "1.0", "--revision", "12"], NAME),
        ] {
            it.sign("module", MODULE, key, &more);
            let verified = library(&["verify", &public, &module, &bundle]);
            assert!(verified.status.success(), "{key}: {verified:?}");
            assert!(
                String::from_utf8_lossy(&verified.stdout).contains(form),
                "{verified:?}"
            );
        }
        let stranger = it.public("stranger");
        assert!(!library(&["verify", &stranger, &module, &bundle]).status.success());
        let other = it.text("keys/publisher.pem");
        assert!(!library(&["verify", &public, &other, &bundle]).status.success());
    }
}

#[test]
fn an_envelope_of_another_library_is_accepted() {
    let it = Shop::new();
    let module = it.text(MODULE);
    let predicate = json!({
        "kind": "module", "name": NAME, "revision": 12, "issued_at": "2030-01-01T00:00:00Z",
        "world": "cavra:enforcement/policy-module@1.0.0",
    });
    for key in keys(&it) {
        let made = library(&["envelope", &it.key(key), &module, &predicate.to_string()]);
        assert!(made.status.success(), "{made:?}");
        fs::write(it.path("envelope.json"), &made.stdout).unwrap();
        let public = it.public(key);
        let verify = ["module", "verify", &module, "--key", &public, "--json"];
        let given = ["--signature", &it.text("envelope.json")];
        let verified = it.done(&[&verify[..], &given].concat()).json();
        assert_eq!(verified["statement"]["revision"], 12, "{verified:#}");
        // Attached, it is what the trust policy takes.
        it.done(
            &[
                &["module", "attach-signature", &module, "--key", &public][..],
                &given,
            ]
            .concat(),
        );
        let verified = it.done(&verify).json();
        assert_eq!(verified["statement"]["name"], NAME);
        let mut forged: Value = serde_json::from_slice(&made.stdout).unwrap();
        forged["payload"] = forged["payload"].as_str().unwrap().replacen('e', "f", 1).into();
        fs::write(it.path("envelope.json"), forged.to_string()).unwrap();
        let refused = it.cavra(&[&verify[..], &given].concat());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        if key == "publisher" {
            super::assert_selected(&it.evaluate(&[]));
        }
    }
}

#[test]
fn openssl_and_cavra_take_each_others_signatures() {
    let it = Shop::new();
    let module = it.text(MODULE);
    let raw = it.text("raw.sig");
    for key in keys(&it) {
        let (private, public) = (it.key(key), it.public(key));
        let ed25519 = key == "publisher";
        if ed25519 {
            openssl(&[
                "pkeyutl", "-sign", "-rawin", "-inkey", &private, "-in", &module, "-out", &raw,
            ]);
        } else {
            openssl(&["dgst", "-sha256", "-sign", &private, "-out", &raw, &module]);
        }
        it.done(&["module", "verify", &module, "--key", &public, "--signature", &raw]);
        it.done(&[
            "module",
            "attach-signature",
            &module,
            "--key",
            &public,
            "--signature",
            &raw,
        ]);
        it.done(&["module", "verify", &module, "--key", &public]);
        let refused = it.cavra(&[
            "module",
            "verify",
            &private,
            "--key",
            &public,
            "--signature",
            &raw,
        ]);
        assert_eq!(refused.code, Some(1), "{refused:?}");

        it.sign("module", MODULE, key, &[]);
        let bundle: Value =
            serde_json::from_slice(&fs::read(it.path("fast.wasm.sigstore.json")).unwrap()).unwrap();
        let signature = bundle["messageSignature"]["signature"].as_str().unwrap();
        fs::write(it.path("signature.b64"), signature).unwrap();
        openssl(&[
            "base64",
            "-d",
            "-A",
            "-in",
            &it.text("signature.b64"),
            "-out",
            &raw,
        ]);
        if ed25519 {
            openssl(&[
                "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &public, "-in", &module, "-sigfile", &raw,
            ]);
        } else {
            openssl(&["dgst", "-sha256", "-verify", &public, "-signature", &raw, &module]);
        }
    }
}

#[test]
fn openssl_and_cavra_read_each_others_keys() {
    let it = Shop::new();
    let module = it.text(MODULE);
    for algorithm in ["ed25519", "ecdsa-p256"] {
        let out = it.text(&format!("keys/{algorithm}.pem"));
        let made = cavra(["module", "keygen", "--algorithm", algorithm, "--out", &out]);
        let made = made.env("CAVRA_KEY_PASSPHRASE", "correct horse").run();
        assert_eq!(made.code, Some(0), "{made:?}");
        let public = openssl(&["pkey", "-in", &out, "-passin", "pass:correct horse", "-pubout"]);
        let ours = fs::read(it.path(&format!("keys/{algorithm}.pub.pem"))).unwrap();
        assert_eq!(String::from_utf8_lossy(&public), String::from_utf8_lossy(&ours));
    }
    let theirs = it.text("keys/theirs.pem");
    let public = it.text("keys/theirs.pub.pem");
    for args in [
        ["genpkey", "-algorithm", "ed25519", "-out", &theirs].to_vec(),
        [
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            &theirs,
        ]
        .to_vec(),
        [
            "genpkey",
            "-algorithm",
            "ed25519",
            "-aes-256-cbc",
            "-pass",
            "pass:correct horse",
            "-out",
            &theirs,
        ]
        .to_vec(),
    ] {
        openssl(&args);
        openssl(&[
            "pkey",
            "-in",
            &theirs,
            "-passin",
            "pass:correct horse",
            "-pubout",
            "-out",
            &public,
        ]);
        let signed = cavra(["module", "sign", &module, "--key", &theirs]);
        let signed = signed.env("CAVRA_KEY_PASSPHRASE", "correct horse").run();
        assert_eq!(signed.code, Some(0), "{args:?}: {signed:?}");
        it.done(&["module", "verify", &module, "--key", &public]);
    }
}
