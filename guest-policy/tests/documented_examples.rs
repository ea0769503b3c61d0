//! Holds `docs/decision-semantics.md` to the evaluator: the examples, with the
//! policy and the registry that stand there, and the table of rules.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a page that cannot be read must fail the test, in its helpers too"
)]

use std::collections::BTreeSet;

use guest_policy::{Decision, Policy, Request, Severity, Verdict, rules};

const PAGE: &str = include_str!("../../docs/decision-semantics.md");

/// Fewer rows than these mean that the tables were not found or were cut.
const EXAMPLES: usize = 88;
const EXAMPLES_WITH_REGISTRY: usize = 10;

const EXAMPLE_COLUMNS: [&str; 7] = [
    "Action", "Target", "Fields", "Decision", "Severity", "Rule", "Pattern",
];
const RULE_COLUMNS: [&str; 4] = ["Rule", "Decision", "Severity", "Approvers"];

/// What follows the heading, up to the next one of any level.
fn section(heading: &str) -> &'static str {
    let (_, section) = PAGE
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no `{heading}`"));
    section.split("\n#").next().unwrap()
}

fn json(section: &str) -> &str {
    let (_, json) = section.split_once("```json\n").expect("no JSON block");
    json.split("```").next().unwrap()
}

/// The rows of the table with these columns.
fn rows<const N: usize>(section: &str, columns: [&str; N]) -> Vec<[String; N]> {
    let cells = |line: &str| -> Vec<String> {
        // A `|` inside a cell is written `\|`; NUL stands for it meanwhile.
        let line = line.replace("\\|", "\0");
        let line = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'))
            .expect("a table row");
        line.split('|')
            .map(|cell| cell.trim().replace('\0', "|"))
            .collect()
    };
    let mut lines = section.lines().skip_while(|line| !line.starts_with('|'));
    assert_eq!(cells(lines.next().expect("no table")), columns);
    lines.next();
    let row = |line: &str| {
        cells(line)
            .try_into()
            .unwrap_or_else(|_| panic!("another number of cells: {line}"))
    };
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// The text of a cell that is one code span.
fn code(cell: &str) -> String {
    let text = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    text.unwrap_or_else(|| panic!("no code span: {cell}"))
        .replace('␤', "\n")
}

fn code_if_any(cell: &str) -> Option<String> {
    (!cell.is_empty()).then(|| code(cell))
}

fn request(action: &str, target: &str, fields: &str) -> Request {
    let target = match target {
        "–" => None,
        "(empty)" => Some(String::new()),
        target => Some(code(target)),
    };
    let mut request = Request {
        action_type: code(action),
        target,
        operation: None,
        requested_operation: None,
        policy_pack: "example".into(),
        server: None,
        tool: None,
        capability: None,
        workspace: None,
        session_id: None,
        agent_id: None,
        actor: None,
    };
    for field in fields.split(", ").filter(|field| !field.is_empty()) {
        let field = code(field);
        let (name, value) = field.split_once('=').expect("name=value");
        let field = match name {
            "operation" => &mut request.operation,
            "requested_operation" => &mut request.requested_operation,
            "server" => &mut request.server,
            "tool" => &mut request.tool,
            "capability" => &mut request.capability,
            "workspace" => &mut request.workspace,
            other => panic!("no field `{other}`"),
        };
        *field = Some(value.into());
    }
    request
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::AllowWithAttestation => "allow_with_attestation",
        Verdict::RequireApproval => "require_approval",
        Verdict::Block => "block",
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// Evaluates every row and returns the rules that decided.
fn check(section: &str, policy: &Policy, expected_rows: usize) -> BTreeSet<String> {
    let rows = rows(section, EXAMPLE_COLUMNS);
    assert_eq!(rows.len(), expected_rows);
    let decide = |row: &[String; 7]| -> Decision {
        let [action, target, fields, verdict, severity, rule, pattern] = row;
        let decision = policy.evaluate(&request(action, target, fields)).unwrap();
        assert_eq!(verdict_name(decision.verdict), code(verdict), "{row:?}");
        assert_eq!(severity_name(decision.severity), code(severity), "{row:?}");
        assert_eq!(decision.rule_id, code(rule), "{row:?}");
        assert_eq!(decision.matched_pattern, code_if_any(pattern), "{row:?}");
        decision
    };
    rows.iter().map(|row| decide(row).rule_id).collect()
}

#[test]
fn every_example_is_decided_as_documented_and_every_rule_has_one() {
    let examples = section("## Examples");
    let with_registry = section("### With a trust registry");
    let policy = Policy::load(json(examples), None).unwrap();
    let mut decided = check(section("### Without a trust registry"), &policy, EXAMPLES);
    let policy = Policy::load(json(examples), Some(json(with_registry))).unwrap();
    decided.extend(check(with_registry, &policy, EXAMPLES_WITH_REGISTRY));
    assert_eq!(
        decided,
        rules::ALL.iter().map(|rule| rule.id.to_owned()).collect()
    );
}

#[test]
fn every_rule_is_documented_as_it_is() {
    let documented: BTreeSet<[String; 4]> = rows(section("## Decisions"), RULE_COLUMNS)
        .into_iter()
        .map(|[rule, verdict, severity, approvers]| [code(&rule), code(&verdict), code(&severity), approvers])
        .collect();
    let rules = rules::ALL.iter().map(|rule| {
        let approvers = rule.approver_group.unwrap_or_default();
        [
            rule.id,
            verdict_name(rule.verdict),
            severity_name(rule.severity),
            approvers,
        ]
        .map(String::from)
    });
    assert_eq!(documented, rules.collect());
}
