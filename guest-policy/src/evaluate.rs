//! From a request to the section that judges it, and from its ruling to a
//! decision (decision semantics, *Request*, *Decision* and *Others*).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::mcp::Call;
use crate::rules::{self, Ruling};
use crate::text::trim;
use crate::{Decision, EvaluateError, Policy, Request};

/// What a section answers: its ruling, what it judged, and what was asked of it.
struct Answer<'p> {
    ruling: Ruling<'p>,
    target: String,
    requested_operation: String,
}

impl Policy {
    /// Judges one request. The same request, policy and registry always give
    /// the same decision.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::WrongPack`] if the request asks for another policy pack
    /// than the one that is loaded.
    pub fn evaluate(&self, request: &Request) -> Result<Decision, EvaluateError> {
        if request.policy_pack != self.id {
            return Err(EvaluateError::WrongPack(self.id.clone()));
        }
        let Answer {
            ruling,
            target,
            requested_operation,
        } = self.answer(request);
        Ok(Decision {
            verdict: ruling.rule.verdict,
            rule_id: ruling.rule.id.to_owned(),
            severity: ruling.rule.severity,
            reason: ruling.reason(),
            action_type: request.action_type.clone(),
            target,
            requested_operation,
            policy_pack: request.policy_pack.clone(),
            approver_group: ruling.rule.approver_group.map(ToOwned::to_owned),
            matched_pattern: ruling.pattern.map(ToOwned::to_owned),
        })
    }

    fn answer(&self, request: &Request) -> Answer<'_> {
        let target = request.target.as_deref().unwrap_or_default();
        let workspace = request.workspace.as_deref();
        let operation = request.operation.as_deref();
        let asked = first_given([operation, request.requested_operation.as_deref()]);
        let as_given = |ruling, requested_operation: &str| Answer {
            ruling,
            target: target.to_owned(),
            requested_operation: requested_operation.to_owned(),
        };
        match request.action_type.as_str() {
            "read_file" => as_given(self.files.read(target, workspace), "read"),
            "write_file" => as_given(self.files.write(target, workspace), "write"),
            "execute_command" => self.answer_command(trim(target), workspace),
            "git_operation" => {
                let verb = asked.filter(|verb| !trim(verb).is_empty()).unwrap_or("push");
                as_given(self.git.judge(verb, target), verb)
            }
            "mcp_tool_call" => self.answer_mcp(request, target, asked),
            "pull_request" => as_given(
                Ruling::of(&rules::PULL_REQUEST),
                first_given([operation]).unwrap_or("create"),
            ),
            _ => as_given(Ruling::of(&rules::UNKNOWN_ACTION), asked.unwrap_or_default()),
        }
    }

    /// The line is judged, and reported, trimmed.
    fn answer_command(&self, line: &str, workspace: Option<&str>) -> Answer<'_> {
        Answer {
            ruling: self
                .commands
                .judge(&self.git, &self.files.block_read, line, workspace),
            target: line.to_owned(),
            requested_operation: line.to_owned(),
        }
    }

    /// An empty server or tool is a name; only an absent one has a default.
    fn answer_mcp(&self, request: &Request, target: &str, asked: Option<&str>) -> Answer<'_> {
        let server = request.server.as_deref().unwrap_or(target);
        let tool = request.tool.as_deref().unwrap_or("unknown");
        let capability = request.capability.as_deref();
        Answer {
            ruling: self.mcp.judge(
                self.registry.as_ref(),
                Call {
                    server,
                    tool,
                    capability,
                },
            ),
            target: format!("{server}:{tool}"),
            requested_operation: first_given([asked, capability]).unwrap_or(tool).to_owned(),
        }
    }
}

/// The first text that is neither absent nor empty.
fn first_given<const N: usize>(texts: [Option<&str>; N]) -> Option<&str> {
    texts.into_iter().flatten().find(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Severity, Verdict};

    const POLICY: &str = r#"{
        "metadata": {"id": "test"},
        "filesystem": {"block_read": [".env"]},
        "commands": {"allow": ["echo*"]},
        "mcp": {"allowed_servers": ["known", ""]}
    }"#;

    fn request(action_type: &str, target: Option<&str>) -> Request {
        Request {
            action_type: action_type.into(),
            target: target.map(Into::into),
            operation: None,
            requested_operation: None,
            policy_pack: "test".into(),
            server: None,
            tool: None,
            capability: None,
            workspace: None,
            session_id: None,
            agent_id: None,
            actor: None,
        }
    }

    fn evaluate(request: &Request) -> Decision {
        Policy::load(POLICY, None).unwrap().evaluate(request).unwrap()
    }

    /// `target` and `requested_operation` of the decision.
    fn reported(request: &Request) -> (String, String) {
        let decision = evaluate(request);
        (decision.target, decision.requested_operation)
    }

    fn pair(target: &str, operation: &str) -> (String, String) {
        (target.into(), operation.into())
    }

    #[test]
    fn a_decision_is_complete() {
        let decision = evaluate(&request("write_file", Some("./app/.env")));
        assert_eq!(
            (decision.verdict, decision.severity),
            (Verdict::RequireApproval, Severity::High)
        );
        assert_eq!(decision.rule_id, "filesystem.write.sensitive_path");
        assert_eq!(
            (decision.action_type.as_str(), decision.target.as_str()),
            ("write_file", "./app/.env")
        );
        assert_eq!(
            (
                decision.requested_operation.as_str(),
                decision.policy_pack.as_str()
            ),
            ("write", "test")
        );
        assert_eq!(decision.approver_group.as_deref(), Some("Platform Security"));
        assert_eq!(decision.matched_pattern.as_deref(), Some(".env"));
        assert!(decision.reason.contains("`.env`"));
    }

    #[test]
    fn another_pack_is_refused() {
        let policy = Policy::load(POLICY, None).unwrap();
        for pack in ["other", "", "Test"] {
            let other = Request {
                policy_pack: pack.into(),
                ..request("read_file", Some("a"))
            };
            assert!(
                matches!(policy.evaluate(&other), Err(EvaluateError::WrongPack(loaded)) if loaded == "test"),
                "{pack}"
            );
        }
    }

    #[test]
    fn a_file_is_reported_as_given() {
        assert_eq!(
            reported(&request("read_file", Some(" ./a/ "))),
            pair(" ./a/ ", "read")
        );
        assert_eq!(reported(&request("read_file", None)), pair("", "read"));
        let asked = Request {
            operation: Some("delete".into()),
            ..request("write_file", Some("a"))
        };
        assert_eq!(reported(&asked), pair("a", "write"));
    }

    #[test]
    fn a_command_is_reported_trimmed() {
        assert_eq!(
            reported(&request("execute_command", Some("\n echo a \u{1c}"))),
            pair("echo a", "echo a")
        );
        assert_eq!(reported(&request("execute_command", None)), pair("", ""));
    }

    #[test]
    fn a_git_verb_is_reported_as_given() {
        let verb = |operation: Option<&str>, requested: Option<&str>| Request {
            operation: operation.map(Into::into),
            requested_operation: requested.map(Into::into),
            ..request("git_operation", Some(" main"))
        };
        assert_eq!(
            reported(&verb(Some(" Push "), Some("pull"))),
            pair(" main", " Push ")
        );
        assert_eq!(reported(&verb(Some(""), Some("pull"))), pair(" main", "pull"));
        assert_eq!(reported(&verb(None, None)), pair(" main", "push"));
        assert_eq!(
            reported(&verb(Some("  "), Some("pull"))),
            pair(" main", "push"),
            "blank is not absent"
        );
        assert_eq!(evaluate(&verb(Some("  "), Some("pull"))).verdict, Verdict::Block);
    }

    #[test]
    fn an_mcp_call_is_reported_as_server_and_tool() {
        let call = |server: Option<&str>, tool: Option<&str>| Request {
            server: server.map(Into::into),
            tool: tool.map(Into::into),
            ..request("mcp_tool_call", Some("known"))
        };
        assert_eq!(reported(&call(None, None)), pair("known:unknown", "unknown"));
        assert_eq!(reported(&call(Some("a"), Some("t"))), pair("a:t", "t"));
        assert_eq!(
            reported(&call(Some(""), Some(""))),
            pair(":", ""),
            "an empty name is a name"
        );
        assert_eq!(evaluate(&call(Some(""), None)).rule_id, "mcp.server.trust.allow");
        assert_eq!(evaluate(&call(None, None)).rule_id, "mcp.server.trust.allow");
        assert_eq!(
            evaluate(&call(Some("a"), None)).rule_id,
            "mcp.server.trust.block_unknown"
        );
    }

    #[test]
    fn an_mcp_call_asks_for_the_first_that_is_given() {
        let asked = |operation: &str, requested: &str, capability: &str| {
            let request = Request {
                operation: Some(operation.into()),
                requested_operation: Some(requested.into()),
                capability: Some(capability.into()),
                tool: Some("t".into()),
                ..request("mcp_tool_call", None)
            };
            reported(&request).1
        };
        assert_eq!(asked("o", "r", "c"), "o");
        assert_eq!(asked("", "r", "c"), "r");
        assert_eq!(asked("", "", "c"), "c");
        assert_eq!(asked("", "", ""), "t");
    }

    #[test]
    fn a_pull_request_is_allowed_with_attestation() {
        let asked = Request {
            requested_operation: Some("merge".into()),
            ..request("pull_request", Some("feature"))
        };
        assert_eq!(
            reported(&asked),
            pair("feature", "create"),
            "`requested_operation` is not looked at"
        );
        assert_eq!(
            reported(&Request {
                operation: Some("merge".into()),
                ..asked.clone()
            }),
            pair("feature", "merge")
        );
        assert_eq!(
            reported(&Request {
                operation: Some("".into()),
                ..asked.clone()
            }),
            pair("feature", "create")
        );
        let decision = evaluate(&asked);
        assert_eq!(
            (decision.verdict, decision.severity),
            (Verdict::AllowWithAttestation, Severity::Medium)
        );
        assert_eq!(decision.approver_group, None);
    }

    #[test]
    fn an_unknown_action_needs_approval() {
        for action in ["", "Read_File", "read_file ", "delete_file", "readfile"] {
            let decision = evaluate(&request(action, Some("x")));
            assert_eq!(decision.rule_id, "runtime.default.require_approval", "{action:?}");
            assert_eq!(
                (
                    decision.action_type.as_str(),
                    decision.requested_operation.as_str()
                ),
                (action, "")
            );
        }
        let asked = Request {
            requested_operation: Some("rm".into()),
            ..request("delete_file", Some("x"))
        };
        assert_eq!(reported(&asked), pair("x", "rm"));
    }
}
