//! Pattern lists, compiled: which pattern is the first to match a text.
//!
//! Several lists can be compiled into one set, one behind the other, so that one
//! pass over a text asks them all; patterns are numbered through. Most patterns
//! hold one literal and are decided where it stands. The others (`a*b`) are
//! *chains*: each is filed under its rarest literal, and only where that occurs are
//! the occurrences that were found gone through in order, all chains in
//! question at once.

use crate::glob::{Dialect, End, Glob, Start};
use crate::lists::PatternList;
use crate::literals::{Hit, Literals, Span, count};
use crate::subject::Subject;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

/// The conditions that a pattern sets beside its literals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Conditions {
    start: Start,
    end: End,
    flat: bool,
}

/// What an occurrence of a literal can mean.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Use {
    /// The pattern of this number matches if the conditions hold here.
    Pattern(u32, Conditions),
    /// The chain of this number may match.
    Chain(u32),
}

/// A pattern of several literals.
#[derive(Debug)]
struct Chain {
    pattern: u32,
    /// Its literals, in `PatternSet::links`.
    links: Range<u32>,
    conditions: Conditions,
}

/// A pattern that is nothing but conditions.
#[derive(Debug)]
struct Bare {
    pattern: u32,
    conditions: Conditions,
}

/// One or more lists of patterns of one dialect.
#[derive(Debug)]
pub(crate) struct PatternSet {
    /// As they are compared: in block and approval lists with ASCII case folded.
    patterns: PatternList,
    /// Patterns that were written in another case, by number.
    written: Vec<(u32, String)>,
    literals: Literals,
    /// What each literal is used for: its uses, and where each literal's begin.
    uses: Vec<Use>,
    uses_begin: Vec<u32>,
    chains: Vec<Chain>,
    links: Vec<u32>,
    /// Patterns of stars alone.
    universal: Vec<u32>,
    bare: Vec<Bare>,
    climbing: bool,
}

impl PatternSet {
    /// Compiles the lists, the patterns of the first before those of the second.
    pub(crate) fn new(lists: impl IntoIterator<Item = PatternList>, dialect: Dialect) -> Self {
        let mut patterns = PatternList::default();
        let mut list_ends = Vec::new();
        for list in lists {
            patterns.append(list);
            list_ends.push(count(patterns.len()));
        }
        patterns.shrink();
        let written = match dialect {
            Dialect::Deny => patterns.fold(),
            Dialect::Allow => Vec::new(),
        };
        let parts = Parts::of(&patterns, dialect);
        let (literals, numbers) = Literals::new(patterns.bytes(), &parts.mentions);
        let mut set = Self {
            patterns,
            written,
            literals,
            uses: Vec::new(),
            uses_begin: Vec::new(),
            chains: Vec::new(),
            links: Vec::new(),
            universal: parts.universal,
            bare: parts.bare,
            climbing: parts.climbing,
        };
        set.file(&parts.patterns, &numbers, &list_ends);
        set
    }

    /// Files every pattern under the literal that leads to it.
    fn file(&mut self, parts: &[(Range<u32>, u32, Conditions)], numbers: &[u32], list_ends: &[u32]) {
        let frequency = self.chain_frequency(parts, numbers);
        let mut filed: Vec<(u32, Use)> = Vec::with_capacity(parts.len());
        for (mentions, pattern, conditions) in parts {
            let links = numbers.get(mentions.start as usize..mentions.end as usize).unwrap_or_default();
            if let [only] = links {
                filed.push((*only, Use::Pattern(*pattern, *conditions)));
                continue;
            }
            let rarest = |link: &&u32| {
                let frequency = frequency.get(**link as usize).copied().unwrap_or(u32::MAX);
                (frequency, Reverse(self.literals.length(**link)))
            };
            let Some(&key) = links.iter().min_by_key(rarest) else { continue };
            filed.push((key, Use::Chain(count(self.chains.len()))));
            let begin = count(self.links.len());
            self.links.extend_from_slice(links);
            let links = begin..count(self.links.len());
            self.chains.push(Chain { pattern: *pattern, links, conditions: *conditions });
        }
        self.chains.shrink_to_fit();
        self.links.shrink_to_fit();
        self.keep_first(filed, list_ends);
    }

    /// How many chains each literal is part of.
    fn chain_frequency(&self, parts: &[(Range<u32>, u32, Conditions)], numbers: &[u32]) -> Vec<u32> {
        let mut frequency = vec![0_u32; self.literals.count()];
        for (mentions, ..) in parts.iter().filter(|(mentions, ..)| mentions.len() > 1) {
            let links = numbers.get(mentions.start as usize..mentions.end as usize).unwrap_or_default();
            for link in links {
                if let Some(number) = frequency.get_mut(*link as usize) {
                    *number = number.saturating_add(1);
                }
            }
        }
        frequency
    }

    /// Of the patterns of one list with the same literal and conditions only the first can be reported.
    fn keep_first(&mut self, mut filed: Vec<(u32, Use)>, list_ends: &[u32]) {
        let list = |pattern: u32| list_ends.partition_point(|&end| end <= pattern);
        filed.sort_unstable_by_key(|&(literal, what)| match what {
            Use::Pattern(pattern, conditions) => (literal, Some(conditions), pattern),
            Use::Chain(chain) => (literal, None, chain),
        });
        filed.dedup_by(|(later, later_use), (first, first_use)| match (later_use, first_use) {
            (Use::Pattern(number, these), Use::Pattern(before, those)) => {
                later == first && these == those && list(*number) == list(*before)
            }
            _ => false,
        });
        self.uses = Vec::with_capacity(filed.len());
        self.uses_begin = vec![0; self.literals.count().saturating_add(1)];
        for (literal, what) in filed {
            self.uses.push(what);
            if let Some(end) = self.uses_begin.get_mut((literal as usize).saturating_add(1)) {
                *end = count(self.uses.len());
            }
        }
        let mut end = 0;
        for begin in &mut self.uses_begin {
            end = end.max(*begin);
            *begin = end;
        }
    }

    /// The pattern of this number as it was written.
    pub(crate) fn pattern(&self, number: u32) -> &str {
        let written = self.written.binary_search_by_key(&number, |&(number, _)| number);
        let written = written.ok().and_then(|at| self.written.get(at));
        written.map_or_else(|| self.patterns.get(number).unwrap_or_default(), |(_, pattern)| pattern)
    }

    /// Whether some literal can begin in a row of `../` and tell how many there are.
    pub(crate) fn has_climbing_literal(&self) -> bool {
        self.climbing
    }

    /// Every occurrence of every literal in `text`.
    fn hits(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.literals.find(self.patterns.bytes(), text, &mut hits);
        hits
    }

    /// The first pattern, from number `floor` on, that matches the subject.
    pub(crate) fn first(&self, subject: &Subject<'_>, floor: u32) -> Option<u32> {
        let hits = self.hits(subject.text);
        let universal = self.universal.get(self.universal.partition_point(|&number| number < floor));
        let mut best = universal.copied().unwrap_or(u32::MAX);
        self.singles(subject, &hits, floor, &mut |pattern, _| best = best.min(pattern));
        let mut first = best;
        self.linked(subject, &hits, floor..best, &mut |pattern, _| first = first.min(pattern));
        (first != u32::MAX).then_some(first)
    }

    /// The leftmost place at which the subject admits a pattern, from number
    /// `floor` on, that begins there and matches from there to the end.
    pub(crate) fn leftmost(&self, subject: &Subject<'_>, floor: u32) -> Option<u32> {
        let hits = self.hits(subject.text);
        let mut leftmost = u32::MAX;
        self.singles(subject, &hits, floor, &mut |_, start| leftmost = leftmost.min(start));
        self.linked(subject, &hits, floor..u32::MAX, &mut |_, start| leftmost = leftmost.min(start));
        (leftmost != u32::MAX).then_some(leftmost)
    }

    /// Reports the patterns of at most one literal that match, and where they begin.
    fn singles(&self, subject: &Subject<'_>, hits: &[Hit], floor: u32, report: &mut impl FnMut(u32, u32)) {
        for Bare { pattern, conditions } in self.bare.iter().filter(|bare| bare.pattern >= floor) {
            let mut places = 0..=subject.text.len();
            let holds = |&at: &usize| {
                subject.admits(conditions.start, conditions.flat, at) && conditions.end.admits(subject.text, at)
            };
            if let Some(at) = places.find(holds) {
                report(*pattern, count(at));
            }
        }
        for hit in hits {
            for what in self.uses_of(hit.literal) {
                if let Use::Pattern(pattern, Conditions { start, end, flat }) = *what
                    && pattern >= floor
                    && end.admits(subject.text, hit.end as usize)
                    && subject.admits(start, flat, hit.start as usize)
                {
                    report(pattern, hit.start);
                }
            }
        }
    }

    fn uses_of(&self, literal: u32) -> &[Use] {
        let literal = literal as usize;
        let bounds = (self.uses_begin.get(literal), self.uses_begin.get(literal.saturating_add(1)));
        let (Some(&from), Some(&to)) = bounds else { return &[] };
        self.uses.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Reports the chains of these patterns that match, and where they begin.
    fn linked(
        &self,
        subject: &Subject<'_>,
        hits: &[Hit],
        patterns: Range<u32>,
        report: &mut impl FnMut(u32, u32),
    ) {
        let mut candidates = BTreeSet::new();
        for what in hits.iter().flat_map(|hit| self.uses_of(hit.literal)) {
            if let Use::Chain(number) = what
                && let Some(chain) = self.chains.get(*number as usize)
                && patterns.contains(&chain.pattern)
            {
                candidates.insert(*number);
            }
        }
        if candidates.is_empty() {
            return;
        }
        let mut waiting = Waiting::new();
        for chain in candidates.iter().filter_map(|&number| self.chains.get(number as usize)) {
            let Chain { pattern, links, conditions } = chain;
            let links = links.clone();
            self.wait(&mut waiting, Progress { pattern: *pattern, conditions: *conditions, links, begin: None, free: 0 });
        }
        let mut moved = Vec::new();
        for hit in hits {
            let of_literal = Wait::any_of(hit.literal)..Wait::any_of(hit.literal.saturating_add(1));
            for (wait, group) in waiting.range_mut(of_literal) {
                if wait.admits(subject, *hit) {
                    moved.extend(group.extract_if(.., |progress| progress.free <= hit.start));
                }
            }
            for progress in moved.drain(..) {
                let begin = progress.begin.unwrap_or(hit.start);
                let mut links = progress.links;
                links.next();
                if links.is_empty() {
                    report(progress.pattern, begin);
                } else {
                    self.wait(&mut waiting, Progress { links, begin: Some(begin), free: hit.end, ..progress });
                }
            }
        }
    }

    /// Files a chain under the literal that it waits for.
    fn wait(&self, waiting: &mut Waiting, progress: Progress) {
        let Some(&literal) = self.links.get(progress.links.start as usize) else { return };
        let Conditions { start, end, flat } = progress.conditions;
        let start = progress.begin.is_none().then_some((start, flat));
        let end = (progress.links.len() == 1).then_some(end);
        waiting.entry(Wait { literal, start, end }).or_default().push(progress);
    }
}

/// Chains by what they wait for. All in one group move on at the same hits, save
/// those whose last link still covers the hit, so that a literal that occurs
/// often does not ask every chain again each time.
type Waiting = BTreeMap<Wait, Vec<Progress>>;

/// A literal, with the conditions on it if it is the first or the last of its chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Wait {
    literal: u32,
    start: Option<(Start, bool)>,
    end: Option<End>,
}

impl Wait {
    /// Sorts before everything that waits for `literal`.
    const fn any_of(literal: u32) -> Self {
        Self { literal, start: None, end: None }
    }

    fn admits(&self, subject: &Subject<'_>, hit: Hit) -> bool {
        self.start.is_none_or(|(start, flat)| subject.admits(start, flat, hit.start as usize))
            && self.end.is_none_or(|end| end.admits(subject.text, hit.end as usize))
    }
}

/// How far a chain has come: its literals so far stand in order, as far left as they can.
#[derive(Debug)]
struct Progress {
    pattern: u32,
    conditions: Conditions,
    /// The links that are still to come.
    links: Range<u32>,
    /// Where the first literal begins, once found.
    begin: Option<u32>,
    /// Where the next literal may begin.
    free: u32,
}

/// The patterns of a set, taken apart.
#[derive(Default)]
struct Parts {
    mentions: Vec<Span>,
    /// Which mentions a pattern has, its number, its conditions.
    patterns: Vec<(Range<u32>, u32, Conditions)>,
    universal: Vec<u32>,
    bare: Vec<Bare>,
    climbing: bool,
}

impl Parts {
    fn of(patterns: &PatternList, dialect: Dialect) -> Self {
        let mut parts = Self::default();
        for (pattern, text) in patterns.iter() {
            let glob = Glob::parse(text, dialect);
            let conditions = Conditions { start: glob.start, end: glob.end, flat: glob.flat };
            if glob.is_bare() {
                parts.bare.push(Bare { pattern, conditions });
                continue;
            }
            let begin = count(parts.mentions.len());
            for (offset, literal) in glob.literals() {
                let offset = count(patterns.begin(pattern).saturating_add(offset));
                parts.mentions.push(Span { offset, length: count(literal.len()) });
                parts.climbing |= matches!(literal, "." | "/" | "/.")
                    || ["..", "./", "/.."].iter().any(|dots| literal.starts_with(dots));
            }
            let mentions = begin..count(parts.mentions.len());
            if mentions.is_empty() {
                parts.universal.push(pattern);
            } else {
                parts.patterns.push((mentions, pattern, conditions));
            }
        }
        parts
    }
}
