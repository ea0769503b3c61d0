//! How many decisions a second one and two threads make with one host.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::Context;
use crate::contenders::empty::Empty;
use crate::contenders::sandbox;
use crate::measure::{median, ratio};
use crate::report::{Row, Section, three_figures};

const TITLE: &str = "Decisions a second; ratio to one thread";

/// One and two threads by turns, of the product and of the floor.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    if !context.wants(TITLE, "threads") {
        return Ok(Vec::new());
    }
    let rounds = if context.quick { 3 } else { 30 };
    let turn = Duration::from_millis(50);
    let empty = Empty::new(context.sandbox.engine())?;
    let dual = |number: usize| -> Result<()> {
        let case = context
            .workload
            .case(number)
            .ok_or_else(|| anyhow!("no requests"))?;
        sandbox::decide(&context.host, &case.request).map(drop)
    };
    let floor = |_: usize| empty.twice();
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        let round = [
            rate(1, turn, &dual)?,
            rate(2, turn, &dual)?,
            rate(1, turn, &floor)?,
            rate(2, turn, &floor)?,
        ];
        for (rates, rate) in rates.iter_mut().zip(round) {
            rates.push(rate);
        }
    }
    let [one, two, floor_one, floor_two] = rates;
    let row = |name: &str, ratio, rates: &[f64]| {
        let thousands = three_figures(median(rates.to_vec()) / 1e3);
        Row::value(name, ratio, format!("{thousands} k/s"))
    };
    Ok(vec![Section {
        title: TITLE.to_owned(),
        rows: vec![
            row("both, fresh instances: one thread", None, &one),
            row(
                "both, fresh instances: two threads",
                Some(ratio(&two, &one)),
                &two,
            ),
            row("floor: one thread", None, &floor_one),
            row(
                "floor: two threads",
                Some(ratio(&floor_two, &floor_one)),
                &floor_two,
            ),
        ],
    }])
}

/// How often a second `threads` threads together do `operation`.
fn rate(threads: usize, turn: Duration, operation: &(impl Fn(usize) -> Result<()> + Sync)) -> Result<f64> {
    let count = |first: usize| -> Result<f64> {
        let mut done = 0_usize;
        let started = Instant::now();
        while started.elapsed() < turn {
            operation(first.wrapping_add(done))?;
            done = done.saturating_add(1);
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || count(first)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("a thread panicked"))?)
            .sum()
    })
}
