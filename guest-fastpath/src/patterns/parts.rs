//! The patterns of a set, taken apart and sorted out.

use super::{Bare, Leading, Use};
use crate::chains::Chains;
use crate::glob::{Conditions, Dialect, End, Glob, Start};
use crate::lists::PatternList;
use crate::shelf::{ByteSet, Case, Shelf, Sketch, Span, Under, count};
use alloc::vec::Vec;
use core::ops::Range;

/// A literal that more others share their first (or last) bytes with is looked for by its
/// rarest bytes instead, everywhere.
const CROWD: u16 = 16;

/// One literal to be filed.
pub(super) struct Filing {
    pub(super) under: Under,
    pub(super) span: Span,
    pub(super) start: Start,
    pub(super) what: Use,
}

/// A pattern of at least one literal, taken apart.
pub(super) struct Row {
    pattern: u32,
    conditions: Conditions,
    /// Its literals, in `Parts::literals`.
    literals: Range<usize>,
}

impl Row {
    pub(super) fn is_chain(&self) -> bool {
        self.literals.len() > 1
    }
}

/// The patterns of a set, taken apart.
#[derive(Default)]
pub(super) struct Parts {
    literals: Vec<Span>,
    pub(super) rows: Vec<Row>,
    /// Patterns of stars alone.
    pub(super) universal: Vec<u32>,
    pub(super) bare: Vec<Bare>,
}

impl Parts {
    pub(super) fn of(patterns: &PatternList, dialect: Dialect) -> Self {
        let mut parts = Self::default();
        for (pattern, text) in patterns.iter() {
            let glob = Glob::parse(text, dialect);
            if glob.is_bare() {
                parts.bare.push(Bare {
                    pattern,
                    conditions: glob.conditions,
                });
                continue;
            }
            let begin = parts.literals.len();
            for (offset, literal) in glob.literals() {
                let offset = count(patterns.begin(pattern).saturating_add(offset));
                parts.literals.push(Span {
                    offset,
                    length: count(literal.len()),
                });
            }
            let literals = begin..parts.literals.len();
            if literals.is_empty() {
                parts.universal.push(pattern);
            } else {
                parts.rows.push(Row {
                    pattern,
                    conditions: glob.conditions,
                    literals,
                });
            }
        }
        parts
    }

    pub(super) fn spans(&self, row: &Row) -> impl Iterator<Item = Span> {
        self.literals
            .get(row.literals.clone())
            .unwrap_or_default()
            .iter()
            .copied()
    }

    /// The first literals, with their rows.
    fn firsts(&self) -> impl Iterator<Item = (&Row, Span)> {
        self.rows
            .iter()
            .filter_map(|row| Some((row, self.spans(row).next()?)))
    }

    pub(super) fn beginnings(&self, patterns: &PatternList) -> ByteSet {
        let mut beginnings = ByteSet::default();
        let anchored = self
            .firsts()
            .filter(|(row, _)| row.conditions.start != Start::Any);
        let bytes = anchored.filter_map(|(_, first)| first.of(patterns.text()).first());
        bytes.for_each(|&byte| beginnings.insert(byte));
        beginnings
    }

    pub(super) fn leading(&self, patterns: &PatternList, case: Case) -> Leading {
        let leading = self
            .firsts()
            .filter(|(_, first)| can_lead(first.of(patterns.text())));
        let (floating, heads): (Vec<_>, Vec<_>) =
            leading.partition(|(row, _)| row.conditions.start == Start::Any);
        let heads: Vec<Span> = heads.into_iter().map(|(_, first)| first).collect();
        let longest = heads
            .iter()
            .map(|head| head.length as usize)
            .max()
            .unwrap_or_default();
        let (heads, _) = Shelf::new(patterns.text(), &heads, Under::First, case);
        Leading {
            floating: !floating.is_empty(),
            heads,
            longest,
        }
    }

    /// Decides for every pattern by which literal it is found, and where that is looked
    /// for. `links` are the numbers of the chains' literals.
    pub(super) fn file(&self, patterns: &PatternList, chains: &mut Chains, links: &[u32]) -> Vec<Filing> {
        let frequency = chains.frequency(links);
        let mut filing = Vec::with_capacity(self.rows.len());
        let mut links = links.iter().copied();
        for row in &self.rows {
            let Row {
                pattern,
                conditions,
                ref literals,
            } = *row;
            let last = literals.len().saturating_sub(1);
            let under = |place: usize| match conditions {
                Conditions {
                    start: Start::Anchor | Start::Segment,
                    ..
                } if place == 0 => Under::First,
                Conditions { end: End::Anchor, .. } if place == last => Under::Last,
                _ => Under::Rarest,
            };
            let spans = self.spans(row);
            if !row.is_chain() {
                let what = Use::Pattern(pattern, conditions);
                filing.extend(spans.map(|span| Filing {
                    under: under(0),
                    span,
                    start: conditions.start,
                    what,
                }));
                continue;
            }
            let numbers: Vec<u32> = links.by_ref().take(literals.len()).collect();
            let often = |number: u32| frequency.get(number as usize).copied().unwrap_or(u32::MAX);
            let key = spans
                .zip(&numbers)
                .enumerate()
                .min_by_key(|&(place, (span, &number))| {
                    (
                        often(number),
                        under(place) == Under::Rarest,
                        u32::MAX.saturating_sub(span.length),
                    )
                });
            let what = Use::Chain(chains.push(pattern, conditions, &numbers));
            filing.extend(key.map(|(place, (span, _))| Filing {
                under: under(place),
                span,
                start: conditions.start,
                what,
            }));
        }
        disperse(&mut filing, patterns);
        filing
    }
}

/// Has literals that are in a crowd looked for everywhere.
fn disperse(filing: &mut [Filing], patterns: &PatternList) {
    for under in [Under::First, Under::Last] {
        let spans: Vec<Span> = filing
            .iter()
            .filter(|one| one.under == under)
            .map(|one| one.span)
            .collect();
        let sketch = Sketch::of(patterns.text(), &spans, under);
        for one in filing.iter_mut().filter(|one| one.under == under) {
            if sketch.shared(one.span.of(patterns.text())) > CROWD {
                one.under = Under::Rarest;
            }
        }
    }
}

/// Whether a literal can begin in a row of `../` or in a drive's `c:/`, other than at the last slash.
fn can_lead(literal: &[u8]) -> bool {
    match literal {
        b"." | b"/" | b"/." | [b'.', b'.' | b'/', ..] | [b'/', b'.', b'.', ..] | [b':', ..] => true,
        [letter] | [letter, b':', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}
