//! How long twenty modules of 5 MB take to start from the store and the cache.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cavra::cache::Cache;
use cavra::clock::{Clock, SystemClock};
use cavra::digest::Hashed;
use cavra::model::{DEFAULT_POLICY_PACK, Request};
use cavra::policy::{Catalog, CompiledPolicy, PackId};
use cavra::sandbox::{Allocation, Limits, Loader};
use cavra::store::{Digest, ModuleStore, Origin};

use super::{everything, variant};

const MODULES: usize = 20;
const BYTES: usize = 5_000_000;

/// What a start spends its time on.
#[derive(Debug, Default)]
struct Taken {
    read_and_hashed: Duration,
    module: Duration,
    policy: Duration,
    decided: Duration,
}

/// As a process that has just begun: opens the store and the cache, and decides once with
/// every module.
fn start(dir: &Path, digests: &[Digest], policy: &Arc<CompiledPolicy>) -> (Duration, Taken) {
    let begun = Instant::now();
    let mut taken = Taken::default();
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
        let module = loader
            .module(limits, Hashed::known(stored.bytes, stored.digest.bytes()))
            .unwrap();
        lap(&mut taken.module);
        let evaluator = loader.evaluator(&module, policy, None);
        lap(&mut taken.policy);
        assert!(evaluator.evaluate(&request).outcome.is_ok());
        lap(&mut taken.decided);
    }
    (begun.elapsed(), taken)
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
            store.put(&bytes, &[b""; 0], &origin).unwrap()
        })
        .collect();
    let (cold, _) = start(dir, &digests, &policy);
    let made: Vec<_> = everything(&dir.join("cache"))
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    println!("{MODULES} modules of {BYTES} bytes, cold: {cold:?}");
    let mut warm: Vec<(Duration, Taken)> = (0..9).map(|_| start(dir, &digests, &policy)).collect();
    warm.sort_by_key(|(all, _)| *all);
    let (median, parts) = &warm[warm.len() / 2];
    println!(
        "warm: median of 9 {median:?}, from {:?} to {:?}; {parts:?}",
        warm[0].0, warm[8].0
    );
    let again: Vec<_> = everything(&dir.join("cache"))
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(made, again, "nothing was compiled again");
    assert!(fs::read_dir(dir.join("cache")).unwrap().count() >= 3 * MODULES);
}
