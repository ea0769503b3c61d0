//! Modules in a registry: put there, fetched from there, run without it.

mod access;
mod attacks;
mod interrupted;
mod tls;

use std::fs;
use std::path::PathBuf;

use integration_tests::registry::Registry;
use integration_tests::{Cavra, Output, cavra};
use serde_json::Value;

use crate::signing::{MODULE, NAME, Shop, assert_refused, assert_selected};

/// Where the tests put modules.
const REPOSITORY: &str = "acme/fastpath";
const TAGGED: &str = "acme/fastpath:1.4.0";

/// A shop with a module store, and a registry.
struct Market {
    shop: Shop,
    registry: Registry,
}

impl Market {
    fn new() -> Self {
        Self::with(Registry::start())
    }

    fn with(registry: Registry) -> Self {
        Self {
            shop: Shop::new(),
            registry,
        }
    }

    /// `cavra` with the shop's state and store, and nobody's credentials.
    fn cavra(&self, args: &[&str]) -> Cavra {
        cavra(args)
            .env("CAVRA_STATE_DIR", self.shop.path("state"))
            .env("CAVRA_MODULE_STORE", self.shop.path("store"))
            .env("HOME", self.shop.path("home"))
            .env("DOCKER_CONFIG", self.shop.path("docker"))
    }

    fn done(&self, args: &[&str]) -> Value {
        let output = self.cavra(args).args(["--json"]).run();
        assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
        output.json()
    }

    /// Pushes the shop's module: what it is called by digest.
    fn push(&self) -> String {
        let pushed = self.done(&[
            "module",
            "push",
            &self.shop.text(MODULE),
            &self.registry.name(TAGGED),
        ]);
        pushed["runtime_path"].as_str().unwrap().to_owned()
    }

    /// Pulls under the shop's trust policy.
    fn pull(&self, reference: &str) -> Output {
        let trust = self.shop.text("trust.toml");
        self.cavra(&["module", "pull", reference, "--trust-policy", &trust])
            .run()
    }

    /// That a pull says this and keeps nothing.
    fn refused(&self, reference: &str, says: &str) {
        let before = self.stored();
        for output in [
            self.pull(reference),
            self.cavra(&["module", "pull", reference, "--json"]).run(),
        ] {
            assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
            assert!(output.stderr.contains(says), "{says}: {output:?}");
            assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        }
        assert_eq!(self.stored(), before, "{says}: nothing is kept");
    }

    /// That a pull is refused by the trust policy with this word, and keeps nothing.
    fn distrusted(&self, reference: &str, code: &str) {
        let before = self.stored();
        let output = self.pull(reference);
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
        assert!(
            output.stderr.contains(&format!("refused (`{code}`)")),
            "{output:?}"
        );
        assert_eq!(self.stored(), before, "{code}: nothing is kept");
    }

    /// The modules of the store: also those that are half written.
    fn stored(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.shop.path("store")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                match path.is_dir() {
                    true => dirs.push(path),
                    false => found.push(path),
                }
            }
        }
        found.sort();
        found
    }

    /// The answer to a request with this as the fast path.
    fn evaluate(&self, runtime: &str, mode: &str) -> Value {
        let trust = self.shop.text("trust.toml");
        let output = self
            .cavra(&["evaluate", "execute_command", "terraform plan", "--json"])
            .args(["--mode", mode, "--runtime-path", runtime, "--policy-path", "auto"])
            .args(["--trust-policy", &trust])
            .run();
        assert_eq!(output.code, Some(0), "{output:?}");
        output.json()
    }
}

/// An answer of the reference, because there is no fast path; why.
fn missing(answer: &Value) -> String {
    assert_eq!(answer["fallback_code"], "missing_runtime", "{answer:#}");
    assert_eq!(answer["selected_backend"], "python");
    assert!(answer["python_decision"]["decision"].is_string());
    let checks = answer["readiness"]["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|it| it["status"] != "pass");
    let messages: Vec<&str> = failed.map(|it| it["message"].as_str().unwrap()).collect();
    messages.join("\n")
}

#[test]
fn what_is_pushed_is_pulled_and_runs_without_the_registry() {
    let mut it = Market::new();
    let by_digest = it.push();
    let digest = by_digest.split_once('@').unwrap().1.to_owned();
    // As others expect it.
    let (found, manifest) = it.registry.manifest(REPOSITORY, "1.4.0");
    assert_eq!(found, digest);
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(
        fs::read(it.registry.blob(layer)).unwrap(),
        fs::read(it.shop.path(MODULE)).unwrap()
    );
    let tags = it.registry.tags(REPOSITORY);
    assert_eq!(tags, ["1.4.0".to_owned(), digest.replace(':', "-")]);
    let (_, index) = it.registry.manifest(REPOSITORY, &tags[1]);
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(index["manifests"][0]["artifactType"], bundle);
    let referrer = index["manifests"][0]["digest"].as_str().unwrap();
    let (_, referrer) = it.registry.manifest(REPOSITORY, referrer);
    assert_eq!(referrer["subject"]["digest"], digest.as_str());
    assert_eq!(
        (&referrer["artifactType"], &referrer["layers"][0]["mediaType"]),
        (&bundle.into(), &bundle.into())
    );
    // Again, it changes nothing.
    assert_eq!(it.push(), by_digest);
    assert_eq!(it.registry.tags(REPOSITORY), tags);

    let pulled = it.done(&[
        "module",
        "pull",
        &it.registry.name(TAGGED),
        "--trust-policy",
        &it.shop.text("trust.toml"),
    ]);
    assert_eq!(pulled["digest"], digest.as_str());
    assert_eq!(pulled["module"], layer);
    assert_eq!(pulled["bytes"], fs::metadata(it.shop.path(MODULE)).unwrap().len());
    assert_eq!(
        (&pulled["verified"], &pulled["signatures"]),
        (&true.into(), &1.into())
    );
    assert_eq!(pulled["signers"], serde_json::json!(["publisher"]));
    assert_eq!(
        (&pulled["statement"]["name"], &pulled["statement"]["revision"]),
        (&NAME.into(), &10.into())
    );
    assert_eq!(pulled["runtime_path"], by_digest.as_str());
    let file = pulled["file"].as_str().unwrap();
    assert_eq!(fs::read(file).unwrap(), fs::read(it.shop.path(MODULE)).unwrap());
    let told = it.pull(&by_digest).stdout;
    for part in [
        digest.as_str(),
        file,
        "signed by publisher",
        &format!("--runtime-path {by_digest}"),
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }

    it.registry.stop();
    for mode in ["shadow", "enforce"] {
        let answer = it.evaluate(&by_digest, mode);
        assert_eq!(answer["parity_match"], true, "{answer:#}");
        assert_eq!(
            answer["selected_backend"],
            if mode == "enforce" { "go" } else { "python" }
        );
    }
    let inspected = it.done(&["module", "inspect", &by_digest]);
    assert_eq!(format!("sha256:{}", inspected["sha256"].as_str().unwrap()), layer);
    // The module's own digest names it too.
    assert_selected(&it.evaluate(layer, "enforce"));
}

#[test]
fn a_host_pulls_what_it_does_not_have_once() {
    let mut it = Market::new();
    let by_digest = it.push();
    assert!(it.stored().is_empty());
    let looked = it.cavra(&["module", "inspect", &by_digest]).run();
    assert!(looked.stderr.contains("cavra module pull"), "{looked:?}");
    assert!(it.stored().is_empty(), "to look at something fetches nothing");
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    let stored = it.stored();
    it.registry.stop();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    assert_eq!(it.stored(), stored);
    // What is damaged in the store would be fetched again.
    let module = stored.iter().find(|path| path.ends_with("module.wasm")).unwrap();
    let mut bytes = fs::read(module).unwrap();
    let good = bytes.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(module, bytes).unwrap();
    let why = missing(&it.evaluate(&by_digest, "enforce"));
    assert!(
        why.contains("cannot be reached") && why.contains("tried 3 times"),
        "{why}"
    );
    fs::write(module, good).unwrap();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
}

#[test]
fn a_host_without_trust_in_a_module_does_not_keep_it() {
    let it = Market::new();
    fs::remove_file(it.shop.path("fast.wasm.sigstore.json")).unwrap();
    let by_digest = it.push();
    assert_refused(&it.evaluate(&by_digest, "enforce"), "missing_runtime", "unsigned");
    assert!(it.stored().is_empty(), "{:?}", it.stored());
    // What came into the store otherwise is held to the policy, too.
    let pulled = it.cavra(&["module", "pull", &by_digest]).run();
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    assert!(pulled.stderr.contains("nothing was verified"), "{pulled:?}");
    assert!(pulled.stdout.contains("no signature, not verified"), "{pulled:?}");
    assert_refused(&it.evaluate(&by_digest, "enforce"), "missing_runtime", "unsigned");
    // A signature that comes later is put beside it.
    it.shop.sign_module("publisher", 10);
    assert_eq!(it.push(), by_digest);
    assert_refused(&it.evaluate(&by_digest, "enforce"), "missing_runtime", "unsigned");
    assert_eq!(it.pull(&by_digest).code, Some(0));
    assert_selected(&it.evaluate(&by_digest, "enforce"));
}

#[test]
fn a_tag_is_no_identity() {
    let it = Market::new();
    let by_digest = it.push();
    assert_eq!(it.pull(&by_digest).code, Some(0));
    let why = missing(&it.evaluate(&it.registry.name(TAGGED), "enforce"));
    assert!(why.contains("@sha256:"), "{why}");
    for (reference, says) in [
        ("oci://acme/fastpath:1", "no registry"),
        ("oci://registry.example.com/acme", "name a tag"),
        ("oci://user:planted@registry.example.com/acme:1", "docker login"),
        ("fast.wasm", "must begin with `oci://`"),
    ] {
        for command in [["pull", reference, "--json"], ["push", "fast.wasm", reference]] {
            let output = it.cavra(&["module"]).args(command).run();
            assert_eq!(output.code, Some(3), "{output:?}");
            assert!(output.stderr.contains(says), "{output:?}");
            assert!(!output.stderr.contains("planted"), "{output:?}");
        }
    }
}

#[test]
fn a_module_of_two_signatures_comes_with_both() {
    let it = Market::new();
    let both = "roles = [\"release-approver\", \"module-publisher\"]";
    let policy = it.shop.policy().replace("roles = [\"release-approver\"]", both);
    it.shop.trust(&(policy + "\n[threshold]\nmodule-publisher = 2\n"));
    it.push();
    it.distrusted(&it.registry.name(TAGGED), "threshold_not_met");
    let statement = ["--name", NAME, "--revision", "10", "--add"];
    it.shop.sign("module", MODULE, "approver", &statement);
    let by_digest = it.push();
    let pulled = it.done(&[
        "module",
        "pull",
        &by_digest,
        "--trust-policy",
        &it.shop.text("trust.toml"),
    ]);
    assert_eq!(pulled["signers"], serde_json::json!(["approver", "publisher"]));
    assert_selected(&it.evaluate(&by_digest, "enforce"));
}

#[test]
fn what_was_carried_over_a_gap_keeps_its_name_in_the_registry() {
    let mut it = Market::new();
    let by_digest = it.push();
    let pulled = it.done(&["module", "pull", &by_digest]);
    let module = pulled["module"].as_str().unwrap();
    let archive = it.shop.text("modules.tar");
    let saved = it.cavra(&["module", "save", module, "--out", &archive]).run();
    assert_eq!(saved.code, Some(0), "{saved:?}");
    it.registry.stop();
    fs::remove_dir_all(it.shop.path("store")).unwrap();
    let loaded = it.cavra(&["module", "load", &archive]).run();
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    assert_selected(&it.evaluate(&by_digest, "enforce"));
}

#[test]
fn a_service_pulls_when_it_loads_and_finds_what_is_pulled_later() {
    use integration_tests::service::Service;
    let mut it = Market::new();
    let by_digest = it.push();
    let trust = it.shop.text("trust.toml");
    let serve = |it: &Market| {
        it.cavra(&["serve", "--mode", "enforce", "--policy-path", "auto"])
            .args(["--runtime-path", &by_digest, "--trust-policy", &trust])
    };
    let request = serde_json::json!({"action_type": "execute_command", "target": "terraform plan"});
    {
        let service = Service::ready(serve(&it));
        assert_selected(&service.evaluate(&request).json());
    }
    it.registry.stop();
    {
        let service = Service::ready(serve(&it));
        assert_selected(&service.evaluate(&request).json());
    }
    fs::rename(it.shop.path("store"), it.shop.path("elsewhere")).unwrap();
    let service = Service::ready(serve(&it));
    let why = missing(&service.evaluate(&request).json());
    assert!(why.contains("cannot be reached"), "{why}");
    // Somebody brings it.
    fs::remove_dir_all(it.shop.path("store")).unwrap();
    fs::rename(it.shop.path("elsewhere"), it.shop.path("store")).unwrap();
    assert_eq!(service.post("/runtime/go-pilot/reload", "{}").status, 200);
    assert_selected(&service.evaluate(&request).json());
}

#[test]
fn what_the_store_has_lost_is_fetched_again() {
    let it = Market::new();
    let by_digest = it.push();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    let stored = it.stored();
    let module = stored.iter().find(|path| path.ends_with("module.wasm")).unwrap();
    let good = fs::read(module).unwrap();
    fs::remove_file(module).unwrap();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    assert_eq!(fs::read(module).unwrap(), good);
    let large = fs::File::options().write(true).open(module).unwrap();
    large.set_len(33 << 20).unwrap();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    assert_eq!(fs::read(module).unwrap(), good);
    assert_eq!(it.stored(), stored);
}

#[test]
fn a_host_does_not_wait_for_ever_until_it_can_keep_what_it_pulls() {
    use std::os::unix::fs::PermissionsExt;
    let it = Market::new();
    let by_digest = it.push();
    let store = it.shop.path("store");
    fs::create_dir(&store).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).unwrap();
    let lock = fs::File::create(store.join(".lock")).unwrap();
    lock.lock().unwrap();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    assert_eq!(it.stored(), [store.join(".lock")], "it runs, and is not kept");
    drop(lock);
    // Who can only read the store holds nobody up.
    let read = fs::File::open(&store).unwrap();
    read.lock().unwrap();
    assert_selected(&it.evaluate(&by_digest, "enforce"));
    assert!(it.stored().len() > 1);
}
