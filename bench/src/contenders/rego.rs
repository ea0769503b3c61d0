//! Regorus with the same rules: Rego and its data compiled once, one evaluation a
//! request, by its interpreter or by its virtual machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use cavra::model::Verdict;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{CompiledPolicy, Engine, Value};
use serde_json::json;

use super::cedar::forms;
use crate::measure::Answer;
use crate::workload::{Case, Workload};

const POLICY: &str = include_str!("policy.rego");
const ENTRY: &str = "data.bench.decision";

/// A compiled policy and the requests.
pub(crate) struct Rego {
    policy: CompiledPolicy,
    machine: RegoVM,
    cases: Vec<Case>,
}

impl Rego {
    /// Compiles the policy with the workload's lists as its data.
    pub(crate) fn new(workload: &Workload) -> Result<Self> {
        // The compiled globs of all lists fit: none is compiled again.
        regorus::cache::configure(regorus::cache::Config {
            glob: regorus::cache::Config::MAX_CAPACITY,
            ..regorus::cache::Config::default()
        });
        let globs = |path: &str| -> Result<Vec<String>> {
            let patterns = workload.list(path)?;
            let files = path.starts_with("/filesystem");
            Ok(patterns.iter().flat_map(|it| forms(it, files)).collect())
        };
        let data = json!({"lists": {
            "block_read": globs("/filesystem/block_read")?,
            "block_write": globs("/filesystem/block_write")?,
            "ask_write": globs("/filesystem/require_approval_write")?,
            "block": globs("/commands/block")?,
            "ask": globs("/commands/require_approval")?,
            "allow": globs("/commands/allow")?,
            "branches": globs("/git/protected_branches")?,
            "blocked_servers": workload.list("/mcp/blocked_servers")?,
            "allowed_servers": workload.list("/mcp/allowed_servers")?,
        }});
        let mut engine = Engine::new();
        engine.add_policy("policy.rego".to_owned(), POLICY.to_owned())?;
        engine.add_data_json(&data.to_string())?;
        let policy = engine.compile_with_entrypoint(&Arc::from(ENTRY))?;
        let program = Compiler::compile_from_policy(&policy, &[ENTRY]).map_err(|e| anyhow!("{e}"))?;
        let mut machine = RegoVM::new();
        machine.load_program(program);
        machine
            .set_data(Value::from_json_str(&data.to_string())?)
            .map_err(|e| anyhow!("{e}"))?;
        machine.set_max_instructions(usize::MAX);
        Ok(Self {
            policy,
            machine,
            cases: workload.cases.clone(),
        })
    }

    /// One decision by the interpreter, its input made for it.
    pub(crate) fn interpret(&self, number: usize) -> Result<Answer> {
        verdict(&self.policy.eval_with_input(self.input(number)?)?)
    }

    /// One decision by the virtual machine, which is kept, its input made for it.
    pub(crate) fn execute(&mut self, number: usize) -> Result<Answer> {
        self.machine.set_input(self.input(number)?);
        verdict(&self.machine.execute().map_err(|e| anyhow!("{e}"))?)
    }

    fn input(&self, number: usize) -> Result<Value> {
        let place = number.checked_rem(self.cases.len()).context("no requests")?;
        let case = self.cases.get(place).context("no such request")?;
        let text = |text: &str| Value::from(text.to_owned());
        Ok(Value::from(BTreeMap::from([
            (text("action"), text(&case.request.action_type)),
            (text("subject"), text(&case.subject)),
        ])))
    }
}

fn verdict(decision: &Value) -> Result<Answer> {
    let verdict = decision
        .as_array()
        .ok()
        .and_then(|it| it.first())
        .with_context(|| format!("the answer is {decision:?}"))?;
    Ok(Answer::verdict(match verdict.as_string()?.as_ref() {
        "allow" => Verdict::Allow,
        "require_approval" => Verdict::RequireApproval,
        "block" => Verdict::Block,
        other => bail!("the verdict is `{other}`"),
    }))
}
