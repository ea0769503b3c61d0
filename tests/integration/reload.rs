//! Settings and files read anew while requests are being judged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cavra::config::{Config, Setting};
use cavra::host::{Host, HostError};
use cavra::model::{Request, Verdict};
use cavra::pilot::SelectedBackend;
use cavra::sandbox::Allocation;

use super::faults::{flags, host};

struct Setup {
    packs: tempfile::TempDir,
    flags: BTreeMap<Setting, String>,
    host: Arc<Host>,
}

fn write(packs: &Path, list: &str) {
    let folder = packs.join("acme-baseline");
    fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "metadata:\n  id: acme-baseline\n  title: Acme\n  version: 1.0.0\ncommands:\n  {list}: [\"ship *\"]\n"
    );
    fs::write(folder.join("policy.yaml"), text).unwrap();
}

fn setup() -> Setup {
    let packs = tempfile::tempdir().unwrap();
    write(packs.path(), "allow");
    let mut flags = flags(Path::new("builtin:fastpath"));
    flags.insert(Setting::PolicyDir, packs.path().display().to_string());
    let host = Arc::new(host(flags.clone(), Allocation::Pooled(2)));
    Setup { packs, flags, host }
}

fn config(flags: &BTreeMap<Setting, String>) -> Config {
    Config::read(flags, &BTreeMap::new()).unwrap()
}

fn verdict(host: &Host) -> Verdict {
    let body = br#"{"action_type":"execute_command","target":"ship it","policy_pack":"acme-baseline"}"#;
    let answer = host.evaluate(&Request::from_json(body).unwrap()).unwrap();
    assert_eq!(
        answer.selected_backend,
        SelectedBackend::Go,
        "{}",
        answer.fallback_reason
    );
    assert_eq!(answer.parity_match, Some(true));
    answer.effective_decision.decision.verdict
}

#[test]
fn a_changed_policy_is_used_after_a_reload_and_not_before() {
    let it = setup();
    assert_eq!(verdict(&it.host), Verdict::Allow);
    write(it.packs.path(), "block");
    assert_eq!(verdict(&it.host), Verdict::Allow);
    it.host.reload(config(&it.flags)).unwrap();
    assert_eq!(verdict(&it.host), Verdict::Block);
}

#[test]
fn what_cannot_be_used_leaves_the_old_state() {
    let mut it = setup();
    assert_eq!(verdict(&it.host), Verdict::Allow);
    fs::write(it.packs.path().join("acme-baseline/policy.yaml"), "metadata: [").unwrap();
    let error = it.host.reload(config(&it.flags)).unwrap_err();
    assert!(matches!(error, HostError::Policy(_)), "{error}");
    assert_eq!(verdict(&it.host), Verdict::Allow);

    write(it.packs.path(), "block");
    it.flags.insert(Setting::MemoryBytes, "536870912".to_owned());
    let error = it.host.reload(config(&it.flags)).unwrap_err();
    assert!(
        error.to_string().contains("--memory-bytes") && error.to_string().contains("restart"),
        "{error}"
    );
    assert_eq!(verdict(&it.host), Verdict::Allow);
}

#[test]
fn requests_go_on_while_the_host_reloads() {
    let it = setup();
    verdict(&it.host);
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (host, stop) = (Arc::clone(&it.host), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut seen = [0_u32; 2];
                while !stop.load(Ordering::Relaxed) {
                    // Old or new, and both backends of the same: `verdict` asserts parity.
                    match verdict(&host) {
                        Verdict::Allow => seen[0] += 1,
                        Verdict::Block => seen[1] += 1,
                        other => panic!("{other:?}"),
                    }
                }
                seen
            })
        })
        .collect();
    for list in ["block", "allow", "block", "allow", "block"] {
        write(it.packs.path(), list);
        it.host.reload(config(&it.flags)).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let seen = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .fold([0, 0], |all, it| [all[0] + it[0], all[1] + it[1]]);
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    assert_eq!(verdict(&it.host), Verdict::Block);
}

#[test]
fn a_mode_can_be_changed() {
    let mut it = setup();
    verdict(&it.host);
    it.flags.insert(Setting::Mode, "disabled".to_owned());
    it.host.reload(config(&it.flags)).unwrap();
    let request = Request::from_json(br#"{"action_type":"read_file","target":"a"}"#).unwrap();
    let answer = it.host.evaluate(&request).unwrap();
    assert_eq!(answer.selected_backend, SelectedBackend::Python);
    assert_eq!(answer.sandbox.fastpath, None);
}

#[test]
fn limits_of_one_evaluation_can_be_changed() {
    let mut it = setup();
    verdict(&it.host);
    it.flags.insert(Setting::EvaluateFuel, "100".to_owned());
    it.host.reload(config(&it.flags)).unwrap();
    let body = br#"{"action_type":"execute_command","target":"ship it","policy_pack":"acme-baseline"}"#;
    let answer = it.host.evaluate(&Request::from_json(body).unwrap()).unwrap();
    assert_eq!(
        answer.fallback_code.map(|code| code.as_str()),
        Some("timeout_fuel")
    );
}

#[test]
fn the_same_module_as_both_backends_has_the_limits_of_each() {
    let mut it = setup();
    it.flags
        .insert(Setting::RuntimePath, "builtin:reference".to_owned());
    // As much as the reference has for loading, so that only `evaluate` is limited apart.
    it.flags.insert(Setting::LoadFuel, "50000000000".to_owned());
    it.flags.insert(Setting::MemoryBytes, "268435456".to_owned());
    it.flags.insert(Setting::EvaluateFuel, "100".to_owned());
    let host = host(it.flags.clone(), Allocation::Pooled(2));
    let body = br#"{"action_type":"execute_command","target":"ship it","policy_pack":"acme-baseline"}"#;
    let answer = host.evaluate(&Request::from_json(body).unwrap()).unwrap();
    assert_eq!(answer.selected_backend, SelectedBackend::Python);
    assert_eq!(
        answer.fallback_code.map(|code| code.as_str()),
        Some("timeout_fuel")
    );
}
