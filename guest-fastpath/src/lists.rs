//! The pattern lists of a policy as they were written, packed.

use crate::shelf::count;
use alloc::string::String;
use alloc::vec::Vec;

/// Patterns one behind the other, in list order.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatternList {
    text: String,
    /// Where each pattern ends in `text`.
    ends: Vec<u32>,
}

impl PatternList {
    /// Adds a pattern behind the others.
    pub(crate) fn push(&mut self, pattern: &str) {
        self.text.push_str(pattern);
        self.ends.push(count(self.text.len()));
    }

    /// How many patterns there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The patterns as one text.
    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The pattern of this number, counted from 0.
    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        self.text
            .get(self.begin(number)..*self.ends.get(number as usize)? as usize)
    }

    /// Where the pattern of this number begins in `text`.
    pub(crate) fn begin(&self, number: u32) -> usize {
        let before = (number as usize).checked_sub(1);
        before
            .and_then(|before| self.ends.get(before))
            .map_or(0, |&end| end as usize)
    }

    /// The patterns in order, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..count(self.len())).filter_map(|number| Some((number, self.get(number)?)))
    }

    /// One list of all of these, with no room to grow.
    pub(crate) fn concat(lists: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for list in lists {
            all.text.reserve_exact(list.text.len());
            all.ends.reserve_exact(list.ends.len());
            list.iter().for_each(|(_, pattern)| all.push(pattern));
        }
        all.text.shrink_to_fit();
        all.ends.shrink_to_fit();
        all
    }
}
