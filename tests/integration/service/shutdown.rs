//! The end: what is in flight is answered, what has not begun is not.

use std::path::Path;
use std::time::Duration;

use integration_tests::service::Service;
use integration_tests::{cavra, fast_path, root};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{EVALUATE, usual, with_fast_path};

pub(super) fn tell(service: &Service, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(service.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

/// A native fast path that notes each run in a file and then takes a second.
pub(super) fn slow_script(dir: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let script = dir.join("slow.sh");
    let text = format!(
        "#!/bin/sh\n. {}/answer.sh\nread_request\necho run >> {}/runs\nsleep 1\nanswer allow\n",
        root().join("tests/native/lib").canonicalize().unwrap().display(),
        dir.display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    script.to_str().unwrap().to_owned()
}

pub(super) fn runs(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("runs")).map_or(0, |text| text.lines().count())
}

#[test]
fn the_service_ends_at_once_where_nothing_is_in_flight() {
    for signal in [Signal::TERM, Signal::INT] {
        let service = usual();
        // Idle, and so not waited for.
        let mut idle = service.connect();
        tell(&service, signal);
        assert!(idle.is_closed());
        assert_eq!(service.wait(), Some(0));
    }
}

#[test]
fn requests_in_flight_are_answered_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let service = with_fast_path(
        &slow_script(dir.path()),
        &["--timeout-seconds", "60", "--drain-seconds", "60"],
    );
    let mut connection = service.connect();
    let request = json!({"action_type": "read_file", "target": "notes/today.md"}).to_string();
    connection.post(EVALUATE, "", &request);
    service.wait_until("running", |_| runs(dir.path()) == 1);
    tell(&service, Signal::TERM);
    let addr = service.addr;
    let answer = connection.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["selected_backend"], "go", "{answer:?}");
    assert!(connection.is_closed());
    assert_eq!(service.wait(), Some(0));
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn what_takes_too_long_is_cut_off_at_the_end() {
    let hang = root().join("tests/native/hang.sh");
    let service = with_fast_path(
        hang.to_str().unwrap(),
        &["--timeout-seconds", "100", "--drain-seconds", "0.2"],
    );
    let mut connection = service.connect();
    let request = json!({"action_type": "read_file", "target": "notes/today.md"}).to_string();
    connection.post(EVALUATE, "", &request);
    assert!(!connection.answers_within(Duration::from_millis(300)));
    tell(&service, Signal::TERM);
    assert!(connection.is_closed());
    assert_eq!(service.wait(), Some(0));
}

#[test]
fn a_request_whose_client_has_gone_is_not_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let service = with_fast_path(
        &slow_script(dir.path()),
        &["--timeout-seconds", "60", "--workers", "1"],
    );
    let request = json!({"action_type": "read_file", "target": "notes/today.md"}).to_string();
    let mut first = service.connect();
    first.post(EVALUATE, "", &request);
    service.wait_until("running", |_| runs(dir.path()) == 1);
    // It waits for its turn, and goes.
    let mut gone = service.connect();
    gone.post(EVALUATE, "", &request);
    assert!(!gone.answers_within(Duration::from_millis(200)));
    drop(gone);
    assert_eq!(first.answer().json()["selected_backend"], "go");
    let last = service.evaluate(&json!({"action_type": "read_file", "target": "notes/today.md"}));
    assert_eq!(last.json()["selected_backend"], "go");
    assert_eq!(runs(dir.path()), 2, "the first and the last");
}

#[test]
fn a_service_that_cannot_listen_says_so() {
    let service = Service::start(cavra(["serve"]).args(fast_path("disabled", "")));
    let taken = service.addr.to_string();
    let output = cavra(["serve", "--addr", &taken]).run();
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains(&taken), "{output:?}");
    let output = cavra(["serve", "--addr", "localhost", "--workers", "0"]).run();
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(output.stderr.contains("CAVRA_ADDR") && output.stderr.contains("CAVRA_WORKERS"));
}
