//! Every rule that can decide, in one table: decision semantics, *Files* to *Others*.

use crate::bindings::cavra::enforcement::types::{Severity, Verdict};
use alloc::string::String;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) severity: Severity,
    /// Who can approve; only where the verdict is `require_approval`.
    pub(crate) approvers: Option<&'static str>,
    /// The sentence for people.
    pub(crate) reason: &'static str,
}

/// The rule that decided a request, and the pattern by which it did.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) rule: &'static Rule,
    pub(crate) pattern: Option<String>,
}

impl Ruling {
    /// A ruling that names the pattern by which it was reached.
    pub(crate) fn by_pattern(rule: &'static Rule, pattern: &str) -> Self {
        Self {
            rule,
            pattern: Some(pattern.into()),
        }
    }
}

impl From<&'static Rule> for Ruling {
    fn from(rule: &'static Rule) -> Self {
        Self { rule, pattern: None }
    }
}

const OWNERS: Option<&str> = Some("Repository Owners");
const SECURITY: Option<&str> = Some("Platform Security");
const GOVERNANCE: Option<&str> = Some("AI Governance");

macro_rules! rules {
    ($($name:ident: $id:literal $verdict:ident $severity:ident $approvers:expr, $reason:literal;)*) => {
        $(pub(crate) static $name: Rule = Rule {
            id: $id,
            verdict: Verdict::$verdict,
            severity: Severity::$severity,
            approvers: $approvers,
            reason: $reason,
        };)*
    };
}

rules! {
    READ_BLOCK: "filesystem.read.block" Block High None,
        "the policy blocks reading this path";
    READ_EMPTY: "filesystem.read.empty_target" RequireApproval Medium OWNERS,
        "the request names no path to read";
    READ_ALLOW: "filesystem.read.allow" Allow Low None,
        "the policy does not restrict reading this path";
    WRITE_BLOCK: "filesystem.write.block" Block High None,
        "the policy blocks writing this path";
    WRITE_APPROVAL: "filesystem.write.require_approval" RequireApproval High SECURITY,
        "the policy requires approval to write this path";
    WRITE_SENSITIVE: "filesystem.write.sensitive_path" RequireApproval High SECURITY,
        "the path may not be read, so overwriting it requires approval";
    WRITE_EMPTY: "filesystem.write.empty_target" RequireApproval Medium OWNERS,
        "the request names no path to write";
    WRITE_ALLOW: "filesystem.write.allow" Allow Low None,
        "the policy does not restrict writing this path";
    COMMAND_BLOCK: "commands.block" Block High None,
        "the policy blocks this command";
    COMMAND_BLOCK_CRITICAL: "commands.block" Block Critical None,
        "the policy blocks this command, which changes or deletes live resources";
    COMMAND_APPROVAL: "commands.require_approval" RequireApproval Medium OWNERS,
        "the policy requires approval for this command";
    COMMAND_OPAQUE: "commands.opaque.require_approval" RequireApproval Medium OWNERS,
        "the command line holds an expansion, a redirection or a comment that is not judged";
    COMMAND_SENSITIVE: "commands.sensitive_path.require_approval" RequireApproval High SECURITY,
        "the command names a path that may not be read";
    COMMAND_ALLOW: "commands.allow" Allow Low None,
        "the policy allows every part of this command line";
    COMMAND_DEFAULT: "commands.default.require_approval" RequireApproval Medium OWNERS,
        "the policy does not allow this command line by itself";
    GIT_BLOCK: "git.protected_branch.block_direct_push" Block High None,
        "the push goes to a protected branch";
    GIT_UNRESOLVED: "git.push.unresolved_target" RequireApproval Medium OWNERS,
        "the branch that the push goes to cannot be told from the request";
    GIT_ALLOW: "git.allow" Allow Low None,
        "the operation does not push to a protected branch";
    MCP_BLOCK: "mcp.server.trust.block_unknown" Block High None,
        "the policy blocks this MCP server or does not know it";
    MCP_ALLOW: "mcp.server.trust.allow" Allow Low None,
        "the policy allows this MCP server";
    REGISTRY_UNKNOWN: "mcp.registry.unknown" Block High None,
        "the trust registry has no record of this MCP server";
    REGISTRY_BLOCKED: "mcp.registry.blocked" Block High None,
        "the trust registry blocks this MCP server";
    REGISTRY_APPROVAL: "mcp.registry.requires_approval" RequireApproval Medium GOVERNANCE,
        "the trust registry has not approved this MCP server";
    REGISTRY_TOOL: "mcp.registry.tool_scope" RequireApproval Medium GOVERNANCE,
        "the tool is outside what the trust registry approved for this MCP server";
    REGISTRY_CAPABILITY: "mcp.registry.capability_scope" RequireApproval Medium GOVERNANCE,
        "the capability is outside what the trust registry approved for this MCP server";
    REGISTRY_ALLOW: "mcp.registry.allow" Allow Low None,
        "the trust registry approves this call";
    PULL_REQUEST: "git.pull_request.allow_with_attestation" AllowWithAttestation Medium None,
        "a pull request may be opened with an attestation";
    UNKNOWN_ACTION: "runtime.default.require_approval" RequireApproval Medium OWNERS,
        "the action is not one that the policy can judge";
}
