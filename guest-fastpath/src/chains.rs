//! Patterns of several literals, gone through together.
//!
//! A chain matches if its literals stand in order without overlap, and taking
//! each as far left as it can stand is always right. So one pass over the
//! text moves all candidates on at once; each waits for its next literal. The pass is
//! linear in the text and the candidates, whatever the request is made of.

use crate::glob::{Conditions, End, Start};
use crate::shelf::{Hit, Shelf, Texts, count};
use crate::subject::{Starts, Subject};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// A pattern of several literals.
#[derive(Clone, Debug)]
struct Chain {
    pattern: u32,
    /// Its literals, in `Chains::links`.
    links: Range<u32>,
    conditions: Conditions,
}

/// The chains of a pattern set.
#[derive(Clone, Debug)]
pub(crate) struct Chains {
    /// The literals of all chains.
    shelf: Shelf,
    chains: Vec<Chain>,
    /// Literals, by number.
    links: Vec<u32>,
}

impl Chains {
    /// No chains as yet, of these literals.
    pub(crate) fn new(shelf: Shelf) -> Self {
        Self {
            shelf,
            chains: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Adds a chain of these literals and gives its number.
    pub(crate) fn push(&mut self, pattern: u32, conditions: Conditions, literals: &[u32]) -> u32 {
        let begin = count(self.links.len());
        self.links.extend_from_slice(literals);
        self.chains.push(Chain {
            pattern,
            links: begin..count(self.links.len()),
            conditions,
        });
        count(self.chains.len().saturating_sub(1))
    }

    /// How often each literal is among `links`.
    pub(crate) fn frequency(&self, links: &[u32]) -> Vec<u32> {
        let mut frequency = vec![0_u32; self.shelf.count()];
        for &link in links {
            if let Some(number) = frequency.get_mut(link as usize) {
                *number = number.saturating_add(1);
            }
        }
        frequency
    }

    /// Reports which of the candidates match whose pattern is one of `patterns`, and where they begin.
    pub(crate) fn follow(
        &self,
        mut candidates: Vec<u32>,
        texts: Texts<'_>,
        subject: &Subject<'_>,
        patterns: Range<u32>,
        report: &mut impl FnMut(u32, usize),
    ) {
        candidates.sort_unstable();
        candidates.dedup();
        let mut waiting = Waiting::new();
        for number in candidates {
            if let Some(chain) = self.chains.get(number as usize)
                && patterns.contains(&chain.pattern)
                && self.is_plausible(chain, texts, subject)
            {
                let links = chain.links.clone();
                self.wait(
                    &mut waiting,
                    Progress {
                        chain: number,
                        links,
                        begin: None,
                        free: 0,
                    },
                );
            }
        }
        if waiting.is_empty() {
            return;
        }
        let mut moved = Vec::new();
        self.shelf.everywhere(texts, &mut |hit| {
            let of_literal = Wait::any_of(hit.literal)..Wait::any_of(hit.literal.saturating_add(1));
            for (wait, group) in waiting.range_mut(of_literal) {
                if wait.admits(subject, hit) {
                    moved.extend(group.extract_if(.., |progress| progress.free <= hit.start));
                }
            }
            for progress in moved.drain(..) {
                let begin = progress.begin.unwrap_or(hit.start);
                let mut links = progress.links;
                links.next();
                if !links.is_empty() {
                    self.wait(
                        &mut waiting,
                        Progress {
                            links,
                            begin: Some(begin),
                            free: hit.end,
                            ..progress
                        },
                    );
                } else if let Some(chain) = self.chains.get(progress.chain as usize) {
                    report(chain.pattern, begin);
                }
            }
        });
    }

    /// Whether a chain's anchored ends stand where they must: a cheap test that most candidates fail.
    fn is_plausible(&self, chain: &Chain, texts: Texts<'_>, subject: &Subject<'_>) -> bool {
        let links = self
            .links
            .get(chain.links.start as usize..chain.links.end as usize)
            .unwrap_or_default();
        let literal =
            |link: Option<&u32>| link.map_or(&[] as &[u8], |&link| self.shelf.literal(link, texts.patterns));
        let stands = |there: Option<&[u8]>, literal| {
            there.is_some_and(|there| self.shelf.case().equal(there, literal))
        };
        let (first, last) = (literal(links.first()), literal(links.last()));
        let Conditions { start, end, .. } = chain.conditions;
        let begins = start != Start::Anchor
            || !matches!(subject.starts, Starts::Whole)
            || stands(texts.subject.get(..first.len()), first);
        let before = texts.subject.len().checked_sub(last.len());
        begins && (end != End::Anchor || stands(before.and_then(|before| texts.subject.get(before..)), last))
    }

    /// Files a chain under the literal that it waits for.
    fn wait(&self, waiting: &mut Waiting, progress: Progress) {
        let chain = self.chains.get(progress.chain as usize);
        let literal = self.links.get(progress.links.start as usize);
        let (Some(chain), Some(&literal)) = (chain, literal) else {
            return;
        };
        let Conditions { start, end, flat } = chain.conditions;
        let start = progress.begin.is_none().then_some((start, flat));
        let end = (progress.links.len() == 1).then_some(end);
        waiting
            .entry(Wait { literal, start, end })
            .or_default()
            .push(progress);
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
        Self {
            literal,
            start: None,
            end: None,
        }
    }

    fn admits(&self, subject: &Subject<'_>, hit: Hit) -> bool {
        self.start
            .is_none_or(|(start, flat)| subject.admits(start, flat, hit.start))
            && self.end.is_none_or(|end| end.admits(subject.text, hit.end))
    }
}

/// How far a chain has come: its literals so far stand in order, as far left as they can.
#[derive(Debug)]
struct Progress {
    chain: u32,
    /// The links that are still to come.
    links: Range<u32>,
    /// Where the first literal begins, once found.
    begin: Option<usize>,
    /// Where the next literal may begin.
    free: usize,
}
