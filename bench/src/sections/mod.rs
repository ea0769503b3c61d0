//! The sections of the table, one file each.

mod commands;
mod decisions;
mod evidence;
mod hosts;
mod scale;
mod service;
mod stream;
mod threads;

use anyhow::Result;

use crate::Context;
use crate::measure::{Contender, Effort, Operation, check, interleave};
use crate::report::Section;
use crate::workload::Workload;

/// A section by its name: measures and gives the rows.
type Measure = fn(&Context) -> Result<Vec<Section>>;

/// Every section, in the order of the table.
pub(crate) const ALL: [(&str, Measure); 9] = [
    ("decisions", decisions::bench),
    ("the default pack", decisions::baseline),
    ("threads", threads::measure),
    ("scale", scale::measure),
    ("hosts", hosts::measure),
    ("commands", commands::measure),
    ("stream", stream::measure),
    ("service", service::measure),
    ("evidence", evidence::measure),
];

/// Checks and times the contenders that are wanted, the first one, which the others
/// are compared with, in any case.
fn compare(
    context: &Context,
    title: &str,
    workload: &Workload,
    mut contenders: Vec<Contender<'_>>,
) -> Result<Vec<Section>> {
    let mut place = 0_usize;
    contenders.retain(|it| {
        place = place.saturating_add(1);
        place == 1 || context.wants(title, &it.name)
    });
    if contenders.len() < 2 {
        return Ok(Vec::new());
    }
    let expected: Vec<_> = workload
        .cases
        .iter()
        .map(|case| (case.verdict, case.rule_id.clone()))
        .collect();
    check(&mut contenders, &expected)?;
    let times = interleave(&mut contenders, Effort::new(context.quick))?;
    Ok(vec![Section::of_times(title, &times)])
}

/// The operation that asks `judge` about each request of a workload in turn.
fn each<'a>(
    workload: &'a Workload,
    mut judge: impl FnMut(&cavra::model::Request) -> Result<crate::measure::Answer> + 'a,
) -> Operation<'a> {
    Box::new(move |number| {
        let case = workload
            .case(number)
            .ok_or_else(|| anyhow::anyhow!("no requests"))?;
        judge(&case.request)
    })
}
