//! How long twenty modules of 5 MB take to start from the store and the cache.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cavra::cache::Cache;
use cavra::clock::{Clock, SystemClock};
use cavra::digest::Hashed;
use cavra::host::world_of;
use cavra::model::{DEFAULT_POLICY_PACK, Request};
use cavra::policy::{Catalog, CompiledPolicy, PackId};
use cavra::sandbox::{Allocation, Limits, Loader};
use cavra::signing::ArtifactKind;
use cavra::signing::trust::{BackendRole, Guard, Slot, Wanted};
use cavra::store::{Digest, ModuleStore, Origin};
use integration_tests::cavra;

use super::{everything, variant};

const MODULES: usize = 20;
const BYTES: usize = 5_000_000;

/// What a start spends its time on.
#[derive(Debug, Default)]
struct Taken {
    read_and_hashed: Duration,
    verified: Duration,
    module: Duration,
    policy: Duration,
    decided: Duration,
}

/// As a process that has just begun: opens the store and the cache, and decides once with
/// every module; under a trust policy, if there is to be one.
fn start(dir: &Path, digests: &[Digest], policy: &Arc<CompiledPolicy>, trust: bool) -> (Duration, Taken) {
    let begun = Instant::now();
    let mut taken = Taken::default();
    let guard = trust.then(|| {
        let state = dir.join("state");
        Guard::open(&dir.join("trust.toml"), Some(&state), Arc::new(SystemClock)).unwrap()
    });
    taken.verified += begun.elapsed();
    let cache = Cache::open(&dir.join("cache"), &dir.join("key")).unwrap();
    let limits = Limits::default();
    let loader = Loader::new(Allocation::OnDemand, limits.for_reference(), Some(cache)).unwrap();
    let store = ModuleStore::open(&dir.join("store")).unwrap();
    let request = Request {
        action_type: "read_file".to_owned(),
        target: Some("README.md".to_owned()),
        policy_pack: DEFAULT_POLICY_PACK.to_owned(),
        ..Request::default()
    };
    for digest in digests {
        let mut last = Instant::now();
        let mut lap = |part: &mut Duration| {
            *part += last.elapsed();
            last = Instant::now();
        };
        let stored = store.get(digest).unwrap();
        lap(&mut taken.read_and_hashed);
        let seals = stored.seals();
        let bytes = Hashed::known(stored.bytes, stored.digest.bytes());
        if let Some(guard) = &guard {
            let wanted = Wanted {
                kind: ArtifactKind::Module,
                name: None,
                backend: Some(BackendRole::FastPath),
                document: None,
                world: Some(world_of(&bytes)),
                bytes: &bytes,
                seals: &seals,
            };
            guard.admit(Slot::Runtime, &wanted).unwrap();
        }
        lap(&mut taken.verified);
        let module = loader.module(limits, bytes).unwrap();
        lap(&mut taken.module);
        let evaluator = loader.evaluator(&module, policy, None);
        lap(&mut taken.policy);
        assert!(evaluator.evaluate(&request).outcome.is_ok());
        lap(&mut taken.decided);
    }
    (begun.elapsed(), taken)
}

/// The bundle of a statement about these bytes; the trust policy comes to take the name.
fn signed(dir: &Path, name: &str, bytes: &[u8]) -> Vec<u8> {
    let text = |file: &str| dir.join(file).display().to_string();
    let policy = dir.join("trust.toml");
    if !policy.exists() {
        let made = cavra(["module", "keygen", "--unencrypted", "--out", &text("key.pem")]).run();
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let key =
            "version = 1\n\n[[key]]\nid = \"acme\"\nfile = \"key.pub.pem\"\nroles = [\"module-publisher\"]\n";
        fs::write(&policy, key).unwrap();
    }
    let known = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, format!("{known}\n[[module]]\nname = \"{name}\"\n")).unwrap();
    fs::write(dir.join("signed.wasm"), bytes).unwrap();
    let key = text("key.pem");
    let file = text("signed.wasm");
    let sign = ["module", "sign", &file, "--key", &key, "--name", name];
    let made = cavra(sign).args(["--version", "1.0.0", "--revision", "1"]).run();
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let bundle = dir.join("signed.wasm.sigstore.json");
    let bytes = fs::read(&bundle).unwrap();
    fs::remove_file(bundle).unwrap();
    bytes
}

#[test]
#[ignore = "a measurement of some ten seconds: cargo test --release --test integration twenty_modules -- --ignored --nocapture"]
fn twenty_modules_of_five_megabytes_start_from_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let pack = PackId::new(DEFAULT_POLICY_PACK).unwrap();
    let policy = Arc::new(Catalog::builtin().compile(&pack, &[]).unwrap());
    let store = ModuleStore::open(&dir.join("store")).unwrap();
    let origin = Origin {
        reference: None,
        time: SystemClock.now(),
    };
    let digests: Vec<Digest> = (0..MODULES)
        .map(|number| {
            let plain = variant(&format!("module-{number}"), 0).len();
            let bytes = variant(&format!("module-{number}"), BYTES - plain);
            let bundle = signed(dir, &format!("acme-{number}"), &bytes);
            store.put(&bytes, &[bundle], &origin).unwrap()
        })
        .collect();
    let (cold, _) = start(dir, &digests, &policy, true);
    let made: Vec<_> = everything(&dir.join("cache"))
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    println!("{MODULES} modules of {BYTES} bytes, cold: {cold:?}");
    let mut warm = [Vec::new(), Vec::new()];
    for _ in 0..9 {
        for (trust, warm) in [false, true].into_iter().zip(&mut warm) {
            warm.push(start(dir, &digests, &policy, trust));
        }
    }
    for (way, warm) in ["without", "with"].iter().zip(&mut warm) {
        warm.sort_by_key(|(all, _)| *all);
        let (median, parts) = &warm[warm.len() / 2];
        println!(
            "warm, {way} a trust policy: median of 9 {median:?}, from {:?} to {:?}; {parts:?}",
            warm[0].0, warm[8].0
        );
    }
    let again: Vec<_> = everything(&dir.join("cache"))
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(made, again, "nothing was compiled again");
    assert!(fs::read_dir(dir.join("cache")).unwrap().count() >= 3 * MODULES);
}
