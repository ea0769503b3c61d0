//! MCP tool calls: decision semantics, *MCP*.

use crate::rules::{self, Rule, Ruling};
use alloc::string::String;
use alloc::vec::Vec;

/// Names that are looked up exactly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    pub(crate) fn new(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    fn contain(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// Whether a list that restricts only when it names something leaves this name out.
    fn leave_out(&self, name: &str) -> bool {
        !self.0.is_empty() && !self.contain(name)
    }
}

/// The policy's `mcp`.
#[derive(Clone, Debug)]
pub(crate) struct McpRules {
    pub(crate) allowed: Names,
    pub(crate) blocked: Names,
    pub(crate) block_unknown: bool,
}

/// A call of a tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'r> {
    pub(crate) server: &'r str,
    pub(crate) tool: &'r str,
    pub(crate) capability: Option<&'r str>,
}

impl McpRules {
    /// Decides `mcp_tool_call`.
    pub(crate) fn decide(&self, registry: Option<&Registry>, call: Call<'_>) -> Ruling {
        Ruling::from(if self.blocked.contain(call.server) {
            &rules::MCP_BLOCK
        } else if let Some(registry) = registry {
            registry.decide(call)
        } else if self.block_unknown && !self.allowed.contain(call.server) {
            &rules::MCP_BLOCK
        } else {
            &rules::MCP_ALLOW
        })
    }
}

/// What a record says of its server as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Blocked,
    Unapproved,
    Approved,
}

impl Standing {
    /// Reads `trust_tier` and `approval_state`.
    pub(crate) fn of(tier: Option<&str>, approval: Option<&str>) -> Self {
        match (tier, approval) {
            (Some("blocked"), _) | (_, Some("denied")) => Self::Blocked,
            (Some("approved" | "trusted"), Some("approved" | "not_required")) => Self::Approved,
            _ => Self::Unapproved,
        }
    }
}

/// What the trust registry says of one server.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) standing: Standing,
    pub(crate) tools: Names,
    pub(crate) capabilities: Names,
}

impl Record {
    fn decide(&self, call: Call<'_>) -> &'static Rule {
        match self.standing {
            Standing::Blocked => &rules::REGISTRY_BLOCKED,
            Standing::Unapproved => &rules::REGISTRY_APPROVAL,
            Standing::Approved if self.tools.leave_out(call.tool) => &rules::REGISTRY_TOOL,
            Standing::Approved
                if call
                    .capability
                    .is_some_and(|wanted| self.capabilities.leave_out(wanted)) =>
            {
                &rules::REGISTRY_CAPABILITY
            }
            Standing::Approved => &rules::REGISTRY_ALLOW,
        }
    }
}

/// The trust registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    records: Vec<Record>,
    /// Every `server_id` and `name` with the place of its record, sorted.
    names: Vec<(String, usize)>,
}

impl Registry {
    /// Adds a record that answers to these names.
    pub(crate) fn push(&mut self, names: impl Iterator<Item = String>, record: Record) {
        self.names.extend(names.map(|name| (name, self.records.len())));
        self.records.push(record);
    }

    /// Makes the records that were added ready to be looked up.
    pub(crate) fn sort(&mut self) {
        self.names.sort_unstable();
    }

    /// The most restrictive of what the server's records say; of equals the first.
    fn decide(&self, call: Call<'_>) -> &'static Rule {
        let from = self
            .names
            .partition_point(|(name, _)| name.as_str() < call.server);
        let named = self
            .names
            .iter()
            .skip(from)
            .take_while(|(name, _)| name == call.server);
        let rules = named
            .filter_map(|&(_, place)| self.records.get(place))
            .map(|record| record.decide(call));
        rules
            .reduce(|first, next| if next.verdict > first.verdict { next } else { first })
            .unwrap_or(&rules::REGISTRY_UNKNOWN)
    }
}
