//! The HTTP service beside a bare handler that parses the same request and writes the
//! same answer: both over the loopback address, with the same clients on the same
//! machine, by turns.

use anyhow::{Context as _, Result, bail, ensure};
use cavra::pilot::Mode;
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

/// What is asked, by its name and the mode of its answers.
const CONTENDERS: [(&str, Mode, Kind); 5] = [
    (
        "bare handler: parses, answers, judges nothing",
        Mode::Enforce,
        Kind::Bare,
    ),
    (
        "bare handler that judges: both, fresh instances, and no service",
        Mode::Enforce,
        Kind::Judging,
    ),
    ("cavra serve: both, fresh instances", Mode::Enforce, Kind::Service),
    (
        "bare handler: the answers of mode disabled",
        Mode::Disabled,
        Kind::Bare,
    ),
    (
        "cavra serve, mode disabled: the reference alone",
        Mode::Disabled,
        Kind::Service,
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bare,
    Judging,
    Service,
}

/// Requests a second, then the time of one.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    if !context.wants(TITLE, "service") {
        return Ok(Vec::new());
    }
    let turns = Turns::of(context)?;
    let mut servers = Vec::new();
    for (_, mode, kind) in CONTENDERS {
        let server = match kind {
            Kind::Bare | Kind::Judging => Server::bare(context, mode, kind == Kind::Judging)?,
            Kind::Service => Server::service(context, &format!("service-{mode}"), mode, &[])?,
        };
        check(context, &server, &turns.requests, mode)?;
        servers.push(server);
    }
    let servers: Vec<&Server> = servers.iter().collect();
    let rates = turns.rates(&servers, CONNECTIONS)?;
    let mut rows = Vec::new();
    let mut compared_with = None;
    for ((name, _, kind), rates) in CONTENDERS.into_iter().zip(&rates) {
        if kind == Kind::Bare {
            compared_with = Some(rates);
        }
        let ratio = compared_with
            .filter(|_| kind != Kind::Bare)
            .map(|to| ratio(rates, to));
        let rate = three_figures(median(rates.clone()) / 1e3);
        rows.push(Row::value(name, ratio, format!("{rate} k/s")));
    }

    let [(bare_name, ..), _, (name, ..), ..] = CONTENDERS;
    let [bare, _, service, ..] = servers.as_slice() else {
        bail!("there are a bare handler and a service");
    };
    let paced = turns.latencies(&[bare, service], PACED, (0.7, service, CONNECTIONS))?;
    let times: Vec<Times> = [bare_name, name]
        .into_iter()
        .zip(paced)
        .map(|(name, samples)| Times::new(name, samples))
        .collect();
    Ok(vec![
        Section {
            title: TITLE.to_owned(),
            rows,
        },
        Section::of_rounds(LATENCY, &times),
    ])
}

/// Every request gets the right answer, by all backends of the mode.
fn check(context: &Context, server: &Server, requests: &[Vec<u8>], mode: Mode) -> Result<()> {
    let mut connection = Connection::open(server.addr)?;
    let backend = match mode {
        Mode::Disabled => "python",
        _ => "go",
    };
    for (case, request) in context.workload.cases.iter().zip(requests) {
        let answer: Value = serde_json::from_slice(connection.ask(request)?).context("no JSON")?;
        let word = |path: &str| answer.pointer(path).and_then(Value::as_str);
        let rightly = word("/effective_decision/decision") == Some(case.verdict.as_str())
            && word("/effective_decision/rule_id") == Some(case.rule_id.as_str())
            && word("/selected_backend") == Some(backend);
        ensure!(rightly, "wrong answer: {answer}");
    }
    Ok(())
}
