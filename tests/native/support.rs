//! What the tests of the native adapter share.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cavra::backend::{NativeLimits, NativeRuntime};
use cavra::fault::Fault;
use cavra::model::Request;

use crate::cavra_binary;

/// The scripts under a path of their own, by which their processes can be told
/// from those of tests that run at the same time.
pub(crate) struct Scripts(pub(crate) tempfile::TempDir);

impl Scripts {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(source(), directory.path().join("native")).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("native").join(name)
    }

    /// The processes whose command line has a path of these scripts: id and command line.
    pub(crate) fn processes(&self) -> Vec<String> {
        let marker = self.0.path().to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            Some(format!(
                "{} {}",
                entry.file_name().display(),
                String::from_utf8_lossy(&line).replace('\0', " ")
            ))
        });
        lines.filter(|line| line.contains(marker)).collect()
    }
}

pub(crate) fn source() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "native"].iter().collect()
}

pub(crate) fn open(script: &Path, limits: NativeLimits) -> Result<NativeRuntime, Fault> {
    NativeRuntime::open(
        script,
        cavra_binary(),
        "{\"policy\":1}",
        "f00d",
        Some("{\"registry\":1}"),
        limits,
    )
}

pub(crate) fn within(seconds: u64) -> NativeLimits {
    NativeLimits {
        deadline: Duration::from_secs(seconds),
        ..NativeLimits::default()
    }
}

pub(crate) fn request(target: &str) -> Request {
    let body = serde_json::json!({"action_type": "read_file", "target": target});
    Request::from_json(body.to_string().as_bytes()).unwrap()
}

pub(crate) fn notes() -> Request {
    request("notes/today.md")
}

pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "not within 20 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
