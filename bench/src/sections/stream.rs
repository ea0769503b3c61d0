//! Many requests from standard input, one a line.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use crate::Context;
use crate::child;
use crate::contenders::sandbox::{self, dual_flags};
use crate::measure::{median, ratio};
use crate::report::{Row, Section, duration};

const TITLE: &str = "A stream of requests through one process; ratio to a decision in process";

/// The whole run over many lines, and the same decisions by a host in this process.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    if !context.wants(TITLE, "stream") {
        return Ok(Vec::new());
    }
    let (lines, runs) = if context.quick { (500, 1) } else { (40_000, 5) };
    let input = context.scratch.join("requests.jsonl");
    write_requests(context, &input, lines)?;
    let cases = context.workload.cases.len();
    let few = context.scratch.join("few.jsonl");
    write_requests(context, &few, cases)?;
    check(context, &few)?;
    let (mut piped, mut in_process) = (Vec::new(), Vec::new());
    // The first decision loads the policy.
    decide(context, cases)?;
    for _ in 0..runs {
        in_process.push(decide(context, lines)?);
        let started = Instant::now();
        let status = command(context, &input)?.stdout(Stdio::null()).status()?;
        ensure!(status.success(), "the stream ended with {status}");
        piped.push(started.elapsed().as_nanos() as f64 / lines as f64);
    }
    let ratio = ratio(&piped, &in_process);
    let (piped, in_process) = (median(piped), median(in_process));
    let name = format!("cavra evaluate -, {lines} lines, start included: each line");
    Ok(vec![Section {
        title: TITLE.to_owned(),
        rows: vec![
            Row::value("in process, mean of as many", None, duration(in_process)),
            Row::value(name, Some(ratio), duration(piped)),
        ],
    }])
}

/// Mean nanoseconds of a decision in this process.
fn decide(context: &Context, count: usize) -> Result<f64> {
    let started = Instant::now();
    for number in 0..count {
        let case = context
            .workload
            .case(number)
            .ok_or_else(|| anyhow!("no requests"))?;
        sandbox::decide(&context.host, &case.request)?;
    }
    Ok(started.elapsed().as_nanos() as f64 / count as f64)
}

fn write_requests(context: &Context, path: &Path, lines: usize) -> Result<()> {
    let mut text = String::new();
    for number in 0..lines {
        let case = context
            .workload
            .case(number)
            .ok_or_else(|| anyhow!("no requests"))?;
        text.push_str(&serde_json::to_string(&case.request)?);
        text.push('\n');
    }
    Ok(std::fs::write(path, text)?)
}

fn command(context: &Context, input: &Path) -> Result<Command> {
    let mut command = Command::new(&context.cavra);
    command
        .env_clear()
        .args(["evaluate", "-"])
        .stdin(File::open(input)?);
    for (setting, value) in dual_flags(&context.policies) {
        command.arg(format!("--{}", setting.flag())).arg(value);
    }
    child::keep_cache(&mut command, &context.scratch.join("command-cache"));
    Ok(command)
}

/// Every line gets the right answer, by both.
fn check(context: &Context, input: &Path) -> Result<()> {
    let output = command(context, input)?.output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines();
    for case in &context.workload.cases {
        let answer: Value = serde_json::from_str(lines.next().context("too few answers")?)?;
        let word = |path: &str| answer.pointer(path).and_then(Value::as_str);
        let rightly = word("/effective_decision/decision") == Some(case.verdict.as_str())
            && word("/effective_decision/rule_id") == Some(case.rule_id.as_str())
            && word("/selected_backend") == Some("go");
        ensure!(rightly, "wrong answer: {answer}");
    }
    Ok(())
}
