//! What somebody may try who has the registry: each is refused with a sentence of its own,
//! and nothing of it is kept.

use std::fs;

use cavra::digest::sha256_hex;
use integration_tests::front::{Act, Front};
use serde_json::{Value, json};

use super::{Market, REPOSITORY, TAGGED, missing};
use crate::signing::{MODULE, NAME, assert_refused, assert_selected};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM: &str = "application/wasm";

/// A blob that is put there, described.
fn blob(it: &Market, kind: &str, bytes: &[u8]) -> Value {
    let digest = format!("sha256:{}", sha256_hex(bytes));
    it.registry.put_blob(REPOSITORY, &digest, bytes);
    json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
}

fn manifest(config: &Value, layers: &[&Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
}

#[test]
fn a_module_that_was_changed_on_the_registrys_disk() {
    let it = Market::new();
    let by_digest = it.push();
    let (_, manifest) = it.registry.manifest(REPOSITORY, "1.4.0");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let path = it.registry.blob(layer);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&path, &bad).unwrap();
    it.refused(&by_digest, &format!("sent other bytes for module {layer}"));
    let why = missing(&it.evaluate(&by_digest, "enforce"));
    assert!(why.contains("sent other bytes"), "{why}");
    // One that is shorter, or longer, than its manifest says.
    for bytes in [&good[..good.len() / 2], &[good.as_slice(), b"more"].concat()] {
        fs::write(&path, bytes).unwrap();
        it.refused(&by_digest, "whose manifest says");
    }
    fs::remove_file(&path).unwrap();
    it.refused(&by_digest, &format!("has no module {layer}"));
    assert!(it.stored().is_empty());
    fs::write(&path, &good).unwrap();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
}

#[test]
fn a_manifest_that_was_changed_on_the_registrys_disk() {
    let it = Market::new();
    let by_digest = it.push();
    let digest = by_digest.split_once('@').unwrap().1;
    let path = it.registry.blob(digest);
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("wasip2", "wasip3").replacen('{', "{ ", 1)).unwrap();
    // The registry may see it itself; whoever asks by digest does in any case.
    let output = it.pull(&by_digest);
    assert_eq!(output.code, Some(1), "{output:?}");
    let front = Front::start(it.registry.addr(), {
        let good = good.clone();
        move |asked, _| match asked.path.contains("/manifests/") {
            true => Act::Answer(
                200,
                format!("content-type: {MANIFEST}\r\n"),
                good.replacen('{', "{ ", 1).into(),
            ),
            false => Act::Pass,
        }
    });
    let name = front.name(&format!("{REPOSITORY}@{digest}"));
    it.refused(&name, &format!("sent other bytes for manifest {digest}"));
    assert!(it.stored().is_empty());
}

#[test]
fn a_tag_that_moved_is_told_by_its_digest_and_changes_nothing_that_runs() {
    let it = Market::new();
    let first = it.push();
    assert_eq!(it.pull(&it.registry.name(TAGGED)).code, Some(0));
    assert_selected(&it.evaluate(&first, "enforce"));
    // A custom section changes nothing but the bytes.
    let mut bytes = fs::read(it.shop.path(MODULE)).unwrap();
    bytes.extend([0, 3, 1, b'x', 0]);
    fs::write(it.shop.path(MODULE), bytes).unwrap();
    it.shop.sign_module("publisher", 11);
    let second = it.push();
    assert_ne!(first, second);
    let answer = it.evaluate(&first, "enforce");
    assert_selected(&answer);
    let sha256 = answer["sandbox"]["fastpath"]["module_sha256"].clone();
    let pulled = it.pull(&it.registry.name(TAGGED));
    assert!(
        pulled.stdout.contains(second.split_once('@').unwrap().1),
        "{pulled:?}"
    );
    let answer = it.evaluate(&second, "enforce");
    assert_selected(&answer);
    assert_ne!(answer["sandbox"]["fastpath"]["module_sha256"], sha256);
    // The old one is still there, and is an old revision by now.
    assert_refused(
        &it.evaluate(&first, "enforce"),
        "missing_runtime",
        "revision_rollback",
    );
    it.distrusted(&first, "revision_rollback");
}

#[test]
fn a_signature_that_was_stripped() {
    let it = Market::new();
    let by_digest = it.push();
    let tag = by_digest.split_once('@').unwrap().1.replace(':', "-");
    fs::remove_dir_all(it.registry.tag(REPOSITORY, &tag)).unwrap();
    it.distrusted(&by_digest, "unsigned");
    it.distrusted(&it.registry.name(TAGGED), "unsigned");
    assert_refused(&it.evaluate(&by_digest, "enforce"), "missing_runtime", "unsigned");
    assert!(it.stored().is_empty());
}

#[test]
fn the_signature_of_another_image() {
    let it = Market::new();
    let signed = it.push();
    // Another module, without a signature.
    let mut bytes = fs::read(it.shop.path(MODULE)).unwrap();
    bytes.extend([0, 3, 1, b'x', 0]);
    fs::write(it.shop.path(MODULE), bytes).unwrap();
    fs::rename(it.shop.path("fast.wasm.sigstore.json"), it.shop.path("kept.json")).unwrap();
    let unsigned = it.push();
    it.distrusted(&unsigned, "unsigned");
    let tag = |name: &str| name.split_once('@').unwrap().1.replace(':', "-");
    let (_, index) = it.registry.manifest(REPOSITORY, &tag(&signed));
    it.registry.put_manifest(REPOSITORY, &tag(&unsigned), &index);
    it.refused(&unsigned, "it was moved there from another artifact");
    let why = missing(&it.evaluate(&unsigned, "enforce"));
    assert!(why.contains("it was moved there"), "{why}");
    // The same bundle, attached as if it were about this one.
    fs::remove_dir_all(it.registry.tag(REPOSITORY, &tag(&unsigned))).unwrap();
    fs::rename(it.shop.path("kept.json"), it.shop.path("fast.wasm.sigstore.json")).unwrap();
    assert_eq!(it.push(), unsigned);
    it.distrusted(&unsigned, "digest_mismatch");
    assert_refused(
        &it.evaluate(&unsigned, "enforce"),
        "missing_runtime",
        "digest_mismatch",
    );
    assert!(it.stored().is_empty());
}

#[test]
fn a_module_of_a_key_that_is_not_trusted_for_it() {
    let it = Market::new();
    it.shop.sign_module("approver", 11);
    it.push();
    it.distrusted(&it.registry.name(TAGGED), "wrong_role");
    it.shop.sign(
        "module",
        MODULE,
        "stranger",
        &["--name", NAME, "--revision", "12"],
    );
    // Both signatures are there now; neither is good.
    it.push();
    let output = it.pull(&it.registry.name(TAGGED));
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("refused (`"), "{output:?}");
    assert!(it.stored().is_empty());
}

#[test]
fn what_is_larger_than_anything_that_is_taken() {
    let it = Market::new();
    let config = blob(&it, CONFIG, b"{}");
    // The registry believes what a manifest says of sizes.
    let large = |size: u64| {
        let mut layer = blob(&it, WASM, b"\0asm\x0d\0\x01\0");
        layer["size"] = size.into();
        it.registry
            .put_manifest(REPOSITORY, "large", &manifest(&config, &[&layer]));
    };
    let name = it.registry.name("acme/fastpath:large");
    large(32 * 1024 * 1024 + 1);
    it.refused(&name, "at most 33554432 are accepted");
    large(1 << 40);
    it.refused(&name, "at most 33554432 are accepted");
    // What is longer than was said, and has no end.
    let by_digest = it.push();
    let rule = |path: &'static str, act: Act| {
        Front::start(it.registry.addr(), move |asked, _| {
            match asked.path.contains(path) {
                true => act.clone(),
                false => Act::Pass,
            }
        })
    };
    for (path, says) in [
        ("/blobs/", "whose manifest says"),
        ("/manifests/", "at most 4194304 are accepted"),
        ("/referrers/", "at most 4194304 are accepted"),
    ] {
        let front = rule(path, Act::Endless);
        let rest = by_digest.split_once(&it.registry.addr().to_string()).unwrap().1;
        it.refused(&front.name(&rest[1..]), says);
    }
    let said = Act::Answer(200, String::new(), vec![b' '; 4 * 1024 * 1024 + 1]);
    let front = rule("/manifests/", said);
    it.refused(&front.name(TAGGED), "at most 4194304 are accepted");
    assert!(it.stored().is_empty());
}

#[test]
fn what_is_no_module() {
    let it = Market::new();
    let name = it.registry.name("acme/fastpath:other");
    let put = |document: &Value| drop(it.registry.put_manifest(REPOSITORY, "other", document));
    let config = blob(&it, CONFIG, b"{}");
    let wasm = blob(&it, WASM, b"\0asm\x0d\0\x01\0");
    let image = blob(&it, "application/vnd.oci.image.config.v1+json", b"{ }");
    let archive = blob(&it, "application/vnd.oci.image.layer.v1.tar+gzip", b"x");
    let core = blob(&it, WASM, b"\0asm\x01\0\0\0");
    put(&manifest(&image, &[&wasm]));
    it.refused(&name, "is of the type `application/vnd.oci.image.config.v1+json`");
    put(&manifest(&config, &[&archive]));
    it.refused(
        &name,
        "is of the type `application/vnd.oci.image.layer.v1.tar+gzip`",
    );
    put(&manifest(&config, &[&wasm, &wasm]));
    it.refused(&name, "2 layers");
    put(&manifest(&config, &[]));
    it.refused(&name, "0 layers");
    put(&manifest(&config, &[&core]));
    it.refused(&name, "no WebAssembly component");
    // A list of several.
    let digest = it
        .registry
        .put_manifest(REPOSITORY, "other", &manifest(&config, &[&wasm]));
    let bytes = fs::metadata(it.registry.blob(&digest)).unwrap().len();
    let entry = json!({"mediaType": MANIFEST, "digest": digest, "size": bytes});
    put(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}));
    it.refused(&name, "it is an image index, which names several artifacts");
    it.refused(
        &it.registry.name("acme/fastpath:none"),
        "has no manifest with the tag `none`",
    );
    it.refused(
        &it.registry.name("acme/none:1"),
        "has no manifest with the tag `1`",
    );
    // What stands in a message is no command to a terminal.
    let evil = blob(&it, "application/x\u{1b}[2J", b"y");
    put(&manifest(&config, &[&evil]));
    it.refused(&name, "`application/x\\u{1b}[2J`");
    let front = Front::start(it.registry.addr(), |_, _| {
        Act::Answer(200, String::new(), b"<html>planted\x1b[2J</html>".to_vec())
    });
    it.refused(&front.name(TAGGED), "the manifest cannot be read");
    assert!(it.stored().is_empty());
}

#[test]
fn more_signatures_than_are_looked_at() {
    let it = Market::new();
    let by_digest = it.push();
    let tag = by_digest.split_once('@').unwrap().1.replace(':', "-");
    let (_, mut index) = it.registry.manifest(REPOSITORY, &tag);
    let entry = index["manifests"][0].clone();
    index["manifests"] = vec![entry; 17].into();
    it.registry.put_manifest(REPOSITORY, &tag, &index);
    it.refused(
        &by_digest,
        "has 17 signatures in the registry; at most 16 are looked at",
    );
}

#[test]
fn a_registry_that_keeps_its_own_list_of_referrers() {
    let it = Market::new();
    let registry = it.registry.addr();
    // What a registry does that has the API: it says so when a referrer comes.
    let front = Front::start(registry, |asked, _| {
        let referrer = asked.method == "PUT" && String::from_utf8_lossy(&asked.body).contains("\"subject\"");
        match referrer {
            true => Act::Add("oci-subject: sha256:0".to_owned()),
            false => Act::Pass,
        }
    });
    let pushed = it.done(&["module", "push", &it.shop.text(MODULE), &front.name(TAGGED)]);
    assert_eq!(
        it.registry.tags(REPOSITORY),
        ["1.4.0"],
        "no tag stands for the list"
    );
    let referrer = front
        .asked()
        .into_iter()
        .find(|it| String::from_utf8_lossy(&it.body).contains("\"subject\""));
    let referrer = referrer.unwrap();
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let digest = format!("sha256:{}", sha256_hex(&referrer.body));
    let listed = |kind: &str| json!({"mediaType": MANIFEST, "digest": digest, "size": referrer.body.len(), "artifactType": kind});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed("application/x-other"), listed(kind)]});
    let front = Front::start(registry, move |asked, _| {
        match asked.path.contains("/referrers/") {
            true => Act::Answer(
                200,
                format!("content-type: {INDEX}\r\n"),
                index.to_string().into(),
            ),
            false => Act::Pass,
        }
    });
    let digest = pushed["digest"].as_str().unwrap();
    let pulled = it.pull(&front.name(&format!("{REPOSITORY}@{digest}")));
    assert!(pulled.stdout.contains("signed by publisher"), "{pulled:?}");
    let asked = front.asked();
    let asked = asked.iter().find(|it| it.path.contains("/referrers/")).unwrap();
    assert!(
        asked
            .path
            .ends_with("?artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson"),
        "{asked:?}"
    );
}

#[test]
fn a_list_of_referrers_on_several_pages() {
    let it = Market::new();
    let by_digest = it.push();
    let digest = by_digest.split_once('@').unwrap().1.to_owned();
    let name = |front: &Front| front.name(&format!("{REPOSITORY}@{digest}"));
    let (_, index) = it.registry.manifest(REPOSITORY, &digest.replace(':', "-"));
    let none = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
    // What refers to the module stands on the last page alone.
    let paged = |pages: u32, at: &'static str| {
        let (index, none, digest) = (index.to_string(), none.to_string(), digest.clone());
        Front::start(it.registry.addr(), move |asked, _| {
            if !asked.path.contains("/referrers/") {
                return Act::Pass;
            }
            let page = asked.path.split_once("last=");
            let page = page.map_or(1, |(_, page)| page.parse::<u32>().unwrap());
            let kind = format!("content-type: {INDEX}\r\n");
            if page == pages {
                return Act::Answer(200, kind, index.clone().into());
            }
            let next = format!("{at}/v2/{REPOSITORY}/referrers/{digest}?last={}", page + 1);
            let link = format!("link: <{next}>; rel=\"next\"\r\n");
            Act::Answer(200, kind + &link, none.clone().into())
        })
    };
    let front = paged(3, "");
    let pulled = it.pull(&name(&front));
    assert!(pulled.stdout.contains("signed by publisher"), "{pulled:?}");
    fs::remove_dir_all(it.shop.path("store")).unwrap();
    it.refused(&name(&paged(1000, "")), "more than 16 pages");
    it.refused(
        &name(&paged(3, "http://registry.example.com")),
        "a next page at another address",
    );
}
