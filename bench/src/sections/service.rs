//! The HTTP service beside a bare handler that parses the same request and writes the
//! same answer: both over the loopback address, with the same clients on the same
//! machine, by turns.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::Context;
use crate::loopback::client::Connection;
use crate::loopback::server::Server;
use crate::loopback::turns::Turns;
use crate::measure::{Times, median, ratio};
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
    let turns = Turns::of(context)?;
    let servers = [bare(context)?, Server::service(context, "service", &[])?];
    for server in &servers {
        check(context, server, &turns.requests)?;
    }
    let rates = turns.rates(&servers, CONNECTIONS)?;
    let [bare_rates, rates] = rates.as_slice() else {
        bail!("two servers have two rates");
    };
    let [_, service] = &servers;
    let samples = turns.latencies(&servers, PACED, (0.7, service, CONNECTIONS))?;
    let names = [
        "bare handler: parses, answers, judges nothing",
        "cavra serve: both, fresh instances",
    ];
    let times: Vec<Times> = names
        .iter()
        .zip(samples)
        .map(|(name, samples)| Times::new(*name, samples))
        .collect();
    let thousands = |rates: &[f64]| format!("{} k/s", three_figures(median(rates.to_vec()) / 1e3));
    let [bare_name, name] = names;
    Ok(vec![
        Section {
            title: TITLE.to_owned(),
            rows: vec![
                Row::value(bare_name, None, thousands(bare_rates)),
                Row::value(name, Some(ratio(rates, bare_rates)), thousands(rates)),
            ],
        },
        Section::of_rounds(LATENCY, &times),
    ])
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
