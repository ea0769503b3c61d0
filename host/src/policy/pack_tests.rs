//! `tests.yaml`: requests and the decisions that a pack must give them.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{Entry, Node};
use super::problem::Problem;
use super::reader::{Notation, Noted, Path, Reader, all, trim};
use super::{MAX_PACK_BYTES, PolicyError, TrustRegistry, registry};

const VERDICTS: [&str; 4] = ["allow", "allow_with_attestation", "require_approval", "block"];
const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// The tests of one pack. What runs them stands elsewhere: this is their format.
#[derive(Clone, Debug)]
pub struct PackTests {
    /// The trust registry of every test of the file.
    pub registry: Option<TrustRegistry>,
    /// The tests, in the order of the file; at least one.
    pub tests: Vec<TestCase>,
}

/// A request and the decision that the pack must give it.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// What it shows. No two tests of a file have the same name.
    pub name: String,
    /// The request's JSON object, without `policy_pack`: it is the pack's id.
    pub request: Map<String, Value>,
    /// What the decision must be.
    pub expect: Expectation,
}

/// The fields of a decision that a test names. What is absent is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// `allow`, `allow_with_attestation`, `require_approval` or `block`.
    pub decision: String,
    /// The rule that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// `low`, `medium`, `high` or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Who can approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver_group: Option<String>,
    /// The pattern that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_pattern: Option<String>,
    /// The operation that was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_operation: Option<String>,
}

impl PackTests {
    /// Reads a test file. `file` is its name in errors.
    ///
    /// # Errors
    /// Every fault with line and column; [`PolicyError::TooLarge`] over [`MAX_PACK_BYTES`].
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_PACK_BYTES {
            return Err(PolicyError::TooLarge {
                file: file.to_owned(),
                limit: MAX_PACK_BYTES,
            });
        }
        let node = Node::from_yaml(bytes, file)?;
        let mut reader = Reader::new(file, Notation::Dotted);
        let read = read_file(&mut reader, &node);
        let ((registry, tests), _) = reader.finish(read)?;
        let registry = registry
            .map(|value| TrustRegistry::of(&value, file))
            .transpose()?;
        Ok(Self { registry, tests })
    }
}

type File = (Option<Value>, Vec<TestCase>);

fn read_file(reader: &mut Reader<'_>, node: &Node) -> Result<File, Noted> {
    let root = Path::ROOT;
    let fields = Fields::read(reader, node, &root, &["registry", "tests"])?;
    let registry = node
        .get("registry")
        .map(|registry| registry::check(reader, registry, &root.key("registry")));
    let tests = fields
        .required(reader, "tests")
        .and_then(|tests| read_tests(reader, tests, &root.key("tests")));
    let registry = registry.transpose();
    fields.closed?;
    Ok((registry?, tests?))
}

fn read_tests(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Result<Vec<TestCase>, Noted> {
    let items = reader.list(node, path)?;
    if items.is_empty() {
        return Err(reader.fault(
            path,
            node.at,
            Problem::Empty {
                what: "the list of tests",
            },
        ));
    }
    let mut names = BTreeSet::new();
    all(items.iter().enumerate().map(|(i, item)| {
        let path = path.index(i);
        let test = read_test(reader, item, &path)?;
        if !names.insert(test.name.clone()) {
            return Err(reader.fault(&path, item.at, Problem::RepeatedTest { name: test.name }));
        }
        Ok(test)
    }))
}

fn read_test(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Result<TestCase, Noted> {
    let fields = Fields::read(reader, node, path, &["name", "request", "expect"])?;
    let name = fields
        .required(reader, "name")
        .and_then(|name| read_name(reader, name, &path.key("name")));
    let request = fields
        .required(reader, "request")
        .and_then(|request| read_request(reader, request, &path.key("request")));
    let expect = fields
        .required(reader, "expect")
        .and_then(|expect| read_expect(reader, expect, &path.key("expect")));
    fields.closed?;
    Ok(TestCase {
        name: name?,
        request: request?,
        expect: expect?,
    })
}

fn read_name(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Result<String, Noted> {
    let name = reader.text(node, path)?;
    if trim(name).is_empty() {
        return Err(reader.fault(path, node.at, Problem::Empty { what: "the name" }));
    }
    Ok(name.to_owned())
}

fn read_request(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Result<Map<String, Value>, Noted> {
    reader.object(node, path)?;
    if let Some(pack) = node.get("policy_pack") {
        return Err(reader.fault(&path.key("policy_pack"), pack.at, Problem::TestNamesPack));
    }
    match reader.any(node, path)? {
        Value::Object(request) => Ok(request),
        _ => Err(reader.wrong(node, path, "an object", None)),
    }
}

fn read_expect(reader: &mut Reader<'_>, node: &Node, path: &Path<'_>) -> Result<Expectation, Noted> {
    let known = [
        "decision",
        "rule_id",
        "severity",
        "approver_group",
        "matched_pattern",
        "requested_operation",
    ];
    let fields = Fields::read(reader, node, path, &known)?;
    let decision = fields
        .required(reader, "decision")
        .and_then(|node| reader.word(node, &path.key("decision"), &VERDICTS));
    let severity = node
        .get("severity")
        .map(|node| reader.word(node, &path.key("severity"), &SEVERITIES));
    let mut text = |key: &'static str| {
        let read = node
            .get(key)
            .map(|node| reader.text(node, &path.key(key)).map(str::to_owned));
        read.transpose()
    };
    let (rule_id, approver_group) = (text("rule_id"), text("approver_group"));
    let (matched_pattern, requested_operation) = (text("matched_pattern"), text("requested_operation"));
    fields.closed?;
    Ok(Expectation {
        decision: decision?.to_owned(),
        rule_id: rule_id?,
        severity: severity.transpose()?.map(str::to_owned),
        approver_group: approver_group?,
        matched_pattern: matched_pattern?,
        requested_operation: requested_operation?,
    })
}

/// An object whose keys are all known.
struct Fields<'n, 'p> {
    node: &'n Node,
    path: &'p Path<'p>,
    /// Whether no other key was found.
    closed: Result<(), Noted>,
}

impl<'n, 'p> Fields<'n, 'p> {
    fn read(
        reader: &mut Reader<'_>,
        node: &'n Node,
        path: &'p Path<'p>,
        known: &[&'static str],
    ) -> Result<Self, Noted> {
        let entries: &[Entry] = reader.object(node, path)?;
        let unknown = entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()));
        let closed = all(unknown.map(|entry| -> Result<(), Noted> {
            Err(reader.unknown_key(entry, &path.key(&entry.key), known))
        }));
        Ok(Self {
            node,
            path,
            closed: closed.map(drop),
        })
    }

    fn required(&self, reader: &mut Reader<'_>, key: &'static str) -> Result<&'n Node, Noted> {
        self.node
            .get(key)
            .ok_or_else(|| reader.fault(self.path, self.node.at, Problem::Missing { key }))
    }
}
