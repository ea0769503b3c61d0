//! What the integration tests share: the real binary, driven as a user would.

pub mod front;
pub mod http2;
pub mod postgres;
pub mod registry;
pub mod service;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary that `make build` has put together.
pub fn binary() -> PathBuf {
    root().join("dist/bin/cavra")
}

/// A misbehaving module by name.
pub fn misbehaving(name: &str) -> PathBuf {
    root()
        .join("target/modules/misbehaving")
        .join(format!("{name}.wasm"))
}

/// One run of `cavra`.
#[derive(Debug)]
pub struct Cavra(Command);

/// What a run of `cavra` left.
#[derive(Debug)]
pub struct Output {
    /// The exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command line with none of this process's settings in its environment, the tests'
/// own cache, and a state and a module store of its own: what one test rolls back or keeps
/// is no other's business.
pub fn cavra<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Cavra {
    static STATES: AtomicUsize = AtomicUsize::new(0);
    let scratch = root().join("target/tmp");
    let state = STATES.fetch_add(1, Ordering::Relaxed);
    let state = format!("state/{}-{state}", std::process::id());
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("CAVRA_CACHE_DIR", scratch.join("cache"))
        .env("CAVRA_CACHE_KEY", scratch.join("cache.key"))
        .env("CAVRA_MODULE_STORE", scratch.join(&state).join("modules"))
        .env("CAVRA_STATE_DIR", scratch.join(state))
        .args(args);
    Cavra(command)
}

impl Cavra {
    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.0.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// The same, as the last arguments of another program.
    #[must_use]
    pub fn under<I: IntoIterator<Item: AsRef<OsStr>>>(self, program: &str, args: I) -> Self {
        let mut outer = Command::new(program);
        outer.env_clear().args(args).arg(self.0.get_program());
        outer.args(self.0.get_args());
        for (name, value) in self.0.get_envs() {
            if let Some(value) = value {
                outer.env(name, value);
            }
        }
        Self(outer)
    }

    /// The command, to be run in another way than these.
    pub fn command(self) -> Command {
        self.0
    }

    /// Runs it with nothing on standard input.
    pub fn run(self) -> Output {
        self.run_with(b"")
    }

    /// Runs it with `input` on standard input.
    #[expect(
        clippy::expect_used,
        reason = "a test that cannot start the binary cannot go on"
    )]
    pub fn run_with(mut self, input: &[u8]) -> Output {
        self.0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self
            .0
            .spawn()
            .expect("dist/bin/cavra starts; run `make build` first");
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let input = input.to_vec();
        // The binary may answer before it has read everything.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the binary ends");
        drop(writer.join());
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Output {
    /// Standard output as one JSON document.
    #[expect(clippy::panic, reason = "a test that gets no JSON cannot go on")]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }

    /// Standard output as JSON lines.
    #[expect(clippy::panic, reason = "a test that gets no JSON cannot go on")]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// The flags of a fast path that is on and judges by the packs themselves.
pub fn fast_path<'a>(mode: &'a str, runtime: &'a str) -> [&'a str; 6] {
    ["--mode", mode, "--runtime-path", runtime, "--policy-path", "auto"]
}
