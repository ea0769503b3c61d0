//! `cavra policy validate`.

use std::path::Path;

use serde_json::json;

use super::super::{FileKind, ValidationReport, validate};
use super::{compile, directory, pack, write};

/// Every finding of a report, a line each, without the name of the root.
fn lines(root: &Path, report: &ValidationReport) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &report.files {
        lines.extend(file.errors.iter().map(|fault| format!("error {fault}")));
        lines.extend(file.warnings.iter().map(|warning| format!("warning {warning}")));
    }
    // The real path of the root is what a pack folder's parents are named by.
    let real = root.canonicalize().unwrap().join("").display().to_string();
    let given = root.join("").display().to_string();
    lines
        .iter()
        .map(|line| line.replace(&given, "").replace(&real, ""))
        .collect()
}

#[test]
fn every_warning_is_given_where_it_belongs() {
    let rules = r#"
filesystem:
  block_write: [deploy/**]
  require_approval_write: [DEPLOY/**]
commands:
  allow: ["make test*", "Make Deploy*", "make test*", " make lint", "make docs*"]
  require_approval: ["make docs*", "make deploy*"]
  block: ["make deploy*"]
git: {protected_branches: [main], review: true}
mcp:
  allowed_servers: [wiki, "tickets ", Calendar]
  blocked_servers: [wiki, calendar]
  allowlist_enabled: true
  risk_scoring: {wiki: low}
approvals: {a: {b: c}}
evidence: {}
compliance: []
"#;
    let (root, _) = directory(&[("example", "[]", rules)]);
    let report = validate(&root.path().join("example/policy.yaml")).unwrap();
    assert!(report.is_valid());
    let not_evaluated = "carried into the compiled policy, and not evaluated: it decides nothing";
    let lines = lines(root.path(), &report);
    let at = |key: &str| -> Vec<&str> {
        let found = lines.iter().filter(|line| line.contains(&format!(": {key}: ")));
        found
            .map(|line| line.rsplit_once(&format!("{key}: ")).unwrap().1)
            .collect()
    };
    for key in [
        "git.review",
        "mcp.allowlist_enabled",
        "mcp.risk_scoring",
        "approvals",
        "evidence",
        "compliance",
    ] {
        assert_eq!(at(key), [not_evaluated], "{key}");
    }
    assert_eq!(
        at("commands.allow[1]"),
        [
            "never takes effect: commands.block holds `Make Deploy*` too",
            "never takes effect: commands.require_approval holds `Make Deploy*` too",
        ]
    );
    assert_eq!(at("commands.allow[2]"), ["repeats `make test*`, and is dropped"]);
    assert_eq!(
        at("commands.allow[3]"),
        ["the pattern begins or ends with blanks, which are removed"]
    );
    assert_eq!(
        at("commands.allow[4]"),
        ["never takes effect: commands.require_approval holds `make docs*` too"]
    );
    assert_eq!(
        at("commands.require_approval[1]"),
        ["never takes effect: commands.block holds `make deploy*` too"]
    );
    assert_eq!(
        at("filesystem.require_approval_write[0]"),
        ["never takes effect: filesystem.block_write holds `DEPLOY/**` too"]
    );
    assert_eq!(
        at("mcp.allowed_servers[0]"),
        ["never takes effect: mcp.blocked_servers holds `wiki` too"]
    );
    assert_eq!(
        at("mcp.allowed_servers[1]"),
        ["the name begins or ends with blanks, and names are compared exactly"]
    );
    assert_eq!(lines.len(), 15, "{lines:#?}");
}

#[test]
fn an_entry_that_an_ancestor_shadows_is_found() {
    let (root, _) = directory(&[
        ("parent", "[]", "commands: {block: [\"make deploy*\"]}"),
        (
            "child",
            "parent",
            "commands:\n  allow: [make test*, make deploy*]",
        ),
    ]);
    assert_eq!(
        lines(root.path(), &validate(&root.path().join("child")).unwrap()),
        [
            "warning child/policy.yaml:3:23: commands.allow[1]: never takes effect: commands.block holds `make deploy*` too"
        ]
    );
}

#[test]
fn a_directory_is_checked_pack_by_pack() {
    let (root, catalog) = directory(&[
        ("good", "[]", ""),
        ("orphan", "nobody", ""),
        ("twins", "[good, good]", "commands: {deny: []}"),
    ]);
    write(root.path(), "good/tests.yaml", "tests: []");
    write(root.path(), "Bad Name/policy.yaml", &pack("good", "[]", ""));
    write(root.path(), "readme.md", "not a pack");
    write(root.path(), "notes/readme.md", "not a pack");
    let report = validate(root.path()).unwrap();
    assert!(!report.is_valid());
    assert_eq!(
        lines(root.path(), &report),
        [
            "error Bad Name/policy.yaml: `Bad Name` is no pack id; write `[a-z0-9][a-z0-9-]*`",
            "error good/tests.yaml:1:8: tests: the list of tests is empty; write one or remove the entry",
            "error orphan/policy.yaml:1:74: metadata.inherits: no pack is called `nobody`; `cavra policy list` names them all",
            "error twins/policy.yaml:1:79: metadata.inherits[1]: the parent `good` is named twice; remove one",
            "error twins/policy.yaml:2:12: commands.deny: unknown key; the keys here are `block`, `require_approval`, `allow`",
        ]
    );
    let kinds: Vec<FileKind> = report.files.iter().map(|file| file.kind).collect();
    assert_eq!(
        kinds,
        [
            FileKind::Pack,
            FileKind::Pack,
            FileKind::Tests,
            FileKind::Pack,
            FileKind::Pack
        ]
    );
    compile(&catalog, "good").unwrap();
}

#[test]
fn a_single_file_is_taken_for_what_it_is_called() {
    let (root, catalog) = directory(&[("example", "[]", ""), ("sibling", "example", "")]);
    write(
        root.path(),
        "policy.json",
        compile(&catalog, "example").unwrap().json(),
    );
    write(root.path(), "broken.json", "{\"metadata\": {}}");
    write(root.path(), "example/tests.yaml", "tests: 1");
    write(root.path(), "draft.yaml", &pack("draft", "example", ""));
    let check = |name: &str| {
        let report = validate(&root.path().join(name)).unwrap();
        (report.files[0].kind, lines(root.path(), &report).concat())
    };
    assert_eq!(check("policy.json"), (FileKind::CompiledPolicy, String::new()));
    assert_eq!(
        check("broken.json").1,
        "error broken.json: /metadata: the key `id` is missing"
    );
    assert_eq!(
        check("example/tests.yaml"),
        (
            FileKind::Tests,
            "error example/tests.yaml:1:8: tests: must be a list, not a number".to_owned()
        )
    );
    assert_eq!(check("sibling/policy.yaml"), (FileKind::Pack, String::new()));
    assert!(
        check("draft.yaml").1.contains("no pack is called `example`"),
        "it lies beside no pack"
    );
}

#[test]
fn a_folder_without_packs_is_an_error_and_a_path_without_anything_too() {
    let root = tempfile::TempDir::new().unwrap();
    let report = validate(root.path()).unwrap();
    assert!(
        lines(root.path(), &report)
            .concat()
            .ends_with("no `<pack id>/policy.yaml` in this folder")
    );
    validate(&root.path().join("absent")).unwrap_err();
}

#[test]
fn a_report_is_flat_json() {
    let (root, _) = directory(&[("example", "[]", "commands: {block: [1]}")]);
    let report = serde_json::to_value(validate(&root.path().join("example")).unwrap()).unwrap();
    let file = root.path().join("example/policy.yaml").display().to_string();
    assert_eq!(
        report["files"][0],
        json!({
            "file": file,
            "kind": "pack",
            "errors": [{
                "file": file,
                "line": 2,
                "column": 20,
                "key": "commands.block[0]",
                "message": "must be a string, not a number; quote it",
            }],
            "warnings": [],
        })
    );
}
