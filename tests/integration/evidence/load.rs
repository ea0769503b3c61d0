//! Clients that ask without end: for tests of a service that is disturbed meanwhile.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take before the test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// A number from the environment: tests at length set a larger one.
#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says so")]
pub(super) fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The nth of many requests, which are of all kinds; some hold a secret.
pub(super) fn request(n: usize) -> Value {
    match n % 8 {
        0 => json!({"action_type": "read_file", "target": format!("src/{n}.rs")}),
        1 => json!({"action_type": "write_file", "target": format!("docs/{n}.md"), "ticket": {"number": n}}),
        2 => json!({"action_type": "execute_command", "target": "git status"}),
        3 => json!({"action_type": "execute_command", "target": format!("rm -rf /var/{n}")}),
        4 => json!({"action_type": "git_operation", "target": "main", "operation": "push"}),
        5 => json!({"action_type": "mcp_tool_call", "server": "example-mcp", "tool": format!("t{n}")}),
        6 => json!({"action_type": "execute_command", "target": format!("deploy --password word-{n}-word")}),
        _ => {
            json!({"action_type": "execute_command", "target": "terraform plan", "session_id": format!("s{}", n % 9)})
        }
    }
}

/// One answer from a connection; none when the service is gone.
fn answer(stream: &mut TcpStream, seen: &mut Vec<u8>) -> Option<(u16, Value)> {
    seen.clear();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(n) => seen.extend_from_slice(&buffer[..n]),
        }
        let text = std::str::from_utf8(seen).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            return Some((status, serde_json::from_str(body).unwrap()));
        }
    }
}

/// What many clients were answered.
#[derive(Default)]
pub(super) struct Asked {
    next: AtomicUsize,
    answered: Mutex<BTreeSet<String>>,
    refused: AtomicUsize,
    over: std::sync::atomic::AtomicBool,
}

impl Asked {
    /// Asks until the service is gone, or [`end`](Self::end). Every answer is a decision
    /// or, where `refusal` is a problem's type, that.
    pub(super) fn ask(&self, addr: SocketAddr, refusal: Option<&str>) {
        let Ok(mut stream) = TcpStream::connect(addr) else {
            return;
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut seen = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let body = request(self.next.fetch_add(1, Ordering::Relaxed)).to_string();
            let request = format!(
                "POST /runtime/go-pilot/evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(request.as_bytes()).is_err() {
                return;
            }
            let Some((status, answer)) = answer(&mut stream, &mut seen) else {
                return;
            };
            if let (503, Some(refusal)) = (status, refusal) {
                assert_eq!(answer["type"], refusal, "{answer}");
                self.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            assert_eq!(status, 200, "{answer}");
            let id = answer["evaluation_id"].as_str().unwrap().to_owned();
            self.answered().insert(id);
        }
    }

    /// The clients stop asking when the value is dropped, so that a test that fails meanwhile ends.
    pub(super) fn until_dropped(&self) -> impl Drop + '_ {
        struct End<'a>(&'a Asked);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        End(self)
    }

    /// The clients stop asking.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// The ids of the evaluations that were answered.
    pub(super) fn answered(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.answered.lock().unwrap()
    }

    /// How often it was refused.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits for so many answers in all; tells how long it took.
    pub(super) fn wait_for(&self, enough: usize) -> Duration {
        let started = Instant::now();
        while self.answered().len() < enough {
            assert!(started.elapsed() < PATIENCE, "no answers");
            std::thread::sleep(Duration::from_millis(1));
        }
        started.elapsed()
    }
}
