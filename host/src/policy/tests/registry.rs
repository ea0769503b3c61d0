//! The trust registry: what is accepted, and what it looks like then.

use super::super::TrustRegistry;

#[test]
fn a_registry_is_kept_whole_in_canonical_form() {
    let text = r#"{ "mcp_servers": [
        {"name": "wiki"},
        {"server_id": "tickets", "trust_tier": "any word", "approval_state": "", "allowed_tools": [], "capabilities": ["read"], "note": null}
    ], "agents": [{"id": "kept"}] }"#;
    let registry = TrustRegistry::from_json(text.as_bytes(), "registry.json").unwrap();
    assert_eq!(
        registry.json(),
        r#"{"agents":[{"id":"kept"}],"mcp_servers":[{"name":"wiki"},{"allowed_tools":[],"approval_state":"","capabilities":["read"],"note":null,"server_id":"tickets","trust_tier":"any word"}]}"#
    );
    let again = TrustRegistry::from_json(registry.json().as_bytes(), "again.json").unwrap();
    assert_eq!(again, registry);
}

#[test]
fn the_digest_is_that_of_the_canonical_text() {
    let registry = TrustRegistry::from_json(b" { \"mcp_servers\" : [ ] } ", "registry.json").unwrap();
    assert_eq!(registry.json(), "{\"mcp_servers\":[]}");
    // printf '{"mcp_servers":[]}' | sha256sum
    assert_eq!(
        registry.digest(),
        "sha256:4f1a37fee4f753404d07765abf2ad98632afb4b5db189e5e83df7306b2d7a0c3"
    );
}

#[test]
fn a_registry_is_read_from_a_file() {
    let root = tempfile::TempDir::new().unwrap();
    let path = root.path().join("registry.json");
    std::fs::write(&path, "{\"mcp_servers\": 1}").unwrap();
    let refused = TrustRegistry::read(&path).unwrap_err().to_string();
    assert_eq!(
        refused,
        "registry.json: /mcp_servers: must be a list, not a number"
    );
    std::fs::write(&path, "{\"mcp_servers\": []}").unwrap();
    TrustRegistry::read(&path).unwrap();
    assert!(
        TrustRegistry::read(root.path())
            .unwrap_err()
            .to_string()
            .ends_with(": not a regular file")
    );
}
