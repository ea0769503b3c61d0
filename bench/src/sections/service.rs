//! The HTTP service beside a bare handler that parses the same request and writes the
//! same answer: both over the loopback address, with the same clients on the same
//! machine, by turns.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Context;
use crate::child;
use crate::contenders::sandbox::dual_flags;
use crate::loopback::client::{self, Connection};
use crate::loopback::server::Server;
use crate::measure::Times;
use crate::report::{Row, Section, three_figures};

const TITLE: &str = "The service over loopback, requests a second; ratio to a bare handler";
const LATENCY: &str =
    "The service at 70 % of its own requests a second; ratio to a bare handler at the same rate";

/// Connections that ask at once, as fast as they are answered.
const CONNECTIONS: usize = 32;
/// Connections over which requests are sent when they are due. Each has a thread, and
/// more threads than are needed would be measured with what they measure.
const PACED: usize = 8;

/// Requests a second, then the time of one.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    if !context.wants(TITLE, "service") {
        return Ok(Vec::new());
    }
    let (rounds, turn) = if context.quick {
        (2, Duration::from_millis(200))
    } else {
        (12, Duration::from_millis(500))
    };
    let bodies: Result<Vec<Vec<u8>>, _> = context
        .workload
        .cases
        .iter()
        .map(|case| serde_json::to_vec(&case.request).map(|body| client::request(&body)))
        .collect();
    let requests = bodies?;
    let (service, bare) = (service(context)?, bare(context)?);
    check(context, &service, &requests)?;
    check(context, &bare, &requests)?;
    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (server, rates) in [&bare, &service].into_iter().zip(&mut rates) {
            rates.push(client::throughput(server.addr, CONNECTIONS, turn, &requests)?);
        }
    }
    let [bare_rate, rate] = rates.map(|rates| Times::new("", rates).percentile(50));
    let mut samples: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (server, samples) in [&bare, &service].into_iter().zip(&mut samples) {
            let taken = client::latencies(server.addr, PACED, turn, 0.7 * rate, &requests)?;
            samples.extend(taken);
        }
    }
    let [bare_times, times] = samples;
    let thousands = |rate: f64| format!("{} k/s", three_figures(rate / 1e3));
    let bare_name = "bare handler: parses, answers, judges nothing";
    let name = "cavra serve: both, fresh instances";
    Ok(vec![
        Section {
            title: TITLE.to_owned(),
            rows: vec![
                Row::value(bare_name, None, thousands(bare_rate)),
                Row::value(name, Some(rate / bare_rate), thousands(rate)),
            ],
        },
        Section::of_times(
            LATENCY,
            &[Times::new(bare_name, bare_times), Times::new(name, times)],
        ),
    ])
}

fn service(context: &Context) -> Result<Server> {
    let mut command = Command::new(&context.cavra);
    command.env_clear().args(["serve", "--addr", "127.0.0.1:0"]);
    for (setting, value) in dual_flags(&context.policies) {
        command.arg(format!("--{}", setting.flag())).arg(value);
    }
    child::keep_cache(&mut command, &context.scratch.join("command-cache"));
    // With a log line for every request, as it is by default.
    command.stderr(File::create(context.scratch.join("service.log"))?);
    Server::start(command)
}

fn bare(context: &Context) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().arg("bare").arg(&context.policies);
    Server::start(command)
}

/// Every request gets the right answer, by both backends.
fn check(context: &Context, server: &Server, requests: &[Vec<u8>]) -> Result<()> {
    let mut connection = Connection::open(server.addr)?;
    for (case, request) in context.workload.cases.iter().zip(requests) {
        let answer: Value = serde_json::from_slice(connection.ask(request)?).context("no JSON")?;
        let word = |path: &str| answer.pointer(path).and_then(Value::as_str);
        let rightly = word("/effective_decision/decision") == Some(case.verdict.as_str())
            && word("/effective_decision/rule_id") == Some(case.rule_id.as_str())
            && word("/selected_backend") == Some("go");
        ensure!(rightly, "wrong answer: {answer}");
    }
    Ok(())
}
