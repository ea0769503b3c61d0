//! Policy modules as files: those who write them, and those who keep and ship them.

mod archives;
mod authors;
mod registry;
mod start;
mod store;
mod trusted;

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{Output, cavra, root};
use serde_json::Value;

/// A store of its own.
pub(crate) struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn command(&self, args: &[&str]) -> integration_tests::Cavra {
        cavra(args).env("CAVRA_MODULE_STORE", self.store())
    }

    pub(crate) fn cavra(&self, args: &[&str]) -> Output {
        self.command(args).run()
    }

    /// Runs a command that must succeed.
    pub(crate) fn done(&self, args: &[&str]) -> Output {
        let output = self.cavra(args);
        assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
        output
    }

    /// A component that behaves as the fast path does and has other bytes.
    pub(crate) fn variant(&self, name: &str) -> String {
        let path = self.path(&format!("{name}.wasm"));
        fs::write(&path, variant(name, 0)).unwrap();
        path.display().to_string()
    }

    /// Puts a variant into the store.
    pub(crate) fn add(&self, name: &str) -> String {
        let file = self.variant(name);
        let added = self.done(&["module", "add", &file, "--json"]).json();
        added["digest"].as_str().unwrap().to_owned()
    }

    /// The digests of what is in the store.
    pub(crate) fn digests(&self) -> Vec<String> {
        let listing = self.done(&["module", "list", "--json"]).json();
        let modules = listing["modules"].as_array().unwrap();
        modules
            .iter()
            .map(|it| it["digest"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Where a module of the store lies.
    pub(crate) fn entry(&self, digest: &str) -> PathBuf {
        self.store()
            .join("sha256")
            .join(digest.strip_prefix("sha256:").unwrap())
    }

    /// The answer to a request, with this fast path in enforce mode.
    pub(crate) fn evaluate(&self, runtime: &str) -> Value {
        let output = self.cavra(&[
            "evaluate",
            "execute_command",
            "terraform plan",
            "--json",
            "--mode",
            "enforce",
            "--policy-path",
            "auto",
            "--runtime-path",
            runtime,
        ]);
        assert_eq!(output.code, Some(0), "{output:?}");
        output.json()
    }
}

/// The fast path with a custom section: its name, and padding to so many bytes.
pub(crate) fn variant(name: &str, padding: usize) -> Vec<u8> {
    let mut bytes = fs::read(root().join("dist/modules/fastpath.wasm")).unwrap();
    let mut section = vec![u8::try_from(name.len()).unwrap()];
    section.extend(name.as_bytes());
    section.resize(section.len() + padding, b' ');
    bytes.push(0);
    let mut length = section.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend(section);
    bytes
}

/// An answer of the reference, because the fast path could not be loaded.
pub(crate) fn assert_missing(answer: &Value, sentence: &str) {
    assert_eq!(answer["fallback_code"], "missing_runtime", "{answer:#}");
    assert_eq!(answer["selected_backend"], "python");
    let checks = answer["readiness"]["checks"].as_array().unwrap();
    let messages: Vec<&str> = checks.iter().filter_map(|it| it["message"].as_str()).collect();
    assert!(
        messages.iter().any(|message| message.contains(sentence)),
        "{sentence}: {messages:#?}"
    );
}

/// Every file under a directory, with what is in it.
pub(crate) fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap().is_dir() {
            true => found.extend(everything(&path)),
            false => found.push((path.clone(), fs::read(&path).unwrap_or_default())),
        }
    }
    found.sort();
    found
}
