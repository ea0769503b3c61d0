//! Reloads: all of it or none, and no request is lost.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use integration_tests::service::Service;
use integration_tests::{Cavra, misbehaving, root};
use rustix::process::Signal;
use serde_json::json;

use super::{EVALUATE, RELOAD, metric, serve, signal, soon};

fn pack(dir: &Path, list: &str) {
    let folder = dir.join("packs/acme-baseline");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "metadata:\n  id: acme-baseline\n  title: Acme\n  version: 1.0.0\ncommands:\n  {list}: [\"ship *\"]\n"
    );
    let new = folder.join("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join("policy.yaml")).unwrap();
}

fn acme(dir: &Path) -> Cavra {
    serve(&dir.join("state")).args(["--policy-dir".as_ref(), dir.join("packs").as_os_str()])
}

fn verdict(service: &Service) -> String {
    let request =
        json!({"action_type": "execute_command", "target": "ship it", "policy_pack": "acme-baseline"});
    let answer = service.evaluate(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(
        answer["parity_match"], true,
        "both backends are of one state: {answer}"
    );
    answer["effective_decision"]["decision"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn no_request_is_lost_while_it_reloads() {
    let dir = tempfile::tempdir().unwrap();
    pack(dir.path(), "allow");
    let service = Service::ready(acme(dir.path()));
    assert_eq!(verdict(&service), "allow");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert!(["allow", "block"].contains(&verdict(&service).as_str()));
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for list in ["block", "allow", "block", "allow", "block"] {
            pack(dir.path(), list);
            let reloaded = service.call("POST", RELOAD);
            assert_eq!(reloaded.status, 200, "{reloaded:?}");
            assert_eq!(verdict(&service), list, "in effect when it is answered");
        }
        stop.store(true, Ordering::Relaxed);
        let judged: usize = clients.into_iter().map(|it| it.join().unwrap()).sum();
        assert!(judged > 10, "{judged}");
    });
    assert_eq!(
        metric(
            &service,
            "cavra_reloads_total{what=\"state\",outcome=\"applied\"}"
        ),
        5.0
    );
}

#[test]
fn what_cannot_be_used_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    pack(dir.path(), "allow");
    let log = dir.path().join("log");
    let service = Service::logged(acme(dir.path()), &log);
    service.wait_until("ready", |it| it.get("/readyz").status == 200);
    assert_eq!(verdict(&service), "allow");
    std::fs::write(dir.path().join("packs/acme-baseline/policy.yaml"), "metadata: [").unwrap();
    let refused = service.call("POST", RELOAD);
    assert_eq!(
        (refused.status, refused.problem().as_deref()),
        (409, Some("reload-refused"))
    );
    assert!(
        !refused.body.contains(dir.path().to_str().unwrap()),
        "{}",
        refused.body
    );
    assert_eq!(verdict(&service), "allow");
    signal(&service, Signal::HUP);
    soon("refused by SIGHUP, too", || {
        metric(
            &service,
            "cavra_reloads_total{what=\"state\",outcome=\"refused\"}",
        ) >= 2.0
    });
    assert_eq!(verdict(&service), "allow");
    soon("told by the log", || {
        let told = std::fs::read_to_string(&log).unwrap();
        told.contains("the reload was refused") && told.contains("policy.yaml")
    });
    pack(dir.path(), "block");
    signal(&service, Signal::HUP);
    soon("reloaded", || verdict(&service) == "block");
}

/// A fast path that loads and cannot judge is found by the probe.
#[test]
fn a_fast_path_that_cannot_judge_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = dir.path().join("fastpath.wasm");
    std::fs::copy(root().join("dist/modules/fastpath.wasm"), &runtime).unwrap();
    let service = Service::ready(
        integration_tests::cavra(["serve", "--policy-path", "auto", "--mode", "shadow"])
            .args(["--runtime-path".as_ref(), runtime.as_os_str()])
            .args(["--state-dir".as_ref(), dir.path().join("state").as_os_str()]),
    );
    let judged = || {
        service
            .post(EVALUATE, r#"{"action_type":"read_file","target":"a"}"#)
            .json()
    };
    assert_eq!(judged()["parity_match"], true);
    for broken in [
        b"\0asm nothing".to_vec(),
        std::fs::read(misbehaving("panic")).unwrap(),
    ] {
        let new = dir.path().join("new");
        std::fs::write(&new, broken).unwrap();
        std::fs::rename(new, &runtime).unwrap();
        let refused = service.call("POST", RELOAD);
        assert_eq!(
            refused.problem().as_deref(),
            Some("reload-refused"),
            "{refused:?}"
        );
        assert!(refused.body.contains("the fast path"), "{}", refused.body);
        // Whatever the fast path is, the reference decides.
        assert_eq!(judged()["effective_decision"]["decision"], "allow");
    }
}

/// What could not be used when the service started may have been replaced, and what it
/// was ready by may be gone.
#[test]
fn it_is_ready_when_the_reference_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("reference.wasm");
    let replace = |bytes: &[u8]| {
        let new = dir.path().join("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, &module).unwrap();
    };
    replace(b"\0asm nothing");
    let service = Service::start(
        serve(&dir.path().join("state")).args(["--reference-module".as_ref(), module.as_os_str()]),
    );
    let ready = |it: &Service| it.get("/readyz").status == 200;
    let blocked = service.evaluate(&json!({"action_type": "read_file", "target": "a"}));
    assert_eq!(blocked.status, 503);
    assert!(!ready(&service));
    replace(&std::fs::read(root().join("dist/modules/reference.wasm")).unwrap());
    service.wait_until("ready", ready);
    let judged = service.evaluate(&json!({"action_type": "read_file", "target": "a"}));
    assert_eq!(judged.status, 200, "{judged:?}");
    replace(b"\0asm nothing");
    service.wait_until("unready", |it| !ready(it));
}

/// A pack that could not be read when the service started is nothing that a reload finds
/// in use.
#[test]
fn it_is_ready_when_the_default_pack_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("packs/cavra-ai-agent-baseline");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("policy.yaml"), "metadata: [").unwrap();
    let service = Service::start(acme(dir.path()));
    assert_eq!(service.get("/readyz").status, 503);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(service.call("POST", RELOAD).status, 200);
    service.wait_until("ready", |it| it.get("/readyz").status == 200);
}
