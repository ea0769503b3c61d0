//! The compiled policy: one form, one digest, and no change that goes unseen.

use serde_json::{Value, json};

use super::super::{COMPILED_SCHEMA, CompiledPolicy, Pack};
use super::{compile, compiled, directory, id, write};

const RULES: &str = "filesystem: {block_read: [.env, \"**/*.pem\"], require_approval_write: [\"deploy/**\"]}\n\
                     commands: {allow: [\"make test*\"], block: [\"make deploy*\"]}\n\
                     mcp: {block_unknown_servers: true, allowed_servers: [tickets, wiki]}";

/// Of the pack of [`RULES`], computed with the `json` and `hashlib` of Python.
const DIGEST: &str = "sha256:78612a5b7098cd26063c0073b5abe047a10ab9b85f0958a3748bf2c9ad06bac5";

fn read(value: &Value) -> Result<CompiledPolicy, String> {
    CompiledPolicy::from_json(value.to_string().as_bytes(), "example.json").map_err(|error| error.to_string())
}

#[test]
fn the_digest_of_a_pack_never_changes() {
    let (_root, catalog) = directory(&[("example", "[]", RULES)]);
    let policy = compile(&catalog, "example").unwrap();
    assert_eq!(policy.digest(), DIGEST);
    let json: Value = serde_json::from_str(policy.json()).unwrap();
    assert_eq!(json["digest"], DIGEST);
    assert_eq!(json["schema_version"], COMPILED_SCHEMA);
}

#[test]
fn the_order_of_keys_and_the_style_of_yaml_do_not_matter() {
    let (root, catalog) = directory(&[("example", "[]", RULES)]);
    let first = compile(&catalog, "example").unwrap();
    let turned = r#"
# The same pack, written by somebody else.
mcp:
  allowed_servers:
  - tickets
  - 'wiki'
  block_unknown_servers: True
commands:
  block: [  "make deploy*" ]
  allow:
    - >-
      make
      test*
filesystem:
  require_approval_write: ["deploy/**"]
  block_read: [".env", "**/*.pem"]
metadata:
  version: "1.0.0"
  inherits: []
  title: Title of example
  id: example
"#;
    write(root.path(), "example/policy.yaml", turned);
    assert_eq!(compile(&catalog, "example").unwrap(), first);
}

#[test]
fn the_order_of_a_list_does_matter() {
    let (_root, catalog) = directory(&[
        ("one", "[]", "commands: {block: [a, b]}"),
        ("two", "[]", "commands: {block: [b, a]}"),
    ]);
    let commands = |pack| compiled(&catalog, pack)["commands"].clone();
    assert_ne!(commands("one"), commands("two"));
    assert_ne!(
        compile(&catalog, "one").unwrap().digest(),
        compile(&catalog, "two").unwrap().digest()
    );
}

#[test]
fn the_text_is_canonical_json() {
    let (_root, catalog) = directory(&[(
        "example",
        "[]",
        "evidence: {b: 1.50, a: \"\\u20ac\\n\", \"\\U0001F600\": -0, \"\\uFB33\": 1e3}",
    )]);
    let text = compile(&catalog, "example").unwrap();
    // RFC 8785 sorts keys by UTF-16 code units, so U+1F600 comes before U+FB33.
    assert!(
        text.json().starts_with("{\"digest\":\"sha256:"),
        "{}",
        text.json()
    );
    assert!(
        text.json()
            .contains("\"evidence\":{\"a\":\"€\\n\",\"b\":1.5,\"\u{1F600}\":0,\"\u{FB33}\":1000}"),
        "{}",
        text.json()
    );
}

#[test]
fn a_compiled_pack_is_read_back_as_it_was() {
    let (_root, catalog) = directory(&[("example", "[]", RULES)]);
    let policy = compile(&catalog, "example").unwrap();
    assert_eq!(
        CompiledPolicy::from_json(policy.json().as_bytes(), "example.json").unwrap(),
        policy
    );
    let value: Value = serde_json::from_str(policy.json()).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(
        CompiledPolicy::from_json(&pretty, "example.json").unwrap(),
        policy
    );
}

#[test]
fn a_changed_policy_is_refused() {
    let (_root, catalog) = directory(&[("example", "[]", RULES)]);
    let good = compiled(&catalog, "example");
    let changes: [fn(&mut Value); 5] = [
        |policy| policy["commands"]["allow"][0] = json!("make*"),
        |policy| policy["commands"]["block"] = json!([]),
        |policy| policy["metadata"]["id"] = json!("another"),
        |policy| policy["unknown"] = json!(true),
        |policy| policy["digest"] = json!(format!("sha256:{}", "0".repeat(64))),
    ];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad);
        let refused = read(&bad).unwrap_err();
        assert!(
            refused.starts_with("example.json: /digest: the digest does not match the policy"),
            "{refused}"
        );
    }
}

#[test]
fn an_older_policy_is_brought_into_todays_form() {
    let older = json!({
        "metadata": {"id": "example", "title": "Title of example", "version": "1.0.0", "description": null, "inherits": ["x"]},
        "filesystem": {"block_read": [".env ", "**/*.pem", ".env"], "require_approval_write": ["deploy/**"]},
        "commands": {"allow": ["make test*"], "block": ["  make deploy*"]},
        "mcp": {"block_unknown_servers": true, "allowed_servers": ["tickets", "wiki"]},
    });
    let policy = read(&older).unwrap();
    assert_eq!(policy.digest(), DIGEST);
    assert_eq!(policy.pack_id(), &id("example"));
}

#[test]
fn an_older_policy_keeps_what_is_not_known_here() {
    let older =
        json!({"metadata": {"id": "example", "owner": "platform"}, "rules": [null], "git": {"review": null}});
    let policy: Value = serde_json::from_str(read(&older).unwrap().json()).unwrap();
    assert_eq!(policy["metadata"], older["metadata"]);
    assert_eq!(policy["rules"], older["rules"]);
    assert_eq!(policy["git"], older["git"]);
}

#[test]
fn a_schema_without_a_digest_is_enough() {
    let policy = json!({"schema_version": COMPILED_SCHEMA, "metadata": {"id": "example"}, "commands": {"block": ["a"]}});
    let read_back = read(&policy).unwrap();
    assert!(read_back.digest().starts_with("sha256:"));
    assert!(read_back.json().contains(read_back.digest()));
}

#[test]
fn parents_are_no_part_of_a_compiled_policy() {
    let (_root, catalog) = directory(&[
        ("parent", "[]", RULES),
        ("example", "parent", ""),
        ("other", "[]", RULES),
    ]);
    let child = compiled(&catalog, "example");
    assert_eq!(
        child["metadata"],
        json!({"id": "example", "title": "Title of example", "version": "1.0.0"})
    );
    assert_eq!(
        compile(&catalog, "example").unwrap().digest(),
        DIGEST,
        "the same rules, the same digest"
    );
}

#[test]
fn a_pack_is_what_its_file_says() {
    let text =
        "metadata: {id: example, title: An example, version: 2.1.0, description: Shown., inherits: [a, b]}";
    let pack = Pack::parse(text.as_bytes(), "example/policy.yaml").unwrap();
    assert_eq!(
        (pack.id().as_str(), pack.title(), pack.version()),
        ("example", "An example", "2.1.0")
    );
    assert_eq!(
        (pack.description(), pack.file()),
        (Some("Shown."), "example/policy.yaml")
    );
    let ruled = Pack::parse(super::pack("example", "[]", RULES).as_bytes(), "policy.yaml").unwrap();
    assert!(ruled.has_pattern("**/*.pem") && ruled.has_pattern("make deploy*"));
    assert!(!ruled.has_pattern("*.pem") && !pack.has_pattern("make deploy*"));
    let parents: Vec<&str> = pack.parents().iter().map(|parent| parent.id.as_str()).collect();
    assert_eq!(parents, ["a", "b"]);
}
