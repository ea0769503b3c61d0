//! The two evaluators against each other, natively, over generated packs and
//! requests. They share no matching code, so agreement here is evidence.
//!
//! `CAVRA_PROPERTY_CASES` sets how many cases are generated.

use guest_fastpath::bindings::exports::cavra::enforcement::evaluator as fast;
use guest_policy::bindings::exports::cavra::enforcement::evaluator as reference;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::{Value, json};

/// Everything that is compared, and what it was compared on, in one line.
type Answer = Result<
    (
        String,
        String,
        String,
        Option<String>,
        Option<String>,
        String,
        String,
    ),
    String,
>;

const PACK: &str = "generated";

macro_rules! judge {
    ($name:ident, $guest:ident, $types:ident) => {
        fn $name(policy: &$guest::Policy, request: &Value) -> Answer {
            let field = |name: &str| request[name].as_str().map(str::to_owned);
            let request = $types::Request {
                action_type: field("action_type").unwrap_or_default(),
                target: field("target"),
                operation: field("operation"),
                requested_operation: field("requested_operation"),
                policy_pack: PACK.to_owned(),
                server: field("server"),
                tool: field("tool"),
                capability: field("capability"),
                workspace: field("workspace"),
                session_id: None,
                agent_id: None,
                actor: None,
            };
            let it = policy.evaluate(&request).map_err(|e| format!("{e:?}"))?;
            Ok((
                format!("{:?}", it.verdict),
                it.rule_id,
                format!("{:?}", it.severity),
                it.approver_group,
                it.matched_pattern,
                it.requested_operation,
                it.target,
            ))
        }
    };
}

judge!(by_reference, guest_policy, reference);
judge!(by_fast_path, guest_fastpath, fast);

/// A piece of a pattern or of what is matched: few different ones, so that
/// patterns and texts meet.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "a", "b", "ab", "A", "main", "MAIN", "tf", ".env", "secrets.", "iam", "x", "0", "é", "É", "ß", "日本", "ı", "K",
            "terraform", "apply", "git", "push", "origin", "npm", "test", "rm", "-rf", "cat", "head",
        ])
        .prop_map(str::to_owned),
        5 => prop::sample::select(vec!["/", ".", "..", "-", "_", " ", "=", ":", ",", "@", "~", "//", "./", "../"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\n", "\t", "\\", "'", "\"", "\u{1c}", "\u{a0}", "\u{3000}", "C:/", "C:\\", "[", "?", "+"])
            .prop_map(str::to_owned),
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => piece(), 2 => Just("*".to_owned()), 1 => Just("**".to_owned()), 1 => Just("**/".to_owned()), 1 => Just("/**".to_owned())];
    prop::collection::vec(part, 1..6)
        .prop_map(|parts| {
            parts
                .concat()
                .trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
                .to_owned()
        })
        .prop_filter("a pattern is not empty", |pattern| !pattern.is_empty())
}

fn patterns(most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(pattern(), 0..most)
}

fn policy() -> impl Strategy<Value = Value> {
    let lists = (
        patterns(6),
        patterns(4),
        patterns(4),
        patterns(5),
        patterns(4),
        patterns(7),
        patterns(4),
    );
    let names = prop::collection::vec(prop::sample::select(vec!["a", "b", "A", "", "a:b"]), 0..3);
    (lists, names.clone(), names, any::<Option<bool>>(), any::<bool>()).prop_map(
        |((read, write, approve, block, ask, allow, branches), allowed, blocked, unknown, with_git)| {
            let mut policy = json!({
                "metadata": {"id": PACK, "title": "t", "version": "1"},
                "filesystem": {"block_read": read, "block_write": write, "require_approval_write": approve},
                "commands": {"block": block, "require_approval": ask, "allow": allow},
                "mcp": {"allowed_servers": allowed, "blocked_servers": blocked},
            });
            if let Some(unknown) = unknown {
                policy["mcp"]["block_unknown_servers"] = json!(unknown);
            }
            if with_git {
                policy["git"] = json!({"protected_branches": branches});
            }
            policy
        },
    )
}

fn registry() -> impl Strategy<Value = Option<Value>> {
    let name = prop::sample::select(vec!["a", "b", "A"]);
    let words = || prop::collection::vec(prop::sample::select(vec!["read", "write", "x"]), 0..3);
    let record = (
        name.clone(),
        name,
        prop::sample::select(vec!["approved", "trusted", "blocked", "experimental", ""]),
        prop::sample::select(vec!["approved", "not_required", "denied", "pending", ""]),
        words(),
        words(),
    );
    let record = record.prop_map(|(id, name, tier, state, capabilities, tools)| {
        json!({"server_id": id, "name": name, "trust_tier": tier, "approval_state": state,
               "capabilities": capabilities, "allowed_tools": tools})
    });
    prop::option::of(prop::collection::vec(record, 0..5).prop_map(|records| json!({"mcp_servers": records})))
}

/// A shell word or operator, so that lines are split and judged opaque.
fn shell_piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => piece(),
        3 => prop::sample::select(vec![
            " ", " && ", " || ", ";", "|", "|&", " & ", "&>", "2>&1", ">", ">>", "<", "<<", "> /dev/null", ">|", "<>", ">&2",
            ">&f", "$(", ")", "(", "`", "${", "$[", "$'", "$x", "#", " #", "\\\n", "\\", "'", "\"", "\n", "1>", "12>", "\\;", "\\ ",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "git push origin main", "git -C . push", "git push", "npm test", "cat .env", "--file=.env", " | tail -20", " | head -n 5 x",
            "git push --all", "git push -o x y z", "git push origin HEAD", "git push origin +a:refs/heads/main",
        ])
        .prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(piece(), 0..8).prop_map(|parts| parts.concat()),
        prop::collection::vec(shell_piece(), 0..10).prop_map(|parts| parts.concat()),
    ]
}

fn request() -> impl Strategy<Value = Value> {
    let action = prop::sample::select(vec![
        "read_file",
        "read_file",
        "write_file",
        "write_file",
        "execute_command",
        "execute_command",
        "execute_command",
        "git_operation",
        "git_operation",
        "mcp_tool_call",
        "pull_request",
        "something",
        "",
    ]);
    let verb = prop_oneof![
        Just("push".to_owned()),
        Just("git push".to_owned()),
        Just("Force_Push".to_owned()),
        Just("force-push main".to_owned()),
        Just("fetch".to_owned()),
        Just(" push _x main".to_owned()),
        text(),
    ];
    let workspace = prop_oneof![
        Just("/a/b".to_owned()),
        Just("/".to_owned()),
        Just("C:\\a".to_owned()),
        text()
    ];
    let few = prop_oneof![
        Just("a".to_owned()),
        Just("read".to_owned()),
        Just(String::new()),
        piece()
    ];
    (
        action,
        prop::option::weighted(0.95, text()),
        prop::option::weighted(0.4, verb.clone()),
        prop::option::weighted(0.2, verb),
        prop::option::weighted(0.5, few.clone()),
        prop::option::weighted(0.5, few.clone()),
        prop::option::weighted(0.3, few),
        prop::option::weighted(0.4, workspace),
    )
        .prop_map(
            |(action_type, target, operation, requested, server, tool, capability, workspace)| {
                json!({"action_type": action_type, "target": target, "operation": operation,
                   "requested_operation": requested, "server": server, "tool": tool,
                   "capability": capability, "workspace": workspace})
            },
        )
}

/// How many cases; each is one policy with eight requests.
#[expect(clippy::disallowed_methods, reason = "tests have no settings")]
fn cases() -> u32 {
    let asked = std::env::var("CAVRA_PROPERTY_CASES")
        .ok()
        .and_then(|text| text.parse::<u32>().ok());
    asked.unwrap_or(50_000) / 8
}

#[test]
fn the_two_evaluators_agree() {
    let config = Config {
        cases: cases(),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let inputs = (policy(), registry(), prop::collection::vec(request(), 8));
    TestRunner::new(config)
        .run(&inputs, |(policy, registry, requests)| {
            let policy = policy.to_string();
            let registry = registry.map(|it| it.to_string());
            let reference = guest_policy::Policy::load(&policy, registry.as_deref());
            let fast = guest_fastpath::Policy::load(&policy, registry.as_deref());
            let (reference, fast) = match (reference, fast) {
                (Ok(reference), Ok(fast)) => (reference, fast),
                (Err(_), Err(_)) => return Ok(()),
                (reference, fast) => {
                    let told = format!("{:?} {:?} {policy}", reference.err(), fast.err());
                    return Err(TestCaseError::fail(told));
                }
            };
            for request in &requests {
                prop_assert_eq!(
                    by_reference(&reference, request),
                    by_fast_path(&fast, request),
                    "{} under {} {:?}",
                    request,
                    policy,
                    registry
                );
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}
