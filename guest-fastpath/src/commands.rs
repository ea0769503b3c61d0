//! Command lines: decision semantics, *Commands*, steps 4 to 7.

use crate::files::FileRules;
use crate::git::GitRules;
use crate::glob::Dialect;
use crate::lists::PatternList;
use crate::literals::count;
use crate::patterns::PatternSet;
use crate::bindings::cavra::enforcement::types::Verdict;
use crate::rules::{self, Ruling};
use crate::shell::{self, Line, Words};
use crate::subject::Subject;
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
        let read = Line::read(line);
        let words = Words::read(read.parts.iter().map(|part| part.text));
        let command = Command { line, read: &read, words: &words };
        let denied = self.denied(command);
        if let Some(Denied::Block(ruling)) = denied {
            return ruling;
        }
        let pushes: Vec<Ruling> = command.pushes().map(|words| git.command(words)).collect();
        let pushed = |verdict| pushes.iter().position(|ruling| ruling.rule.verdict == verdict);
        let (blocked, unresolved) = (pushed(Verdict::Block), pushed(Verdict::RequireApproval));
        if let Some(ruling) = blocked.and_then(|at| pushes.into_iter().nth(at)) {
            return ruling;
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
        if let Some(pattern) = files.sensitive(words.all(), workspace) {
            return Ruling::by_pattern(&rules::COMMAND_SENSITIVE, pattern);
        }
        if unresolved.is_some() {
            return Ruling::from(&rules::GIT_UNRESOLVED);
        }
        Ruling { rule: &rules::COMMAND_ALLOW, pattern: allowed.map(String::from) }
    }

    /// Steps 4 and 5: the texts of the line in order, and what denies the first that is denied.
    fn denied(&self, command: Command<'_>) -> Option<Denied> {
        let mut approval = None;
        let mut blocked = None;
        command.texts(&mut |text, folded| {
            let Some(pattern) = self.deny.first(&Subject::whole(folded.as_bytes()), 0) else { return false };
            if pattern >= self.approvals {
                approval = approval.or(Some(pattern));
                return false;
            }
            let grave = text.contains("apply") || text.contains("delete");
            let rule = if grave { &rules::COMMAND_BLOCK_CRITICAL } else { &rules::COMMAND_BLOCK };
            blocked = Some(Ruling::by_pattern(rule, self.deny.pattern(pattern)));
            true
        });
        blocked.map(Denied::Block).or(approval.map(Denied::Approval))
    }

    /// Step 6: if every part is allowed, the pattern that allows the first.
    fn allowed(&self, command: Command<'_>) -> Option<Option<&str>> {
        let mut first = None;
        for (number, part) in command.read.parts.iter().enumerate() {
            let pattern = self.allow.first(&Subject::whole(part.text.as_bytes()), 0);
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
    read: &'l Line<'l>,
    words: &'l Words,
}

impl<'l> Command<'l> {
    /// Shows `visit` the whole line, each part as written, and each part as its words
    /// joined by one blank, as they are and with ASCII case folded, until it is done.
    /// A text that was shown already is left out.
    fn texts(self, visit: &mut dyn FnMut(&str, &str) -> bool) {
        let folded = self.line.to_ascii_lowercase();
        if visit(self.line, &folded) {
            return;
        }
        for part in self.read.parts.iter().filter(|part| part.text.len() < self.line.len()) {
            let range = part.begin..part.begin.saturating_add(part.text.len());
            if visit(part.text, folded.get(range).unwrap_or_default()) {
                return;
            }
        }
        let (mut joined, mut folded) = (String::new(), String::new());
        for (number, part) in self.read.parts.iter().enumerate() {
            joined.clear();
            for (place, word) in self.words.of_command(number).enumerate() {
                joined.push_str(if place == 0 { "" } else { " " });
                joined.push_str(word);
            }
            if joined == part.text {
                continue;
            }
            folded.clone_from(&joined);
            folded.make_ascii_lowercase();
            if visit(&joined, &folded) {
                return;
            }
        }
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

    /// Whether a part is a filter with nothing but short options and numbers.
    fn is_filter(self, part: usize) -> bool {
        let mut words = self.words.of_command(part);
        words.next().is_some_and(|name| FILTERS.contains(&name)) && words.all(is_short_option_or_number)
    }
}

fn is_short_option_or_number(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or(word).as_bytes();
    shell::is_number(letters)
        || word.starts_with('-') && !letters.is_empty() && letters.iter().all(u8::is_ascii_alphanumeric)
}
