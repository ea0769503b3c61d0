//! What the evidence log costs: the service without one and with each durability, with
//! the same clients, by turns.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::Context;
use crate::child;
use crate::contenders::sandbox::dual_flags;
use crate::loopback::client;
use crate::loopback::server::Server;
use crate::measure::Times;
use crate::report::{Row, Section, three_figures};

const TITLE: &str = "The evidence log, requests a second of the service; ratio to no log";
const LATENCY: &str =
    "The evidence log, the service at half of its requests a second without one; ratio to no log";

/// Connections that ask at once.
const CONNECTIONS: usize = 32;

/// No log, then each durability.
const WAYS: [Option<&str>; 4] = [None, Some("async"), Some("flush"), Some("fsync")];

/// Requests a second, then the time of one.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    if !context.wants(TITLE, "evidence") {
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
    let servers: Vec<Server> = WAYS
        .iter()
        .map(|way| service(context, *way))
        .collect::<Result<_>>()?;
    let mut rates = vec![Vec::new(); servers.len()];
    for _ in 0..rounds {
        for (server, rates) in servers.iter().zip(&mut rates) {
            rates.push(client::throughput(server.addr, CONNECTIONS, turn, &requests)?);
        }
    }
    let rates: Vec<f64> = rates
        .into_iter()
        .map(|rates| Times::new("", rates).percentile(50))
        .collect();
    let without = rates.first().copied().unwrap_or(f64::NAN);
    let mut samples = vec![Vec::new(); servers.len()];
    for _ in 0..rounds {
        for (server, samples) in servers.iter().zip(&mut samples) {
            let taken = client::latencies(server.addr, CONNECTIONS, turn, 0.5 * without, &requests)?;
            samples.extend(taken);
        }
    }
    let rows = WAYS.iter().zip(&rates).map(|(way, rate)| {
        let ratio = way.map(|_| rate / without);
        Row::value(name(*way), ratio, format!("{} k/s", three_figures(rate / 1e3)))
    });
    let times: Vec<Times> = WAYS
        .iter()
        .zip(samples)
        .map(|(way, samples)| Times::new(name(*way), samples))
        .collect();
    Ok(vec![
        Section {
            title: TITLE.to_owned(),
            rows: rows.collect(),
        },
        Section::of_times(LATENCY, &times),
    ])
}

fn name(way: Option<&str>) -> &str {
    way.unwrap_or("no log")
}

fn service(context: &Context, way: Option<&str>) -> Result<Server> {
    let mut command = Command::new(&context.cavra);
    command.env_clear().args(["serve", "--addr", "127.0.0.1:0"]);
    for (setting, value) in dual_flags(&context.policies) {
        command.arg(format!("--{}", setting.flag())).arg(value);
    }
    if let Some(way) = way {
        command.args(["--evidence-durability", way, "--evidence-dir"]);
        command.arg(context.scratch.join(format!("evidence-{way}")));
        command
            .arg("--evidence-key")
            .arg(context.scratch.join("evidence.key"));
    }
    child::keep_cache(&mut command, &context.scratch.join("command-cache"));
    Server::start(command)
}
