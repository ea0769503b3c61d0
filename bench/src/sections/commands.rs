//! What one call of the command costs, from nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use cavra::config::Setting;
use cavra::model::Verdict;

use super::compare;
use crate::Context;
use crate::child;
use crate::contenders::sandbox::dual_flags;
use crate::measure::{Answer, Contender};
use crate::report::Section;
use crate::workload::{PACK, Workload};

/// The command that is judged: one that the benchmark's policy blocks.
const JUDGED: [&str; 3] = ["evaluate", "execute_command", "terraform apply"];
/// `--check`: the exit status says what was decided.
const BLOCKED: i32 = 2;

/// The shipped binary, once a decision.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    let cavra = context.cavra.as_path();
    let cache = context.scratch.join("command-cache");
    let evaluate = |flags: Vec<String>| {
        let fixed = JUDGED.into_iter().chain(["--check", "--policy-pack", PACK]);
        let arguments: Vec<String> = fixed.map(str::to_owned).chain(flags).collect();
        let cache = cache.clone();
        move |_: usize| match call(cavra, &arguments, &cache)? {
            Some(BLOCKED) => Ok(Answer::verdict(Verdict::Block)),
            other => anyhow::bail!("the exit status is {other:?}"),
        }
    };
    let policies = vec![
        format!("--{}", Setting::PolicyDir.flag()),
        context.policies.display().to_string(),
    ];
    let dual = dual_flags(&context.policies)
        .into_iter()
        .flat_map(|(setting, value)| [format!("--{}", setting.flag()), value]);
    let version = ["--version".to_owned()];
    let contenders = vec![
        Contender::new("floor: cavra --version", |_| {
            call(cavra, &version, &cache)?;
            Ok(Answer::default())
        }),
        Contender::new("/bin/true", |_| {
            call("/bin/true".as_ref(), &[], &cache)?;
            Ok(Answer::default())
        }),
        Contender::new("cavra evaluate, mode disabled: the reference", evaluate(policies)),
        Contender::new("cavra evaluate, mode enforce: both", evaluate(dual.collect())),
    ];
    // The calls judge one command, not the requests.
    let one = Workload {
        cases: context
            .workload
            .cases
            .iter()
            .filter(|case| case.rule_id == "commands.block")
            .cloned()
            .collect(),
        ..context.workload.clone()
    };
    let title = "One call of the command, process and all; ratio to starting the binary";
    compare(context, title, &one, contenders)
}

fn call(program: &Path, arguments: &[String], cache: &Path) -> Result<Option<i32>> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    child::keep_cache(&mut command, cache);
    let status = command.status().with_context(|| program.display().to_string())?;
    Ok(status.code())
}
