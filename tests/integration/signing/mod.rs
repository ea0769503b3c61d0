//! Signatures and the trust policy, as publishers and operators use them.

mod attacks;
mod commands;
mod documents;
mod interop;
mod running;
mod trust_policy;

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{Output, cavra, root};
use serde_json::Value;

/// Keys, a signed module and a trust policy, and a state of their own.
pub(crate) struct Shop {
    dir: tempfile::TempDir,
}

/// The keys of a shop: by name, and what they are trusted for.
const KEYS: [(&str, &str); 5] = [
    ("publisher", "module-publisher"),
    ("policies", "policy-publisher"),
    ("approver", "release-approver"),
    ("second-approver", "release-approver"),
    ("driller", "drill-operator"),
];

/// The module of the shop, and what it is signed as.
pub(crate) const MODULE: &str = "fast.wasm";
pub(crate) const NAME: &str = "acme-fastpath";

impl Shop {
    /// A module that is signed as revision 10, and a policy that takes it.
    pub(crate) fn new() -> Self {
        let it = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(it.path("keys")).unwrap();
        for name in KEYS.iter().map(|(name, _)| *name).chain(["stranger"]) {
            it.keygen(name);
        }
        fs::copy(root().join("dist/modules/fastpath.wasm"), it.path(MODULE)).unwrap();
        it.sign_module("publisher", 10);
        it.trust(&it.policy());
        it
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn keygen(&self, name: &str) {
        let out = self.text(&format!("keys/{name}.pem"));
        let made = cavra(["module", "keygen", "--unencrypted", "--out", &out]).run();
        assert_eq!(made.code, Some(0), "{made:?}");
    }

    pub(crate) fn key(&self, name: &str) -> String {
        self.text(&format!("keys/{name}.pem"))
    }

    pub(crate) fn public(&self, name: &str) -> String {
        self.text(&format!("keys/{name}.pub.pem"))
    }

    /// Runs `cavra` with the shop's state.
    pub(crate) fn cavra(&self, args: &[&str]) -> Output {
        cavra(args).env("CAVRA_STATE_DIR", self.path("state")).run()
    }

    /// Runs a command that must succeed.
    pub(crate) fn done(&self, args: &[&str]) -> Output {
        let output = self.cavra(args);
        assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
        output
    }

    /// Signs a file with a statement.
    pub(crate) fn sign(&self, group: &str, file: &str, key: &str, more: &[&str]) {
        let (file, key) = (self.text(file), self.key(key));
        let mut args = vec![group, "sign", &file, "--key", &key];
        args.extend(more);
        self.done(&args);
    }

    pub(crate) fn sign_module(&self, key: &str, revision: u64) {
        let revision = revision.to_string();
        self.sign("module", MODULE, key, &["--name", NAME, "--revision", &revision]);
    }

    /// A trust policy that takes the shop's module, and the built-in reference.
    pub(crate) fn policy(&self) -> String {
        let mut text = String::from("version = 1\n");
        for (name, role) in KEYS {
            text += &format!(
                "\n[[key]]\nid = \"{name}\"\nfile = \"keys/{name}.pub.pem\"\nroles = [\"{role}\"]\n"
            );
        }
        text += &format!("\n[[module]]\nname = \"{NAME}\"\nminimum_revision = 5\n");
        let builtin = cavra(["trust", "builtin"]).run();
        assert_eq!(builtin.code, Some(0), "{builtin:?}");
        // The fast path that is built in is not taken.
        let reference: Vec<&str> = builtin.stdout.split("\n\n").take(2).collect();
        text + "\n" + &reference.join("\n\n") + "\n"
    }

    pub(crate) fn trust(&self, text: &str) {
        // At once, as an editor does it.
        fs::write(self.path("trust.new"), text).unwrap();
        fs::rename(self.path("trust.new"), self.path("trust.toml")).unwrap();
    }

    /// The answer to a request, in enforce mode.
    pub(crate) fn evaluate(&self, more: &[&str]) -> Value {
        let (module, trust) = (self.text(MODULE), self.text("trust.toml"));
        let mut args = vec![
            "evaluate",
            "execute_command",
            "terraform plan",
            "--json",
            "--mode",
            "enforce",
            "--trust-policy",
            &trust,
        ];
        for (flag, value) in [("--runtime-path", module.as_str()), ("--policy-path", "auto")] {
            if !more.contains(&flag) {
                args.extend([flag, value]);
            }
        }
        args.extend(more);
        self.done(&args).json()
    }
}

/// An answer of the fast path.
pub(crate) fn assert_selected(answer: &Value) {
    assert_eq!(answer["fallback_code"], Value::Null, "{answer:#}");
    assert_eq!(answer["selected_backend"], "go");
    assert_eq!(answer["parity_match"], true);
}

/// An answer of the reference, because something was refused for this reason.
pub(crate) fn assert_refused(answer: &Value, fallback: &str, code: &str) {
    assert_eq!(answer["fallback_code"], fallback, "{code}: {answer:#}");
    assert_eq!(answer["selected_backend"], "python", "{code}");
    assert_eq!(answer["effective_decision"], answer["python_decision"]);
    assert!(
        answer["python_decision"]["decision"].is_string(),
        "the reference decides"
    );
    let signatures = answer["readiness"]["signatures"].as_array().unwrap();
    let refused: Vec<&Value> = signatures.iter().filter(|it| it["status"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{answer:#}");
    assert_eq!(refused[0]["code"], code, "{answer:#}");
    let checks = answer["readiness"]["checks"].as_array().unwrap();
    let marker = format!("refused (`{code}`)");
    assert!(
        checks
            .iter()
            .any(|it| it["status"] == "warn" && it["message"].as_str().unwrap().contains(&marker)),
        "{answer:#}"
    );
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}
