//! How large a host is and how long it takes to be there, by the packs it has loaded.

use std::path::Path;

use anyhow::Result;

use crate::Context;
use crate::child;
use crate::measure::{Times, median};
use crate::packs;
use crate::report::{Row, Section, three_figures};

const MEMORY: &str = "Memory of a host; ratio to one pack";
const START: &str =
    "From the start of the process until it has decided once with each pack; ratio to one pack";

/// Memory and start-up, each child a fresh process.
pub(super) fn measure(context: &Context) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    if context.wants(MEMORY, "memory") {
        sections.push(memory(context)?);
    }
    if context.wants(START, "start") {
        sections.push(start(context)?);
    }
    Ok(sections)
}

fn memory(context: &Context) -> Result<Section> {
    const MANY: usize = 20;
    let policies = packs::directory(&context.scratch, MANY)?;
    let runs = if context.quick { 1 } else { 5 };
    let cache = context.scratch.join("memory");
    let size = |count: usize, cache: Option<&Path>| -> Result<f64> {
        let sizes: Result<Vec<f64>> = (0..runs)
            .map(|_| Ok(child::spawn(&policies, count, cache)?.kib as f64))
            .collect();
        Ok(median(sizes?))
    };
    // Those that a process bakes itself leave the compiler's memory behind.
    let baking = size(MANY, None)?;
    child::spawn(&policies, MANY, Some(&cache))?;
    let (one, many) = (size(1, Some(&cache))?, size(MANY, Some(&cache))?);
    let mib = |kib: f64| format!("{} MiB", three_figures(kib / 1024.0));
    let each = (many - one) / (MANY as f64 - 1.0);
    Ok(Section {
        title: MEMORY.to_owned(),
        rows: vec![
            Row::value("resident, 1 pack evaluated once", None, mib(one)),
            Row::value(
                "resident, 20 packs evaluated once each",
                Some(many / one),
                mib(many),
            ),
            Row::value("each further pack, both evaluators", Some(each / one), mib(each)),
            Row::value(
                "20 packs, baked by the process itself",
                Some(baking / one),
                mib(baking),
            ),
        ],
    })
}

/// What a child finds of the cache on disk.
#[derive(Clone, Copy)]
enum Cache {
    /// An empty one each time.
    Cold,
    /// The one that a run before has filled.
    Warm,
}

fn start(context: &Context) -> Result<Section> {
    let counts: &[usize] = if context.quick { &[1, 20] } else { &[1, 20, 100] };
    let mut rows = Vec::new();
    for (cache, kind) in [(Cache::Cold, "cold cache"), (Cache::Warm, "warm cache")] {
        let mut floor = None;
        for count in counts {
            let name = format!("{count} pack{}, {kind}", if *count == 1 { "" } else { "s" });
            let times = Times::new(name, vec![started(context, *count, cache)?]);
            let took = times.percentile(50);
            rows.push(Row::of_times(&times, floor.map(|floor| took / floor)));
            floor = floor.or(Some(took));
        }
    }
    Ok(Section {
        title: START.to_owned(),
        rows,
    })
}

fn started(context: &Context, count: usize, cache: Cache) -> Result<Vec<f64>> {
    let policies = packs::directory(&context.scratch, count)?;
    let runs = match (context.quick, count) {
        (true, _) => 1,
        (false, 100) => 3,
        (false, _) => 7,
    };
    let warm = context.scratch.join(format!("warm-{count}"));
    if matches!(cache, Cache::Warm) {
        child::spawn(&policies, count, Some(&warm))?;
    }
    (0..runs)
        .map(|run| {
            let cold = context.scratch.join(format!("cold-{count}-{run}"));
            let used = match cache {
                Cache::Cold => &cold,
                Cache::Warm => &warm,
            };
            Ok(child::spawn(&policies, count, Some(used))?.nanoseconds)
        })
        .collect()
}
