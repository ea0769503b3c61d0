//! What patterns are matched against: a text, and where in it a pattern may begin.

use crate::glob::Start;
use crate::paths;

/// Where a pattern that does not begin with a star may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Starts<'a> {
    /// At the beginning: command lines, branch names.
    Whole,
    /// At the beginning of a path; a pattern with no `/` also at `last_segment`;
    /// where `every_segment`, any pattern behind any `/`.
    Path {
        every_segment: bool,
        last_segment: usize,
    },
    /// At these places, in ascending order, and nowhere else; patterns that begin with a
    /// star are left out.
    At(&'a [usize]),
}

/// A text, and where in it a pattern may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) starts: Starts<'a>,
}

impl<'a> Subject<'a> {
    /// A text that patterns match as a whole.
    pub(crate) fn whole(text: &'a [u8]) -> Self {
        Self {
            text,
            starts: Starts::Whole,
        }
    }

    /// One form of a path: decision semantics, *Files*, step 2.
    pub(crate) fn path(text: &'a [u8]) -> Self {
        let every_segment = paths::reaches_out(text);
        let last_segment = text
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |slash| slash.saturating_add(1));
        Self {
            text,
            starts: Starts::Path {
                every_segment,
                last_segment,
            },
        }
    }

    /// Whether a pattern may begin at `at`; `flat` is one with no `/`.
    pub(crate) fn admits(&self, start: Start, flat: bool, at: usize) -> bool {
        match self.starts {
            Starts::At(places) => start != Start::Any && places.binary_search(&at).is_ok(),
            _ if start == Start::Any || at == 0 => true,
            Starts::Whole => start == Start::Segment && self.begins_segment(at),
            Starts::Path {
                every_segment,
                last_segment,
            } => {
                flat && at == last_segment
                    || (every_segment || start == Start::Segment) && self.begins_segment(at)
            }
        }
    }

    fn begins_segment(&self, at: usize) -> bool {
        at.checked_sub(1)
            .is_none_or(|before| self.text.get(before) == Some(&b'/'))
    }
}
