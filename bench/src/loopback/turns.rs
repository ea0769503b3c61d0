//! Servers that are asked by turns.

use std::time::Duration;

use anyhow::Result;

use super::client;
use super::server::Server;
use crate::Context;
use crate::measure::Times;

/// How servers are compared: so many turns for each, and what it is asked in them.
pub(crate) struct Turns {
    rounds: usize,
    turn: Duration,
    /// The requests of the workload, as they go over the wire.
    pub(crate) requests: Vec<Vec<u8>>,
}

impl Turns {
    pub(crate) fn of(context: &Context) -> Result<Self> {
        let (rounds, turn) = if context.quick {
            (2, Duration::from_millis(200))
        } else {
            (12, Duration::from_millis(500))
        };
        let cases = context.workload.cases.iter();
        let requests: Result<_, serde_json::Error> = cases
            .map(|case| serde_json::to_vec(&case.request).map(|body| client::request(&body)))
            .collect();
        Ok(Self {
            rounds,
            turn,
            requests: requests?,
        })
    }

    /// Answers a second of each server, as many as it can give over so many connections:
    /// the median of its turns.
    pub(crate) fn rates(&self, servers: &[Server], connections: usize) -> Result<Vec<f64>> {
        let taken = self.each(servers, |server| {
            let rate = client::throughput(server.addr, connections, self.turn, &self.requests)?;
            Ok(vec![rate])
        })?;
        let medians = taken
            .into_iter()
            .map(|rates| Times::new("", rates).percentile(50));
        Ok(medians.collect())
    }

    /// How long each server takes for a request that is sent when it is due: nanoseconds
    /// of every one, `rate` a second over so many connections.
    pub(crate) fn latencies(
        &self,
        servers: &[Server],
        connections: usize,
        rate: f64,
    ) -> Result<Vec<Vec<f64>>> {
        self.each(servers, |server| {
            client::latencies(server.addr, connections, self.turn, rate, &self.requests)
        })
    }

    fn each(
        &self,
        servers: &[Server],
        measure: impl Fn(&Server) -> Result<Vec<f64>>,
    ) -> Result<Vec<Vec<f64>>> {
        let mut all = vec![Vec::new(); servers.len()];
        for _ in 0..self.rounds {
            for (server, taken) in servers.iter().zip(&mut all) {
                taken.extend(measure(server)?);
            }
        }
        Ok(all)
    }
}
