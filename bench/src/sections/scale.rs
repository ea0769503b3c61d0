//! What one decision costs with ever more rules.

use anyhow::Result;

use super::decisions::FLOOR;
use super::{compare, each};
use crate::Context;
use crate::contenders::cedar::{Cedar, Grain};
use crate::contenders::empty::Empty;
use crate::contenders::rego::Rego;
use crate::contenders::sandbox::{self, Evaluator};
use crate::generate;
use crate::measure::{Answer, Contender};
use crate::report::{Row, Section};
use crate::workload::Workload;

/// Patterns in each of six lists.
const SIZES: [usize; 4] = [40, 1_000, 10_000, 100_000];
const QUICK: [usize; 2] = [40, 1_000];
/// Up to this many the others are asked too: they look through all of them.
const OTHERS: usize = 10_000;

const FAST_PATH: &str = "fast path alone, fresh instance";

/// The sizes beside each other, then one section a size.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    let sizes: &[usize] = if context.quick { &QUICK } else { &SIZES };
    let mut sections = by_size(context, sizes)?;
    for size in sizes {
        sections.extend(of_size(context, *size)?);
    }
    Ok(sections)
}

/// The fast path under policies of all sizes, by turns.
fn by_size(context: &Context, sizes: &[usize]) -> Result<Vec<Section>> {
    let title = "The fast path at scale, by patterns in each of six lists; ratio to the fewest";
    if !context.wants(title, FAST_PATH) {
        return Ok(Vec::new());
    }
    let workloads: Vec<Workload> = sizes
        .iter()
        .map(|size| Workload::under(generate::policy(&context.workload, *size)?))
        .collect::<Result<_>>()?;
    let contenders: Vec<Contender<'_>> = sizes
        .iter()
        .zip(&workloads)
        .map(|(size, workload)| {
            let backend = context.sandbox.backend(Evaluator::FastPath, &workload.policy)?;
            Ok(Contender {
                name: format!("{FAST_PATH}: {size} patterns"),
                together: 1,
                operation: each(workload, move |request| sandbox::attempt(&*backend, request)),
            })
        })
        .collect::<Result<_>>()?;
    let Some(fewest) = workloads.first() else {
        return Ok(Vec::new());
    };
    compare(context, title, fewest, contenders)
}

fn of_size(context: &Context, size: usize) -> Result<Vec<Section>> {
    let title = format!("One decision at scale: {size} patterns in each of six lists; ratio to the floor");
    let others = ["Cedar", "Regorus"];
    let evaluators = [
        (FAST_PATH, Evaluator::FastPath),
        ("reference alone, fresh instance", Evaluator::Reference),
    ];
    let wanted = |name: &str| context.wants(&title, name);
    if !others.into_iter().chain(evaluators.map(|it| it.0)).any(wanted) {
        return Ok(Vec::new());
    }
    let workload = Workload::under(generate::policy(&context.workload, size)?)?;
    let sandbox = &context.sandbox;
    let empty = Empty::new(sandbox.engine())?;
    let mut failed = Vec::new();
    let mut contenders = vec![Contender::new(FLOOR, |_| {
        empty.twice()?;
        Ok(Answer::default())
    })];
    for (name, evaluator) in evaluators {
        let backend = sandbox.backend(evaluator, &workload.policy)?;
        let first = workload
            .case(0)
            .map(|case| backend.evaluate(&case.request).outcome);
        if let Some(Err(fault)) = first {
            // Not every evaluator can hold a policy of this size: that is a result.
            failed.push(Row::value(name, None, format!("`{}`", fault.code().as_str())));
            continue;
        }
        contenders.push(Contender {
            name: name.to_owned(),
            together: 1,
            operation: each(&workload, move |request| sandbox::attempt(&*backend, request)),
        });
    }
    if size <= OTHERS && wanted("Cedar") {
        let cedar = Cedar::new(&workload, Grain::Pattern)?;
        contenders.push(Contender::new("Cedar", move |number| cedar.decide(number)));
    }
    if size <= OTHERS && wanted("Regorus") {
        let mut rego = Rego::new(&workload)?;
        contenders.push(Contender::new("Regorus", move |number| rego.execute(number)));
    }
    let mut sections = compare(context, &title, &workload, contenders)?;
    if let Some(section) = sections.first_mut() {
        section.rows.extend(failed);
    }
    Ok(sections)
}
