//! A running `cavra serve`, and the plainest client there can be: what goes over the
//! wire is what a test has written.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Cavra;

/// How long a client waits for anything before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service on a free port of the loopback address. Ends with its value.
#[derive(Debug)]
pub struct Service {
    child: Child,
    /// What it still prints.
    pub stdout: BufReader<ChildStdout>,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose service does not do what it must cannot go on"
)]
impl Service {
    /// Starts `cavra serve` with these arguments and waits until it listens.
    pub fn start(serve: Cavra) -> Self {
        Self::launch(serve.env("CAVRA_LOG_LEVEL", "error"), Stdio::inherit())
    }

    /// The same, with its log in a file.
    pub fn logged(serve: Cavra, log: &Path) -> Self {
        let log = File::create(log).expect("a log can be written");
        Self::launch(serve, log.into())
    }

    fn launch(serve: Cavra, log: Stdio) -> Self {
        let mut child = serve
            .args(["--addr", "127.0.0.1:0"])
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("dist/bin/cavra starts; run `make build` first");
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("standard output is text");
        let addr = line.trim().strip_prefix("listening on http");
        let addr = addr.and_then(|rest| rest.trim_start_matches('s').strip_prefix("://"));
        let addr = addr.and_then(|addr| addr.parse().ok());
        Self {
            addr: addr.unwrap_or_else(|| panic!("no address in `{line}`")),
            child,
            stdout,
        }
    }

    /// As [`Self::start`], and waits until it is ready.
    pub fn ready(serve: Cavra) -> Self {
        let service = Self::start(serve);
        service.wait_until("ready", |service| service.get("/readyz").status == 200);
        service
    }

    /// Waits until something holds.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < PATIENCE, "not {what} after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.addr).expect("the service listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket has a timeout");
        stream.set_nodelay(true).expect("a socket has options");
        Connection(BufReader::new(stream))
    }

    /// One request without a body, over a connection of its own.
    pub fn call(&self, method: &str, path: &str) -> Answer {
        let mut connection = self.connect();
        connection.send(head(method, path, "connection: close\r\n"));
        connection.answer_to(method)
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path)
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.post_with(path, "content-type: application/json\r\n", body)
    }

    /// `POST` with these header lines.
    pub fn post_with(&self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let mut connection = self.connect();
        connection.post(path, headers, body);
        connection.answer()
    }

    /// Judges one request.
    pub fn evaluate(&self, request: &Value) -> Answer {
        self.post("/runtime/go-pilot/evaluate", &request.to_string())
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and returns the exit status.
    pub fn wait(mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the service does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The head of a request, with these header lines.
pub fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose service does not answer cannot go on"
)]
impl Connection {
    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0
            .get_mut()
            .write_all(bytes.as_ref())
            .expect("the service takes what is sent");
    }

    /// Sends a `POST` and does not wait for the answer.
    pub fn post(&mut self, path: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let headers = format!("{headers}content-length: {}\r\n", body.len());
        self.send(head("POST", path, &headers));
        self.send(body);
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The next answer, which has no body if it is one to `HEAD`.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method)
            .unwrap_or_else(|| panic!("the service closed the connection"))
    }

    /// Whether the first byte of an answer comes within `time`.
    pub fn answers_within(&mut self, time: Duration) -> bool {
        let timeout = |connection: &Self, time| {
            let stream = connection.0.get_ref();
            stream
                .set_read_timeout(Some(time))
                .expect("a socket has a timeout");
        };
        timeout(self, time);
        let came = self.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        timeout(self, PATIENCE);
        came
    }

    /// Whether the service has closed the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.0.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            // What was not accepted before the end is reset.
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let mut line = String::new();
        if self.0.read_line(&mut line).expect("an answer comes in time") == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let mut answer = Answer {
            status: status.unwrap_or_else(|| panic!("no status in `{line}`")),
            headers: Vec::new(),
            body: String::new(),
        };
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a head has an end");
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            answer
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = answer.header("content-length").and_then(|text| text.parse().ok());
        if method != "HEAD" {
            let mut body = vec![0; length.unwrap_or(0)];
            self.0.read_exact(&mut body).expect("a body has its length");
            answer.body = String::from_utf8(body).expect("a body is text");
        }
        Some(answer)
    }
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(it, _)| it == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[expect(clippy::panic, reason = "a test that gets no JSON cannot go on")]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The last part of the problem's `type`, if it is one and is sent as it must be.
    pub fn problem(&self) -> Option<String> {
        if self.header("content-type") != Some("application/problem+json") {
            return None;
        }
        let document = self.json();
        let same = document.get("status").and_then(Value::as_u64) == Some(u64::from(self.status));
        let kind = document.get("type").and_then(Value::as_str)?;
        let word = kind.strip_prefix("urn:cavra:problem:")?;
        same.then(|| word.to_owned())
    }
}
