//! The module store under a trust policy.

use std::fs;

use integration_tests::root;
use serde_json::Value;

use crate::signing::{MODULE, NAME, Shop, assert_refused, assert_selected};

/// A shop with a store: the module in it, and its digest.
fn stocked() -> (Shop, String) {
    let shop = Shop::new();
    let added = add(&shop);
    assert_eq!(added.code, Some(0), "{added:?}");
    let added = added.json();
    assert_eq!(
        (&added["name"], &added["revision"], &added["signers"][0]),
        (&NAME.into(), &10.into(), &"publisher".into())
    );
    let digest = added["digest"].as_str().unwrap().to_owned();
    (shop, digest)
}

fn add(shop: &Shop) -> integration_tests::Output {
    in_store(
        shop,
        &[
            "module",
            "add",
            &shop.text(MODULE),
            "--json",
            "--trust-policy",
            &shop.text("trust.toml"),
        ],
    )
}

fn in_store(shop: &Shop, args: &[&str]) -> integration_tests::Output {
    let store = shop.text("store");
    shop.cavra(&[args, &["--module-store", &store]].concat())
}

fn judge(shop: &Shop, digest: &str) -> Value {
    shop.evaluate(&["--runtime-path", digest, "--module-store", &shop.text("store")])
}

/// How the trust policy judged the fast path.
fn signature(shop: &Shop, digest: &str) -> Value {
    let trust = shop.text("trust.toml");
    let args = [
        "runtime",
        "go-pilot-readiness",
        "--mode",
        "enforce",
        "--policy-path",
        "auto",
    ];
    let more = ["--runtime-path", digest, "--trust-policy", &trust, "--json"];
    let report = in_store(shop, &[&args[..], &more].concat()).json();
    let signatures = report["signatures"].as_array().unwrap();
    signatures
        .iter()
        .find(|it| it["what"] == "runtime")
        .unwrap()
        .clone()
}

#[test]
fn the_trust_policy_asks_for_the_bundles_that_the_store_has() {
    let (shop, digest) = stocked();
    assert_selected(&judge(&shop, &digest));
    let runtime = signature(&shop, &digest);
    assert_eq!(
        (&runtime["status"], &runtime["name"]),
        (&"verified".into(), &NAME.into())
    );
    let verified = in_store(
        &shop,
        &[
            "module",
            "verify",
            &digest,
            "--trust-policy",
            &shop.text("trust.toml"),
        ],
    );
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let entry = shop
        .path("store/sha256")
        .join(digest.strip_prefix("sha256:").unwrap());
    let bundles = entry.join("module.wasm.sigstore.jsonl");
    let good = fs::read(&bundles).unwrap();
    fs::write(&bundles, "").unwrap();
    assert_refused(&judge(&shop, &digest), "missing_runtime", "unsigned");
    // That of another file.
    fs::copy(
        root().join("dist/modules/reference.wasm"),
        shop.path("other.wasm"),
    )
    .unwrap();
    shop.sign(
        "module",
        "other.wasm",
        "publisher",
        &["--name", NAME, "--revision", "11"],
    );
    fs::copy(shop.path("other.wasm.sigstore.json"), &bundles).unwrap();
    assert_refused(&judge(&shop, &digest), "missing_runtime", "digest_mismatch");
    fs::write(&bundles, "{}\n").unwrap();
    assert_refused(&judge(&shop, &digest), "missing_runtime", "bundle_invalid");
    // A good one beside a bad one is enough, as it is beside a file.
    fs::write(&bundles, [b"{}\n", &good[..]].concat()).unwrap();
    assert_selected(&judge(&shop, &digest));
    // A bundle beside the path that the setting looks like is none of it.
    fs::write(&bundles, "").unwrap();
    fs::copy(
        shop.path("fast.wasm.sigstore.json"),
        shop.path(&format!("{digest}.sigstore.json")),
    )
    .unwrap();
    assert_refused(&judge(&shop, &digest), "missing_runtime", "unsigned");
}

#[test]
fn what_the_trust_policy_refuses_is_not_let_into_the_store() {
    let shop = Shop::new();
    let store = shop.path("store");
    let refused = |code: &str| {
        let added = add(&shop);
        assert_eq!(added.code, Some(1), "{code}: {added:?}");
        assert!(added.stderr.contains(&format!("(`{code}`)")), "{added:?}");
        assert!(!store.exists(), "{code}");
    };
    shop.sign_module("stranger", 11);
    refused("unknown_key");
    shop.sign_module("approver", 11);
    refused("wrong_role");
    shop.sign_module("publisher", 4);
    refused("revision_too_low");
    fs::write(shop.path("fast.wasm.sigstore.json"), "{}").unwrap();
    refused("bundle_invalid");
    fs::remove_file(shop.path("fast.wasm.sigstore.json")).unwrap();
    refused("unsigned");
    shop.sign_module("publisher", 11);
    let mut bytes = fs::read(shop.path(MODULE)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(shop.path(MODULE), bytes).unwrap();
    refused("digest_mismatch");
}

#[test]
fn a_module_that_is_signed_again_has_the_new_signature() {
    let (shop, digest) = stocked();
    let signatures = || {
        let listing = in_store(&shop, &["module", "list", "--json"]).json();
        listing["modules"][0]["signatures"].clone()
    };
    let revision = || {
        assert_selected(&judge(&shop, &digest));
        signature(&shop, &digest)["revision"].clone()
    };
    assert_eq!((signatures(), revision()), (1.into(), 10.into()));
    assert_eq!(add(&shop).code, Some(0));
    assert_eq!((signatures(), revision()), (1.into(), 10.into()));
    shop.sign_module("publisher", 11);
    let bundle = shop.path("fast.wasm.sigstore.json");
    let spread: Value = serde_json::from_slice(&fs::read(&bundle).unwrap()).unwrap();
    fs::write(&bundle, serde_json::to_string_pretty(&spread).unwrap()).unwrap();
    assert_eq!(add(&shop).code, Some(0), "also one that is spread over lines");
    assert_eq!((signatures(), revision()), (1.into(), 11.into()));
    // Without a trust policy, and without a signature: that of before stays.
    fs::remove_file(&bundle).unwrap();
    let added = in_store(&shop, &["module", "add", &shop.text(MODULE)]);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert_eq!((signatures(), revision()), (1.into(), 11.into()));
}
