//! Pattern lists, compiled: which pattern is the first to match a text.
//!
//! Several lists can be compiled into one set, one behind the other, so that one
//! search asks them all; patterns are numbered through.
//!
//! Most patterns hold one literal and are decided where that stands: at a place where
//! the pattern may begin, at the text's end, or anywhere. The others (`a*b`) are
//! [`Chains`]: each is filed in the same way under one of its literals, and gone
//! through only where that is found.

mod parts;

use crate::chains::Chains;
use crate::glob::{Conditions, Dialect, Start};
use crate::lists::PatternList;
use crate::shelf::{ByteSet, Case, Hit, Shelf, Span, Texts, Under, count, group};
use crate::subject::{Starts, Subject};
use alloc::vec::Vec;
use core::ops::Range;
use parts::{Filing, Parts};

/// What an occurrence of a literal can mean.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Use {
    /// The pattern of this number matches if the conditions hold here.
    Pattern(u32, Conditions),
    /// The chain of this number may match.
    Chain(u32),
}

/// A pattern that is nothing but conditions: `**/`, `/**`, `**//**`.
#[derive(Clone, Debug)]
struct Bare {
    pattern: u32,
    conditions: Conditions,
}

/// One or more lists of patterns of one dialect.
#[derive(Clone, Debug)]
pub(crate) struct PatternSet {
    patterns: PatternList,
    /// Literals that are looked for where a pattern may begin,
    heads: Filed,
    /// at the end of the text,
    ends: Filed,
    /// and everywhere.
    anywhere: Filed,
    chains: Chains,
    /// Patterns of stars alone.
    universal: Vec<u32>,
    bare: Vec<Bare>,
    /// Some pattern may begin behind any slash whatever the text is.
    has_segments: bool,
    /// The first bytes of patterns that do not begin with a star.
    beginnings: ByteSet,
    /// Some pattern may match wherever no literal begins or ends the text.
    has_unanchored: bool,
    leading: Leading,
}

/// Which patterns can begin in a row of `../` or in a drive's `c:/`, other than at the last slash.
#[derive(Clone, Debug)]
pub(crate) struct Leading {
    /// Some that begin with a star can.
    pub(crate) floating: bool,
    /// The first literals of the others that can.
    heads: Shelf,
    /// The length of the longest of these.
    pub(crate) longest: usize,
}

impl PatternSet {
    /// Compiles the lists, the patterns of the first before those of the second.
    pub(crate) fn new<const N: usize>(lists: [PatternList; N], dialect: Dialect) -> Self {
        let mut end = 0_usize;
        let list_ends = lists.each_ref().map(|list| {
            end = end.saturating_add(list.len());
            count(end)
        });
        let patterns = PatternList::concat(lists);
        let case = match dialect {
            Dialect::Deny => Case::Ignored,
            Dialect::Allow => Case::Exact,
        };
        let mut parts = Parts::of(&patterns, dialect);
        let links: Vec<Span> = parts
            .rows
            .iter()
            .filter(|row| row.is_chain())
            .flat_map(|row| parts.spans(row))
            .collect();
        let (links, numbers) = Shelf::new(patterns.text(), &links, Under::Rarest, case);
        let mut chains = Chains::new(links);
        let filing = parts.file(&patterns, &mut chains, &numbers);
        let filed = |under| Filed::new(&filing, under, &patterns, case, &list_ends);
        let has_segments = filing
            .iter()
            .any(|filing| filing.under == Under::First && filing.start == Start::Segment);
        Self {
            has_unanchored: !parts.universal.is_empty() || !parts.bare.is_empty(),
            has_segments,
            heads: filed(Under::First),
            ends: filed(Under::Last),
            anywhere: filed(Under::Rarest),
            chains,
            universal: core::mem::take(&mut parts.universal),
            bare: core::mem::take(&mut parts.bare),
            beginnings: parts.beginnings(&patterns),
            leading: parts.leading(&patterns, case),
            patterns,
        }
    }

    /// The pattern of this number as it was written.
    pub(crate) fn pattern(&self, number: u32) -> &str {
        self.patterns.get(number).unwrap_or_default()
    }

    /// Which patterns can begin in a row of `../` or in a drive's `c:/`.
    pub(crate) fn leading(&self) -> &Leading {
        &self.leading
    }

    /// Whether the first literal of a pattern that begins without a star, and can begin in a
    /// lead, stands at `place`.
    pub(crate) fn may_lead(&self, text: &[u8], place: usize) -> bool {
        let mut found = false;
        self.leading
            .heads
            .at(self.texts(text), place, &mut |_| found = true);
        found
    }

    /// The first pattern, from number `floor` on, that matches the subject.
    pub(crate) fn first(&self, subject: &Subject<'_>, floor: u32) -> Option<u32> {
        let universal = self.universal.iter().copied().find(|&number| number >= floor);
        if universal == Some(floor) {
            return universal;
        }
        self.first_before(universal.unwrap_or(u32::MAX), subject, floor)
    }

    /// The first pattern from number `floor` on that matches the subject, or `end`, which does,
    /// if that is not `u32::MAX`.
    #[inline(never)]
    fn first_before(&self, end: u32, subject: &Subject<'_>, floor: u32) -> Option<u32> {
        let mut best = end;
        let mut candidates = Vec::new();
        self.search(
            subject,
            floor,
            &mut |pattern, _| best = best.min(pattern),
            &mut candidates,
        );
        let mut first = best;
        self.follow(candidates, subject, floor..best, &mut |pattern, _| {
            first = first.min(pattern)
        });
        (first != u32::MAX).then_some(first)
    }

    /// As `first`, for a piece of a text that patterns match as a whole; `floating` is what
    /// `has_floating` said of the text. Turns most pieces away at once.
    pub(crate) fn first_of_piece(&self, piece: &[u8], floor: u32, floating: bool) -> Option<u32> {
        let begins = piece.first().is_some_and(|&byte| self.heads.shelf.has_edge(byte));
        let ends = piece.last().is_some_and(|&byte| self.ends.shelf.has_edge(byte));
        let possible =
            begins || ends || floating || self.has_unanchored || self.has_segments && piece.contains(&b'/');
        if possible {
            self.first(&Subject::whole(piece), floor)
        } else {
            None
        }
    }

    /// Whether a literal that is looked for everywhere stands anywhere in the text.
    pub(crate) fn has_floating(&self, text: &[u8]) -> bool {
        let mut found = false;
        self.anywhere
            .shelf
            .everywhere(self.texts(text), &mut |_| found = true);
        found
    }

    /// The leftmost place at which the subject admits a pattern, from number
    /// `floor` on, that begins there and matches from there to the end.
    pub(crate) fn leftmost(&self, subject: &Subject<'_>, floor: u32) -> Option<usize> {
        let mut leftmost = usize::MAX;
        let mut candidates = Vec::new();
        self.search(
            subject,
            floor,
            &mut |_, start| leftmost = leftmost.min(start),
            &mut candidates,
        );
        let all = floor..u32::MAX;
        self.follow(candidates, subject, all, &mut |_, start| {
            leftmost = leftmost.min(start)
        });
        (leftmost != usize::MAX).then_some(leftmost)
    }

    /// Whether some pattern that does not begin with a star may begin where `text` does.
    pub(crate) fn may_begin(&self, text: &[u8]) -> bool {
        !self.bare.is_empty() || text.first().is_some_and(|&byte| self.beginnings.has(byte))
    }

    fn texts<'t>(&'t self, subject: &'t [u8]) -> Texts<'t> {
        Texts {
            patterns: self.patterns.text(),
            subject,
        }
    }

    /// Reports which of the candidates match, with where they begin.
    fn follow(
        &self,
        candidates: Vec<u32>,
        subject: &Subject<'_>,
        patterns: Range<u32>,
        report: &mut impl FnMut(u32, usize),
    ) {
        if !candidates.is_empty() {
            self.chains
                .follow(candidates, self.texts(subject.text), subject, patterns, report);
        }
    }

    /// Reports the patterns of at most one literal that match, with where they begin, and
    /// collects the chains that may.
    fn search(
        &self,
        subject: &Subject<'_>,
        floor: u32,
        report: &mut impl FnMut(u32, usize),
        candidates: &mut Vec<u32>,
    ) {
        for Bare { pattern, conditions } in self.bare.iter().filter(|bare| bare.pattern >= floor) {
            let holds = |&at: &usize| conditions.hold(subject, at, at);
            if let Some(at) = (0..=subject.text.len()).find(holds) {
                report(*pattern, at);
            }
        }
        let texts = self.texts(subject.text);
        let mut judge = |filed: &Filed, hit: Hit| {
            for what in filed.uses_of(hit.literal) {
                match *what {
                    Use::Pattern(pattern, conditions) => {
                        if pattern >= floor && conditions.hold(subject, hit.start, hit.end) {
                            report(pattern, hit.start);
                        }
                    }
                    Use::Chain(chain) => {
                        if candidates.last() != Some(&chain) {
                            candidates.push(chain);
                        }
                    }
                }
            }
        };
        self.each_start(subject, |place| {
            if subject
                .text
                .get(place)
                .is_some_and(|&byte| self.heads.shelf.has_edge(byte))
            {
                self.heads
                    .shelf
                    .at(texts, place, &mut |hit| judge(&self.heads, hit));
            }
        });
        if subject
            .text
            .last()
            .is_some_and(|&byte| self.ends.shelf.has_edge(byte))
        {
            self.ends.shelf.at_end(texts, &mut |hit| judge(&self.ends, hit));
        }
        if self.anywhere.shelf.count() > 0 {
            self.anywhere
                .shelf
                .everywhere(texts, &mut |hit| judge(&self.anywhere, hit));
        }
    }

    /// The places where some pattern without a leading star may begin.
    fn each_start(&self, subject: &Subject<'_>, mut visit: impl FnMut(usize)) {
        match subject.starts {
            Starts::At(places) => places.iter().copied().for_each(visit),
            Starts::Whole if !self.has_segments => visit(0),
            Starts::Whole | Starts::Path { .. } => {
                visit(0);
                let slashes = (1..).zip(subject.text).filter(|(_, byte)| **byte == b'/');
                slashes.for_each(|(place, _)| visit(place));
            }
        }
    }
}

/// A shelf, and what its literals are used for.
#[derive(Clone, Debug)]
struct Filed {
    shelf: Shelf,
    uses: Vec<Use>,
    /// Where the uses of each literal begin, and where the last end.
    begins: Vec<u32>,
}

impl Filed {
    /// Files what is to be filed under these bytes.
    fn new(filing: &[Filing], under: Under, patterns: &PatternList, case: Case, list_ends: &[u32]) -> Self {
        let filing: Vec<&Filing> = filing.iter().filter(|filing| filing.under == under).collect();
        let spans: Vec<Span> = filing.iter().map(|filing| filing.span).collect();
        let (shelf, numbers) = Shelf::new(patterns.text(), &spans, under, case);
        let (begins, order) = group(&numbers, shelf.count());
        let mut filed = Self {
            begins: Vec::with_capacity(begins.len()),
            uses: Vec::with_capacity(order.len()),
            shelf,
        };
        for bounds in begins.windows(2) {
            let &[from, to] = bounds else { continue };
            let first = filed.uses.len();
            filed.begins.push(count(first));
            for &place in order.get(from as usize..to as usize).unwrap_or_default() {
                let Some(filing) = filing.get(place as usize) else {
                    continue;
                };
                if !filed.has_better(first, filing.what, list_ends) {
                    filed.uses.push(filing.what);
                }
            }
        }
        filed.begins.push(count(filed.uses.len()));
        filed.uses.shrink_to_fit();
        filed
    }

    /// Of the patterns of one list with the same literal and conditions only the first can be
    /// reported: whether it is among the uses from `first` on.
    fn has_better(&self, first: usize, what: Use, list_ends: &[u32]) -> bool {
        let list = |pattern: u32| list_ends.partition_point(|&end| end <= pattern);
        let Use::Pattern(pattern, conditions) = what else {
            return false;
        };
        self.uses.iter().skip(first).any(|other| match *other {
            Use::Pattern(before, those) => those == conditions && list(before) == list(pattern),
            Use::Chain(_) => false,
        })
    }

    fn uses_of(&self, literal: u32) -> &[Use] {
        let literal = literal as usize;
        let bounds = (
            self.begins.get(literal),
            self.begins.get(literal.saturating_add(1)),
        );
        let (Some(&from), Some(&to)) = bounds else {
            return &[];
        };
        self.uses.get(from as usize..to as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
