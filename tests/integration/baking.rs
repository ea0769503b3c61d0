//! Baked policies: the same decisions for the same fuel, in memory that comes back
//! clean, and told where it cannot be done.

use std::path::Path;
use std::sync::Arc;

use cavra::host::Host;
use cavra::model::Request;
use cavra::pilot::{Evaluation, SelectedBackend};
use cavra::sandbox::Allocation;
use integration_tests::{cavra, misbehaving, root};

use super::faults::{flags, host};

fn requests() -> Vec<Request> {
    let lines = std::fs::read_to_string(root().join("examples/agent-session.jsonl")).unwrap();
    let parse = |line: &str| Request::from_json(line.as_bytes()).unwrap();
    lines.lines().map(parse).collect()
}

/// What of an answer may not depend on how the policy came into the instance.
fn essence(answer: &Evaluation) -> impl PartialEq + std::fmt::Debug {
    let decision = answer.go_decision.as_ref().map(|it| it.decision.clone());
    let fuel = |usage: &Option<cavra::backend::Usage>| usage.as_ref().map(|it| it.fuel_used);
    let sandbox = &answer.sandbox;
    (
        answer.selected_backend,
        answer.effective_decision.decision.clone(),
        decision,
        (fuel(&sandbox.reference), fuel(&sandbox.fastpath)),
    )
}

fn baked(answer: &Evaluation) -> [Option<bool>; 2] {
    let of = |usage: &Option<cavra::backend::Usage>| usage.as_ref().and_then(|it| it.baked);
    [of(&answer.sandbox.reference), of(&answer.sandbox.fastpath)]
}

#[test]
fn baked_or_loaded_each_time_a_policy_decides_the_same_for_the_same_fuel() {
    let bakes = host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(2));
    let loads = host(flags(Path::new("builtin:fastpath")), Allocation::OnDemand);
    for request in requests() {
        let (one, other) = (
            bakes.evaluate(&request).unwrap(),
            loads.evaluate(&request).unwrap(),
        );
        assert_eq!(baked(&one), [Some(true); 2]);
        assert_eq!(baked(&other), [Some(false); 2]);
        assert_eq!(one.selected_backend, SelectedBackend::Go, "{request:?}");
        assert_eq!(essence(&one), essence(&other), "{request:?}");
    }
}

/// Asks for as many MiB of marks as `mebibytes` says.
fn marks(host: &Host, mebibytes: u32) -> String {
    let body = format!(r#"{{"action_type":"probe","target":"{mebibytes}"}}"#);
    let answer = host
        .evaluate(&Request::from_json(body.as_bytes()).unwrap())
        .unwrap();
    assert_eq!(baked(&answer), [Some(true); 2]);
    assert_eq!(
        answer.selected_backend,
        SelectedBackend::Go,
        "{}",
        answer.fallback_reason
    );
    answer.effective_decision.decision.reason.clone()
}

#[test]
fn pooled_memory_comes_back_clean() {
    let mut flags = flags(&misbehaving("leave_marks"));
    flags.insert(cavra::config::Setting::EvaluateFuel, "10000000000".to_owned());
    let host = Arc::new(host(flags, Allocation::Pooled(2)));
    let worker = |seed: u32| {
        let host = Arc::clone(&host);
        std::thread::spawn(move || {
            for round in 0..40 {
                // Within what a slot keeps, beyond it, and nothing but statics.
                let mebibytes = [0, 1, 24, 0, 5][((seed + round) % 5) as usize];
                assert_eq!(
                    marks(&host, mebibytes),
                    "0 pages marked before, enough after: true",
                    "round {round} with {mebibytes} MiB"
                );
            }
        })
    };
    for worker in [worker(0), worker(3)] {
        worker.join().unwrap();
    }
}

#[test]
fn a_module_that_cannot_be_baked_loads_each_time_and_it_is_told() {
    let path = misbehaving("ask_while_loading");
    let host = host(flags(&path), Allocation::Pooled(2));
    let request = Request::from_json(br#"{"action_type":"probe","target":"anything"}"#).unwrap();
    let answer = host.evaluate(&request).unwrap();
    assert_eq!(baked(&answer), [Some(true), Some(false)]);
    assert_eq!(answer.selected_backend, SelectedBackend::Go);

    let path = path.display().to_string();
    let told = cavra(["module", "inspect", &path]).run();
    assert!(
        told.stdout.contains("loaded in every instance") && told.stdout.contains("wasi:random"),
        "{}{}",
        told.stdout,
        told.stderr
    );
    let json = cavra(["module", "inspect", &path, "--json"]).run().json();
    assert_eq!(json["policy"]["baked"], false);
    let json = cavra(["module", "inspect", "builtin:fastpath", "--json"])
        .run()
        .json();
    assert_eq!(json["policy"]["baked"], true);
    assert_eq!(json["policy"]["why_not"], serde_json::Value::Null);
}

#[test]
fn more_threads_than_the_pool_has_room_for_wait_for_each_other() {
    let host = Arc::new(host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(1)));
    let requests = Arc::new(requests());
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (host, requests) = (Arc::clone(&host), Arc::clone(&requests));
            std::thread::spawn(move || {
                for request in requests.iter() {
                    let answer = host.evaluate(request).unwrap();
                    assert_eq!(
                        answer.selected_backend,
                        SelectedBackend::Go,
                        "{}",
                        answer.fallback_reason
                    );
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}
