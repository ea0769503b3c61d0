//! Servers that are asked by turns.

use std::time::Duration;

use anyhow::Result;

use super::client;
use super::server::Server;
use crate::Context;

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

    /// Answers a second of each server, as many as it can give over so many connections,
    /// round after round.
    pub(crate) fn rates(&self, servers: &[&Server], connections: usize) -> Result<Vec<Vec<f64>>> {
        self.each(servers, |server| self.reached(server, connections))
    }

    /// How long each server takes for a request that is sent when it is due: nanoseconds
    /// of every one, round after round. In each round as many are sent a second as are
    /// this `part` of what `of` has just reached over so many connections: what the
    /// machine can do differs from one second to the next.
    pub(crate) fn latencies(
        &self,
        servers: &[&Server],
        paced: usize,
        (part, of, connections): (f64, &Server, usize),
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        self.each(servers, |server| {
            let rate = part * self.reached(of, connections)?;
            client::latencies(server.addr, paced, self.turn, rate, &self.requests)
        })
    }

    fn reached(&self, server: &Server, connections: usize) -> Result<f64> {
        client::throughput(server.addr, connections, self.turn, &self.requests)
    }

    /// What `measure` gives of each server, round after round.
    fn each<T>(&self, servers: &[&Server], measure: impl Fn(&Server) -> Result<T>) -> Result<Vec<Vec<T>>> {
        let mut all: Vec<Vec<T>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (server, taken) in servers.iter().zip(&mut all) {
                taken.push(measure(server)?);
            }
        }
        Ok(all)
    }
}
