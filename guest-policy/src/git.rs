//! `git_operation`, and `git push` in a command line (decision semantics, *Git*).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::patterns::{Folded, RestrictionList};
use crate::rules::{self, Ruling};
use crate::shell::Words;
use crate::text::trim;

/// The options of `git push` whose value is the next word.
const PUSH_OPTIONS_WITH_VALUE: [&str; 5] = ["-o", "--push-option", "--repo", "--receive-pack", "--exec"];

/// The flags that push more than is named.
const PUSH_EVERYTHING: [&str; 3] = ["--all", "--mirror", "--branches"];

/// The fewest characters by which git's users shorten such a flag.
const SHORTEST_FLAG: usize = 4;

/// The names that a remote has by custom.
const CUSTOMARY_REMOTES: [&str; 2] = ["origin", "upstream"];

/// The `git` section of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    pub(crate) protected_branches: RestrictionList,
}

impl Git {
    /// Judges `git_operation`: `verb` is what is asked, as given.
    pub(crate) fn judge(&self, verb: &str, target: &str) -> Ruling<'_> {
        match after_push(trim(verb)) {
            Some(arguments) => self.judge_push(&Push::in_operation(arguments, target)),
            None => Ruling::of(&rules::GIT_ALLOW),
        }
    }

    /// Judges one push: a protected branch first, then what cannot be told.
    pub(crate) fn judge_push(&self, push: &Push) -> Ruling<'_> {
        if let Some(pattern) = push
            .branches
            .iter()
            .find_map(|branch| self.protected_branches.first_match(&Folded::new(branch)))
        {
            return Ruling::by_pattern(&rules::GIT_PROTECTED_BRANCH, pattern);
        }
        Ruling::of(if push.is_unresolved() {
            &rules::GIT_UNRESOLVED_TARGET
        } else {
            &rules::GIT_ALLOW
        })
    }
}

/// What a push pushes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Push {
    /// The names that its refspecs update, in order.
    branches: Vec<String>,
    /// Whether it may also update others.
    open_ended: bool,
}

impl Push {
    /// The push of a `git_operation`: the words after `push` in its verb, then
    /// those of its target. A lone word is a branch, unless it is a customary
    /// remote's name.
    fn in_operation(after_push: &str, target: &str) -> Self {
        let verb = Words::of(trim(after_push));
        let target = Words::of(trim(target));
        // The rest of a verb such as `push_force` is no branch.
        let verb = verb
            .arguments()
            .flat_map(str::split_whitespace)
            .filter(|word| !word.starts_with('_'));
        let target = target.arguments().flat_map(str::split_whitespace);
        Self::of(verb.chain(target), |lone| CUSTOMARY_REMOTES.contains(&lone))
    }

    /// The push of a command line: `words` are those after `push`. A lone word
    /// is the remote, for git; it is also tried as a branch.
    pub(crate) fn in_command_line<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        Self::of(words.flat_map(str::split_whitespace), |_| true)
    }

    fn of<'w>(words: impl Iterator<Item = &'w str>, may_be_a_remote: impl Fn(&str) -> bool) -> Self {
        let (names, mut open_ended) = without_options(words);
        let (remote, refspecs) = match names.as_slice() {
            [remote, refspecs @ ..] if !refspecs.is_empty() => (Some(*remote), refspecs),
            refspecs => (None, refspecs),
        };
        if remote.is_none() {
            open_ended |= refspecs.iter().any(|lone| may_be_a_remote(lone));
        }
        Self {
            branches: refspecs
                .iter()
                .map(|refspec| branch(refspec, remote).to_owned())
                .collect(),
            open_ended,
        }
    }

    fn is_unresolved(&self) -> bool {
        self.open_ended
            || self.branches.is_empty()
            || self.branches.iter().any(|name| is_unresolved_name(name))
    }
}

/// What follows `push` in a verb that is a push: a leading `git` dropped, its
/// first word is `push`, or `force` and then `push`, in any case.
fn after_push(verb: &str) -> Option<&str> {
    // Only the first words are compared, and they can only be ASCII, so
    // ignoring ASCII case is as good as lower-casing.
    let (mut word, mut rest) = first_word(verb);
    for prefix in ["git", "force"] {
        if word.eq_ignore_ascii_case(prefix) {
            (word, rest) = first_word(rest);
        }
    }
    word.eq_ignore_ascii_case("push").then_some(rest)
}

/// The first word of a verb and what follows it.
fn first_word(verb: &str) -> (&str, &str) {
    let separates = |c: char| c.is_whitespace() || matches!(c, '_' | '-');
    let verb = verb.trim_start_matches(separates);
    let end = verb.find(separates).unwrap_or(verb.len());
    verb.split_at_checked(end).unwrap_or((verb, ""))
}

/// The words that are no options, and whether an option pushes everything.
fn without_options<'w>(mut words: impl Iterator<Item = &'w str>) -> (Vec<&'w str>, bool) {
    let (mut names, mut everything) = (Vec::new(), false);
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            names.push(word);
            continue;
        }
        everything |=
            word.len() >= SHORTEST_FLAG && PUSH_EVERYTHING.iter().any(|flag| flag.starts_with(word));
        if PUSH_OPTIONS_WITH_VALUE.contains(&word) {
            words.next();
        }
    }
    (names, everything)
}

/// The name of the branch that a refspec updates.
fn branch<'w>(refspec: &'w str, remote: Option<&str>) -> &'w str {
    let name = refspec.strip_prefix('+').unwrap_or(refspec);
    let name = name.rsplit_once(':').map_or(name, |(_, destination)| destination);
    let name = name.strip_prefix("refs/").unwrap_or(name);
    let name = name.strip_prefix("heads/").unwrap_or(name);
    let remotes = remote.into_iter().chain(CUSTOMARY_REMOTES);
    remotes
        .filter_map(|remote| name.strip_prefix(remote)?.strip_prefix('/'))
        .next()
        .unwrap_or(name)
}

/// Whether which branch a name stands for is known only to git or the shell.
fn is_unresolved_name(name: &str) -> bool {
    name.is_empty() || name.eq_ignore_ascii_case("HEAD") || name == "@" || name.contains(['*', '$', '{'])
}

#[cfg(test)]
mod tests;
