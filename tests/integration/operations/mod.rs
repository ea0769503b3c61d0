//! Who may call the service, what it tells of itself, and how it is changed while it runs.

mod access;
mod exposition;
mod logs;
mod metrics;
mod reload;
mod rollback;
mod tls;
mod tokens;
pub(crate) mod traces;

use std::path::Path;
use std::time::{Duration, Instant};

use integration_tests::service::{Answer, Service};
use integration_tests::{Cavra, cavra, fast_path};
use serde_json::{Value, json};

const EVALUATE: &str = "/runtime/go-pilot/evaluate";
const READINESS: &str = "/runtime/go-pilot/readiness";
const RELOAD: &str = "/runtime/go-pilot/reload";
const ROLLBACK: &str = "/runtime/go-pilot/rollback";

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// `cavra serve` with a fast path that does what it should, and a state of its own.
fn serve(state: &Path) -> Cavra {
    cavra(["serve"])
        .args(fast_path("enforce", "builtin:fastpath"))
        .args(["--state-dir".as_ref(), state.as_os_str()])
}

/// A request that both evaluators allow.
fn harmless() -> Value {
    json!({"action_type": "read_file", "target": "notes/today.md"})
}

/// Makes a token.
fn token(file: &Path, id: &str, roles: &[&str]) -> String {
    let output = cavra(["token", "create", "--id", id])
        .args(roles.iter().flat_map(|role| ["--role", role]))
        .args(["--tokens".as_ref(), file.as_os_str()])
        .run();
    assert_eq!(output.code, Some(0), "{output:?}");
    let token = output.stdout.trim().to_owned();
    assert!(token.starts_with(&format!("cavra_{id}_")), "{token}");
    token
}

/// One request with this token.
fn call(service: &Service, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let mut connection = service.connect();
    let length = body.len();
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ));
    connection.answer_to(method)
}

/// Waits until something holds, and says how long that took.
fn soon(what: &str, holds: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// Sends a signal to a process that this test has started.
fn signal(service: &Service, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(service.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// The value of one series of the metrics; 0 where it is not there.
fn metric(service: &Service, series: &str) -> f64 {
    let text = service.get("/metrics").body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}
