//! What is too large to be read, and what is not.

use super::super::{
    CompiledPolicy, MAX_COMPILED_BYTES, MAX_PACK_BYTES, MAX_REGISTRY_BYTES, Overlay, Pack, PackTests,
    PolicyError, TrustRegistry,
};
use super::{compile, directory, id, pack, write};

fn is_too_large<T>(read: Result<T, PolicyError>, most: usize) -> bool {
    matches!(read, Err(PolicyError::TooLarge { limit, .. }) if limit == most)
}

#[test]
fn a_pack_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    let mut text = pack("example", "[]", "#");
    text.push_str(&" ".repeat(MAX_PACK_BYTES - text.len()));
    Pack::parse(text.as_bytes(), "policy.yaml").unwrap();
    let (root, catalog) = directory(&[]);
    write(root.path(), "example/policy.yaml", &text);
    compile(&catalog, "example").unwrap();
    text.push(' ');
    write(root.path(), "example/policy.yaml", &text);
    assert!(is_too_large(compile(&catalog, "example"), MAX_PACK_BYTES));
    assert!(is_too_large(
        Pack::parse(text.as_bytes(), "policy.yaml"),
        MAX_PACK_BYTES
    ));
    assert!(is_too_large(
        Overlay::parse(text.as_bytes(), "overlay.yaml"),
        MAX_PACK_BYTES
    ));
    assert!(is_too_large(
        Overlay::read(&root.path().join("example/policy.yaml")),
        MAX_PACK_BYTES
    ));
    assert!(is_too_large(
        PackTests::parse(text.as_bytes(), "tests.yaml"),
        MAX_PACK_BYTES
    ));
}

#[test]
fn json_documents_have_their_own_limits() {
    let fill = |start: &str, end: &str, most: usize| {
        format!("{start}{}{end}", "x".repeat(most - start.len() - end.len()))
    };
    let policy = fill(
        "{\"metadata\":{\"id\":\"example\",\"title\":\"",
        "\"}}",
        MAX_COMPILED_BYTES + 1,
    );
    assert!(is_too_large(
        CompiledPolicy::from_json(policy.as_bytes(), "example.json"),
        MAX_COMPILED_BYTES
    ));
    let registry = fill("{\"mcp_servers\":[],\"note\":\"", "\"}", MAX_REGISTRY_BYTES);
    TrustRegistry::from_json(registry.as_bytes(), "registry.json").unwrap();
    let registry = format!("{registry} ");
    assert!(is_too_large(
        TrustRegistry::from_json(registry.as_bytes(), "registry.json"),
        MAX_REGISTRY_BYTES
    ));
}

#[test]
fn packs_that_make_too_large_a_policy_together_are_refused() {
    let (root, catalog) = directory(&[]);
    for name in ["a", "b", "c", "d", "e"] {
        let long = name.repeat(MAX_PACK_BYTES - 1000);
        let rules = format!("evidence: {{{name}: {long}}}");
        write(
            root.path(),
            &format!("{name}/policy.yaml"),
            &pack(name, "[]", &rules),
        );
    }
    write(
        root.path(),
        "all/policy.yaml",
        &pack("all", "[a, b, c, d, e]", ""),
    );
    let refused = compile(&catalog, "all").unwrap_err();
    assert!(
        matches!(&refused, PolicyError::CompiledTooLarge { id: pack, .. } if *pack == id("all")),
        "{refused}"
    );
}

#[test]
fn a_large_but_honest_pack_is_read() {
    let patterns: Vec<String> = (0..10_000).map(|i| format!("tool-{i} deploy*")).collect();
    let rules = format!("commands:\n  block: {patterns:?}\n  allow: [\"make test*\"]");
    let (_root, catalog) = directory(&[("example", "[]", &rules), ("child", "example", &rules)]);
    assert_eq!(
        super::compiled(&catalog, "child")["commands"]["block"]
            .as_array()
            .unwrap()
            .len(),
        10_000
    );
}

#[test]
fn aliases_repeat_text_only_up_to_a_limit() {
    let long = "x".repeat(1024 * 1024);
    let some = format!("evidence: {{a: &a {long}, b: [*a, *a, *a]}}");
    let many = format!("evidence: {{a: &a {long}, b: [*a, *a, *a, *a, *a, *a, *a, *a, *a]}}");
    Pack::parse(pack("example", "[]", &some).as_bytes(), "policy.yaml").unwrap();
    let refused = Pack::parse(pack("example", "[]", &many).as_bytes(), "policy.yaml")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("more than 8388608 bytes of text"), "{refused}");
}

#[test]
fn nesting_is_read_up_to_its_limit() {
    let nested = |depth: usize| {
        let rules = format!("evidence: {}1{}", "[".repeat(depth), "]".repeat(depth));
        Pack::parse(pack("example", "[]", &rules).as_bytes(), "policy.yaml")
    };
    nested(31).unwrap();
    assert!(
        nested(32)
            .unwrap_err()
            .to_string()
            .contains("more than 32 objects and lists inside one another")
    );
    nested(100_000).unwrap_err();
}
