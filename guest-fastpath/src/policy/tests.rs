//! Whole decisions through the public interface.

use crate::{EvaluateError, LoadError, Policy, Request, Severity, Verdict};

const POLICY: &str = r#"{
    "schema_version": "cavra.compiled-policy.v1",
    "digest": "sha256:00",
    "metadata": {"id": "tests", "title": "Tests"},
    "filesystem": {
        "block_read": [".env", "keys/**"],
        "block_write": ["ci/**"],
        "require_approval_write": ["*.lock", "keys/**"]
    },
    "commands": {
        "block": ["cluster delete*", "*--no-verify*"],
        "require_approval": ["release *", "cluster*"],
        "allow": ["build*", "show *", "git *", "list"]
    },
    "git": {"protected_branches": ["main", "release/**"], "require_pull_request": true},
    "mcp": {"allowed_servers": ["tickets"], "blocked_servers": ["drop"], "risk_scoring": {}},
    "approvals": {}, "evidence": [], "compliance": null
}"#;

fn request(action: &str, target: &str) -> Request {
    Request {
        action_type: action.into(),
        target: Some(target.into()),
        operation: None,
        requested_operation: None,
        policy_pack: "tests".into(),
        server: None,
        tool: None,
        capability: None,
        workspace: None,
        session_id: None,
        agent_id: None,
        actor: None,
    }
}

/// The rule, and the pattern or an empty text.
fn decide(policy: &Policy, request: &Request) -> (String, String) {
    let decision = policy.evaluate(request).unwrap();
    (decision.rule_id, decision.matched_pattern.unwrap_or_default())
}

fn check(policy: &Policy, action: &str, table: &[(&str, &str, &str)]) {
    for &(target, rule, pattern) in table {
        let decided = decide(policy, &request(action, target));
        assert_eq!(decided, (rule.into(), pattern.into()), "{action} {target:?}");
    }
}

fn policy() -> Policy {
    Policy::load(POLICY, None).unwrap()
}

#[test]
fn files() {
    check(
        &policy(),
        "read_file",
        &[
            ("src/lib.rs", "filesystem.read.allow", ""),
            ("a/.ENV", "filesystem.read.block", ".env"),
            ("keys", "filesystem.read.block", "keys/**"),
            ("a/keys/b", "filesystem.read.allow", ""),
            ("/a/keys/b", "filesystem.read.block", "keys/**"),
            ("", "filesystem.read.empty_target", ""),
        ],
    );
    check(
        &policy(),
        "write_file",
        &[
            ("ci/x.lock", "filesystem.write.block", "ci/**"),
            ("a/x.lock", "filesystem.write.require_approval", "*.lock"),
            ("keys/a", "filesystem.write.require_approval", "keys/**"),
            (".env", "filesystem.write.sensitive_path", ".env"),
            ("src/lib.rs", "filesystem.write.allow", ""),
            ("", "filesystem.write.empty_target", ""),
        ],
    );
}

#[test]
fn commands() {
    check(
        &policy(),
        "execute_command",
        &[
            ("build --fast", "commands.allow", "build*"),
            (" list\n", "commands.allow", "list"),
            ("list; build", "commands.allow", "list"),
            ("builds", "commands.default.require_approval", ""),
            ("Build", "commands.default.require_approval", ""),
            ("list | tail -20", "commands.allow", "list"),
            ("list | head -n 5 | wc -l", "commands.allow", "list"),
            ("list |& tail -20", "commands.default.require_approval", ""),
            ("list | tail --lines=20", "commands.default.require_approval", ""),
            ("list | cat <notes", "commands.default.require_approval", ""),
            ("list | cat file", "commands.default.require_approval", ""),
            ("tail -20", "commands.default.require_approval", ""),
            ("CLUSTER delete a", "commands.block", "cluster delete*"),
            ("list && cluster 'delete' a", "commands.block", "cluster delete*"),
            (
                "cluster list; cluster delete a",
                "commands.block",
                "cluster delete*",
            ),
            ("cluster list", "commands.require_approval", "cluster*"),
            ("build; release 1", "commands.require_approval", "release *"),
            ("git commit --no-verify", "commands.block", "*--no-verify*"),
            ("show $(id)", "commands.opaque.require_approval", ""),
            ("show a > b", "commands.opaque.require_approval", ""),
            ("show .env > b", "commands.opaque.require_approval", ""),
            ("show '.e'nv", "commands.sensitive_path.require_approval", ".env"),
            (
                "show <keys/a",
                "commands.sensitive_path.require_approval",
                "keys/**",
            ),
            (
                "show --from=a:.env",
                "commands.sensitive_path.require_approval",
                ".env",
            ),
            (
                "git push origin main",
                "git.protected_branch.block_direct_push",
                "main",
            ),
            (
                "git -C a --no-pager push origin +x:refs/heads/Main",
                "git.protected_branch.block_direct_push",
                "main",
            ),
            (
                "git push origin release",
                "git.protected_branch.block_direct_push",
                "release/**",
            ),
            ("git push", "git.push.unresolved_target", ""),
            ("git push topic", "git.push.unresolved_target", ""),
            ("git push origin topic", "commands.allow", "git *"),
            (
                "git push origin topic .env",
                "commands.sensitive_path.require_approval",
                ".env",
            ),
            ("git -C push origin main", "commands.allow", "git *"),
            ("", "commands.default.require_approval", ""),
            (";;", "commands.default.require_approval", ""),
        ],
    );
}

#[test]
fn a_grave_block_is_critical() {
    let severity = |line: &str| {
        policy()
            .evaluate(&request("execute_command", line))
            .unwrap()
            .severity
    };
    assert_eq!(severity("cluster delete a"), Severity::Critical);
    assert_eq!(severity("cluster DELETE a"), Severity::High, "the text as it is");
    assert_eq!(
        severity("list; git --no-verify; build apply"),
        Severity::Critical,
        "the whole line comes first"
    );
    assert_eq!(
        severity("list; git '--no-'verify; build apply"),
        Severity::High,
        "the part joined alone"
    );
}

#[test]
fn pushes() {
    check(
        &policy(),
        "git_operation",
        &[
            ("main", "git.protected_branch.block_direct_push", "main"),
            ("origin/main", "git.protected_branch.block_direct_push", "main"),
            ("fork fork/main", "git.protected_branch.block_direct_push", "main"),
            (
                "origin topic :main",
                "git.protected_branch.block_direct_push",
                "main",
            ),
            ("x\nmain", "git.protected_branch.block_direct_push", "main"),
            ("-o main topic", "git.allow", ""),
            ("main:topic", "git.allow", ""),
            ("mainline", "git.allow", ""),
            ("topic", "git.allow", ""),
            ("upstream", "git.push.unresolved_target", ""),
            ("origin HEAD:topic", "git.allow", ""),
            ("origin head", "git.push.unresolved_target", ""),
            ("origin a:", "git.push.unresolved_target", ""),
            ("origin a*", "git.push.unresolved_target", ""),
            ("origin topic --mir", "git.push.unresolved_target", ""),
            ("origin topic --a", "git.allow", ""),
            ("", "git.push.unresolved_target", ""),
        ],
    );
    for (verb, rule) in [
        ("push_force", "git.protected_branch.block_direct_push"),
        ("Force-Push", "git.protected_branch.block_direct_push"),
        ("git push origin", "git.protected_branch.block_direct_push"),
        (" ", "git.protected_branch.block_direct_push"),
        ("pull", "git.allow"),
        ("force", "git.allow"),
        ("pushed", "git.allow"),
    ] {
        let request = Request {
            operation: Some(verb.into()),
            ..request("git_operation", "main")
        };
        assert_eq!(decide(&policy(), &request).0, rule, "{verb}");
    }
    let request = Request {
        requested_operation: Some("push ".into()),
        ..request("git_operation", "topic")
    };
    assert_eq!(policy().evaluate(&request).unwrap().requested_operation, "push ");
}

#[test]
fn calls_of_tools() {
    let registry = r#"{"mcp_servers": [
        {"server_id": "tickets", "name": "Tickets", "trust_tier": "trusted", "approval_state": "approved",
         "allowed_tools": ["list"], "capabilities": ["issues"], "note": 1},
        {"server_id": "two", "trust_tier": "approved", "approval_state": "not_required"},
        {"server_id": "other", "name": "two", "trust_tier": "approved", "approval_state": "approved", "allowed_tools": ["x"]},
        {"server_id": "stop", "approval_state": "denied"},
        {"server_id": "new"},
        {"server_id": "drop", "trust_tier": "trusted", "approval_state": "approved"}
    ]}"#;
    let (plain, registered) = (policy(), Policy::load(POLICY, Some(registry)).unwrap());
    let call = |policy: &Policy, server: &str, tool: Option<&str>, capability: Option<&str>| {
        let (tool, capability) = (tool.map(str::to_owned), capability.map(str::to_owned));
        let request = Request {
            server: Some(server.into()),
            tool,
            capability,
            ..request("mcp_tool_call", "ignored")
        };
        decide(policy, &request).0
    };
    assert_eq!(call(&plain, "tickets", None, None), "mcp.server.trust.allow");
    assert_eq!(
        call(&plain, "Tickets", None, None),
        "mcp.server.trust.block_unknown"
    );
    assert_eq!(call(&plain, "", None, None), "mcp.server.trust.block_unknown");
    assert_eq!(
        call(&registered, "Tickets", Some("list"), Some("issues")),
        "mcp.registry.allow"
    );
    assert_eq!(
        call(&registered, "tickets", Some("list"), Some("")),
        "mcp.registry.allow"
    );
    assert_eq!(
        call(&registered, "tickets", None, None),
        "mcp.registry.tool_scope"
    );
    assert_eq!(
        call(&registered, "tickets", Some("list"), Some("admin")),
        "mcp.registry.capability_scope"
    );
    assert_eq!(call(&registered, "two", Some("x"), None), "mcp.registry.allow");
    assert_eq!(
        call(&registered, "two", Some("y"), None),
        "mcp.registry.tool_scope"
    );
    assert_eq!(call(&registered, "stop", None, None), "mcp.registry.blocked");
    assert_eq!(
        call(&registered, "new", None, None),
        "mcp.registry.requires_approval"
    );
    assert_eq!(call(&registered, "nobody", None, None), "mcp.registry.unknown");
    assert_eq!(
        call(&registered, "drop", None, None),
        "mcp.server.trust.block_unknown"
    );

    let decision = plain.evaluate(&request("mcp_tool_call", "tickets")).unwrap();
    assert_eq!(
        (decision.target.as_str(), decision.requested_operation.as_str()),
        ("tickets:unknown", "unknown")
    );
}

#[test]
fn other_actions() {
    let asked = Request {
        requested_operation: Some("merge".into()),
        ..request("pull_request", "topic")
    };
    let decision = policy().evaluate(&asked).unwrap();
    assert_eq!(decision.verdict, Verdict::AllowWithAttestation);
    assert_eq!(decision.requested_operation, "create");
    let decision = policy().evaluate(&request("Read_File", ".env")).unwrap();
    assert_eq!(decision.rule_id, "runtime.default.require_approval");
    assert_eq!(decision.approver_group.as_deref(), Some("Repository Owners"));
    assert_eq!(
        (decision.target.as_str(), decision.requested_operation.as_str()),
        (".env", "")
    );
}

#[test]
fn what_is_absent_has_a_default() {
    let policy = Policy::load(r#"{"metadata": {"id": "tests"}}"#, None).unwrap();
    let decide = |action: &str, target: &str| decide(&policy, &request(action, target)).0;
    assert_eq!(
        decide("git_operation", "master"),
        "git.protected_branch.block_direct_push"
    );
    assert_eq!(decide("mcp_tool_call", "any"), "mcp.server.trust.block_unknown");
    assert_eq!(
        decide("execute_command", "list"),
        "commands.default.require_approval"
    );
    let none = r#"{"metadata": {"id": "tests"}, "git": {"protected_branches": []}, "mcp": {"block_unknown_servers": false}}"#;
    let policy = Policy::load(none, None).unwrap();
    let decide = |action: &str, target: &str| self::decide(&policy, &request(action, target)).0;
    assert_eq!(decide("git_operation", "master"), "git.allow");
    assert_eq!(decide("mcp_tool_call", "any"), "mcp.server.trust.allow");
}

#[test]
fn another_pack_is_not_judged() {
    let other = Request {
        policy_pack: "other".into(),
        ..request("read_file", "a")
    };
    assert!(matches!(policy().evaluate(&other), Err(EvaluateError::WrongPack(pack)) if pack == "tests"));
}

#[test]
fn a_fault_in_a_policy_names_its_place() {
    for (policy, place) in [
        ("", "EOF"),
        ("[]", "an object"),
        ("{} {}", "trailing"),
        (r#"{"metadata": {}}"#, "`metadata.id`"),
        (r#"{"metadata": null}"#, "`metadata`"),
        (r#"{"metadata": {"id": 1}}"#, "`metadata.id`"),
        (
            r#"{"metadata": {"id": "a"}, "schema_version": "cavra.compiled-policy.v2"}"#,
            "`schema_version`",
        ),
        (r#"{"metadata": {"id": "a"}, "filesystem": []}"#, "`filesystem`"),
        (
            r#"{"metadata": {"id": "a"}, "filesystem": {"block_read": "x"}}"#,
            "`filesystem.block_read`",
        ),
        (
            r#"{"metadata": {"id": "a"}, "commands": {"block": ["x", 2]}}"#,
            "`commands.block[1]`",
        ),
        (
            r#"{"metadata": {"id": "a"}, "commands": {"allow": ["x", " \t"]}}"#,
            "`commands.allow[1]`",
        ),
        (
            r#"{"metadata": {"id": "a"}, "commands": {"allow": [], "allow": []}}"#,
            "`commands.allow`",
        ),
        (
            r#"{"metadata": {"id": "a"}, "git": {"protected_branches": null}}"#,
            "`git.protected_branches`",
        ),
        (
            r#"{"metadata": {"id": "a"}, "mcp": {"block_unknown_servers": 1}}"#,
            "`mcp.block_unknown_servers`",
        ),
        (
            r#"{"metadata": {"id": "a"}, "mcp": {"allowed_servers": [null]}}"#,
            "`mcp.allowed_servers[0]`",
        ),
    ] {
        match Policy::load(policy, None) {
            Err(LoadError::InvalidPolicy(text)) => assert!(text.contains(place), "{policy}: {text}"),
            other => panic!("{policy}: {other:?}"),
        }
    }
}

#[test]
fn a_fault_in_a_registry_names_its_place() {
    for (registry, place) in [
        ("{}", "`mcp_servers`"),
        (r#"{"mcp_servers": {}}"#, "`mcp_servers`"),
        (r#"{"mcp_servers": [{}, 1]}"#, "`mcp_servers[1]`"),
        (r#"{"mcp_servers": [{"name": []}]}"#, "`mcp_servers[0].name`"),
        (
            r#"{"mcp_servers": [{"capabilities": ["a", 1]}]}"#,
            "`mcp_servers[0].capabilities[1]`",
        ),
    ] {
        match Policy::load(POLICY, Some(registry)) {
            Err(LoadError::InvalidRegistry(text)) => assert!(text.contains(place), "{registry}: {text}"),
            other => panic!("{registry}: {other:?}"),
        }
    }
}

#[test]
fn patterns_are_trimmed() {
    let policy = r#"{"metadata": {"id": "tests"}, "filesystem": {"block_read": [" .env\n"]}}"#;
    let policy = Policy::load(policy, None).unwrap();
    assert_eq!(decide(&policy, &request("read_file", ".env")).1, ".env");
}
