//! The evidence log, as an auditor and an operator meet it.

mod durability;
mod faults;
mod fleet;
mod load;
mod masking;
mod records;
mod sealed;
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};

use cavra::evidence::{Entry, EvaluationRecord, reader};
use integration_tests::{Cavra, Output, cavra};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Keys of auditors that exist in these tests alone: those of the bytes 0 to 31, 32 to 63.
pub(crate) const RECIPIENT: &str = "age13aqvttdk3ujkyjh9kg2w5an6dmy5mq5a84a4uxk3hfhnugfc9p0sy5p2wh";
pub(crate) const IDENTITY: &str =
    "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG";
pub(crate) const OTHER_IDENTITY: &str =
    "AGE-SECRET-KEY-1YQSJYGEYY5NZW2PF9G4JCTFW9UCRZV3NXS6NVDEC8YARK0PA8CLSWXGG7Q";

/// A directory with a log and its key.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            root: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("log")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A command that knows the log.
    pub(crate) fn cavra(&self, args: &[&str]) -> Cavra {
        cavra(args)
            .env("CAVRA_EVIDENCE_DIR", self.dir())
            .env("CAVRA_EVIDENCE_KEY", self.path("key"))
    }

    /// Judges these requests.
    pub(crate) fn judge(&self, flags: &[&str], requests: &[Value]) -> Output {
        let input: String = requests.iter().map(|it| format!("{it}\n")).collect();
        let output = self
            .cavra(&["evaluate", "-"])
            .args(flags)
            .run_with(input.as_bytes());
        assert_eq!(output.lines().len(), requests.len(), "{}", output.stderr);
        output
    }

    /// What `cavra evidence verify` finds.
    pub(crate) fn verify(&self, flags: &[&str]) -> Value {
        let output = self.cavra(&["evidence", "verify", "--json"]).args(flags).run();
        let found = output.json();
        let expected = if found["verified"] == true { 0 } else { 1 };
        assert_eq!(output.code, Some(expected), "{found}");
        found
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        reader::entries(&self.dir())
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    pub(crate) fn records(&self) -> Vec<EvaluationRecord> {
        let entries = self.entries().into_iter();
        entries.filter_map(|it| it.evaluation().cloned()).collect()
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let segments = reader::segments(&self.dir()).unwrap();
        segments.into_iter().map(|it| it.path).collect()
    }
}

/// So many different requests.
pub(crate) fn requests(count: usize) -> Vec<Value> {
    let request = |i: usize| match i % 3 {
        0 => json!({"action_type": "read_file", "target": format!("src/file-{i}.rs"), "session_id": "first"}),
        1 => json!({"action_type": "execute_command", "target": format!("terraform apply -target=m{i}")}),
        _ => json!({"action_type": "write_file", "target": format!("docs/{i}.md"), "ticket": {"number": i}}),
    };
    (0..count).map(request).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
