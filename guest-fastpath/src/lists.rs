//! The pattern lists of a policy as they were written, packed.

use crate::literals::count;
use alloc::string::String;
use alloc::vec::Vec;

/// Patterns one behind the other, in list order.
#[derive(Debug, Default)]
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

    /// How many bytes they are together.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The pattern of this number, counted from 0.
    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        self.text.get(self.begin(number)..*self.ends.get(number as usize)? as usize)
    }

    /// Where the pattern of this number begins in `bytes`.
    pub(crate) fn begin(&self, number: u32) -> usize {
        let before = (number as usize).checked_sub(1);
        before.and_then(|before| self.ends.get(before)).map_or(0, |&end| end as usize)
    }

    /// The patterns in order, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..count(self.len())).filter_map(|number| Some((number, self.get(number)?)))
    }

    /// Adds the patterns of `other` behind these, and frees it.
    pub(crate) fn append(&mut self, other: Self) {
        self.text.reserve_exact(other.text.len());
        self.ends.reserve_exact(other.ends.len());
        for (_, pattern) in other.iter() {
            self.push(pattern);
        }
    }

    /// Lets go of room that was reserved while the list grew.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Folds ASCII case. Gives the patterns that were written otherwise, with their numbers.
    pub(crate) fn fold(&mut self) -> Vec<(u32, String)> {
        let has_upper = |pattern: &str| pattern.bytes().any(|byte| byte.is_ascii_uppercase());
        let written = self.iter().filter(|(_, pattern)| has_upper(pattern));
        let written = written.map(|(number, pattern)| (number, String::from(pattern))).collect();
        self.text.make_ascii_lowercase();
        written
    }
}
