//! Cedar with the same rules, used as its users would: policies parsed once, one
//! authorisation a request.
//!
//! One pattern is one policy, so that a denial names it, or one list is, which says
//! less and is less work. Cedar knows allow and deny; what a denial means is an
//! annotation of the policy that it is due to.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow};
use cavra::model::Verdict;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Response, RestrictedExpression,
};

use crate::measure::Answer;
use crate::workload::{Case, Workload};

/// What one Cedar policy stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grain {
    /// One pattern: a denial says which.
    Pattern,
    /// A whole list.
    List,
}

/// A policy set and the entities that every request names.
pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    principal: EntityUid,
    resource: EntityUid,
    actions: Vec<EntityUid>,
    cases: Vec<Case>,
    requests: Vec<Request>,
}

impl Cedar {
    /// Parses the policies and makes the entities.
    pub(crate) fn new(workload: &Workload, grain: Grain) -> Result<Self> {
        let uid = |text: &str| text.parse::<EntityUid>().map_err(|e| anyhow!("{e}"));
        let actions = workload
            .cases
            .iter()
            .map(|case| uid(&format!("Action::\"{}\"", case.request.action_type)))
            .collect::<Result<Vec<_>>>()?;
        let mut cedar = Self {
            authorizer: Authorizer::new(),
            policies: source(workload, grain)?.parse().map_err(|e| anyhow!("{e}"))?,
            entities: Entities::empty(),
            principal: uid("Agent::\"coder-1\"")?,
            resource: uid("Workspace::\"billing\"")?,
            actions,
            cases: workload.cases.clone(),
            requests: Vec::new(),
        };
        cedar.requests = (0..workload.cases.len())
            .map(|number| cedar.request(number))
            .collect::<Result<Vec<_>>>()?;
        Ok(cedar)
    }

    /// One decision, its request made for it.
    pub(crate) fn decide(&self, number: usize) -> Result<Answer> {
        let request = self.request(number)?;
        self.authorize(&request)
    }

    /// One decision on a request that was made before.
    pub(crate) fn decide_made(&self, number: usize) -> Result<Answer> {
        self.authorize(in_turn(&self.requests, number)?)
    }

    fn request(&self, number: usize) -> Result<Request> {
        let case = in_turn(&self.cases, number)?;
        let subject = RestrictedExpression::new_string(case.subject.clone());
        let context = Context::from_pairs([("subject".to_owned(), subject)])?;
        let action = in_turn(&self.actions, number)?.clone();
        Ok(Request::new(
            self.principal.clone(),
            action,
            self.resource.clone(),
            context,
            None,
        )?)
    }

    fn authorize(&self, request: &Request) -> Result<Answer> {
        let response = self
            .authorizer
            .is_authorized(request, &self.policies, &self.entities);
        Ok(Answer::verdict(match response.decision() {
            Decision::Allow => Verdict::Allow,
            Decision::Deny => self.denial(&response),
        }))
    }

    /// The strictest of the policies that a denial is due to; none permits the
    /// action: a person is asked.
    fn denial(&self, response: &Response) -> Verdict {
        let blocks = response
            .diagnostics()
            .reason()
            .any(|id| self.policies.annotation(id, "verdict") == Some("block"));
        if blocks {
            Verdict::Block
        } else {
            Verdict::RequireApproval
        }
    }
}

fn in_turn<T>(items: &[T], number: usize) -> Result<&T> {
    let place = number.checked_rem(items.len()).context("no requests")?;
    items.get(place).context("no such request")
}

/// The rules in Cedar's language.
fn source(workload: &Workload, grain: Grain) -> Result<String> {
    let mut text = String::new();
    let mut list = |path: &str, action: &str, verdict: Option<&str>| -> Result<()> {
        let effect = verdict.map_or_else(
            || "permit".to_owned(),
            |verdict| format!("@verdict(\"{verdict}\") forbid"),
        );
        let patterns = workload.list(path)?;
        let together = match grain {
            Grain::Pattern => 1,
            Grain::List => patterns.len().max(1),
        };
        for patterns in patterns.chunks(together) {
            let when = patterns
                .iter()
                .flat_map(|it| forms(it, path.starts_with("/filesystem")))
                .map(|form| format!("context.subject like \"{form}\""))
                .collect::<Vec<_>>()
                .join(" || ");
            writeln!(
                text,
                "@rule(\"{path}\") {effect} (principal, action == Action::\"{action}\", resource) when {{ {when} }};"
            )?;
        }
        Ok(())
    };
    list("/filesystem/block_read", "read_file", Some("block"))?;
    list("/filesystem/block_write", "write_file", Some("block"))?;
    list(
        "/filesystem/require_approval_write",
        "write_file",
        Some("require_approval"),
    )?;
    list("/filesystem/block_read", "write_file", Some("require_approval"))?;
    list("/commands/block", "execute_command", Some("block"))?;
    list(
        "/commands/require_approval",
        "execute_command",
        Some("require_approval"),
    )?;
    list("/commands/allow", "execute_command", None)?;
    list("/git/protected_branches", "git_operation", Some("block"))?;
    list("/mcp/blocked_servers", "mcp_tool_call", Some("block"))?;
    let servers = serde_json::to_string(&workload.list("/mcp/allowed_servers")?)?;
    writeln!(
        text,
        "@verdict(\"block\") forbid (principal, action == Action::\"mcp_tool_call\", resource) \
         unless {{ {servers}.contains(context.subject) }};"
    )?;
    for action in ["read_file", "write_file", "git_operation", "mcp_tool_call"] {
        writeln!(
            text,
            "permit (principal, action == Action::\"{action}\", resource);"
        )?;
    }
    Ok(text)
}

/// The globs that stand for a pattern where a glob is all there is: a file's pattern
/// is also tried below any folder.
pub(crate) fn forms(pattern: &str, path: bool) -> Vec<String> {
    let mut form = pattern.to_owned();
    while form.contains("**") {
        form = form.replace("**", "*");
    }
    if !path {
        return vec![form];
    }
    match form.strip_prefix("*/") {
        Some(rest) => vec![rest.to_owned(), form.clone()],
        None if form.starts_with('*') || form.contains('/') => vec![form],
        None => vec![format!("*/{form}"), form],
    }
}
