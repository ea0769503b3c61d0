//! What the parts of an archive come to together, and that it is let in whole or not at all.

use std::fs;

use serde_json::{Value, json};

use super::super::everything;
use super::{Carrier, Files, MANIFEST, blob_name, built, digest, manifests, parsed};

/// Puts a blob there, described.
fn blob(files: &mut Files, kind: &Value, bytes: &[u8]) -> Value {
    files.insert(blob_name(&digest(bytes)), bytes.to_vec());
    json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
}

/// Puts a manifest there, with its place in the index.
fn add(files: &mut Files, manifest: &Value) {
    let entry = blob(files, &MANIFEST.into(), manifest.to_string().as_bytes());
    let mut index = parsed(&files["index.json"]);
    index["manifests"].as_array_mut().unwrap().push(entry);
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
}

/// Attaches this to the module as a signature of it; one of some.
fn attach(files: &mut Files, bytes: &[u8], number: u32) {
    let mut referrer = manifests(files).1.remove(0);
    let kind = referrer["layers"][0]["mediaType"].clone();
    referrer["layers"][0] = blob(files, &kind, bytes);
    referrer["annotations"]["number"] = number.to_string().into();
    add(files, &referrer);
}

#[test]
fn a_manifest_that_is_listed_many_times_is_one() {
    let it = Carrier::new();
    let mut files = it.files();
    let mut index = parsed(&files["index.json"]);
    let entries = index["manifests"].as_array_mut().unwrap();
    // Each would have its module hashed again: twenty gigabytes.
    *entries = entries.iter().flat_map(|it| vec![it.clone(); 4000]).collect();
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
    let loaded = it.load(&built(&files, &[]));
    assert_eq!(loaded.code, Some(0), "{}", loaded.stderr);
    let loaded = loaded.json();
    assert_eq!(loaded.as_array().unwrap().len(), 1);
    assert_eq!(loaded[0]["signatures"], 1);
    assert_eq!(loaded[0]["names"].as_array().unwrap().len(), 4000);
}

#[test]
fn signatures_that_are_too_large_together_are_refused() {
    let it = Carrier::new();
    let large = format!("{{\"a\":\"{}\"}}", " ".repeat(600 * 1024));
    let mut files = it.files();
    // Also when they are one and the same.
    for number in 0..2 {
        attach(&mut files, large.as_bytes(), number);
    }
    it.refused(
        &built(&files, &[]),
        "bytes long together; at most 1048576 are accepted",
    );
}

#[test]
fn without_a_trust_policy_what_the_store_would_not_take_keeps_the_others_out() {
    let it = Carrier::new();
    let good = it.files();
    // A module that is none, beside a good one.
    let mut other = good.clone();
    let mut manifest = manifests(&good).0.remove(0);
    let mut config = parsed(&good[&blob_name(manifest["config"]["digest"].as_str().unwrap())]);
    config["layerDigests"] = json!([digest(b"hello")]);
    let kind = manifest["config"]["mediaType"].clone();
    manifest["config"] = blob(&mut other, &kind, config.to_string().as_bytes());
    let kind = manifest["layers"][0]["mediaType"].clone();
    manifest["layers"][0] = blob(&mut other, &kind, b"hello");
    add(&mut other, &manifest);
    // A signature that is none.
    let mut stray = good.clone();
    attach(&mut stray, b"hello", 0);
    for (files, says) in [
        (other, "not a WebAssembly component"),
        (stray, "bundle is no JSON object"),
    ] {
        fs::write(it.shop.path("given.tar"), built(&files, &[])).unwrap();
        let given = it.shop.text("given.tar");
        let loaded = Carrier::run(&it.shop, "target", &["module", "load", &given]);
        assert_eq!(loaded.code, Some(3), "{loaded:?}");
        assert!(loaded.stderr.contains(says), "{says}: {loaded:?}");
        assert!(
            loaded
                .stderr
                .contains("nothing of the archive was put into the store"),
            "{loaded:?}"
        );
        assert!(everything(&it.shop.path("target")).is_empty());
    }
}
