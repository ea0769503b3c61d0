//! What the module decides.
//!
//! It judges calls of MCP servers and pull requests, as version 1 of the decision
//! semantics has them. Everything else asks for approval by the rule of unknown actions:
//! a module that cannot tell must not allow. Beside the reference, in shadow mode, that
//! shows as a difference wherever the reference decides otherwise; it is where to go on.

use crate::cavra::enforcement::types::{Severity, Verdict};
use crate::exports::cavra::enforcement::evaluator::{Decision, Request};
use crate::policy::Policy;

/// Judges one request.
pub fn judge(policy: &Policy, request: Request) -> Decision {
    match request.action_type.as_str() {
        "mcp_tool_call" => mcp(policy, request),
        "pull_request" => pull_request(request),
        _ => other(request),
    }
}

fn mcp(policy: &Policy, request: Request) -> Decision {
    let server = request
        .server
        .clone()
        .or_else(|| request.target.clone())
        .unwrap_or_default();
    let tool = request.tool.clone().unwrap_or_else(|| "unknown".to_owned());
    let asked = given(&request.operation)
        .or_else(|| given(&request.requested_operation))
        .or_else(|| given(&request.capability))
        .unwrap_or_else(|| tool.clone());
    let blocked = policy.blocked_servers.contains(&server)
        || policy.block_unknown_servers && !policy.allowed_servers.contains(&server);
    let mut decision = if blocked {
        decide(
            request,
            Verdict::Block,
            "mcp.server.trust.block_unknown",
            Severity::High,
        )
    } else {
        decide(
            request,
            Verdict::Allow,
            "mcp.server.trust.allow",
            Severity::Low,
        )
    };
    decision.reason = match blocked {
        true => format!("The policy does not let the MCP server `{server}` be called."),
        false => format!("The policy lets the MCP server `{server}` be called."),
    };
    decision.target = format!("{server}:{tool}");
    decision.requested_operation = asked;
    decision
}

fn pull_request(request: Request) -> Decision {
    let asked = given(&request.operation).unwrap_or_else(|| "create".to_owned());
    let rule = "git.pull_request.allow_with_attestation";
    let mut decision = decide(
        request,
        Verdict::AllowWithAttestation,
        rule,
        Severity::Medium,
    );
    decision.reason = "Its author attests to a pull request.".to_owned();
    decision.requested_operation = asked;
    decision
}

fn other(request: Request) -> Decision {
    let asked = given(&request.operation)
        .or_else(|| given(&request.requested_operation))
        .unwrap_or_default();
    let rule = "runtime.default.require_approval";
    let is_command = request.action_type == "execute_command";
    let mut decision = decide(request, Verdict::RequireApproval, rule, Severity::Medium);
    decision.reason = "This module does not judge such an action.".to_owned();
    decision.approver_group = Some("Repository Owners".to_owned());
    decision.requested_operation = asked;
    if is_command {
        // A decision about a command reports the trimmed line; an answer about another
        // target than was asked is refused.
        decision.target = decision.target.trim_matches(is_trimmed).to_owned();
    }
    decision
}

/// A decision about the request, with its own words repeated.
fn decide(request: Request, verdict: Verdict, rule_id: &str, severity: Severity) -> Decision {
    Decision {
        verdict,
        rule_id: rule_id.to_owned(),
        severity,
        reason: String::new(),
        action_type: request.action_type,
        target: request.target.unwrap_or_default(),
        requested_operation: String::new(),
        policy_pack: request.policy_pack,
        // Only with `require-approval`.
        approver_group: None,
        matched_pattern: None,
    }
}

/// A text that is neither absent nor empty.
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn is_trimmed(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            pack: "harbor".to_owned(),
            allowed_servers: vec!["tickets".to_owned()],
            blocked_servers: vec!["shell".to_owned()],
            block_unknown_servers: true,
        }
    }

    fn asked(action_type: &str, target: &str) -> Decision {
        let request = Request {
            action_type: action_type.to_owned(),
            target: Some(target.to_owned()),
            operation: None,
            requested_operation: None,
            policy_pack: "harbor".to_owned(),
            server: None,
            tool: None,
            capability: None,
            workspace: None,
            session_id: None,
            agent_id: None,
            actor: None,
        };
        judge(&policy(), request)
    }

    #[test]
    fn servers_are_called_that_the_policy_allows() {
        let decision = asked("mcp_tool_call", "tickets");
        assert!(matches!(decision.verdict, Verdict::Allow));
        assert_eq!(
            (
                decision.target.as_str(),
                decision.requested_operation.as_str()
            ),
            ("tickets:unknown", "unknown")
        );
        for server in ["shell", "wiki"] {
            let decision = asked("mcp_tool_call", server);
            assert_eq!(decision.rule_id, "mcp.server.trust.block_unknown");
        }
    }

    #[test]
    fn what_is_not_judged_asks_for_approval() {
        let decision = asked("execute_command", " terraform apply\n");
        assert!(matches!(decision.verdict, Verdict::RequireApproval));
        assert_eq!(decision.target, "terraform apply");
        assert!(decision.approver_group.is_some());
    }
}
