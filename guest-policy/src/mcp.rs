//! `mcp_tool_call` (decision semantics, *MCP*). Names are compared exactly.

use alloc::string::String;
use alloc::vec::Vec;

use crate::registry::{Record, Registry};
use crate::rules::{self, Rule, Ruling};

/// The `mcp` section of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Mcp {
    pub(crate) allowed_servers: Vec<String>,
    pub(crate) blocked_servers: Vec<String>,
    pub(crate) block_unknown_servers: bool,
}

/// The call that is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'r> {
    pub(crate) server: &'r str,
    pub(crate) tool: &'r str,
    pub(crate) capability: Option<&'r str>,
}

impl Mcp {
    /// Judges a call: a blocked server first, then the registry if there is
    /// one, else the policy's own lists.
    pub(crate) fn judge(&self, registry: Option<&Registry>, call: Call<'_>) -> Ruling<'static> {
        if contains(&self.blocked_servers, call.server) {
            return Ruling::of(&rules::MCP_BLOCKED_SERVER);
        }
        if let Some(registry) = registry {
            return Ruling::of(judge_by_registry(registry, call));
        }
        if self.block_unknown_servers && !contains(&self.allowed_servers, call.server) {
            return Ruling::of(&rules::MCP_UNKNOWN_SERVER);
        }
        Ruling::of(&rules::MCP_SERVER_ALLOW)
    }
}

/// The most restrictive of what the server's records say; of equals the first.
fn judge_by_registry(registry: &Registry, call: Call<'_>) -> &'static Rule {
    let mut decisive: Option<&'static Rule> = None;
    for record in registry.records_of(call.server) {
        let rule = judge_by_record(record, call);
        if decisive.is_none_or(|earlier| rule.verdict > earlier.verdict) {
            decisive = Some(rule);
        }
    }
    decisive.unwrap_or(&rules::MCP_REGISTRY_UNKNOWN)
}

fn judge_by_record(record: &Record, call: Call<'_>) -> &'static Rule {
    let tier = record.trust_tier.as_deref();
    let state = record.approval_state.as_deref();
    let is_trusted = matches!(tier, Some("approved" | "trusted"));
    let is_approved = matches!(state, Some("approved" | "not_required"));
    if tier == Some("blocked") || state == Some("denied") {
        &rules::MCP_REGISTRY_BLOCKED
    } else if !(is_trusted && is_approved) {
        &rules::MCP_REGISTRY_REQUIRES_APPROVAL
    } else if is_outside(&record.allowed_tools, call.tool) {
        &rules::MCP_REGISTRY_TOOL_SCOPE
    } else if call
        .capability
        .filter(|capability| !capability.is_empty())
        .is_some_and(|capability| is_outside(&record.capabilities, capability))
    {
        &rules::MCP_REGISTRY_CAPABILITY_SCOPE
    } else {
        &rules::MCP_REGISTRY_ALLOW
    }
}

/// Whether a scope is set and does not hold `name`. An empty scope is not set.
fn is_outside(scope: &[String], name: &str) -> bool {
    !scope.is_empty() && !contains(scope, name)
}

fn contains(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mcp(block_unknown_servers: bool) -> Mcp {
        let names = |names: &[&str]| names.iter().copied().map(String::from).collect();
        Mcp {
            allowed_servers: names(&["known", "both"]),
            blocked_servers: names(&["bad", "both"]),
            block_unknown_servers,
        }
    }

    fn call<'r>(server: &'r str, tool: &'r str, capability: Option<&'r str>) -> Call<'r> {
        Call {
            server,
            tool,
            capability,
        }
    }

    /// The rule that a registry of these records decides for the server `s`.
    fn by_registry(records: &str, tool: &str, capability: Option<&str>) -> &'static str {
        let registry = Registry::load(&format!(r#"{{"mcp_servers": [{records}]}}"#)).unwrap();
        mcp(true)
            .judge(Some(&registry), call("s", tool, capability))
            .rule
            .id
    }

    const OPEN: &str = r#"{"server_id": "s", "trust_tier": "trusted", "approval_state": "approved"}"#;
    const PENDING: &str = r#"{"name": "s", "trust_tier": "trusted", "approval_state": "pending"}"#;
    const DENIED: &str = r#"{"server_id": "s", "trust_tier": "trusted", "approval_state": "denied"}"#;
    const SCOPED: &str = r#"{"server_id": "s", "trust_tier": "approved", "approval_state": "not_required",
        "allowed_tools": ["read"], "capabilities": ["files"]}"#;

    #[test]
    fn without_a_registry_the_lists_decide() {
        let rule = |block_unknown, server| mcp(block_unknown).judge(None, call(server, "t", None)).rule.id;
        assert_eq!(rule(true, "known"), "mcp.server.trust.allow");
        assert_eq!(rule(true, "other"), "mcp.server.trust.block_unknown");
        assert_eq!(rule(false, "other"), "mcp.server.trust.allow");
        for block_unknown in [true, false] {
            assert_eq!(rule(block_unknown, "bad"), "mcp.server.trust.block_unknown");
            assert_eq!(rule(block_unknown, "both"), "mcp.server.trust.block_unknown");
        }
    }

    #[test]
    fn names_are_compared_exactly() {
        let rule = |server| mcp(true).judge(None, call(server, "t", None)).rule.id;
        for server in ["Known", "known ", "know", "known\u{200b}", ""] {
            assert_eq!(rule(server), "mcp.server.trust.block_unknown", "{server:?}");
        }
        assert_eq!(
            mcp(false).judge(None, call("BAD", "t", None)).rule.id,
            "mcp.server.trust.allow"
        );
    }

    #[test]
    fn a_blocked_server_is_blocked_whatever_the_registry_says() {
        let registry = Registry::load(
            r#"{"mcp_servers": [{"name": "bad", "trust_tier": "trusted", "approval_state": "approved"}]}"#,
        );
        let ruling = mcp(false).judge(Some(&registry.unwrap()), call("bad", "t", None));
        assert_eq!(ruling.rule.id, "mcp.server.trust.block_unknown");
    }

    #[test]
    fn with_a_registry_a_server_needs_a_record() {
        assert_eq!(by_registry("", "t", None), "mcp.registry.unknown");
        assert_eq!(
            by_registry(r#"{"server_id": "S"}"#, "t", None),
            "mcp.registry.unknown"
        );
        let registry = Registry::load(r#"{"mcp_servers": []}"#).unwrap();
        let ruling = mcp(false).judge(Some(&registry), call("known", "t", None));
        assert_eq!(
            ruling.rule.id, "mcp.registry.unknown",
            "the policy's own list does not help"
        );
    }

    #[test]
    fn tier_and_state_decide_before_the_scopes() {
        for (tier, state, expected) in [
            ("approved", "approved", "mcp.registry.allow"),
            ("trusted", "not_required", "mcp.registry.allow"),
            ("blocked", "approved", "mcp.registry.blocked"),
            ("trusted", "denied", "mcp.registry.blocked"),
            ("experimental", "denied", "mcp.registry.blocked"),
            ("experimental", "approved", "mcp.registry.requires_approval"),
            ("Approved", "approved", "mcp.registry.requires_approval"),
            ("trusted", "pending", "mcp.registry.requires_approval"),
            ("", "", "mcp.registry.requires_approval"),
        ] {
            let record =
                format!(r#"{{"server_id": "s", "trust_tier": "{tier}", "approval_state": "{state}"}}"#);
            assert_eq!(by_registry(&record, "t", None), expected, "{tier} {state}");
        }
        assert_eq!(
            by_registry(r#"{"name": "s", "allowed_tools": ["x"]}"#, "t", None),
            "mcp.registry.requires_approval"
        );
    }

    #[test]
    fn a_scope_that_is_set_must_hold_the_name() {
        assert_eq!(by_registry(SCOPED, "read", None), "mcp.registry.allow");
        assert_eq!(by_registry(SCOPED, "read", Some("files")), "mcp.registry.allow");
        assert_eq!(
            by_registry(SCOPED, "write", Some("files")),
            "mcp.registry.tool_scope"
        );
        assert_eq!(
            by_registry(SCOPED, "write", Some("net")),
            "mcp.registry.tool_scope"
        );
        assert_eq!(
            by_registry(SCOPED, "read", Some("net")),
            "mcp.registry.capability_scope"
        );
        assert_eq!(
            by_registry(SCOPED, "read", Some("")),
            "mcp.registry.allow",
            "an empty one is as absent"
        );
        assert_eq!(by_registry(OPEN, "anything", Some("net")), "mcp.registry.allow");
    }

    #[test]
    fn of_several_records_the_most_restrictive_decides_and_of_equals_the_first() {
        let all = |records: &[&str]| by_registry(&records.join(","), "write", Some("files"));
        assert_eq!(all(&[OPEN, DENIED]), "mcp.registry.blocked");
        assert_eq!(all(&[DENIED, OPEN]), "mcp.registry.blocked");
        assert_eq!(all(&[OPEN, PENDING]), "mcp.registry.requires_approval");
        assert_eq!(all(&[PENDING, SCOPED]), "mcp.registry.requires_approval");
        assert_eq!(all(&[SCOPED, PENDING]), "mcp.registry.tool_scope");
        assert_eq!(all(&[SCOPED, PENDING, DENIED]), "mcp.registry.blocked");
    }
}
