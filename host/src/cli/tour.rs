//! `cavra tour`: an agent's day, judged twice; and a fast path that misbehaves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, open_host, output};
use crate::config::{Config, Setting};
use crate::model::{Request, Verdict};
use crate::pilot::Evaluation;
use crate::sandbox::Allocation;

/// The day that the binary carries.
const SESSION: &str = include_str!("../../../examples/agent-session.jsonl");
/// The trust registry of that day.
const REGISTRY: &str = include_str!("../../../examples/mcp-registry.json");

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cavra tour --session my-agent.jsonl --misbehaving target/modules/misbehaving")]
pub(super) struct TourArgs {
    /// Requests to judge, one JSON document a line [default: a built-in day of a coding agent]
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// A folder of misbehaving modules, for the second part
    #[arg(long, value_name = "DIR")]
    misbehaving: Option<PathBuf>,
}

impl TourArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = match &self.session {
            None => SESSION.to_owned(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|e| Failure::Input(format!("cannot read `{}`: {e}", path.display())))?,
        };
        let registry = tempfile::NamedTempFile::new()?;
        std::fs::write(registry.path(), REGISTRY)?;
        let registry = registry.path().display().to_string();
        day(&text, &registry)?;
        safety_net(self.misbehaving.as_deref())?;
        let program = std::env::args().next().unwrap_or_else(|| "cavra".to_owned());
        output::text(&next(&program))?;
        Ok(Exit::Done)
    }
}

/// What to try next, with the program as it was called.
fn next(program: &str) -> String {
    let tries = [
        (
            "evaluate execute_command \"terraform apply\"",
            "one decision, in words",
        ),
        (
            "evaluate read_file app/.env --check; echo $?",
            "… as an exit status",
        ),
        (
            "policy explain execute_command \"git push origin main\"",
            "which pattern of which pack decided",
        ),
        ("policy list", "the packs that are built in"),
        ("policy test", "their tests, with both evaluators"),
        ("module bench builtin:fastpath", "where the time goes"),
        ("--help", ""),
    ];
    let lines = tries.map(|(command, what)| {
        format!("\n  {program} {command:<56}  {what}")
            .trim_end()
            .to_owned()
    });
    format!("\nWhat to try next\n{}", lines.concat())
}

fn settings(pairs: &[(Setting, &str)]) -> Result<Config, Failure> {
    let flags: BTreeMap<Setting, String> = pairs
        .iter()
        .map(|(setting, value)| (*setting, (*value).to_owned()))
        .collect();
    // The tour shows the same whatever the environment holds.
    Ok(Config::read(&flags, &BTreeMap::new())?)
}

fn day(text: &str, registry: &str) -> Result<(), Failure> {
    let config = settings(&[
        (Setting::Mode, "enforce"),
        (Setting::RuntimePath, "builtin:fastpath"),
        (Setting::PolicyPath, "auto"),
        (Setting::RegistryPath, registry),
    ])?;
    let host = open_host(config, Allocation::Pooled(1))?;
    let mut table = output::table(&[
        "#", "action", "target", "decision", "rule", "backend", "parity", "µs",
    ]);
    let mut summary = Summary::default();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let number = index.saturating_add(1);
        let request = Request::from_json(line.as_bytes())
            .map_err(|e| Failure::Input(format!("line {number} of the session: {e}")))?;
        let answer = host.evaluate(&request)?;
        let it = &answer.effective_decision.decision;
        let micros = micros(&answer);
        table.add_row(vec![
            number.to_string().into(),
            it.action_type.as_str().into(),
            output::short(&it.target, 52).into(),
            output::verdict(it.verdict),
            it.rule_id.as_str().into(),
            answer.selected_backend.as_str().into(),
            parity(&answer),
            micros.to_string().into(),
        ]);
        summary.add(it.verdict, &answer, micros);
    }
    output::text(&format!(
        "An agent's day, each action judged by the reference (`python`) and the fast path (`go`), each in a\n\
         fresh sandbox. The fast path's decision is used where both agree.\n\n{table}\n\n{summary}"
    ))
}

fn parity(answer: &Evaluation) -> comfy_table::Cell {
    match answer.parity_match {
        Some(true) => output::mark("match", true),
        Some(false) => output::mark("DIFFER", false),
        None => "-".into(),
    }
}

fn micros(answer: &Evaluation) -> u64 {
    let sandbox = &answer.sandbox;
    sandbox
        .reference
        .iter()
        .chain(&sandbox.fastpath)
        .map(|usage| usage.microseconds)
        .sum()
}

#[derive(Default)]
struct Summary {
    allowed: usize,
    approvals: usize,
    blocked: usize,
    fallbacks: usize,
    micros: Vec<u64>,
}

impl Summary {
    fn add(&mut self, verdict: Verdict, answer: &Evaluation, micros: u64) {
        let count = match verdict {
            Verdict::Allow | Verdict::AllowWithAttestation => &mut self.allowed,
            Verdict::RequireApproval => &mut self.approvals,
            Verdict::Block => &mut self.blocked,
        };
        *count = count.saturating_add(1);
        self.fallbacks = self.fallbacks.saturating_add(usize::from(answer.fallback_used));
        self.micros.push(micros);
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        write!(
            f,
            "{} actions: {} allowed, {} need approval, {} blocked; {} fallbacks; both evaluations together p50 {} µs, p99 {} µs",
            self.micros.len(),
            self.allowed,
            self.approvals,
            self.blocked,
            self.fallbacks,
            output::percentile(&sorted, 50),
            output::percentile(&sorted, 99),
        )
    }
}

/// The fast paths of the second part: the module and what it does.
const MISBEHAVING: [(&str, &str); 5] = [
    ("spin_in_evaluate", "never comes back"),
    ("no_such_module", "is not there"),
    ("disagree_on_verdict", "decides otherwise"),
    ("abort", "traps"),
    ("lie_about_target", "answers about something else"),
];

fn safety_net(folder: Option<&std::path::Path>) -> Result<(), Failure> {
    let Some(folder) = folder else {
        return output::text(
            "\nThe safety net: pass --misbehaving DIR with modules that spin, trap or lie to see it at work.",
        );
    };
    let request =
        Request::from_json(br#"{"action_type":"git_operation","operation":"push","target":"main"}"#)
            .map_err(|e| Failure::Internal(e.to_string()))?;
    let mut table = output::table(&[
        "a fast path that",
        "decision",
        "backend",
        "fallback code",
        "what the host says",
    ]);
    for (name, what) in MISBEHAVING {
        let path = folder.join(format!("{name}.wasm")).display().to_string();
        let config = settings(&[
            (Setting::Mode, "enforce"),
            (Setting::RuntimePath, &path),
            (Setting::PolicyPath, "auto"),
        ])?;
        let answer = open_host(config, Allocation::OnDemand)?.evaluate(&request)?;
        table.add_row(vec![
            what.into(),
            output::verdict(answer.effective_decision.decision.verdict),
            answer.selected_backend.as_str().into(),
            answer
                .fallback_code
                .map(|code| code.as_str())
                .unwrap_or("-")
                .into(),
            output::short(&answer.fallback_reason, 90).into(),
        ]);
    }
    output::text(&format!(
        "\nThe safety net: a push to main, judged with a fast path that misbehaves. Whatever it does, the\n\
         reference's decision stands.\n\n{table}"
    ))
}
