//! Many clients, and a fast path that hangs.

use std::time::{Duration, Instant};

use integration_tests::service::Service;
use integration_tests::{misbehaving, root};
use serde_json::json;

use super::{EVALUATE, with_fast_path};

/// What the times of a test may be longer on a machine that does other things, too.
const NOISE: Duration = Duration::from_secs(4);

/// `clients` ask `each` times; meanwhile somebody probes. Returns the times of the
/// requests and those of the probes, sorted.
fn under_load(service: &Service, clients: usize, each: usize) -> (Vec<Duration>, Vec<Duration>) {
    let request = json!({"action_type": "read_file", "target": "notes/today.md"}).to_string();
    let client = || {
        let mut connection = service.connect();
        let judge = |_| {
            let started = Instant::now();
            connection.post(EVALUATE, "", &request);
            let answer = connection.answer();
            let time = started.elapsed();
            assert_eq!(answer.status, 200, "{answer:?}");
            let answer = answer.json();
            assert_eq!(answer["selected_backend"], "python");
            assert_eq!(answer["effective_decision"]["rule_id"], "filesystem.read.allow");
            assert_eq!(answer["fallback_code"], "timeout_wall_clock", "{answer}");
            assert!(
                answer["fallback_reason"]
                    .as_str()
                    .unwrap()
                    .starts_with("go runtime failed: ")
            );
            time
        };
        (0..each).map(judge).collect::<Vec<_>>()
    };
    let (mut times, mut probes) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let mut probes = Vec::new();
        while clients.iter().any(|client| !client.is_finished()) {
            let started = Instant::now();
            assert_eq!(service.get("/livez").status, 200);
            probes.push(started.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
        let times: Vec<Duration> = clients.into_iter().flat_map(|it| it.join().unwrap()).collect();
        (times, probes)
    });
    times.sort_unstable();
    probes.sort_unstable();
    (times, probes)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

fn check(service: &Service, clients: usize, deadline: Duration) {
    let started = Instant::now();
    let (times, probes) = under_load(service, clients, 2);
    let (p99, live) = (percentile(&times, 99), percentile(&probes, 50));
    println!(
        "{clients} clients: {} decisions in {:?}, p99 {p99:?}; {} probes, p50 {live:?}, p99 {:?}",
        times.len(),
        started.elapsed(),
        probes.len(),
        percentile(&probes, 99),
    );
    assert!(p99 < deadline + NOISE, "p99 {p99:?}");
    assert!(
        live < Duration::from_millis(50),
        "the middle of the probes: {live:?}"
    );
}

#[test]
fn a_module_that_hangs_starves_neither_references_nor_probes() {
    let spin = misbehaving("spin_in_evaluate");
    let limits = ["--timeout-seconds", "1", "--evaluate-fuel", "1000000000000000"];
    let service = with_fast_path(spin.to_str().unwrap(), &limits);
    check(&service, 200, Duration::from_secs(1));
}

#[test]
fn a_native_runtime_that_hangs_starves_neither() {
    let hang = root().join("tests/native/hang.sh");
    let service = with_fast_path(hang.to_str().unwrap(), &["--timeout-seconds", "1"]);
    check(&service, 50, Duration::from_secs(1));
}

/// Those who would wait for nothing are answered by the reference at once.
#[test]
fn no_more_wait_for_their_turn_than_may() {
    let hang = root().join("tests/native/hang.sh");
    let limits = ["--timeout-seconds", "3", "--workers", "1", "--queue-length", "4"];
    let service = with_fast_path(hang.to_str().unwrap(), &limits);
    let request = json!({"action_type": "read_file", "target": "notes/today.md"});
    std::thread::scope(|scope| {
        let judge = || {
            let started = Instant::now();
            let answer = service.evaluate(&request);
            (answer, started.elapsed())
        };
        // One runs, four wait; each is let in before the next comes.
        let mut waiting = Vec::new();
        for _ in 0..5 {
            waiting.push(scope.spawn(judge));
            std::thread::sleep(Duration::from_millis(100));
        }
        let (answer, time) = judge();
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert_eq!(answer["fallback_code"], "timeout_wall_clock");
        assert_eq!(answer["sandbox"]["fastpath"], serde_json::Value::Null);
        let reason = answer["fallback_reason"].as_str().unwrap();
        assert!(reason.contains("5 others were running or waiting"), "{reason}");
        assert!(time < Duration::from_secs(2), "{time:?}");
        for client in waiting {
            let (answer, _) = client.join().unwrap();
            assert_eq!(answer.json()["fallback_code"], "timeout_wall_clock");
        }
    });
}
