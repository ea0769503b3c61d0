//! The one table, and where it is written.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::measure::Times;

const BEGIN: &str = "<!-- begin: figures -->";
const END: &str = "<!-- end: figures -->";

/// Below as many samples a 99th percentile says nothing.
const ENOUGH_FOR_P99: usize = 100;

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// How it compares; none for what others are compared with.
    pub(crate) ratio: Option<f64>,
    /// The middle value with its unit.
    pub(crate) p50: String,
    /// The high value with its unit; empty where there are too few samples.
    pub(crate) p99: String,
    /// How many samples; zero: not counted in samples.
    pub(crate) samples: usize,
}

/// Rows that are compared with the same thing.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// What the rows are about, and what a ratio is a ratio to.
    pub(crate) title: String,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

impl Section {
    /// A section of times, each compared with the first.
    pub(crate) fn of_times(title: impl Into<String>, times: &[Times]) -> Self {
        Self::of(title, times, Row::of_times)
    }

    /// The same where a round has so many operations that it has percentiles of its own.
    pub(crate) fn of_rounds(title: impl Into<String>, times: &[Times]) -> Self {
        Self::of(title, times, Row::of_rounds)
    }

    fn of(title: impl Into<String>, times: &[Times], row: fn(&Times, Option<f64>) -> Row) -> Self {
        let ratio = |it: &Times| times.first().map(|first| it.ratio_to(first));
        Self {
            title: title.into(),
            rows: times
                .iter()
                .enumerate()
                .map(|(place, it)| row(it, ratio(it).filter(|_| place > 0)))
                .collect(),
        }
    }
}

impl Row {
    /// The row of one contender: the percentiles of all operations.
    pub(crate) fn of_times(times: &Times, ratio: Option<f64>) -> Self {
        Self {
            name: times.name.clone(),
            ratio,
            p50: duration(times.percentile(50)),
            p99: if times.len() < ENOUGH_FOR_P99 {
                String::new()
            } else {
                duration(times.percentile(99))
            },
            samples: times.len(),
        }
    }

    /// The row of one contender: the percentiles of a usual round.
    fn of_rounds(times: &Times, ratio: Option<f64>) -> Self {
        Self {
            p50: duration(times.percentile_of_a_round(50)),
            p99: duration(times.percentile_of_a_round(99)),
            ..Self::of_times(times, ratio)
        }
    }

    /// A row that has one value.
    pub(crate) fn value(name: impl Into<String>, ratio: Option<f64>, value: String) -> Self {
        Self {
            name: name.into(),
            ratio,
            p50: value,
            p99: String::new(),
            samples: 0,
        }
    }
}

/// Nanoseconds as people read them.
pub(crate) fn duration(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        it if it < 1e3 => (it, "ns"),
        it if it < 1e6 => (it / 1e3, "µs"),
        it if it < 1e9 => (it / 1e6, "ms"),
        it => (it / 1e9, "s"),
    };
    format!("{} {unit}", three_figures(value))
}

/// A number with as many decimals as three figures leave.
pub(crate) fn three_figures(value: f64) -> String {
    match value {
        it if it < 10.0 => format!("{it:.2}"),
        it if it < 100.0 => format!("{it:.1}"),
        it => format!("{it:.0}"),
    }
}

/// The table as Markdown.
pub(crate) fn markdown(machine: &str, sections: &[Section]) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "{machine}\n")?;
    writeln!(text, "| what | ratio | p50 | p99 | samples |")?;
    writeln!(text, "| --- | ---: | ---: | ---: | ---: |")?;
    for section in sections {
        writeln!(text, "| **{}** | | | | |", section.title)?;
        for row in &section.rows {
            let ratio = row
                .ratio
                .map_or_else(String::new, |it| format!("**{}**", three_figures(it)));
            let samples = if row.samples == 0 {
                String::new()
            } else {
                row.samples.to_string()
            };
            writeln!(
                text,
                "| {} | {ratio} | {} | {} | {samples} |",
                row.name, row.p50, row.p99
            )?;
        }
    }
    Ok(text)
}

/// Puts the table between the two markers of a page.
pub(crate) fn write_into(page: &Path, table: &str) -> Result<()> {
    let name = page.display();
    let text = std::fs::read_to_string(page).with_context(|| format!("{name}"))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{name} has no `{BEGIN}`"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{name} has no `{END}`"))?;
    let written = format!("{before}{BEGIN}\n\n{table}\n{END}{after}");
    std::fs::write(page, written).with_context(|| format!("{name}"))
}
