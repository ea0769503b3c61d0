//! A shrunk disagreement as files: a pack, its test, the request.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Subject, yaml};
use crate::config::Setting;
use crate::model::Decision;
use crate::policy::Expectation;

/// The test case cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// There is something already.
    #[error("`{}` is there and not empty; name another folder with --out", .0.display())]
    Occupied(PathBuf),
    /// The file system refuses.
    #[error("cannot write `{}`: {source}", .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// The files of a test case, in one folder that serves as a policy directory.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder.
    pub dir: PathBuf,
    /// `<pack id>/policy.yaml`.
    pub pack: PathBuf,
    /// `<pack id>/tests.yaml`: what the reference decides.
    pub tests: PathBuf,
    /// `request.json`: one line for `cavra evaluate -`.
    pub request: PathBuf,
    /// `registry.json`, where one is needed.
    pub registry: Option<PathBuf>,
}

/// What stands at the head of the files.
#[derive(Clone, Debug)]
pub struct Story<'a> {
    /// The evaluation that it comes from.
    pub evaluation_id: &'a str,
    /// How the modules disagree.
    pub disagreement: &'a str,
    /// The reference's SHA-256.
    pub reference_sha256: &'a str,
    /// The fast path's SHA-256.
    pub fastpath_sha256: &'a str,
}

impl Case {
    /// Writes a subject, and what the reference decides about it, into `dir`.
    ///
    /// # Errors
    /// When `dir` is there and not empty, or cannot be written.
    pub fn write(
        dir: &Path,
        subject: &Subject,
        expected: &Decision,
        story: &Story<'_>,
    ) -> Result<Self, CaseError> {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(CaseError::Occupied(dir.to_owned()));
        }
        let folder = dir.join(subject.pack_id());
        fs::create_dir_all(&folder).map_err(|source| CaseError::Write {
            path: folder.clone(),
            source,
        })?;
        let put = |path: PathBuf, text: String| match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(CaseError::Write { path, source }),
        };
        let part = |name: &str| subject.0.get(name);
        let mut head = String::new();
        for line in [
            format!("Shrunk from {}.", story.evaluation_id),
            story.disagreement.to_owned(),
            format!("Reference {}", story.reference_sha256),
            format!("Fast path {}", story.fastpath_sha256),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(head, "# {}", line.escape_debug());
        }
        let pack = part("policy").map(yaml::document).unwrap_or_default();
        let mut request = part("request")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let tests = yaml::document(&tests(subject, &request, expected));
        request.insert("policy_pack".to_owned(), subject.pack_id().into());
        let registry = part("registry").map(|it| put(dir.join("registry.json"), format!("{it}\n")));
        Ok(Self {
            dir: dir.to_owned(),
            pack: put(folder.join("policy.yaml"), [head.as_str(), &pack].concat())?,
            tests: put(folder.join("tests.yaml"), [head.as_str(), &tests].concat())?,
            request: put(dir.join("request.json"), format!("{}\n", Value::Object(request)))?,
            registry: registry.transpose()?,
        })
    }

    /// The command that shows the disagreement, as a shell takes it.
    pub fn command(&self, program: &str, reference: &str, fast: &str) -> String {
        let mut words: Vec<String> = [
            program,
            "evaluate",
            "-",
            "--mode",
            "shadow",
            "--policy-path",
            "auto",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut flag = |name: &str, value: &str| {
            words.push(name.to_owned());
            words.push(quoted(value));
        };
        flag("--policy-dir", &self.dir.display().to_string());
        if reference != Setting::ReferenceModule.default() {
            flag("--reference-module", reference);
        }
        flag("--runtime-path", fast);
        if let Some(registry) = &self.registry {
            flag("--registry-path", &registry.display().to_string());
        }
        words.push("<".to_owned());
        words.push(quoted(&self.request.display().to_string()));
        words.join(" ")
    }
}

fn tests(subject: &Subject, request: &Map<String, Value>, expected: &Decision) -> Value {
    let expect = Expectation {
        decision: expected.verdict.as_str().to_owned(),
        rule_id: Some(expected.rule_id.clone()),
        severity: Some(expected.severity.as_str().to_owned()),
        approver_group: expected.approver_group.clone(),
        matched_pattern: expected.matched_pattern.clone(),
        requested_operation: Some(expected.requested_operation.clone()),
    };
    let mut file = Map::new();
    if let Some(registry) = subject.0.get("registry") {
        file.insert("registry".to_owned(), registry.clone());
    }
    let test = serde_json::json!([{
        "name": "the evaluators agree on a shrunk request",
        "request": request,
        "expect": expect,
    }]);
    file.insert("tests".to_owned(), test);
    Value::Object(file)
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("builtin:fastpath"), "builtin:fastpath");
        assert_eq!(quoted("my folder/it's"), r"'my folder/it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
