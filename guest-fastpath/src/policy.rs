//! A loaded policy, and the way from a request to a decision.

use crate::bindings::cavra::enforcement::types::{Decision, EvaluateError, LoadError, Request};
use crate::commands::CommandRules;
use crate::document::{self, Document};
use crate::files::FileRules;
use crate::git::GitRules;
use crate::lists::PatternList;
use crate::mcp::{Call, McpRules, Names, Registry};
use crate::rules::{self, Ruling};
use crate::shell;
use alloc::format;
use alloc::string::{String, ToString};

/// What protects branches where a policy does not say: decision semantics, *Packs*.
const DEFAULT_BRANCHES: [&str; 2] = ["main", "master"];

/// A compiled policy with its tables, and the trust registry if there is one.
#[derive(Clone, Debug)]
pub struct Policy {
    pack: String,
    files: FileRules,
    commands: CommandRules,
    git: GitRules,
    mcp: McpRules,
    registry: Option<Registry>,
}

impl Policy {
    /// Loads a compiled policy (`cavra.compiled-policy.v1`, JSON) and, if there is
    /// one, an MCP trust registry (JSON).
    ///
    /// A policy without `schema_version` is accepted; the digest is not checked here.
    /// Time and memory grow with the size of the two texts and nothing else.
    ///
    /// # Errors
    ///
    /// [`LoadError::InvalidPolicy`] or [`LoadError::InvalidRegistry`] where a text is not
    /// JSON, of another layout, or holds an empty pattern; the text says where.
    pub fn load(policy_json: &str, registry_json: Option<&str>) -> Result<Self, LoadError> {
        let document = Self::read(policy_json)?;
        let registry = registry_json.map(Self::read_registry).transpose()?;
        Ok(Self::new(document, registry))
    }

    pub(crate) fn read(policy_json: &str) -> Result<Document, LoadError> {
        // Offsets into the patterns are 32 bits wide.
        if u32::try_from(policy_json.len()).is_err() {
            return Err(LoadError::InvalidPolicy(
                "the policy is larger than 4 GiB; split it".into(),
            ));
        }
        Document::read(policy_json).map_err(|error| LoadError::InvalidPolicy(error.to_string()))
    }

    pub(crate) fn read_registry(registry_json: &str) -> Result<Registry, LoadError> {
        document::read_registry(registry_json).map_err(|error| LoadError::InvalidRegistry(error.to_string()))
    }

    pub(crate) fn new(document: Document, registry: Option<Registry>) -> Self {
        let branches = document.protected_branches.unwrap_or_else(|| {
            let mut branches = PatternList::default();
            DEFAULT_BRANCHES.iter().for_each(|branch| branches.push(branch));
            branches
        });
        Self {
            pack: document.pack.unwrap_or_default(),
            files: FileRules::new(document.block_write, document.approve_write, document.block_read),
            commands: CommandRules::new(document.block, document.approve, document.allow),
            git: GitRules::new(branches),
            mcp: McpRules {
                allowed: Names::new(document.allowed_servers),
                blocked: Names::new(document.blocked_servers),
                block_unknown: document.block_unknown_servers.unwrap_or(true),
            },
            registry,
        }
    }

    /// Decides one request: the whole of the decision semantics.
    ///
    /// Work grows with the length of the request, and hardly with the number of
    /// patterns.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::WrongPack`] where the request asks for another pack than this.
    pub fn evaluate(&self, request: &Request) -> Result<Decision, EvaluateError> {
        if request.policy_pack != self.pack {
            return Err(EvaluateError::WrongPack(self.pack.clone()));
        }
        let target = request.target.as_deref().unwrap_or_default();
        let workspace = request.workspace.as_deref();
        let asked = given(&request.operation).or(given(&request.requested_operation));
        Ok(match request.action_type.as_str() {
            "read_file" => decision(request, self.files.read(target, workspace), target.into(), "read"),
            "write_file" => decision(
                request,
                self.files.write(target, workspace),
                target.into(),
                "write",
            ),
            "execute_command" => {
                let line = shell::trim(target);
                let ruling = self.commands.decide(line, workspace, &self.files, &self.git);
                decision(request, ruling, line.into(), line)
            }
            "git_operation" => {
                let verb = asked
                    .filter(|verb| !shell::trim(verb).is_empty())
                    .unwrap_or("push");
                decision(request, self.git.operation(verb, target), target.into(), verb)
            }
            "mcp_tool_call" => self.mcp_call(request, asked, target),
            "pull_request" => {
                let operation = given(&request.operation).unwrap_or("create");
                decision(
                    request,
                    Ruling::from(&rules::PULL_REQUEST),
                    target.into(),
                    operation,
                )
            }
            _ => {
                let ruling = Ruling::from(&rules::UNKNOWN_ACTION);
                decision(request, ruling, target.into(), asked.unwrap_or_default())
            }
        })
    }

    fn mcp_call(&self, request: &Request, asked: Option<&str>, target: &str) -> Decision {
        let server = request.server.as_deref().unwrap_or(target);
        let tool = request.tool.as_deref().unwrap_or("unknown");
        let capability = given(&request.capability);
        let ruling = self.mcp.decide(
            self.registry.as_ref(),
            Call {
                server,
                tool,
                capability,
            },
        );
        let operation = asked.or(capability).unwrap_or(tool);
        decision(request, ruling, format!("{server}:{tool}"), operation)
    }
}

/// In a chain of "else" an empty text is as absent.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn decision(request: &Request, ruling: Ruling, target: String, operation: &str) -> Decision {
    let Ruling { rule, pattern } = ruling;
    Decision {
        verdict: rule.verdict,
        rule_id: rule.id.into(),
        severity: rule.severity,
        reason: rule.reason.into(),
        action_type: request.action_type.clone(),
        target,
        requested_operation: operation.into(),
        policy_pack: request.policy_pack.clone(),
        approver_group: rule.approvers.map(String::from),
        matched_pattern: pattern,
    }
}

#[cfg(test)]
mod tests;
