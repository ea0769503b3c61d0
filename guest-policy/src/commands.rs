//! `execute_command` (decision semantics, *Commands*).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter;

use crate::files::{Path, PathList, PossiblePatterns};
use crate::git::{Git, Push};
use crate::patterns::{Folded, PermissionList, RestrictionList};
use crate::rules::{self, Ruling};
use crate::shell::{self, Line, Part};
use crate::text::is_number;

/// The options of `git` whose value is the next word.
const GIT_OPTIONS_WITH_VALUE: [&str; 8] = [
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--config-env",
    "--super-prefix",
    "--attr-source",
];

/// What may end a pipe without a pattern of its own.
const FILTERS: [&str; 4] = ["head", "tail", "wc", "cat"];

/// What a path inside a word may come after.
const BEFORE_A_PATH: [char; 4] = ['=', ':', ',', '@'];

/// The `commands` section of a policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commands {
    pub(crate) block: RestrictionList,
    pub(crate) require_approval: RestrictionList,
    pub(crate) allow: PermissionList,
}

impl Commands {
    /// Judges a trimmed command line. `git` judges the pushes in it,
    /// `block_read` the paths, which may be relative to `workspace`.
    pub(crate) fn judge<'p>(
        &'p self,
        git: &'p Git,
        block_read: &'p PathList,
        line: &str,
        workspace: Option<&str>,
    ) -> Ruling<'p> {
        if line.is_empty() {
            return Ruling::of(&rules::COMMANDS_DEFAULT);
        }
        let Line { parts, opaque } = shell::split(line);
        let texts = texts(line, &parts);
        let pushes: Vec<Ruling<'_>> = parts
            .iter()
            .filter_map(git_push)
            .map(|push| git.judge_push(&push))
            .collect();
        let restricted = self
            .blocked(&texts)
            .or_else(|| {
                pushes
                    .iter()
                    .find(|push| push.is(&rules::GIT_PROTECTED_BRANCH))
                    .copied()
            })
            .or_else(|| self.requires_approval(&texts));
        if let Some(ruling) = restricted {
            return ruling;
        }
        if parts.is_empty() || !parts.iter().all(|part| self.allows(part)) {
            return Ruling::of(&rules::COMMANDS_DEFAULT);
        }
        if opaque {
            return Ruling::of(&rules::COMMANDS_OPAQUE);
        }
        if let Some(pattern) = sensitive_path(block_read, &parts, workspace) {
            return Ruling::by_pattern(&rules::COMMANDS_SENSITIVE_PATH, pattern);
        }
        if let Some(unresolved) = pushes.iter().find(|push| push.is(&rules::GIT_UNRESOLVED_TARGET)) {
            return *unresolved;
        }
        let pattern = parts.first().and_then(|part| self.allow.first_match(part.text));
        Ruling {
            rule: &rules::COMMANDS_ALLOW,
            pattern,
        }
    }

    fn blocked(&self, texts: &[Cow<'_, str>]) -> Option<Ruling<'_>> {
        let (text, pattern) = first_match(&self.block, texts)?;
        let critical = text.contains("apply") || text.contains("delete");
        let rule = if critical {
            &rules::COMMANDS_BLOCK_CRITICAL
        } else {
            &rules::COMMANDS_BLOCK
        };
        Some(Ruling::by_pattern(rule, pattern))
    }

    fn requires_approval(&self, texts: &[Cow<'_, str>]) -> Option<Ruling<'_>> {
        let (_, pattern) = first_match(&self.require_approval, texts)?;
        Some(Ruling::by_pattern(&rules::COMMANDS_REQUIRE_APPROVAL, pattern))
    }

    fn allows(&self, part: &Part<'_>) -> bool {
        self.allow.first_match(part.text).is_some() || is_filter(part)
    }
}

/// The texts that block and approval lists are tried on, in order: the whole
/// line, each part as written, each part as its words joined by one blank. A
/// part that is the whole line, and words that are the part as written, would
/// only be tried twice.
fn texts<'l>(line: &'l str, parts: &[Part<'l>]) -> Vec<Cow<'l, str>> {
    let whole = iter::once(Cow::Borrowed(line));
    let written = parts
        .iter()
        .map(|part| part.text)
        .filter(|text| *text != line)
        .map(Cow::Borrowed);
    let joined = parts
        .iter()
        .map(|part| (part.text, joined(part.words())))
        .filter(|(written, joined)| written != joined)
        .map(|(_, joined)| Cow::Owned(joined));
    whole.chain(written).chain(joined).collect()
}

/// Words, joined by one blank.
fn joined<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut joined = String::new();
    for (index, word) in words.enumerate() {
        if index > 0 {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

/// The first text that some pattern matches, and in it the first pattern.
fn first_match<'t, 'p>(list: &'p RestrictionList, texts: &'t [Cow<'_, str>]) -> Option<(&'t str, &'p str)> {
    texts
        .iter()
        .find_map(|text| Some((text.as_ref(), list.first_match(&Folded::new(text))?)))
}

/// Whether `part` only shortens or counts what is piped into it.
fn is_filter(part: &Part<'_>) -> bool {
    let mut words = part.words();
    part.after_pipe
        && !part.is_redirected()
        && words.next().is_some_and(|name| FILTERS.contains(&name))
        && words.all(|word| is_number(word) || is_short_option(word))
}

/// Whether `word` is `-` and letters or digits.
fn is_short_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| {
        !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The pattern of the first word, or tail of a word, that may not be read.
fn sensitive_path<'p>(
    block_read: &'p PathList,
    parts: &[Part<'_>],
    workspace: Option<&str>,
) -> Option<&'p str> {
    let words = || parts.iter().flat_map(Part::words_and_redirection_targets);
    let possible = block_read.possible_in(&joined(words()));
    if possible.is_empty() {
        return None;
    }
    words().find_map(|word| sensitive_word(&possible.narrowed(word), word, workspace))
}

fn sensitive_word<'p>(
    possible: &PossiblePatterns<'p>,
    word: &str,
    workspace: Option<&str>,
) -> Option<&'p str> {
    if possible.is_empty() {
        return None;
    }
    let tails = word
        .match_indices(BEFORE_A_PATH)
        .filter_map(|(at, sign)| word.get(at..)?.strip_prefix(sign));
    iter::once(word)
        .chain(tails)
        .find_map(|text| possible.first_match(&Path::new(text, workspace)))
}

/// The push of a part that is `git`, options, `push`.
fn git_push(part: &Part<'_>) -> Option<Push> {
    let mut words = part.words();
    if words.next()? != "git" {
        return None;
    }
    loop {
        let word = words.next()?;
        if GIT_OPTIONS_WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return (word == "push").then(|| Push::in_command_line(words));
        }
    }
}

#[cfg(test)]
mod tests;
