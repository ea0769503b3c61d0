//! HTTP/2: one connection for all requests, as of a proxy.

use std::time::Duration;

use integration_tests::http2::{Http2, runtime};
use integration_tests::service::Service;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use super::shutdown::{runs, slow_script, tell};
use super::{EVALUATE, usual, with_fast_path};

/// As many requests as one connection may have open at once.
const STREAMS: usize = 100;

fn request(target: &str) -> String {
    json!({"action_type": "read_file", "target": target}).to_string()
}

/// Asks so much at once; every other request is for what must not be read.
async fn ask_at_once(connection: &Http2) {
    let mut asked = JoinSet::new();
    for number in 0..STREAMS {
        let (target, expected) = match number % 2 {
            0 => (format!("src/part{number}.rs"), "allow"),
            _ => (format!("part{number}/.env"), "block"),
        };
        let answer = connection.clone().post(EVALUATE, request(&target));
        asked.spawn(async move {
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let document = answer.json();
            assert_eq!(document["selected_backend"], "go", "{answer:?}");
            let decision = &document["effective_decision"];
            assert_eq!(decision["target"], target.as_str(), "{answer:?}");
            assert_eq!(decision["decision"], expected, "{answer:?}");
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
}

/// The processor time of every thread that carries connections, in ticks of the system.
fn network_times(service: &Service) -> Vec<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", service.id())).unwrap();
    let times = tasks.filter_map(|task| {
        // A thread that waited for work may end meanwhile.
        let status = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        let (name, rest) = status.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let [user, system] = [11, 12].map(|place| fields[place].parse::<u64>().unwrap());
        name.contains("(network-").then_some(user + system)
    });
    times.collect()
}

#[test]
fn what_is_asked_over_one_connection_is_judged_by_all_processors() {
    let service = usual();
    let threads = network_times(&service).len();
    assert_eq!(threads, std::thread::available_parallelism().unwrap().get());
    runtime().block_on(async {
        let connection = Http2::connect(&service).await;
        while network_times(&service).iter().sum::<u64>() < 100 {
            ask_at_once(&connection).await;
        }
    });
    let times = network_times(&service);
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(least * 4 > *most, "{times:?}");
}

#[test]
fn requests_in_flight_over_http2_are_answered_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let service = with_fast_path(
        &slow_script(dir.path()),
        &["--timeout-seconds", "60", "--drain-seconds", "60"],
    );
    runtime().block_on(async {
        let connection = Http2::connect(&service).await;
        let answers: Vec<_> = (0..2)
            .map(|_| {
                let answer = connection.clone().post(EVALUATE, request("notes/today.md"));
                tokio::spawn(answer)
            })
            .collect();
        while runs(dir.path()) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tell(&service, Signal::TERM);
        for answer in answers {
            let answer = answer.await.unwrap().unwrap();
            assert_eq!(answer.json()["selected_backend"], "go", "{answer:?}");
        }
    });
    assert_eq!(service.wait(), Some(0));
}

#[test]
fn a_request_that_is_taken_back_over_http2_is_not_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let service = with_fast_path(
        &slow_script(dir.path()),
        &["--timeout-seconds", "60", "--workers", "1"],
    );
    runtime().block_on(async {
        let connection = Http2::connect(&service).await;
        let ask = || connection.clone().post(EVALUATE, request("notes/today.md"));
        let first = tokio::spawn(ask());
        while runs(dir.path()) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It waits for its turn, and is taken back.
        let gone = tokio::time::timeout(Duration::from_millis(200), ask()).await;
        assert!(gone.is_err(), "{gone:?}");
        for answer in [first.await.unwrap(), ask().await] {
            let answer = answer.unwrap();
            assert_eq!(answer.json()["selected_backend"], "go", "{answer:?}");
        }
    });
    assert_eq!(runs(dir.path()), 2, "the first and the last");
}
