//! What a module is asked when it is checked: requests of every kind, for several packs.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::Request;
use crate::policy::{PackId, PackTests, PolicyError};

/// The packs that a module is checked with, unless others are named: a general one, one
/// that inherits from it, and one about another field.
pub const PACKS: [&str; 3] = [
    "cavra-ai-agent-baseline",
    "cavra-pci-dss",
    "cavra-kubernetes-prod",
];

/// One JSON object a line, without `policy_pack`.
const BUILT_IN: &str = include_str!("questions.jsonl");

/// A request without its pack.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it is called in a report.
    pub name: String,
    fields: Arc<Map<String, Value>>,
}

/// A question is no request.
#[derive(Debug, thiserror::Error)]
#[error("the request `{name}` is not valid: {why}")]
pub struct QuestionError {
    name: String,
    why: String,
}

impl Question {
    /// The question, asked of a pack.
    ///
    /// # Errors
    /// Where it is no valid request.
    pub fn of(&self, pack: &PackId) -> Result<Request, QuestionError> {
        let told = |why: String| QuestionError {
            name: self.name.clone(),
            why,
        };
        let mut fields = Map::clone(&self.fields);
        fields.insert("policy_pack".to_owned(), pack.as_str().into());
        let body = serde_json::to_vec(&fields).map_err(|e| told(e.to_string()))?;
        Request::from_json(&body).map_err(|e| told(e.to_string()))
    }
}

/// The questions that every module is asked: each kind of action, fields that are absent
/// and empty, long ones, and other scripts than ASCII.
///
/// # Errors
/// Never, as long as the file that is built in is well-formed; a test holds it to that.
pub fn built_in() -> Result<Vec<Question>, QuestionError> {
    let lines = BUILT_IN.lines().filter(|line| !line.trim().is_empty());
    let mut questions = lines
        .map(|line| match serde_json::from_str(line) {
            Ok(fields) => Ok(Question {
                name: named(&fields),
                fields: Arc::new(fields),
            }),
            Err(error) => Err(QuestionError {
                name: line.to_owned(),
                why: error.to_string(),
            }),
        })
        .collect::<Result<Vec<_>, _>>()?;
    for (name, action_type, target) in [
        ("a path of 4 KiB", "read_file", "deep/".repeat(800) + "notes.txt"),
        (
            "a command line of 16 KiB",
            "execute_command",
            format!("git commit -m \"{}\"", "a line of the message; ".repeat(700)),
        ),
    ] {
        let mut fields = Map::new();
        fields.insert("action_type".to_owned(), action_type.into());
        fields.insert("target".to_owned(), target.into());
        questions.push(Question {
            name: name.to_owned(),
            fields: Arc::new(fields),
        });
    }
    Ok(questions)
}

/// What is asked, in the words of its first fields.
fn named(fields: &Map<String, Value>) -> String {
    let words = ["action_type", "operation", "server", "target"];
    let words = words.iter().filter_map(|field| fields.get(*field)?.as_str());
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The requests of a cases file, whatever they expect.
///
/// # Errors
/// As [`PackTests::parse`].
pub fn of_cases(bytes: &[u8], file: &str) -> Result<Vec<Question>, PolicyError> {
    let cases = PackTests::parse(bytes, file)?;
    let questions = cases.tests.into_iter().map(|case| Question {
        name: case.name,
        fields: Arc::new(case.request),
    });
    Ok(questions.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{PACKS, built_in};
    use crate::policy::{Catalog, PackId};

    #[test]
    fn what_is_asked_is_valid_and_of_every_kind() {
        let mut kinds = BTreeSet::new();
        for pack in PACKS {
            let id = PackId::new(pack).unwrap();
            Catalog::builtin().compile(&id, &[]).unwrap();
            for question in built_in().unwrap() {
                let request = question.of(&id).unwrap();
                assert_eq!(request.policy_pack, pack);
                kinds.insert(format!("{:?}", request.kind()));
            }
        }
        assert_eq!(kinds.len(), 7, "{kinds:?}");
    }
}
