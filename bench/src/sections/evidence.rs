//! What the evidence log costs: the service without one and with each durability, with
//! the same clients, by turns.

use anyhow::{Result, bail};
use cavra::pilot::Mode;

use crate::Context;
use crate::loopback::server::Server;
use crate::loopback::turns::Turns;
use crate::measure::{Times, median, ratio};
use crate::report::{Row, Section, three_figures};

const TITLE: &str = "The evidence log, requests a second of the service; ratio to no log";
const LATENCY: &str =
    "The evidence log, the service at half of its requests a second without one; ratio to no log";

/// Connections that ask at once, as fast as they are answered.
const CONNECTIONS: usize = 32;
/// Connections over which requests are sent when they are due, a thread each.
const PACED: usize = 8;

/// No log, then each durability.
const WAYS: [Option<&str>; 4] = [None, Some("async"), Some("flush"), Some("fsync")];

/// Requests a second, then the time of one.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    if !context.wants(TITLE, "evidence") {
        return Ok(Vec::new());
    }
    let turns = Turns::of(context)?;
    let servers: Vec<Server> = WAYS
        .iter()
        .map(|way| service(context, *way))
        .collect::<Result<_>>()?;
    let servers: Vec<&Server> = servers.iter().collect();
    let rates = turns.rates(&servers, CONNECTIONS)?;
    let (Some(without), Some(without_rates)) = (servers.first(), rates.first()) else {
        bail!("there is a service without a log");
    };
    let samples = turns.latencies(&servers, PACED, (0.5, without, CONNECTIONS))?;
    let rows = WAYS.iter().zip(&rates).map(|(way, rates)| {
        let ratio = way.map(|_| ratio(rates, without_rates));
        let rate = median(rates.clone());
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
        Section::of_rounds(LATENCY, &times),
    ])
}

fn name(way: Option<&str>) -> &str {
    way.unwrap_or("no log")
}

fn service(context: &Context, way: Option<&str>) -> Result<Server> {
    let Some(way) = way else {
        return Server::service(context, "no-log", Mode::Enforce, &[]);
    };
    let args = [
        "--evidence-durability".into(),
        way.into(),
        "--evidence-dir".into(),
        context.scratch.join(format!("evidence-{way}")).into(),
        "--evidence-key".into(),
        context.scratch.join("evidence.key").into(),
    ];
    Server::service(context, way, Mode::Enforce, &args)
}
