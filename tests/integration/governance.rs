//! `cavra governance`, the report commands and the JSON Schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cavra::gates::document::{inspect, schema};
use cavra::gates::{CHECKS, DocumentKind, ReportKind};
use integration_tests::{Output, cavra, root};
use serde_json::{Value, json};

/// A set-up as `cavra governance scaffold` writes it, and the settings to use it.
pub(crate) struct SetUp {
    dir: tempfile::TempDir,
    pub(crate) settings: Vec<(String, String)>,
}

impl SetUp {
    /// Scaffolds with these flags.
    pub(crate) fn new(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let output = cavra(["governance", "scaffold", "--out"])
            .args([dir.path()])
            .args(flags)
            .run();
        assert_eq!(output.code, Some(0), "{output:?}");
        let settings = fs::read_to_string(dir.path().join("promoted.env")).unwrap();
        let settings = settings
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (name, value) = line.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { dir, settings }
    }

    pub(crate) fn path(&self, kind: DocumentKind) -> PathBuf {
        let folder = if kind.in_package() {
            self.dir.path().join("package")
        } else {
            self.dir.path().to_owned()
        };
        folder.join(kind.file())
    }

    pub(crate) fn document(&self, kind: DocumentKind) -> Value {
        serde_json::from_slice(&fs::read(self.path(kind)).unwrap()).unwrap()
    }

    pub(crate) fn put(&self, kind: DocumentKind, pointer: &str, value: Value) {
        let mut document = self.document(kind);
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Object(object) => drop(object.insert(last.to_owned(), value)),
            Value::Array(items) => items[last.parse::<usize>().unwrap()] = value,
            other => panic!("{other} has no members"),
        }
        fs::write(self.path(kind), document.to_string()).unwrap();
    }

    /// Runs a command under the settings.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = cavra(args);
        for (name, value) in &self.settings {
            command = command.env(name, value);
        }
        command.run()
    }
}

#[test]
fn every_report_is_printed_for_people_and_for_machines() {
    let it = SetUp::new(&[]);
    for kind in ReportKind::ALL {
        let command = ["runtime", kind.command()];
        let json = it.run(&[&command[..], &["--json", "--check"][..]].concat());
        assert_eq!(json.code, Some(0), "{json:?}");
        let report = json.json();
        assert_eq!(report["schema_version"], kind.schema_version());
        assert_eq!(report["mode"], "promoted");
        assert_eq!(report["status"], "ready", "{report}");
        assert!(
            report["checks"]
                .as_array()
                .unwrap()
                .iter()
                .all(|check| check["status"] == "pass")
        );
        assert!(!report["operator_notes"].as_array().unwrap().is_empty());

        let table = it.run(&command);
        assert_eq!(table.code, Some(0));
        for check in report["checks"].as_array().unwrap() {
            assert!(
                table.stdout.contains(check["id"].as_str().unwrap()),
                "{}",
                table.stdout
            );
        }

        let unset = cavra(command).args(["--check"]).run();
        assert_eq!(unset.code, Some(2), "nothing is set: {unset:?}");
        assert_eq!(cavra(command).run().code, Some(0));
    }
}

#[test]
fn the_production_report_holds_the_seven_and_their_gates() {
    let it = SetUp::new(&[]);
    let output = it.run(&["deployment", "production-readiness", "--json", "--check"]);
    assert_eq!(
        output.code,
        Some(2),
        "this release has no evidence log and verifies no modules"
    );
    let report = output.json();
    assert_eq!(
        report["schema_version"],
        "cavra.deployment.production_readiness.v1"
    );
    assert_eq!(report["product"], "CAVRA");
    for kind in ReportKind::ALL {
        assert_eq!(report[kind.production_key()]["status"], "ready");
    }
    let failing: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["status"] != "pass")
        .map(|check| check["id"].as_str().unwrap())
        .collect();
    assert_eq!(failing, ["evidence_store", "module_trust"]);
}

#[test]
fn every_check_and_document_is_documented() {
    let page = fs::read_to_string(root().join("docs/governance.md")).unwrap();
    let rows: Vec<String> = CHECKS
        .iter()
        .map(|(id, passes)| format!("| `{id}` | {passes} |"))
        .collect();
    let table = page.split("| check | passes when |").nth(1).unwrap();
    let table: Vec<&str> = table
        .lines()
        .skip(2)
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(table, rows);
    let report = cavra(["deployment", "production-readiness", "--json"])
        .run()
        .json();
    let mut checks: Vec<Value> = report["checks"].as_array().unwrap().clone();
    for kind in ReportKind::ALL {
        checks.extend(
            report[kind.production_key()]["checks"]
                .as_array()
                .unwrap()
                .iter()
                .cloned(),
        );
        assert!(
            page.contains(&format!("`cavra runtime {}`", kind.command())),
            "{kind:?}"
        );
    }
    let made: BTreeSet<&str> = checks.iter().map(|check| check["id"].as_str().unwrap()).collect();
    let known: BTreeSet<&str> = CHECKS.iter().map(|(id, _)| *id).collect();
    assert_eq!(made, known, "the table holds what reports hold");
    for kind in DocumentKind::ALL {
        assert!(
            page.contains(kind.file()) && page.contains(kind.setting().env()),
            "{kind}"
        );
        // Every field of every document.
        for field in fields(&schema(kind)) {
            assert!(page.contains(&format!("`{field}`")), "{kind}: {field}");
        }
    }
}

fn fields(schema: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let definitions = schema["$defs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, it)| it);
    for object in std::iter::once(schema).chain(definitions) {
        fields.extend(
            object["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone()),
        );
    }
    fields
}

#[test]
fn scaffold_writes_over_nothing_unless_it_is_told_to() {
    let it = SetUp::new(&[]);
    it.put(DocumentKind::RollbackPlan, "/note", json!("ours"));
    let again = cavra(["governance", "scaffold", "--out"])
        .args([it.dir.path()])
        .run();
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(it.document(DocumentKind::RollbackPlan)["note"], "ours");
    let forced = cavra(["governance", "scaffold", "--force", "--out"])
        .args([it.dir.path()])
        .run();
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(
        forced.stderr.contains("nobody"),
        "who approved it is told: {}",
        forced.stderr
    );
    assert_eq!(it.document(DocumentKind::RollbackPlan).get("note"), None);
}

#[test]
fn scaffold_says_nothing_of_a_fast_path_that_does_not_agree() {
    let dir = tempfile::tempdir().unwrap();
    let module = integration_tests::misbehaving("disagree_on_verdict");
    let output = cavra(["governance", "scaffold", "--out"])
        .args([dir.path()])
        .args(["--runtime-path".as_ref(), module.as_os_str()])
        .run();
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(output.stderr.contains("parity"), "{}", output.stderr);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn an_unapproved_set_up_waits_for_people() {
    let it = SetUp::new(&["--unapproved"]);
    let evaluate = || it.run(&["evaluate", "read_file", "README.md", "--json"]).json();
    assert_eq!(evaluate()["fallback_code"], "promotion_not_ready");
    it.put(DocumentKind::PromotionEvidence, "/approved", json!(true));
    assert_eq!(evaluate()["fallback_code"], "rollback_not_ready");
    it.put(DocumentKind::RollbackPlan, "/approved", json!(true));
    assert_eq!(evaluate()["selected_backend"], "go");
}

#[test]
fn check_tells_every_fault_of_a_folder_or_of_the_settings() {
    let it = SetUp::new(&[]);
    let dir = it.dir.path().to_str().unwrap();
    let fine = cavra(["governance", "check", dir]).run();
    assert_eq!(fine.code, Some(0), "{fine:?}");
    assert_eq!(it.run(&["governance", "check"]).code, Some(0));

    it.put(DocumentKind::RollbackPlan, "/status", json!("draft"));
    it.put(DocumentKind::RollbackPlan, "/rollback_steps/1", json!(7));
    it.put(DocumentKind::DrillSchedule, "/next_due_at", json!("2020-01-01"));
    for output in [
        cavra(["governance", "check", dir, "--json"]).run(),
        it.run(&["governance", "check", "--json"]),
    ] {
        assert_eq!(output.code, Some(3), "{output:?}");
        let told = output.json();
        assert_eq!(told["valid"], false);
        let pointers: Vec<String> = told["documents"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|document| document["faults"].as_array().unwrap())
            .map(|fault| fault["pointer"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(pointers, ["/status", "/rollback_steps/1", "/next_due_at"]);
        assert_eq!(told["reports"]["rollback-readiness"], "needs_attention");
    }
    let table = cavra(["governance", "check", dir]).run();
    assert!(table.stdout.contains("`/rollback_steps/1`"), "{}", table.stdout);

    let empty = tempfile::tempdir().unwrap();
    let nothing = cavra(["governance", "check"]).args([empty.path()]).run();
    assert_eq!(nothing.code, Some(3));
    assert!(
        nothing.stderr.contains("rollback-plan.json"),
        "{}",
        nothing.stderr
    );
    let unset = cavra(["governance", "check"]).run();
    assert_eq!(unset.code, Some(0));
}

#[test]
fn schemas_are_printed_and_unknown_names_refused() {
    for kind in DocumentKind::ALL {
        let output = cavra(["governance", "schema", kind.name()]).run();
        assert_eq!(output.code, Some(0), "{output:?}");
        let printed = output.json();
        assert_eq!(printed["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(printed, schema(kind));
    }
    let output = cavra(["governance", "schema", "plan"]).run();
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("rollback-plan"), "{}", output.stderr);
}

/// Every pointer into a document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| (i.to_string(), item))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(child, &at, all);
        all.push(at);
    }
}

fn without(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(object) => drop(object.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        other => panic!("{other} has no members"),
    }
    document
}

/// The schema and the gates are made from one model: what one takes, the other takes.
#[test]
fn what_the_gates_refuse_for_its_shape_the_schema_refuses_and_nothing_else() {
    let it = SetUp::new(&[]);
    let scratch = it.dir.path().join("changed.json");
    let values = [
        json!(null),
        json!(""),
        json!("x"),
        json!("ready"),
        json!("pass"),
        json!("2026-11-25T10:00:00Z"),
        json!("2026-11-25 10:00:00"),
        json!(0),
        json!(-1),
        json!(2.5),
        json!(true),
        json!(false),
        json!([]),
        json!(["x"]),
        json!([""]),
        json!([1]),
        json!({}),
        json!({"status": "approved"}),
    ];
    let mut judged = 0;
    for kind in DocumentKind::ALL {
        let document = it.document(kind);
        let validator = jsonschema::draft202012::new(&schema(kind)).unwrap();
        let mut agree = |changed: &Value, what: &str| {
            fs::write(&scratch, changed.to_string()).unwrap();
            let faults = inspect(kind, &scratch);
            assert_eq!(
                validator.is_valid(changed),
                faults.is_empty(),
                "{kind} {what}: {faults:?}\n{changed}"
            );
            judged += 1;
        };
        agree(&document, "as it is");
        let mut all = Vec::new();
        pointers(&document, "", &mut all);
        for pointer in &all {
            agree(&without(&document, pointer), &format!("without {pointer}"));
            for value in &values {
                let mut changed = document.clone();
                *changed.pointer_mut(pointer).unwrap() = value.clone();
                agree(&changed, &format!("{pointer} = {value}"));
            }
        }
        // Fields that the scaffold leaves out.
        for field in fields(&schema(kind)) {
            for value in &values {
                let mut changed = document.clone();
                changed
                    .as_object_mut()
                    .unwrap()
                    .insert(field.clone(), value.clone());
                agree(&changed, &format!("/{field} = {value}"));
            }
        }
    }
    assert!(judged > 3000, "{judged}");
}

/// The example is what scaffold writes; its dates age, and its digests are of the
/// modules that it was written with.
#[test]
fn the_example_is_what_scaffold_writes() {
    let it = SetUp::new(&[]);
    let example = root().join("examples/promoted");
    for kind in DocumentKind::ALL {
        let name = it.path(kind);
        let name = name.strip_prefix(it.dir.path()).unwrap();
        let shown: Value = serde_json::from_slice(&fs::read(example.join(name)).unwrap()).unwrap();
        assert_eq!(
            timeless(&shown),
            timeless(&it.document(kind)),
            "{}",
            name.display()
        );
        let faults = inspect(kind, &example.join(name));
        assert!(faults.is_empty(), "{faults:?}");
    }
    let names = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(
        names(&example.join("promoted.env")),
        names(&it.dir.path().join("promoted.env"))
    );
    assert_eq!(
        fs::read_to_string(example.join("README.md")).unwrap(),
        fs::read_to_string(it.dir.path().join("README.md")).unwrap()
    );
}

/// A document without what differs from one hour and machine to the next.
fn timeless(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("sha256:") || text.len() == 64 => json!("digest"),
        Value::String(text) if text.ends_with('Z') && text.contains('T') => json!("date"),
        Value::Array(items) => items.iter().map(timeless).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "recovery_minutes")
            .map(|(name, value)| (name.clone(), timeless(value)))
            .collect(),
        other => other.clone(),
    }
}
