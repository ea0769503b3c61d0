//! A running host follows files and the time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cavra::clock::{Clock, RandomIds};
use cavra::config::{Config, Setting};
use cavra::gates::{DocumentKind, ReportKind, ReportStatus};
use cavra::host::{Host, Surroundings};
use cavra::model::Request;
use cavra::pilot::{Evaluation, SelectedBackend};
use cavra::sandbox::Allocation;
use integration_tests::root;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::governance::SetUp;

/// Far more than the second that it takes, for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that is turned by hand.
struct HandClock(Mutex<SignedDuration>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap()
    }
}

fn open(it: &SetUp) -> (Arc<Host>, Arc<HandClock>) {
    let clock = Arc::new(HandClock(Mutex::default()));
    let flags: BTreeMap<Setting, String> = Setting::ALL
        .iter()
        .filter_map(|setting| {
            let found = it.settings.iter().find(|(name, _)| name == setting.env())?;
            Some((*setting, found.1.clone()))
        })
        .collect();
    let config = Config::read(&flags, &BTreeMap::new()).unwrap();
    let surroundings = Surroundings {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ids: Arc::new(RandomIds),
        allocation: Allocation::Pooled(2),
        cache: None,
        module_store: None,
        evidence: None,
        supervisor: integration_tests::binary(),
    };
    (Arc::new(Host::open(config, surroundings).unwrap()), clock)
}

fn evaluate(host: &Host) -> Evaluation {
    let body = br#"{"action_type":"execute_command","target":"terraform plan"}"#;
    host.evaluate(&Request::from_json(body).unwrap()).unwrap()
}

/// Waits until answers have this fallback code; none: the fast path is selected.
fn until(host: &Host, code: Option<&str>) {
    let began = Instant::now();
    loop {
        let answer = evaluate(host);
        let found = answer.fallback_code.map(|code| code.as_str());
        if found == code {
            let selected = if code.is_none() {
                SelectedBackend::Go
            } else {
                SelectedBackend::Python
            };
            assert_eq!(answer.selected_backend, selected);
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{found:?} and not {code:?}: {}",
            answer.fallback_reason
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_document_that_changes_in_any_way_takes_effect() {
    let it = SetUp::new(&[]);
    let (host, _) = open(&it);
    let _watcher = host.watch().unwrap();
    until(&host, None);
    let path = it.path(DocumentKind::RollbackPlan);
    let good = fs::read(&path).unwrap();
    let beside = path.with_extension("new");

    fs::remove_file(&path).unwrap();
    until(&host, Some("rollback_not_ready"));
    fs::write(&path, &good).unwrap();
    until(&host, None);

    // Replaced by renaming another.
    it.put(DocumentKind::RollbackPlan, "/approved", json!(false));
    until(&host, Some("rollback_not_ready"));
    fs::write(&beside, &good).unwrap();
    fs::rename(&beside, &path).unwrap();
    until(&host, None);

    // Again and again, faster than anybody looks.
    for _ in 0..50 {
        fs::write(&path, b"{").unwrap();
        fs::write(&path, &good).unwrap();
    }
    fs::write(&path, b"{").unwrap();
    until(&host, Some("rollback_not_ready"));
    fs::write(&path, &good).unwrap();
    until(&host, None);

    // Its directory is moved away and back.
    let package = it.path(DocumentKind::UpdaterPolicy).parent().unwrap().to_owned();
    let away = package.with_extension("away");
    fs::rename(&package, &away).unwrap();
    until(&host, Some("promotion_not_ready"));
    fs::rename(&away, &package).unwrap();
    until(&host, None);
}

/// As Kubernetes mounts a volume: files are links into `..data`, which is a link to a
/// directory, and is turned to another by a rename.
#[test]
fn a_link_that_is_turned_to_another_directory_takes_effect() {
    let mut it = SetUp::new(&[]);
    let volume = tempfile::tempdir().unwrap();
    let at = |name: &str| volume.path().join(name);
    let kind = DocumentKind::PromotionEvidence;
    let fill = |name: &str, text: &[u8]| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join(kind.file()), text).unwrap();
    };
    let turn = |name: &str| {
        symlink(name, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    let good = fs::read(it.path(kind)).unwrap();
    fill("..1", &good);
    turn("..1");
    symlink(Path::new("..data").join(kind.file()), at(kind.file())).unwrap();
    for (name, value) in &mut it.settings {
        if name == kind.setting().env() {
            *value = at(kind.file()).display().to_string();
        }
    }
    let (host, _) = open(&it);
    let _watcher = host.watch().unwrap();
    until(&host, None);
    it.put(kind, "/approved", json!(false));
    let denied = fs::read(it.path(kind)).unwrap();
    for round in 0..3 {
        fill(&format!("..bad{round}"), &denied);
        turn(&format!("..bad{round}"));
        until(&host, Some("promotion_not_ready"));
        fill(&format!("..good{round}"), &good);
        turn(&format!("..good{round}"));
        until(&host, None);
    }
}

#[test]
fn another_runtime_closes_the_gates_and_the_old_one_opens_them_again() {
    let files = tempfile::tempdir().unwrap();
    let runtime = files.path().join("runtime.wasm");
    let good = fs::read(root().join("dist/modules/fastpath.wasm")).unwrap();
    fs::write(&runtime, &good).unwrap();
    let it = SetUp::new(&["--runtime-path", runtime.to_str().unwrap()]);
    let (host, _) = open(&it);
    let _watcher = host.watch().unwrap();
    until(&host, None);
    let mut other = good.clone();
    other.extend([0, 2, 1, b'x']);
    fs::write(&runtime, &other).unwrap();
    until(&host, Some("promotion_not_ready"));
    fs::write(&runtime, b"nothing").unwrap();
    until(&host, Some("missing_runtime"));
    fs::write(&runtime, &good).unwrap();
    until(&host, None);
}

#[test]
fn the_time_closes_gates_without_a_watcher() {
    let it = SetUp::new(&[]);
    let (host, clock) = open(&it);
    assert_eq!(evaluate(&host).selected_backend, SelectedBackend::Go);
    *clock.0.lock().unwrap() = SignedDuration::from_hours(7 * 24 + 1);
    let answer = evaluate(&host);
    assert_eq!(answer.fallback_code.unwrap().as_str(), "promotion_not_ready");
    *clock.0.lock().unwrap() = SignedDuration::ZERO;
    assert_eq!(
        evaluate(&host).selected_backend,
        SelectedBackend::Go,
        "a clock that is set back"
    );
}

#[test]
fn without_a_watcher_files_are_read_again_when_it_is_asked_for() {
    let it = SetUp::new(&[]);
    let (host, _) = open(&it);
    assert_eq!(evaluate(&host).selected_backend, SelectedBackend::Go);
    it.put(DocumentKind::RollbackPlan, "/approved", json!(false));
    assert_eq!(
        evaluate(&host).selected_backend,
        SelectedBackend::Go,
        "no file is read for a request"
    );
    host.refresh().unwrap();
    assert_eq!(
        evaluate(&host).fallback_code.unwrap().as_str(),
        "rollback_not_ready"
    );
    let reports = host.reports();
    assert_eq!(
        reports.get(ReportKind::Rollback).status(),
        ReportStatus::NeedsAttention
    );
    assert_eq!(reports.get(ReportKind::Promotion).status(), ReportStatus::Ready);
}

#[test]
fn a_policy_directory_that_breaks_leaves_the_old_state() {
    let packs = tempfile::tempdir().unwrap();
    let pack = packs.path().join("acme-baseline/policy.yaml");
    fs::create_dir(pack.parent().unwrap()).unwrap();
    let good =
        "metadata:\n  id: acme-baseline\n  title: Acme\n  version: 1.0.0\ncommands:\n  allow: [\"ship *\"]\n";
    fs::write(&pack, good).unwrap();
    let it = SetUp::new(&["--policy-dir", packs.path().to_str().unwrap()]);
    let (host, _) = open(&it);
    let verdict = || {
        let body = br#"{"action_type":"execute_command","target":"ship it","policy_pack":"acme-baseline"}"#;
        let answer = host.evaluate(&Request::from_json(body).unwrap()).unwrap();
        answer.effective_decision.decision.verdict.as_str()
    };
    assert_eq!(verdict(), "allow");
    fs::write(&pack, "metadata: [").unwrap();
    assert!(host.refresh().is_err());
    assert_eq!(verdict(), "allow");
    // Only now: it would see the broken pack first, and then nothing new is there to be told.
    let _watcher = host.watch().unwrap();
    fs::write(&pack, good.replace("allow:", "block:")).unwrap();
    let began = Instant::now();
    while verdict() != "block" {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
}
