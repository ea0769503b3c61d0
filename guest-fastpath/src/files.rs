//! Reading and writing files: decision semantics, *Files*.

use crate::glob::Dialect;
use crate::lists::PatternList;
use crate::literals::count;
use crate::patterns::PatternSet;
use crate::paths::{self, Workspace};
use crate::rules::{self, Ruling};
use crate::subject::Subject;
use alloc::string::String;

/// The three lists of the policy's `filesystem`.
#[derive(Debug)]
pub(crate) struct FileRules {
    /// `block_write`, `require_approval_write`, `block_read`: the order in which a write asks them.
    set: PatternSet,
    /// The first pattern of `require_approval_write`.
    approvals: u32,
    /// The first pattern of `block_read`.
    reads: u32,
}

impl FileRules {
    pub(crate) fn new(block_write: PatternList, approve_write: PatternList, block_read: PatternList) -> Self {
        let approvals = count(block_write.len());
        let reads = approvals.saturating_add(count(approve_write.len()));
        Self { set: PatternSet::new([block_write, approve_write, block_read], Dialect::Deny), approvals, reads }
    }

    /// Decides `read_file`.
    pub(crate) fn read(&self, target: &str, workspace: Option<&str>) -> Ruling {
        match self.unreadable(workspace).first(target) {
            Some(pattern) => Ruling::by_pattern(&rules::READ_BLOCK, self.set.pattern(pattern)),
            None if target.is_empty() => Ruling::from(&rules::READ_EMPTY),
            None => Ruling::from(&rules::READ_ALLOW),
        }
    }

    /// Decides `write_file`.
    pub(crate) fn write(&self, target: &str, workspace: Option<&str>) -> Ruling {
        let Some(first) = self.search(workspace, 0).first(target) else {
            return Ruling::from(if target.is_empty() { &rules::WRITE_EMPTY } else { &rules::WRITE_ALLOW });
        };
        let rule = if first < self.approvals {
            &rules::WRITE_BLOCK
        } else if first < self.reads {
            &rules::WRITE_APPROVAL
        } else {
            &rules::WRITE_SENSITIVE
        };
        Ruling::by_pattern(rule, self.set.pattern(first))
    }

    /// The first of the words that `block_read` matches as a file, whole or by a tail,
    /// gives its pattern: decision semantics, *Commands*, step 6.
    pub(crate) fn sensitive<'w>(
        &self,
        mut words: impl Iterator<Item = &'w str>,
        workspace: Option<&str>,
    ) -> Option<&str> {
        let mut search = self.unreadable(workspace);
        let pattern = words.find_map(|word| search.first(word).or_else(|| search.first_of_tails(word)))?;
        Some(self.set.pattern(pattern))
    }

    fn unreadable(&self, workspace: Option<&str>) -> PathSearch<'_> {
        self.search(workspace, self.reads)
    }

    fn search(&self, workspace: Option<&str>, floor: u32) -> PathSearch<'_> {
        PathSearch { set: &self.set, floor, workspace: Workspace::new(workspace), folded: String::new() }
    }
}

/// Looks for the first pattern that matches a path in any of its forms.
#[derive(Debug)]
pub(crate) struct PathSearch<'p> {
    pub(crate) set: &'p PatternSet,
    /// The first pattern that is asked.
    pub(crate) floor: u32,
    pub(crate) workspace: Workspace,
    /// Room for a form with ASCII case folded.
    folded: String,
}

impl PathSearch<'_> {
    /// The first pattern that matches the path.
    pub(crate) fn first(&mut self, path: &str) -> Option<u32> {
        let Self { set, floor, workspace, folded } = self;
        let mut first: Option<u32> = None;
        paths::forms(path, workspace, &mut |form| {
            folded.clear();
            folded.push_str(form);
            folded.make_ascii_lowercase();
            let found = set.first(&Subject::path(folded.as_bytes()), *floor);
            first = first.into_iter().chain(found).min();
        });
        first
    }
}
