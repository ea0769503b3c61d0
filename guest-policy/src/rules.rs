//! Every rule that can decide, in one table: its id, what it decides, how much
//! it matters, who can approve, and what people are told.

use alloc::format;
use alloc::string::String;

use crate::{Severity, Verdict};

const REPOSITORY_OWNERS: &str = "Repository Owners";
const PLATFORM_SECURITY: &str = "Platform Security";
const AI_GOVERNANCE: &str = "AI Governance";

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The `rule_id` of a decision.
    pub id: &'static str,
    /// What the rule decides.
    pub verdict: Verdict,
    /// How much it matters.
    pub severity: Severity,
    /// Who can approve; only with [`Verdict::RequireApproval`].
    pub approver_group: Option<&'static str>,
    /// What was found, for people.
    what: &'static str,
    /// What to do about it; empty if nothing has to be done.
    advice: &'static str,
}

macro_rules! rules {
    ($($name:ident: $id:literal, $verdict:ident, $severity:ident, $approver_group:expr, $what:literal, $advice:literal;)*) => {
        $(pub(crate) const $name: Rule = Rule {
            id: $id,
            verdict: Verdict::$verdict,
            severity: Severity::$severity,
            approver_group: $approver_group,
            what: $what,
            advice: $advice,
        };)*

        /// Every rule, in the order of the decision semantics. Two rows may share
        /// an id: they differ in severity or in what people are told.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    READ_BLOCK: "filesystem.read.block", Block, High, None,
        "Reading this path is blocked",
        "do without the file, or ask the owner of the policy";
    READ_EMPTY_TARGET: "filesystem.read.empty_target", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "A file is to be read, but none is named",
        "name its path as the target";
    READ_ALLOW: "filesystem.read.allow", Allow, Low, None,
        "No pattern blocks reading this path",
        "";
    WRITE_BLOCK: "filesystem.write.block", Block, High, None,
        "Writing this path is blocked",
        "leave the change to a person who may make it";
    WRITE_REQUIRE_APPROVAL: "filesystem.write.require_approval", RequireApproval, High, Some(PLATFORM_SECURITY),
        "Writing this path needs approval",
        "ask Platform Security";
    WRITE_SENSITIVE_PATH: "filesystem.write.sensitive_path", RequireApproval, High, Some(PLATFORM_SECURITY),
        "This path may not be read, so overwriting it unseen needs approval",
        "ask Platform Security";
    WRITE_EMPTY_TARGET: "filesystem.write.empty_target", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "A file is to be written, but none is named",
        "name its path as the target";
    WRITE_ALLOW: "filesystem.write.allow", Allow, Low, None,
        "No pattern restricts writing this path",
        "";
    COMMANDS_BLOCK: "commands.block", Block, High, None,
        "This command, or a part of it, is blocked",
        "leave it to a person who may run it";
    COMMANDS_BLOCK_CRITICAL: "commands.block", Block, Critical, None,
        "This command, or a part of it, applies or deletes something and is blocked",
        "leave it to a person who may run it";
    COMMANDS_REQUIRE_APPROVAL: "commands.require_approval", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "This command, or a part of it, needs approval",
        "ask the Repository Owners";
    COMMANDS_OPAQUE: "commands.opaque.require_approval", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "Every part of the command is allowed, but what it does cannot be told: it has a substitution, a grouping, a redirection that writes, a comment or an open quote",
        "write it without, or ask the Repository Owners";
    COMMANDS_SENSITIVE_PATH: "commands.sensitive_path.require_approval", RequireApproval, High, Some(PLATFORM_SECURITY),
        "The command names a path that may not be read",
        "leave the path out, or ask Platform Security";
    COMMANDS_ALLOW: "commands.allow", Allow, Low, None,
        "Every part of the command is allowed",
        "";
    COMMANDS_DEFAULT: "commands.default.require_approval", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "No pattern allows every part of this command",
        "use an allowed command, or ask the Repository Owners";
    GIT_PROTECTED_BRANCH: "git.protected_branch.block_direct_push", Block, High, None,
        "Pushing to this branch is blocked because it is protected",
        "push to another branch and open a pull request";
    GIT_UNRESOLVED_TARGET: "git.push.unresolved_target", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "Which branches this push updates cannot be told",
        "name the remote and the branch, or ask the Repository Owners";
    GIT_ALLOW: "git.allow", Allow, Low, None,
        "No pattern restricts this git operation",
        "";
    MCP_BLOCKED_SERVER: "mcp.server.trust.block_unknown", Block, High, None,
        "The policy blocks this MCP server",
        "use another server";
    MCP_REGISTRY_UNKNOWN: "mcp.registry.unknown", Block, High, None,
        "The trust registry does not know this MCP server",
        "have it registered";
    MCP_REGISTRY_BLOCKED: "mcp.registry.blocked", Block, High, None,
        "The trust registry blocks or denies this MCP server",
        "use another server";
    MCP_REGISTRY_REQUIRES_APPROVAL: "mcp.registry.requires_approval", RequireApproval, Medium, Some(AI_GOVERNANCE),
        "The trust registry has not approved this MCP server",
        "ask AI Governance";
    MCP_REGISTRY_TOOL_SCOPE: "mcp.registry.tool_scope", RequireApproval, Medium, Some(AI_GOVERNANCE),
        "The trust registry approves other tools of this MCP server, not this one",
        "ask AI Governance";
    MCP_REGISTRY_CAPABILITY_SCOPE: "mcp.registry.capability_scope", RequireApproval, Medium, Some(AI_GOVERNANCE),
        "The trust registry approves other capabilities of this MCP server, not this one",
        "ask AI Governance";
    MCP_REGISTRY_ALLOW: "mcp.registry.allow", Allow, Low, None,
        "The trust registry approves this call",
        "";
    MCP_UNKNOWN_SERVER: "mcp.server.trust.block_unknown", Block, High, None,
        "The policy blocks MCP servers that it does not list, and this is one",
        "have it added to the allowed servers";
    MCP_SERVER_ALLOW: "mcp.server.trust.allow", Allow, Low, None,
        "The policy does not block this MCP server",
        "";
    PULL_REQUEST: "git.pull_request.allow_with_attestation", AllowWithAttestation, Medium, None,
        "A pull request is allowed to who attests to it",
        "attest to the change";
    UNKNOWN_ACTION: "runtime.default.require_approval", RequireApproval, Medium, Some(REPOSITORY_OWNERS),
        "No rule covers this kind of action",
        "ask the Repository Owners";
}

/// What a section of the semantics found: the rule that decides and, where a
/// pattern decided, that pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruling<'p> {
    pub(crate) rule: &'static Rule,
    pub(crate) pattern: Option<&'p str>,
}

impl<'p> Ruling<'p> {
    pub(crate) fn of(rule: &'static Rule) -> Self {
        Self { rule, pattern: None }
    }

    pub(crate) fn by_pattern(rule: &'static Rule, pattern: &'p str) -> Self {
        Self {
            rule,
            pattern: Some(pattern),
        }
    }

    /// Whether `rule`, or one with the same id, decides.
    pub(crate) fn is(&self, rule: &Rule) -> bool {
        self.rule.id == rule.id
    }

    /// One sentence for people: what was found, by which pattern, what to do.
    pub(crate) fn reason(&self) -> String {
        let Rule { what, advice, .. } = self.rule;
        let pattern = self
            .pattern
            .map(|pattern| format!(" (pattern `{pattern}`)"))
            .unwrap_or_default();
        let separator = if advice.is_empty() { "" } else { "; " };
        format!("{what}{pattern}{separator}{advice}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvals_have_approvers_and_nothing_else_has() {
        for rule in ALL {
            assert_eq!(
                rule.approver_group.is_some(),
                rule.verdict == Verdict::RequireApproval,
                "{}",
                rule.id
            );
        }
    }

    #[test]
    fn whatever_is_not_allowed_says_what_to_do() {
        for rule in ALL {
            assert_eq!(
                rule.advice.is_empty(),
                rule.verdict == Verdict::Allow,
                "{}",
                rule.id
            );
        }
    }

    #[test]
    fn rows_that_share_an_id_decide_alike() {
        for (rule, other) in ALL
            .iter()
            .flat_map(|rule| ALL.iter().map(move |other| (rule, other)))
        {
            if rule.id == other.id {
                assert_eq!(
                    (rule.verdict, rule.approver_group),
                    (other.verdict, other.approver_group),
                    "{}",
                    rule.id
                );
            }
        }
    }

    #[test]
    fn a_reason_names_the_pattern_and_what_to_do() {
        let reason = Ruling::by_pattern(&WRITE_REQUIRE_APPROVAL, "infra/**").reason();
        assert_eq!(
            reason,
            "Writing this path needs approval (pattern `infra/**`); ask Platform Security."
        );
        assert_eq!(
            Ruling::of(&READ_ALLOW).reason(),
            "No pattern blocks reading this path."
        );
    }

    #[test]
    fn the_verdicts_are_ordered_by_restriction() {
        let verdicts = [
            Verdict::Allow,
            Verdict::AllowWithAttestation,
            Verdict::RequireApproval,
            Verdict::Block,
        ];
        assert!(verdicts.is_sorted_by(|a, b| a < b));
    }
}
