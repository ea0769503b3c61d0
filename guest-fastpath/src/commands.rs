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
use alloc::string::String;
use alloc::vec::Vec;

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
#[derive(Clone, Debug)]
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
        let words = Words::read(line, read.parts.iter().map(|part| part.range.clone()));
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
        if let Some(pattern) = files.sensitive(&words, workspace) {
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
        let (mut block, mut approval) = (None, None);
        let floating = self.deny.has_floating(command.line.as_bytes());
        command.each_text(&mut |text, of_line| {
            match self.deny.first_of_piece(text, 0, floating || !of_line) {
                Some(pattern) if pattern < self.approvals => {
                    let grave = contains(text, b"apply") || contains(text, b"delete");
                    let rule = if grave {
                        &rules::COMMAND_BLOCK_CRITICAL
                    } else {
                        &rules::COMMAND_BLOCK
                    };
                    block = Some(Ruling::by_pattern(rule, self.deny.pattern(pattern)));
                }
                pattern => approval = approval.or(pattern),
            }
            block.is_some()
        });
        block.map(Denied::Block).or(approval.map(Denied::Approval))
    }

    /// Step 6: if every part is allowed, the pattern that allows the first.
    fn allowed(&self, command: Command<'_>) -> Option<Option<&str>> {
        let floating = self.allow.has_floating(command.line.as_bytes());
        let mut first = None;
        for (number, (text, part)) in command.parts().zip(&command.read.parts).enumerate() {
            let pattern = self.allow.first_of_piece(text, 0, floating);
            if pattern.is_none() && !(part.piped && command.is_filter(number)) {
                return None;
            }
            first = first.or(Some(pattern));
        }
        first.map(|pattern| Some(self.allow.pattern(pattern?)))
    }
}

/// Why a line is not allowed whatever the allow list says.
enum Denied {
    Block(Ruling),
    /// By the approval pattern of this number.
    Approval(u32),
}

/// A line that has been read.
#[derive(Clone, Copy)]
struct Command<'l> {
    line: &'l str,
    read: &'l Line,
    words: &'l Words<'l>,
}

impl<'l> Command<'l> {
    fn parts(self) -> impl Iterator<Item = &'l [u8]> {
        self.read
            .parts
            .iter()
            .filter_map(move |part| self.line.as_bytes().get(part.range.clone()))
    }

    /// Shows `visit` the whole line, each part as written, and each part as its words joined
    /// by one blank, until it is done, and says whether the text is a piece of the line. A text
    /// that was shown already is left out.
    fn each_text(self, visit: &mut impl FnMut(&[u8], bool) -> bool) {
        let mut parts = self.parts().filter(|part| part.len() < self.line.len());
        if visit(self.line.as_bytes(), true) || parts.any(|part| visit(part, true)) || self.words.as_written {
            return;
        }
        let mut joined = Vec::new();
        for number in (0..self.read.parts.len()).filter(|&number| !self.words.are_as_written(number)) {
            joined.clear();
            for (place, word) in self.words.of_command(number).enumerate() {
                joined.extend(if place == 0 { "" } else { " " }.as_bytes());
                joined.extend(word.as_bytes());
            }
            if visit(&joined, false) {
                return;
            }
        }
    }

    /// For each part that is a `git push`, the words behind `push`.
    fn pushes(self) -> impl Iterator<Item = impl Iterator<Item = &'l str>> {
        let possible = !self.words.as_written || self.line.contains("push");
        let parts = if possible { 0..self.read.parts.len() } else { 0..0 };
        parts.filter_map(move |number| {
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

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn is_short_option_or_number(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or(word).as_bytes();
    shell::is_number(letters)
        || word.starts_with('-') && !letters.is_empty() && letters.iter().all(u8::is_ascii_alphanumeric)
}
