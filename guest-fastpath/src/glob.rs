//! What one pattern demands of a text: decision semantics, *Globs*.
//!
//! A pattern is a row of literals that must occur in order without overlap, the
//! first under a condition on where it begins, the last under one on where it
//! ends. The variants that a block list gives a pattern (`**/` and `/**` taken
//! off) are such conditions too, so that a pattern is never expanded.

use crate::subject::Subject;

/// Which list a pattern stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// Block and approval lists: ASCII case is ignored, `**/` and `/**` are optional.
    Deny,
    /// Allow lists: exact case; a final `*` after a letter or digit stops at a word's end.
    Allow,
}

/// Where the first literal may begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Start {
    /// Anywhere: a `*` stands before it.
    Any,
    /// At the beginning of what is matched.
    Anchor,
    /// At the beginning or after a `/`: a `**/` stands before it.
    Segment,
}

/// Where the last literal may end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum End {
    /// Anywhere: a `*` stands behind it.
    Any,
    /// At the end of the text.
    Anchor,
    /// At the end or before a `/`: a `/**` stands behind it.
    Segment,
    /// At the end or before a blank: an allow list's `*` after a letter or digit.
    Blank,
}

impl End {
    /// Whether a literal of `text` may end at `at`.
    pub(crate) fn admits(self, text: &[u8], at: usize) -> bool {
        at == text.len()
            || match self {
                Self::Any => true,
                Self::Anchor => false,
                Self::Segment => text.get(at) == Some(&b'/'),
                Self::Blank => matches!(text.get(at), Some(b' ' | b'\t')),
            }
    }
}

/// What a pattern demands beside its literals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Conditions {
    pub(crate) start: Start,
    pub(crate) end: End,
    /// The pattern has no `/`, so that it also matches a path's last segment.
    pub(crate) flat: bool,
}

impl Conditions {
    /// Whether a pattern may begin at `from` and end at `to` of the subject.
    pub(crate) fn hold(self, subject: &Subject<'_>, from: usize, to: usize) -> bool {
        self.end.admits(subject.text, to) && subject.admits(self.start, self.flat, from)
    }
}

/// A pattern, taken apart.
#[derive(Debug)]
pub(crate) struct Glob<'p> {
    /// What is left of the pattern when the optional ends are taken off, and where it begins.
    core: &'p str,
    offset: usize,
    pub(crate) conditions: Conditions,
}

impl<'p> Glob<'p> {
    /// Takes `pattern` apart as a pattern of a list of this dialect.
    pub(crate) fn parse(pattern: &'p str, dialect: Dialect) -> Self {
        let (mut start, mut end) = (Start::Anchor, End::Anchor);
        let (mut core, mut offset) = (pattern, 0_usize);
        match dialect {
            Dialect::Deny => {
                while let Some(rest) = core.strip_prefix("**/") {
                    (core, start) = (rest, Start::Segment);
                    offset = offset.saturating_add("**/".len());
                }
                if let Some(rest) = core.strip_suffix("/**") {
                    (core, end) = (rest, End::Segment);
                }
            }
            Dialect::Allow => {
                let rest = core.trim_end_matches('*');
                if rest.len() < core.len() && rest.ends_with(char::is_alphanumeric) {
                    (core, end) = (rest, End::Blank);
                }
            }
        }
        // A star swallows whatever the condition beside it would ask for.
        if core.starts_with('*') {
            start = Start::Any;
        }
        if core.ends_with('*') {
            end = End::Any;
        }
        Self {
            core,
            offset,
            conditions: Conditions {
                start,
                end,
                flat: !pattern.contains('/'),
            },
        }
    }

    /// The literals in order, each with where it begins in the pattern.
    pub(crate) fn literals(&self) -> impl Iterator<Item = (usize, &'p str)> {
        let mut at = self.offset;
        self.core.split('*').filter_map(move |literal| {
            let begins = at;
            at = at.saturating_add(literal.len()).saturating_add(1);
            (!literal.is_empty()).then_some((begins, literal))
        })
    }

    /// Nothing is left to match but the conditions: `**/`, `/**` and `**//**`.
    pub(crate) fn is_bare(&self) -> bool {
        self.core.is_empty()
    }
}
