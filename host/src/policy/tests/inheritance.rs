//! Ancestors: diamonds, circles, strangers, and how many there may be.

use serde_json::json;

use super::super::{MAX_INHERITANCE_DEPTH, MAX_MERGED_PACKS};
use super::{compile, compiled, directory, id, pack, refusal, write};

#[test]
fn a_shared_grandparent_is_merged_once_into_each_list() {
    let (_root, catalog) = directory(&[
        ("base", "[]", "commands: {block: [base]}"),
        ("left", "base", "commands: {block: [left]}"),
        ("right", "base", "commands: {block: [right]}"),
        ("child", "[left, right]", "commands: {block: [child]}"),
    ]);
    assert_eq!(
        compiled(&catalog, "child")["commands"]["block"],
        json!(["base", "left", "right", "child"])
    );
    let resolved = catalog.resolve(&id("child")).unwrap();
    let lineage: Vec<&str> = resolved.lineage().map(|id| id.as_str()).collect();
    assert_eq!(lineage, ["base", "left", "right", "child"]);
    assert_eq!(
        compile(&catalog, "child").unwrap(),
        compile(&catalog, "child").unwrap()
    );
}

#[test]
fn what_the_later_parent_inherits_wins_over_the_earlier_parent() {
    let (_root, catalog) = directory(&[
        ("base", "[]", "mcp: {block_unknown_servers: true}"),
        ("left", "base", "mcp: {block_unknown_servers: false}"),
        ("right", "base", ""),
        ("child", "[left, right]", ""),
        ("turned", "[right, left]", ""),
    ]);
    assert_eq!(
        compiled(&catalog, "child")["mcp"]["block_unknown_servers"],
        json!(true)
    );
    assert_eq!(
        compiled(&catalog, "turned")["mcp"]["block_unknown_servers"],
        json!(false)
    );
}

#[test]
fn a_circle_is_refused_where_it_closes() {
    let (_root, catalog) = directory(&[
        ("a", "b", ""),
        ("b", "[base, c]", ""),
        ("c", "b", ""),
        ("base", "[]", ""),
        ("self", "self", ""),
    ]);
    let circle = "c/policy.yaml:1:64: metadata.inherits: the packs inherit in a circle: b → c → b; remove one `inherits`";
    assert_eq!(refusal(&catalog, "a"), circle);
    assert_eq!(refusal(&catalog, "b"), circle);
    assert!(refusal(&catalog, "self").contains("in a circle: self → self;"));
}

#[test]
fn an_unknown_parent_is_refused_where_it_is_named() {
    let (_root, catalog) = directory(&[
        ("payments-base", "[]", ""),
        ("child", "[payments-base, payment-base]", ""),
        ("grandchild", "child", ""),
        ("lost", "nobody-at-all", ""),
    ]);
    let unknown = "child/policy.yaml:1:88: metadata.inherits[1]: no pack is called `payment-base`; \
                   did you mean `payments-base`?";
    assert_eq!(refusal(&catalog, "child"), unknown);
    assert_eq!(refusal(&catalog, "grandchild"), unknown);
    assert!(refusal(&catalog, "lost").ends_with("`nobody-at-all`; `cavra policy list` names them all"));
}

#[test]
fn a_broken_parent_is_named_by_its_own_file() {
    let (_root, catalog) = directory(&[
        ("parent", "[]", "commands: {block: [\"\"]}"),
        ("child", "parent", ""),
    ]);
    assert!(refusal(&catalog, "child").starts_with("parent/policy.yaml:2:20: commands.block[0]: "));
}

#[test]
fn as_many_packs_as_allowed_may_stand_above_one_another() {
    let (root, catalog) = directory(&[]);
    for i in 0..=MAX_INHERITANCE_DEPTH {
        let parent = if i == 0 {
            "[]".to_owned()
        } else {
            format!("level-{}", i - 1)
        };
        let text = pack(&format!("level-{i}"), &parent, "");
        write(root.path(), &format!("level-{i}/policy.yaml"), &text);
    }
    compile(&catalog, &format!("level-{}", MAX_INHERITANCE_DEPTH - 1)).unwrap();
    let refused = refusal(&catalog, &format!("level-{MAX_INHERITANCE_DEPTH}"));
    assert!(refused.starts_with("level-1/policy.yaml:"), "{refused}");
    assert!(
        refused.ends_with("more than 16 packs stand above one another; flatten the inheritance"),
        "{refused}"
    );
}

#[test]
fn as_many_packs_as_allowed_may_be_merged() {
    let (root, catalog) = directory(&[]);
    let mut parents = Vec::new();
    for i in 0..MAX_MERGED_PACKS {
        let name = format!("parent-{i}");
        write(
            root.path(),
            &format!("{name}/policy.yaml"),
            &pack(&name, "[]", ""),
        );
        parents.push(name);
    }
    write(
        root.path(),
        "full/policy.yaml",
        &pack("full", &format!("{:?}", &parents[1..]), ""),
    );
    write(
        root.path(),
        "over/policy.yaml",
        &pack("over", &format!("{parents:?}"), ""),
    );
    compile(&catalog, "full").unwrap();
    assert!(refusal(&catalog, "over").ends_with("more than 64 packs are merged; flatten the inheritance"));
}
