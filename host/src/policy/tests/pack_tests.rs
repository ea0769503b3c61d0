//! The format of `tests.yaml`.

use serde_json::json;

use super::super::{Expectation, PackTests};

#[test]
fn a_test_file_is_read_in_order() {
    let text = r#"
# requests and the decisions that this pack must give them
registry: {mcp_servers: [{server_id: tickets, trust_tier: trusted}]}
tests:
  - name: an env file is not read
    request: {action_type: read_file, target: app/.env, note: [1, null]}
    expect: {decision: block, rule_id: filesystem.read.block, matched_pattern: ".env"}
  - name: a deploy needs its owners
    request: {action_type: execute_command, target: make deploy}
    expect:
      decision: require_approval
      severity: medium
      approver_group: Repository Owners
      requested_operation: make deploy
"#;
    let file = PackTests::parse(text.as_bytes(), "tests.yaml").unwrap();
    assert!(file.registry.unwrap().json().contains("tickets"));
    let [first, second] = &file.tests[..] else {
        panic!("two tests")
    };
    assert_eq!(first.name, "an env file is not read");
    let request = json!({"action_type": "read_file", "target": "app/.env", "note": [1, null]});
    assert_eq!(Some(&first.request), request.as_object());
    assert_eq!(
        first.expect,
        Expectation {
            decision: "block".to_owned(),
            rule_id: Some("filesystem.read.block".to_owned()),
            matched_pattern: Some(".env".to_owned()),
            ..Expectation::default()
        }
    );
    assert_eq!(
        serde_json::to_value(&second.expect).unwrap(),
        json!({"decision": "require_approval", "severity": "medium", "approver_group": "Repository Owners", "requested_operation": "make deploy"})
    );
}

#[test]
fn the_registry_is_optional() {
    let text = "tests: [{name: a, request: {}, expect: {decision: allow}}]";
    assert_eq!(
        PackTests::parse(text.as_bytes(), "tests.yaml").unwrap().registry,
        None
    );
}
