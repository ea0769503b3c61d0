//! `cavra evidence` over the store of a fleet.

use super::evidence::{LogArgs, PlaceArgs, ShipArgs, StatsArgs, evaluations};
use super::recording::{machine, open_log};
use super::settings::EvidenceSource;
use super::verify::show;
use super::{Exit, Failure, output};
use crate::clock::{Clock, SystemClock};
use crate::evidence::counts::Counts;
use crate::evidence::fleet::{FleetVerification, Hosted, Shipment, Store};

/// The one log that is meant.
pub(super) fn one(store: &mut Store, meant: &LogArgs) -> Result<Hosted, Failure> {
    let mut logs = store.logs(meant.log.as_deref())?;
    match (logs.pop(), logs.is_empty()) {
        (Some(log), true) => Ok(log),
        _ => Err(Failure::Input(
            "which log of the evidence store? choose one by --log; `cavra evidence stats` lists them"
                .to_owned(),
        )),
    }
}

/// Prints what was found of every log.
pub(super) fn verified(found: &FleetVerification, json: bool) -> Result<Exit, Failure> {
    if json {
        output::json(found)?;
    } else {
        for log in &found.logs {
            output::text(&format!("{} of {}", log.log, log.host))?;
            show(&log.found)?;
        }
        let word = if found.verified {
            "verified"
        } else {
            "not verified"
        };
        output::text(&format!("{} logs: {word}", found.logs.len()))?;
    }
    Ok(if found.verified { Exit::Done } else { Exit::Failure })
}

pub(super) fn stats(args: StatsArgs) -> Result<Exit, Failure> {
    let query = args.filter.query();
    let source = args.log.source(&args.place, args.dir)?;
    let counts = match source {
        EvidenceSource::Store(at) => Store::open(&at)?.count(&query, args.log.log.as_deref(), args.by)?,
        EvidenceSource::Dir(dir) => {
            let mut counts = Counts::new(args.by);
            for found in evaluations(&dir, query)? {
                let found = found?;
                if let Some(record) = found.entry.evaluation() {
                    counts.count(&found.origin, record, args.by);
                }
            }
            counts
        }
    };
    if args.json {
        output::json(&counts)?;
    } else {
        show_counts(&counts)?;
    }
    Ok(Exit::Done)
}

fn show_counts(counts: &Counts) -> Result<(), Failure> {
    let mut table = output::table(&["by", "", "evaluations"]);
    let mut row = |by: &str, name: &str, count: u64| {
        table.add_row(vec![by.to_owned(), output::short(name, 80), count.to_string()]);
    };
    row("all", "", counts.evaluations);
    for log in &counts.logs {
        row(
            "host",
            format!("{} {}", log.host, log.log).trim(),
            log.evaluations,
        );
    }
    let sides = [
        ("decision", &counts.decisions),
        ("fallback code", &counts.fallback_codes),
        ("rule", &counts.rules),
        (counts.step, &counts.times),
    ];
    for (by, counts) in sides {
        for (name, count) in counts {
            row(by, name, *count);
        }
    }
    for (name, count) in &counts.parity {
        row("parity", name, *count);
    }
    output::text(&table.to_string())
}

pub(super) fn ship(args: &ShipArgs) -> Result<Exit, Failure> {
    let dir = args.place.dir(args.dir.clone())?;
    let at = args.place.store()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut entries, mut checkpoints) = (0_u64, 0_u64);
    let size = runtime.block_on(async {
        let mut shipment = Shipment::open(&at, &dir, &machine()).await?;
        loop {
            let shipped = shipment.step().await?;
            entries = entries.saturating_add(shipped.entries);
            checkpoints = checkpoints.saturating_add(shipped.checkpoints);
            if shipped.entries == 0 && shipped.checkpoints == 0 {
                shipment.close().await;
                return Ok::<u64, Failure>(shipped.size);
            }
        }
    })?;
    if let Some(config) = args.place.own(&dir)?
        && config.retention.is_some()
    {
        open_log(&config)?.forget(SystemClock.now(), size)?;
    }
    output::text(&format!(
        "sent {entries} entries and {checkpoints} checkpoints; {} has {size} entries of the log",
        at.address
    ))?;
    Ok(Exit::Done)
}

pub(super) fn migrate(args: &PlaceArgs) -> Result<Exit, Failure> {
    let at = args.place.store()?;
    let version = Store::open(&at)?.migrate()?;
    output::text(&format!("{} has the tables of version {version}", at.address))?;
    Ok(Exit::Done)
}
