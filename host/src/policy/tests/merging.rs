//! Lists append without repeats, objects merge, scalars replace.

use serde_json::json;

use super::super::Overlay;
use super::{compiled, directory, id, refusal};

#[test]
fn first_parent_is_the_base_then_later_parents_then_the_child() {
    let (_root, catalog) = directory(&[
        ("first", "[]", "commands: {block: [a, shared, A], allow: [x]}"),
        (
            "second",
            "[]",
            "commands: {block: [b, shared, a]}\nfilesystem: {block_read: [.env]}",
        ),
        (
            "child",
            "[first, second]",
            "commands: {block: [c, b], require_approval: [r]}",
        ),
    ]);
    let policy = compiled(&catalog, "child");
    assert_eq!(policy["commands"]["block"], json!(["a", "shared", "A", "b", "c"]));
    assert_eq!(policy["commands"]["allow"], json!(["x"]));
    assert_eq!(policy["commands"]["require_approval"], json!(["r"]));
    assert_eq!(policy["filesystem"], json!({"block_read": [".env"]}));
}

#[test]
fn the_order_of_the_parents_decides() {
    let (_root, catalog) = directory(&[
        (
            "loose",
            "[]",
            "mcp: {block_unknown_servers: false, allowed_servers: [wiki]}",
        ),
        (
            "strict",
            "[]",
            "mcp: {block_unknown_servers: true, allowed_servers: [tickets]}",
        ),
        ("loose-last", "[strict, loose]", ""),
        ("strict-last", "[loose, strict]", ""),
        ("silent", "strict-last", "mcp: {}"),
        ("own", "strict-last", "mcp: {block_unknown_servers: false}"),
    ]);
    let mcp = |pack| compiled(&catalog, pack)["mcp"].clone();
    let lists = |flag, servers: [&str; 2]| json!({"block_unknown_servers": flag, "allowed_servers": servers});
    assert_eq!(mcp("loose-last"), lists(false, ["tickets", "wiki"]));
    assert_eq!(mcp("strict-last"), lists(true, ["wiki", "tickets"]));
    assert_eq!(mcp("silent"), lists(true, ["wiki", "tickets"]));
    assert_eq!(mcp("own"), lists(false, ["wiki", "tickets"]));
}

#[test]
fn metadata_is_the_childs_and_what_it_does_not_say_is_inherited() {
    let (_root, catalog) = directory(&[("child", "[parent]", "")]);
    super::write(
        _root.path(),
        "parent/policy.yaml",
        "metadata: {id: parent, title: Parent, version: 2.0.0, description: Shared., mode: enforce}",
    );
    assert_eq!(
        compiled(&catalog, "child")["metadata"],
        json!({"id": "child", "title": "Title of child", "version": "1.0.0", "description": "Shared.", "mode": "enforce"})
    );
}

#[test]
fn a_list_that_is_written_empty_is_not_the_same_as_none() {
    let (_root, catalog) = directory(&[
        ("silent", "[]", ""),
        ("none", "[]", "git: {protected_branches: []}"),
        ("own", "[silent]", "git: {protected_branches: [trunk]}"),
        (
            "more",
            "[own, none]",
            "git: {protected_branches: [\"release/*\"]}",
        ),
    ]);
    assert_eq!(compiled(&catalog, "silent").get("git"), None);
    assert_eq!(
        compiled(&catalog, "none")["git"],
        json!({"protected_branches": []})
    );
    assert_eq!(
        compiled(&catalog, "own")["git"],
        json!({"protected_branches": ["trunk"]})
    );
    assert_eq!(
        compiled(&catalog, "more")["git"],
        json!({"protected_branches": ["trunk", "release/*"]})
    );
}

#[test]
fn patterns_are_trimmed_before_repeats_are_dropped_and_names_are_not() {
    let rules = "commands: {allow: [\"make test*\", \"  make test*\\t\", \"\\u001cmake lint\\u00a0\"]}\n\
                 mcp: {allowed_servers: [\"wiki\", \" wiki\", \"wiki\", \"\"]}";
    let (_root, catalog) = directory(&[("example", "[]", rules)]);
    let policy = compiled(&catalog, "example");
    assert_eq!(policy["commands"]["allow"], json!(["make test*", "make lint"]));
    assert_eq!(policy["mcp"]["allowed_servers"], json!(["wiki", " wiki", ""]));
}

#[test]
fn carried_values_of_any_kind_are_merged_alike() {
    let (_root, catalog) = directory(&[
        (
            "parent",
            "[]",
            "approvals: {deploy: {groups: [{name: leads, size: 2}, 1, 1], wait: 5, note: null}}\ncompliance: [a]",
        ),
        (
            "child",
            "parent",
            "approvals: {deploy: {groups: [{size: 2, name: leads}, {name: owners}, 1], wait: long, note: said}}\n\
             compliance: [b, a]\ngit: {review: true}",
        ),
    ]);
    let policy = compiled(&catalog, "child");
    assert_eq!(
        policy["approvals"]["deploy"],
        json!({"groups": [{"name": "leads", "size": 2}, 1, 1, {"name": "owners"}], "wait": "long", "note": "said"})
    );
    assert_eq!(policy["compliance"], json!(["a", "b"]));
    assert_eq!(policy["git"], json!({"review": true}));
}

#[test]
fn a_list_over_an_object_is_refused_and_both_files_are_named() {
    let (_root, catalog) = directory(&[
        ("oldest", "[]", "evidence: {keep: {days: 30}}"),
        ("parent", "oldest", "evidence: {keep: {places: [disk]}}"),
        ("other", "[]", "evidence:\n  keep: [disk]"),
        ("child", "parent", "evidence:\n  keep:\n    days: [30]"),
        ("both", "[parent, other]", ""),
        ("plain", "other", "evidence: {keep: 30}"),
    ]);
    assert_eq!(
        refusal(&catalog, "child"),
        "child/policy.yaml:4:5: evidence.keep.days: is a list here and a single value in oldest/policy.yaml; \
         the two cannot be merged, so make them the same kind"
    );
    assert_eq!(
        refusal(&catalog, "both"),
        "other/policy.yaml:3:3: evidence.keep: is a list here and an object in parent/policy.yaml; \
         the two cannot be merged, so make them the same kind"
    );
    assert!(refusal(&catalog, "plain").contains("is a single value here and a list in other/policy.yaml"));
}

#[test]
fn overlays_lie_over_the_pack_in_order_and_do_not_rename_it() {
    let (_root, catalog) = directory(&[(
        "example",
        "[]",
        "commands: {block: [a]}\nmcp: {block_unknown_servers: true}",
    )]);
    let overlays = [
        "commands: {block: [b, a]}\nmcp: {block_unknown_servers: false}",
        "metadata: {id: team, version: 1.0.0-team}\ncommands: {block: [c]}\nmcp: {block_unknown_servers: true}",
    ];
    let overlays = overlays.map(|text| Overlay::parse(text.as_bytes(), "overlay.yaml").unwrap());
    let policy = catalog.compile(&id("example"), &overlays).unwrap();
    assert_eq!(policy.pack_id(), &id("example"));
    let json: serde_json::Value = serde_json::from_str(policy.json()).unwrap();
    assert_eq!(json["commands"]["block"], json!(["a", "b", "c"]));
    assert_eq!(json["mcp"]["block_unknown_servers"], json!(true));
    assert_eq!(
        json["metadata"],
        json!({"id": "example", "title": "Title of example", "version": "1.0.0-team"})
    );
}

#[test]
fn an_overlay_that_cannot_be_merged_names_both_files() {
    let (_root, catalog) = directory(&[("example", "[]", "evidence: {keep: [disk]}")]);
    let first = Overlay::parse(b"compliance: {a: 1}", "first.yaml").unwrap();
    let second = Overlay::parse(b"compliance: [1]", "second.yaml").unwrap();
    let refused = catalog
        .compile(&id("example"), &[first, second])
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("second.yaml:1:1: compliance: is a list here and an object in first.yaml"),
        "{refused}"
    );
}
