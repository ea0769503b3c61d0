//! `cavra evaluate`, also known as `cavra runtime go-pilot-evaluate`.

use std::sync::Arc;

use clap::Args;

use super::settings::SettingsArgs;
use super::{Exit, Failure, open_host, output, stream};
use crate::model::{Request, Verdict};
use crate::pilot::{Evaluation, SelectedBackend};
use crate::sandbox::Allocation;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cavra evaluate read_file src/main.rs
  cavra evaluate execute_command \"npm test && git push origin main\" --json
  cavra evaluate git_operation main --operation push --policy-pack cavra-github-enterprise
  cavra evaluate mcp_tool_call example-mcp --tool create_issue --registry-path registry.json
  cavra evaluate - --mode shadow --runtime-path builtin:fastpath --policy-path auto < requests.jsonl")]
pub(super) struct EvaluateArgs {
    /// read_file, write_file, execute_command, git_operation, mcp_tool_call or pull_request; `-` reads one request JSON a line from standard input
    action_type: String,
    /// A path, a command line, a git ref, an MCP server, or free text
    target: Option<String>,
    /// The pack to judge by [default: cavra-ai-agent-baseline]
    #[arg(long, value_name = "ID")]
    policy_pack: Option<String>,
    /// What is asked of the target: a git verb, an MCP operation
    #[arg(long)]
    operation: Option<String>,
    /// The MCP tool
    #[arg(long)]
    tool: Option<String>,
    /// The MCP capability
    #[arg(long)]
    capability: Option<String>,
    /// The absolute path of the agent's workspace
    #[arg(long, value_name = "DIR")]
    workspace: Option<String>,
    /// The session [default: local]
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// The agent [default: unknown-agent]
    #[arg(long, value_name = "ID")]
    agent_id: Option<String>,
    /// The actor [default: ai-agent]
    #[arg(long)]
    actor: Option<String>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    /// Let the exit status tell the decision: 0 allowed, 2 block, 4 require_approval
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl EvaluateArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        if self.action_type == "-" {
            if let Some(target) = &self.target {
                return Err(Failure::Input(format!(
                    "`-` reads requests from standard input; remove `{target}`"
                )));
            }
            if let Some(flag) = self.of_one_request() {
                return Err(Failure::Input(format!(
                    "`-` reads requests from standard input, and each says for itself what it asks; remove `{flag}`"
                )));
            }
            let host = Arc::new(open_host(config, Allocation::Pooled(1))?);
            // A stream may last for days; a rollback reaches it.
            let _watch = host.rollback().watch(|| {});
            return stream::run(&host, self.check);
        }
        let (json, check) = (self.json, self.check);
        let request = self.request()?;
        let answer = open_host(config, Allocation::OnDemand)?.evaluate(&request)?;
        if json {
            output::json(&answer)?;
        } else {
            show(&answer)?;
        }
        Ok(exit(&answer, check))
    }

    /// A flag that describes one request, if there is any.
    fn of_one_request(&self) -> Option<&'static str> {
        let given = [
            ("--policy-pack", &self.policy_pack),
            ("--operation", &self.operation),
            ("--tool", &self.tool),
            ("--capability", &self.capability),
            ("--workspace", &self.workspace),
            ("--session-id", &self.session_id),
            ("--agent-id", &self.agent_id),
            ("--actor", &self.actor),
        ];
        given
            .iter()
            .find(|(_, value)| value.is_some())
            .map(|(flag, _)| *flag)
    }

    /// The request that the arguments describe, through the same door as any other.
    fn request(self) -> Result<Request, Failure> {
        let described = Request {
            action_type: self.action_type,
            target: self.target,
            operation: self.operation,
            policy_pack: self.policy_pack.unwrap_or_default(),
            tool: self.tool,
            capability: self.capability,
            workspace: self.workspace,
            session_id: self.session_id,
            agent_id: self.agent_id,
            actor: self.actor,
            ..Request::default()
        };
        let body = serde_json::to_vec(&described)?;
        Request::from_json(&body).map_err(|e| Failure::Input(e.to_string()))
    }
}

/// The exit status that an answer stands for.
pub(super) fn exit(answer: &Evaluation, check: bool) -> Exit {
    if answer.selected_backend == SelectedBackend::None {
        return Exit::Failure;
    }
    match answer.effective_decision.decision.verdict {
        Verdict::Block if check => Exit::Blocked,
        Verdict::RequireApproval if check => Exit::Approval,
        _ => Exit::Done,
    }
}

fn show(answer: &Evaluation) -> Result<(), Failure> {
    let it = &answer.effective_decision.decision;
    let mut table = output::table(&[]);
    table.add_row(vec!["decision".into(), output::verdict(it.verdict)]);
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            table.add_row(vec![name.to_owned(), output::short(value, 400)]);
        }
    };
    row("rule", &format!("{} ({})", it.rule_id, it.severity));
    row("pattern", it.matched_pattern.as_deref().unwrap_or_default());
    row("approver", it.approver_group.as_deref().unwrap_or_default());
    row("reason", &it.reason);
    row("target", &it.target);
    row("pack", &it.policy_pack);
    let parity = match answer.parity_match {
        Some(true) => ", both backends agree",
        Some(false) => ", the backends differ",
        None => "",
    };
    row(
        "backend",
        &format!(
            "{} in mode {}{parity}",
            answer.selected_backend.as_str(),
            answer.backend_mode
        ),
    );
    let code = answer
        .fallback_code
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    if !answer.fallback_reason.is_empty() {
        row("note", &format!("{}{code}", answer.fallback_reason));
    }
    let failing = answer.reports.readiness.as_ref().and_then(|report| {
        let mut checks = report.checks.iter();
        checks.find(|check| !check.passes())
    });
    if let Some(check) = failing {
        row("why", &check.message);
    }
    if let Some(rollback) = &answer.rollback {
        row("rollback", &rollback.note());
    }
    output::text(&table.to_string())
}
