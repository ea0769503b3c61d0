//! Printing: tables for people, JSON for machines, colours only on a terminal.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use super::Failure;
use crate::model::Verdict;

/// Writes one indented JSON document to standard output.
pub(super) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// Writes text for people; colours are dropped where nobody can see them, and
/// where `NO_COLOR` is set.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Tells standard error what went wrong, each line of the message on its own.
pub(super) fn complain(message: &str) {
    let mut err = anstream::stderr().lock();
    for line in message.lines() {
        // Nothing can be done if even this fails.
        let _ = writeln!(err, "error: {line}");
    }
}

/// Tells standard error what is not as it should be and does no harm.
pub(super) fn warn(message: &str) {
    // Nothing can be done if even this fails.
    let _ = writeln!(anstream::stderr().lock(), "warning: {message}");
}

/// Tells standard error what may be worth knowing.
pub(super) fn note(message: &str) {
    // Nothing can be done if even this fails.
    let _ = writeln!(anstream::stderr().lock(), "{message}");
}

/// An empty table with a header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .enforce_styling()
        .set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(
            header
                .iter()
                .map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
        );
    }
    table
}

/// A verdict in its colour.
pub(super) fn verdict(verdict: Verdict) -> Cell {
    Cell::new(verdict.as_str()).fg(match verdict {
        Verdict::Allow | Verdict::AllowWithAttestation => Color::Green,
        Verdict::RequireApproval => Color::Yellow,
        Verdict::Block => Color::Red,
    })
}

/// Something that is good or not.
pub(super) fn mark(word: &str, good: bool) -> Cell {
    Cell::new(word).fg(if good { Color::Green } else { Color::Red })
}

/// The value of `sorted` below or at which `percent` of all lie; 0 of none.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = sorted
        .len()
        .saturating_mul(percent)
        .div_ceil(100)
        .saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

/// One line of text for a cell: control characters shown, long text cut.
pub(super) fn short(text: &str, length: usize) -> String {
    let mut shown: String = text
        .chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_debug().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if shown.chars().count() > length {
        shown = shown.chars().take(length.saturating_sub(1)).collect();
        shown.push('…');
    }
    shown
}
