//! Reading and writing files: decision semantics, *Files*.

use crate::glob::Dialect;
use crate::lists::PatternList;
use crate::paths::{self, Marks, Workspace};
use crate::patterns::PatternSet;
use crate::rules::{self, Ruling};
use crate::shelf::count;
use crate::shell::Words;
use crate::subject::Subject;

/// The three lists of the policy's `filesystem`.
#[derive(Clone, Debug)]
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
        Self {
            set: PatternSet::new([block_write, approve_write, block_read], Dialect::Deny),
            approvals,
            reads,
        }
    }

    /// Decides `read_file`.
    pub(crate) fn read(&self, target: &str, workspace: Option<&str>) -> Ruling {
        match self.search(workspace, self.reads).first(target.as_bytes()) {
            Some(pattern) => Ruling::by_pattern(&rules::READ_BLOCK, self.set.pattern(pattern)),
            None if target.is_empty() => Ruling::from(&rules::READ_EMPTY),
            None => Ruling::from(&rules::READ_ALLOW),
        }
    }

    /// Decides `write_file`.
    pub(crate) fn write(&self, target: &str, workspace: Option<&str>) -> Ruling {
        let Some(first) = self.search(workspace, 0).first(target.as_bytes()) else {
            return Ruling::from(if target.is_empty() {
                &rules::WRITE_EMPTY
            } else {
                &rules::WRITE_ALLOW
            });
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

    /// The pattern of the first of the words that `block_read` matches as a file, whole or by
    /// a tail: decision semantics, *Commands*, step 6.
    pub(crate) fn sensitive(&self, words: &Words<'_>, workspace: Option<&str>) -> Option<&str> {
        let search = self.search(workspace, self.reads);
        let floating = words
            .sources()
            .into_iter()
            .any(|text| self.set.has_floating(text));
        let pattern = words
            .all()
            .find_map(|word| search.first_of_word(word, floating))?;
        Some(self.set.pattern(pattern))
    }

    pub(crate) fn search(&self, workspace: Option<&str>, floor: u32) -> PathSearch<'_> {
        PathSearch {
            set: &self.set,
            floor,
            workspace: Workspace::new(workspace),
        }
    }
}

/// Looks for the first pattern that matches a path in any of its forms.
#[derive(Debug)]
pub(crate) struct PathSearch<'p> {
    pub(crate) set: &'p PatternSet,
    /// The first pattern that is asked.
    pub(crate) floor: u32,
    pub(crate) workspace: Workspace,
}

impl PathSearch<'_> {
    /// The first pattern that matches the path.
    pub(crate) fn first(&self, path: &[u8]) -> Option<u32> {
        let mut first: Option<u32> = None;
        paths::forms(path, &self.workspace, &mut |form| {
            first = first.into_iter().chain(self.first_of_form(form)).min();
        });
        first
    }

    /// The first pattern that matches a word of a command line or, if none does, a tail of it.
    fn first_of_word(&self, word: &[u8], floating: bool) -> Option<u32> {
        let marks = Marks::of(word);
        if !marks.has(Marks::SEPARATOR) && !self.workspace.is(word) {
            // Most words: there is one form, and a name begins nowhere but at its beginning.
            let whole = self.set.first_of_piece(word, self.floor, floating);
            return whole.or_else(|| self.first_of_tails(word, marks));
        }
        self.first(word).or_else(|| self.first_of_tails(word, marks))
    }

    /// The first pattern that matches one form of a path.
    pub(crate) fn first_of_form(&self, form: &[u8]) -> Option<u32> {
        self.set.first(&Subject::path(form), self.floor)
    }
}
