//! Command lines: decision semantics, *Commands*, steps 4 to 7.

use crate::bindings::cavra::enforcement::types::Verdict;
use crate::files::FileRules;
use crate::git::GitRules;
use crate::glob::Dialect;
use crate::lists::PatternList;
use crate::patterns::PatternSet;
use crate::rules::{self, Ruling};
use crate::shelf::count;
use crate::shell::{self, Line, Words};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Commands that only pass on what is piped into them.
const FILTERS: [&str; 4] = ["head", "tail", "wc", "cat"];
/// Options of git whose next word is a value.
const GIT_VALUED: [&str; 8] = [
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--config-env",
    "--super-prefix",
    "--attr-source",
];

/// The policy's `commands`.
#[derive(Debug)]
pub(crate) struct CommandRules {
    /// `block`, `require_approval`.
    deny: PatternSet,
    /// The first pattern of `require_approval`.
    approvals: u32,
    allow: PatternSet,
}

impl CommandRules {
    pub(crate) fn new(block: PatternList, approve: PatternList, allow: PatternList) -> Self {
        let approvals = count(block.len());
        Self {
            deny: PatternSet::new([block, approve], Dialect::Deny),
            approvals,
            allow: PatternSet::new([allow], Dialect::Allow),
        }
    }

    /// Decides `execute_command`. `line` is trimmed.
    pub(crate) fn decide(
        &self,
        line: &str,
        workspace: Option<&str>,
        files: &FileRules,
        git: &GitRules,
    ) -> Ruling {
        if line.is_empty() {
            return Ruling::from(&rules::COMMAND_DEFAULT);
        }
        let read = Line::read(line);
        let words = Words::read(read.parts.iter().filter_map(|part| line.get(part.clone())));
        let command = Command {
            line,
            read: &read,
            words: &words,
        };
        let denied = self.denied(command);
        if let Some(Denied::Block(ruling)) = denied {
            return ruling;
        }
        let mut unresolved = false;
        for words in command.pushes() {
            let ruling = git.command(words);
            match ruling.rule.verdict {
                Verdict::Block => return ruling,
                verdict => unresolved |= verdict == Verdict::RequireApproval,
            }
        }
        if let Some(Denied::Approval(pattern)) = denied {
            return Ruling::by_pattern(&rules::COMMAND_APPROVAL, self.deny.pattern(pattern));
        }
        let Some(allowed) = self.allowed(command) else {
            return Ruling::from(&rules::COMMAND_DEFAULT);
        };
        if read.opaque || words.opaque {
            return Ruling::from(&rules::COMMAND_OPAQUE);
        }
        if let Some(pattern) = files.sensitive(words.text.as_bytes(), &words.pieces, workspace) {
            return Ruling::by_pattern(&rules::COMMAND_SENSITIVE, pattern);
        }
        if unresolved {
            return Ruling::from(&rules::GIT_UNRESOLVED);
        }
        Ruling {
            rule: &rules::COMMAND_ALLOW,
            pattern: allowed.map(String::from),
        }
    }

    /// Steps 4 and 5: the texts of the line in order, and what denies the first that is denied.
    fn denied(&self, command: Command<'_>) -> Option<Denied> {
        let mut approval = None;
        for (text, pieces) in command.texts() {
            let firsts = self.deny.first_of_each(text.as_bytes(), &pieces, 0);
            for (piece, pattern) in pieces.iter().zip(firsts) {
                if pattern < self.approvals {
                    let text = text.get(piece.clone()).unwrap_or_default();
                    let grave = text.contains("apply") || text.contains("delete");
                    let rule = if grave {
                        &rules::COMMAND_BLOCK_CRITICAL
                    } else {
                        &rules::COMMAND_BLOCK
                    };
                    return Some(Denied::Block(Ruling::by_pattern(
                        rule,
                        self.deny.pattern(pattern),
                    )));
                }
                approval = approval.or((pattern != u32::MAX).then_some(pattern));
            }
        }
        approval.map(Denied::Approval)
    }

    /// Step 6: if every part is allowed, the pattern that allows the first.
    fn allowed(&self, command: Command<'_>) -> Option<Option<&str>> {
        let patterns = self
            .allow
            .first_of_each(command.line.as_bytes(), &command.read.parts, 0);
        for (number, (&piped, &pattern)) in command.read.piped.iter().zip(&patterns).enumerate() {
            if pattern == u32::MAX && !(piped && command.is_filter(number)) {
                return None;
            }
        }
        let first = *patterns.first()?;
        Some((first != u32::MAX).then(|| self.allow.pattern(first)))
    }
}

/// Why a line is not allowed whatever the allow list says.
enum Denied {
    Block(Ruling),
    /// By the approval pattern of this number.
    Approval(u32),
}

/// A text, and the pieces of it that are tried.
type Pieces<'l> = (Cow<'l, str>, Cow<'l, [Range<usize>]>);

/// A line that has been read.
#[derive(Clone, Copy)]
struct Command<'l> {
    line: &'l str,
    read: &'l Line,
    words: &'l Words,
}

impl<'l> Command<'l> {
    /// The whole line, each part as written, and each part as its words joined by one blank,
    /// as pieces of three texts. A piece that is a piece of an earlier text is left out.
    fn texts(self) -> [Pieces<'l>; 3] {
        let line = Cow::Borrowed(self.line);
        let whole = 0..self.line.len();
        let parts = if *self.read.parts == [whole.clone()] {
            &[]
        } else {
            self.read.parts.as_slice()
        };
        let (mut joined, mut pieces) = (String::new(), Vec::new());
        for number in (0..self.read.parts.len()).filter(|&number| !self.words.are_as_written(number)) {
            let begin = joined.len();
            for (place, word) in self.words.of_command(number).enumerate() {
                joined.push_str(if place == 0 { "" } else { " " });
                joined.push_str(word);
            }
            pieces.push(begin..joined.len());
        }
        let whole = Cow::Owned([whole].into());
        [
            (line.clone(), whole),
            (line, Cow::Borrowed(parts)),
            (Cow::Owned(joined), Cow::Owned(pieces)),
        ]
    }

    /// For each part that is a `git push`, the words behind `push`.
    fn pushes(self) -> impl Iterator<Item = impl Iterator<Item = &'l str>> {
        (0..self.read.parts.len()).filter_map(move |number| {
            let mut words = self.words.of_command(number);
            if words.next()? != "git" {
                return None;
            }
            loop {
                match words.next()? {
                    "push" => return Some(words),
                    option if GIT_VALUED.contains(&option) => _ = words.next()?,
                    option if option.starts_with('-') => {}
                    _ => return None,
                }
            }
        })
    }

    /// Whether a part is a filter with nothing but short options and numbers, and
    /// so without a redirection, which could make it read another file.
    fn is_filter(self, part: usize) -> bool {
        let mut words = self.words.of_command(part);
        !self.words.redirects(part)
            && words.next().is_some_and(|name| FILTERS.contains(&name))
            && words.all(is_short_option_or_number)
    }
}

fn is_short_option_or_number(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or(word).as_bytes();
    shell::is_number(letters)
        || word.starts_with('-') && !letters.is_empty() && letters.iter().all(u8::is_ascii_alphanumeric)
}
