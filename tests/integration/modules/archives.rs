//! Modules carried in a file to where no registry is, and what somebody may do to it.

mod together;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::{Room, assert_missing, everything, variant};
use crate::signing::{MODULE, Shop, assert_selected};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The files of an archive, by name.
type Files = BTreeMap<String, Vec<u8>>;

fn read(path: &Path) -> Files {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    });
    entries.collect()
}

/// One part, with any name.
fn part(archive: &mut tar::Builder<Vec<u8>>, kind: EntryType, name: &str, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    archive.append(&header, bytes).unwrap();
}

fn built(files: &Files, more: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        part(&mut archive, EntryType::Regular, name, bytes);
    }
    for (kind, name, bytes) in more {
        part(&mut archive, *kind, name, bytes);
    }
    archive.into_inner().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", cavra::digest::sha256_hex(bytes))
}

fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap())
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The manifests of the index, by what they are: the module's, and those that refer to it.
fn manifests(files: &Files) -> (Vec<Value>, Vec<Value>) {
    let index = parsed(&files["index.json"]);
    let all = index["manifests"].as_array().unwrap().iter();
    let all = all.map(|it| parsed(&files[&blob_name(it["digest"].as_str().unwrap())]));
    all.partition(|it| it.get("subject").is_none())
}

/// Changes a manifest, and what the index says of it.
fn edit(files: &mut Files, which: fn(&Value) -> bool, change: impl Fn(&mut Value)) {
    let mut index = parsed(&files["index.json"]);
    for entry in index["manifests"].as_array_mut().unwrap() {
        let name = blob_name(entry["digest"].as_str().unwrap());
        let mut manifest = parsed(&files[&name]);
        if which(&manifest) {
            change(&mut manifest);
            files.remove(&name);
            let bytes = manifest.to_string().into_bytes();
            entry["digest"] = digest(&bytes).into();
            entry["size"] = bytes.len().into();
            files.insert(blob_name(&digest(&bytes)), bytes);
        }
    }
    files.insert("index.json".to_owned(), index.to_string().into_bytes());
}

fn is_module(manifest: &Value) -> bool {
    manifest.get("subject").is_none()
}

fn is_bundle(manifest: &Value) -> bool {
    !is_module(manifest)
}

/// A shop whose signed module lies in an archive.
struct Carrier {
    shop: Shop,
    digest: String,
}

impl Carrier {
    fn new() -> Self {
        let shop = Shop::new();
        let added = Self::run(
            &shop,
            "source",
            &["module", "add", &shop.text(MODULE), "--pin", "prod", "--json"],
        );
        assert_eq!(added.code, Some(0), "{added:?}");
        let digest = added.json()["digest"].as_str().unwrap().to_owned();
        let it = Self { shop, digest };
        let saved = Self::run(
            &it.shop,
            "source",
            &["module", "save", "prod", "--out", &it.shop.text("modules.tar")],
        );
        assert_eq!(saved.code, Some(0), "{saved:?}");
        it
    }

    fn run(shop: &Shop, store: &str, args: &[&str]) -> integration_tests::Output {
        shop.cavra(&[args, &["--module-store", &shop.text(store)]].concat())
    }

    fn files(&self) -> Files {
        read(&self.shop.path("modules.tar"))
    }

    /// Loads an archive into an empty store, under the trust policy.
    fn load(&self, archive: &[u8]) -> integration_tests::Output {
        fs::write(self.shop.path("given.tar"), archive).unwrap();
        let args = ["module", "load", &self.shop.text("given.tar"), "--json"];
        Self::run(
            &self.shop,
            "target",
            &[&args[..], &["--trust-policy", &self.shop.text("trust.toml")]].concat(),
        )
    }

    /// That an archive is refused, and nothing of it is in the store.
    fn refused(&self, archive: &[u8], sentence: &str) {
        let loaded = self.load(archive);
        assert!(matches!(loaded.code, Some(1 | 3)), "{sentence}: {loaded:?}");
        assert!(loaded.stderr.contains(sentence), "{sentence}: {loaded:?}");
        assert!(everything(&self.shop.path("target")).is_empty());
        assert!(!Path::new("/tmp/cavra-archive-escape").exists());
    }
}

#[test]
fn a_module_is_carried_with_its_signature_to_a_host_without_a_registry() {
    let it = Carrier::new();
    let loaded = it.load(&fs::read(it.shop.path("modules.tar")).unwrap());
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    let loaded = loaded.json();
    assert_eq!(
        (&loaded[0]["digest"], &loaded[0]["names"], &loaded[0]["revision"]),
        (&it.digest.as_str().into(), &json!(["prod"]), &10.into())
    );
    let target = it.shop.text("target");
    assert_selected(
        &it.shop
            .evaluate(&["--runtime-path", &it.digest, "--module-store", &target]),
    );
    // What it was given as, to be seen.
    let listing = Carrier::run(&it.shop, "target", &["module", "list", "--json"]).json();
    assert!(
        listing["modules"][0]["origin"]["reference"]
            .as_str()
            .unwrap()
            .ends_with("given.tar")
    );
    // Once more is no more.
    assert_eq!(
        it.load(&fs::read(it.shop.path("modules.tar")).unwrap()).code,
        Some(0)
    );
    let again = Carrier::run(&it.shop, "target", &["module", "list", "--json"]).json();
    assert_eq!(again["modules"].as_array().unwrap().len(), 1);
    assert_eq!(again["modules"][0]["signatures"], 1);
}

#[test]
fn an_archive_is_an_oci_image_layout_of_wasm_artifacts() {
    let it = Carrier::new();
    let files = it.files();
    assert_eq!(
        parsed(&files["oci-layout"]),
        json!({"imageLayoutVersion": "1.0.0"})
    );
    for (name, bytes) in &files {
        if name.starts_with("blobs/") {
            assert_eq!(*name, blob_name(&digest(bytes)));
        }
    }
    let module = fs::read(it.shop.path(MODULE)).unwrap();
    let (modules, bundles) = manifests(&files);
    let [manifest] = &modules[..] else {
        panic!("{modules:?}")
    };
    assert_eq!(
        (&manifest["schemaVersion"], &manifest["mediaType"]),
        (&2.into(), &MANIFEST.into())
    );
    let layer = json!({"mediaType": "application/wasm", "digest": digest(&module), "size": module.len()});
    assert_eq!(manifest["layers"], json!([layer]));
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    let config = parsed(&files[&blob_name(manifest["config"]["digest"].as_str().unwrap())]);
    assert_eq!(
        (&config["architecture"], &config["os"]),
        (&"wasm".into(), &"wasip2".into())
    );
    assert_eq!(config["layerDigests"], json!([digest(&module)]));
    let component = &config["component"];
    assert_eq!(component["target"], "cavra:enforcement/policy-module@1.0.0");
    assert!(
        component["exports"]
            .as_array()
            .unwrap()
            .contains(&"cavra:enforcement/evaluator@1.0.0".into())
    );
    let index = parsed(&files["index.json"]);
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        entries[0]["annotations"]["org.opencontainers.image.ref.name"],
        "prod"
    );
    assert_eq!(entries[1]["artifactType"], BUNDLE);
    let [bundle] = &bundles[..] else {
        panic!("{bundles:?}")
    };
    assert_eq!(bundle["artifactType"], BUNDLE);
    assert_eq!(bundle["subject"]["digest"], entries[0]["digest"]);
    assert_eq!(bundle["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(bundle["layers"][0]["mediaType"], BUNDLE);
    let signature = parsed(&files[&blob_name(bundle["layers"][0]["digest"].as_str().unwrap())]);
    let beside = parsed(&fs::read(it.shop.path("fast.wasm.sigstore.json")).unwrap());
    assert_eq!(signature, beside);
    // The same modules are the same archive.
    let again = it.shop.text("again.tar");
    let saved = Carrier::run(&it.shop, "source", &["module", "save", "prod", "--out", &again]);
    assert_eq!(saved.code, Some(0));
    assert_eq!(
        fs::read(&again).unwrap(),
        fs::read(it.shop.path("modules.tar")).unwrap()
    );
}

#[test]
fn an_archive_that_was_packed_by_others_is_read() {
    let it = Carrier::new();
    let dir = it.shop.path("layout");
    for (name, bytes) in it.files() {
        fs::create_dir_all(dir.join(&name).parent().unwrap()).unwrap();
        fs::write(dir.join(&name), bytes).unwrap();
    }
    // As docker and others leave them beside the layout.
    fs::write(dir.join("manifest.json"), "[]").unwrap();
    for format in ["pax", "gnu", "ustar"] {
        let out = it.shop.path(format);
        let packed = std::process::Command::new("tar")
            .args(["--format", format, "-cf"])
            .arg(&out)
            .arg("-C")
            .arg(&dir)
            .arg(".")
            .status()
            .unwrap();
        assert!(packed.success());
        let loaded = it.load(&fs::read(&out).unwrap());
        assert_eq!(loaded.code, Some(0), "{format}: {loaded:?}");
        fs::remove_dir_all(it.shop.path("target")).unwrap();
    }
}

#[test]
fn parts_that_lead_elsewhere_are_refused() {
    let it = Carrier::new();
    let files = it.files();
    let escape = "/tmp/cavra-archive-escape";
    for (kind, name, sentence) in [
        (EntryType::Regular, "../escape", "leads out of the archive"),
        (
            EntryType::Regular,
            "blobs/sha256/../../../escape",
            "leads out of the archive",
        ),
        (EntryType::Regular, escape, "has an absolute path"),
        (
            EntryType::Regular,
            "blobs\\sha256\\x",
            "has a name that no part of a layout has",
        ),
        (EntryType::Directory, "../", "leads out of the archive"),
        (EntryType::Symlink, "blobs/sha256/link", "is a link"),
        (EntryType::Link, "index.json", "is a link"),
        (
            EntryType::Char,
            "blobs/sha256/null",
            "is neither a file nor a directory",
        ),
        (EntryType::Fifo, "pipe", "is neither a file nor a directory"),
        (
            EntryType::GNUSparse,
            "sparse",
            "is neither a file nor a directory",
        ),
        (
            EntryType::Regular,
            "blobs/sha256/short",
            "has a name that is no digest",
        ),
    ] {
        it.refused(&built(&files, &[(kind, name, b"")]), sentence);
    }
    let upper = blob_name(&it.digest)
        .to_uppercase()
        .replace("BLOBS/SHA256", "blobs/sha256");
    it.refused(
        &built(&files, &[(EntryType::Regular, &upper, b"x")]),
        "has a name that is no digest",
    );
    it.refused(
        &built(&files, &[(EntryType::Regular, "index.json", b"{}")]),
        "has two parts `index.json`",
    );
    let twice = blob_name(&it.digest);
    it.refused(
        &built(&files, &[(EntryType::Regular, &twice, b"x")]),
        "has two parts",
    );
}

#[test]
fn parts_that_are_too_large_or_too_many_are_refused_before_they_are_read() {
    let it = Carrier::new();
    let files = it.files();
    // A header that says two gibibytes; the file has as many, and none on the disk.
    let mut archive = built(&files, &[]);
    archive.truncate(archive.len() - 1024);
    let mut header = Header::new_ustar();
    header.set_path(blob_name(&digest(b"large"))).unwrap();
    header.set_size(2 << 30);
    header.set_cksum();
    archive.extend(header.as_bytes());
    it.refused(&archive, "is 2147483648 bytes long; at most 33554432");
    let mut long = built(&files, &[]);
    long.truncate(long.len() - 1024);
    header.set_entry_type(EntryType::GNULongName);
    header.set_cksum();
    long.extend(header.as_bytes());
    it.refused(&long, "is 2147483648 bytes long; at most 65536");
    let many: Vec<String> = (0..5000).map(|it| format!("more-{it}")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|name| (EntryType::Regular, name.as_str(), &b""[..]))
        .collect();
    it.refused(&built(&files, &many), "more than 4096 parts");
    let mut large = files.clone();
    large.insert("oci-layout".to_owned(), vec![b' '; 5000]);
    it.refused(&built(&large, &[]), "at most 4096");
}

#[test]
fn an_archive_that_was_cut_short_is_refused() {
    let it = Carrier::new();
    let archive = fs::read(it.shop.path("modules.tar")).unwrap();
    for length in [0, 100, 600, archive.len() / 3, archive.len() / 2] {
        let loaded = it.load(&archive[..length]);
        assert_eq!(loaded.code, Some(3), "{length}: {loaded:?}");
        assert!(everything(&it.shop.path("target")).is_empty());
    }
    it.refused(&archive[..archive.len() / 2], "ends in the middle of");
    it.refused(b"PK\x03\x04 this is no archive of this kind", "");
}

#[test]
fn a_part_with_other_bytes_is_refused() {
    let it = Carrier::new();
    let good = it.files();
    for name in good.keys().filter(|name| name.starts_with("blobs/")) {
        let mut files = good.clone();
        *files.get_mut(name).unwrap().last_mut().unwrap() ^= 1;
        it.refused(&built(&files, &[]), "is damaged or was exchanged");
        // Also one that is not there; the configuration that says nothing is not needed.
        files.remove(name);
        if good[name] != b"{}" {
            it.refused(&built(&files, &[]), "has no part");
        }
    }
    for name in ["oci-layout", "index.json"] {
        let mut files = good.clone();
        files.remove(name);
        it.refused(&built(&files, &[]), &format!("has no part `{name}`"));
        files.insert(name.to_owned(), b"{}".to_vec());
        it.refused(&built(&files, &[]), "");
    }
    let mut files = good.clone();
    files.insert(
        "oci-layout".to_owned(),
        br#"{"imageLayoutVersion":"9.0.0"}"#.to_vec(),
    );
    it.refused(&built(&files, &[]), "its version is `9.0.0`");
    files.insert("oci-layout".to_owned(), good["oci-layout"].clone());
    files.insert(
        "index.json".to_owned(),
        br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
    );
    it.refused(&built(&files, &[]), "holds no module");
}

#[test]
fn a_manifest_that_says_something_else_is_refused() {
    let it = Carrier::new();
    let good = it.files();
    let changed = |which: fn(&Value) -> bool, change: &dyn Fn(&mut Value)| {
        let mut files = good.clone();
        edit(&mut files, which, change);
        built(&files, &[])
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(&str, Change<'_>); 7] = [
        ("its schemaVersion is 1", &|it| it["schemaVersion"] = 1.into()),
        ("layers; one is wanted", &|it| it["layers"] = json!([])),
        ("not `application/wasm`", &|it| {
            it["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
        }),
        ("not `application/vnd.wasm.config.v0+json`", &|it| {
            it["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        }),
        ("it should have", &|it| it["layers"][0]["size"] = 7.into()),
        ("at most 33554432", &|it| {
            it["layers"][0]["size"] = (2_u64 << 30).into()
        }),
        ("cannot be read", &|it| {
            it["layers"][0]["digest"] = "../../etc/passwd".into()
        }),
    ];
    for (sentence, change) in cases {
        it.refused(&changed(is_module, change), sentence);
    }
    // A layer that the configuration does not know.
    let other = variant("other", 0);
    let mut files = good.clone();
    files.insert(blob_name(&digest(&other)), other.clone());
    edit(&mut files, is_module, |it| {
        it["layers"][0]["digest"] = digest(&other).into();
        it["layers"][0]["size"] = other.len().into();
    });
    it.refused(&built(&files, &[]), "the one layer");
}

#[test]
fn a_signature_that_was_stripped_or_is_about_another_module_is_refused() {
    let it = Carrier::new();
    let good = it.files();
    let mut stripped = good.clone();
    let mut index = parsed(&good["index.json"]);
    index["manifests"].as_array_mut().unwrap().truncate(1);
    stripped.insert("index.json".to_owned(), index.to_string().into_bytes());
    it.refused(&built(&stripped, &[]), "(`unsigned`)");
    let mut stray = good.clone();
    edit(&mut stray, is_bundle, |it| {
        it["subject"]["digest"] = digest(b"another").into()
    });
    it.refused(&built(&stray, &[]), "it holds a signature about");
    // Another module under this one's signature.
    let other = fs::read(it.shop.path(MODULE))
        .map(|bytes| [&bytes[..], &[0, 2, 1, b'x']].concat())
        .unwrap();
    let config = parsed(&good[&blob_name(manifests(&good).0[0]["config"]["digest"].as_str().unwrap())]);
    let mut config = config.clone();
    config["layerDigests"] = json!([digest(&other)]);
    let config = config.to_string().into_bytes();
    let mut swapped = good.clone();
    swapped.insert(blob_name(&digest(&other)), other.clone());
    swapped.insert(blob_name(&digest(&config)), config.clone());
    edit(&mut swapped, is_module, |it| {
        it["layers"][0]["digest"] = digest(&other).into();
        it["layers"][0]["size"] = other.len().into();
        it["config"]["digest"] = digest(&config).into();
        it["config"]["size"] = config.len().into();
    });
    let subject = parsed(&swapped["index.json"])["manifests"][0].clone();
    edit(&mut swapped, is_bundle, |it| {
        it["subject"]["digest"] = subject["digest"].clone();
        it["subject"]["size"] = subject["size"].clone();
    });
    it.refused(&built(&swapped, &[]), "(`digest_mismatch`)");
}

#[test]
fn one_module_that_is_refused_keeps_the_others_out() {
    let it = Carrier::new();
    let unsigned = it.shop.path("unsigned.wasm");
    fs::write(&unsigned, variant("unsigned", 0)).unwrap();
    let unsigned = unsigned.display().to_string();
    let added = Carrier::run(&it.shop, "source", &["module", "add", &unsigned, "--pin", "new"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert!(added.stdout.contains("unsigned"), "{added:?}");
    let both = it.shop.text("both.tar");
    let saved = Carrier::run(
        &it.shop,
        "source",
        &["module", "save", "prod", "new", "--out", &both],
    );
    assert_eq!(saved.code, Some(0), "{saved:?}");
    it.refused(
        &fs::read(&both).unwrap(),
        "nothing of the archive was put into the store",
    );
    // Without a trust policy both are let in.
    let loaded = Carrier::run(&it.shop, "target", &["module", "load", &both, "--json"]);
    assert_eq!(loaded.json().as_array().unwrap().len(), 2, "{loaded:?}");
}

#[test]
fn what_is_no_archive_or_not_there_is_told() {
    let room = Room::new();
    let told = |file: &Path, sentence: &str| {
        let loaded = room.cavra(&["module", "load", &file.display().to_string()]);
        assert_eq!(loaded.code, Some(3), "{loaded:?}");
        assert!(loaded.stderr.contains(sentence), "{sentence}: {loaded:?}");
    };
    told(&room.path("absent.tar"), "cannot be read");
    told(room.path("").as_path(), "is no regular file");
    symlink("/dev/zero", room.path("zero.tar")).unwrap();
    told(&room.path("zero.tar"), "is no regular file");
    let saved = room.cavra(&["module", "save", "prod", "--out", "x.tar"]);
    assert!(saved.stderr.contains("has no pin `prod`"), "{saved:?}");
    let digest = room.add("one");
    let module = room.entry(&digest).join("module.wasm");
    fs::write(&module, "").unwrap();
    let out = room.path("out.tar");
    let saved = room.cavra(&["module", "save", &digest, "--out", &out.display().to_string()]);
    assert_eq!(saved.code, Some(1));
    assert!(saved.stderr.contains("is damaged") && !out.exists(), "{saved:?}");
    assert_missing(&room.evaluate(&digest), "is damaged");
}
