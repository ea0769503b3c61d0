//! Pushes: decision semantics, *Git*.

use crate::glob::Dialect;
use crate::lists::PatternList;
use crate::patterns::PatternSet;
use crate::rules::{self, Ruling};
use crate::shell::{self, Words};
use crate::subject::Subject;
use alloc::vec::Vec;

/// Flags whose next word is a value.
const VALUED: [&str; 5] = ["-o", "--push-option", "--repo", "--receive-pack", "--exec"];
/// Flags that push branches which the request does not name.
const SWEEPING: [&str; 3] = ["--all", "--mirror", "--branches"];
/// How short git's users may cut such a flag.
const SHORTEST_FLAG: usize = 4;
/// Remotes that a lone word is taken for, and whose name may stand before a branch.
const REMOTES: [&str; 2] = ["origin", "upstream"];

/// The policy's `git`.
#[derive(Clone, Debug)]
pub(crate) struct GitRules {
    protected: PatternSet,
}

impl GitRules {
    pub(crate) fn new(protected: PatternList) -> Self {
        Self {
            protected: PatternSet::new([protected], Dialect::Deny),
        }
    }

    /// Decides `git_operation`.
    pub(crate) fn operation(&self, verb: &str, target: &str) -> Ruling {
        let Some(rest) = behind_push(verb) else {
            return Ruling::from(&rules::GIT_ALLOW);
        };
        let (rest, target) = (shell::trim(rest), shell::trim(target));
        let (both, end) = ([rest, target].concat(), rest.len());
        let words = Words::read(&both, [0..end, end..both.len()].into_iter());
        let of_verb = pieces(words.of_command(0)).filter(|word| !word.starts_with('_'));
        let push = Push::read(of_verb.chain(pieces(words.of_command(1))));
        let alone = push.words.first().filter(|_| push.words.len() == 1);
        let unresolved = alone.is_some_and(|word| REMOTES.contains(word));
        self.push(&push, unresolved)
    }

    /// Decides the `git push` of a command line, given the words behind `push`.
    pub(crate) fn command<'w>(&self, words: impl Iterator<Item = &'w str>) -> Ruling {
        let push = Push::read(pieces(words));
        self.push(&push, push.words.len() == 1)
    }

    fn push(&self, push: &Push<'_>, unresolved: bool) -> Ruling {
        let (remote, refspecs) = push.refspecs();
        for refspec in refspecs {
            if let Some(pattern) = self.protects(branch(refspec, remote)) {
                return Ruling::by_pattern(&rules::GIT_BLOCK, pattern);
            }
        }
        let unresolved = unresolved
            || push.sweeping
            || refspecs.is_empty()
            || refspecs
                .iter()
                .any(|refspec| is_unresolved(branch(refspec, remote)));
        Ruling::from(if unresolved {
            &rules::GIT_UNRESOLVED
        } else {
            &rules::GIT_ALLOW
        })
    }

    fn protects(&self, name: &str) -> Option<&str> {
        let first = self.protected.first(&Subject::whole(name.as_bytes()), 0)?;
        Some(self.protected.pattern(first))
    }
}

/// What follows `push` in a verb that is a push, as it was given.
fn behind_push(verb: &str) -> Option<&str> {
    let mut rest = shell::trim(verb);
    let mut word = next_verb_word(&mut rest)?;
    if word.eq_ignore_ascii_case("git") {
        word = next_verb_word(&mut rest)?;
    }
    if word.eq_ignore_ascii_case("force") {
        word = next_verb_word(&mut rest)?;
    }
    word.eq_ignore_ascii_case("push").then_some(rest)
}

/// Takes the next word of a verb off `rest`.
fn next_verb_word<'v>(rest: &mut &'v str) -> Option<&'v str> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '_' | '-');
    let from = rest.trim_start_matches(separates);
    let end = from.find(separates).unwrap_or(from.len());
    let (word, behind) = from.split_at_checked(end)?;
    *rest = behind;
    (!word.is_empty()).then_some(word)
}

/// Words, split at White_Space once more. Of one that is empty or white throughout nothing is left.
fn pieces<'w>(words: impl Iterator<Item = &'w str>) -> impl Iterator<Item = &'w str> {
    words.flat_map(str::split_whitespace)
}

/// The arguments of a push.
struct Push<'w> {
    /// What is neither a flag nor a flag's value.
    words: Vec<&'w str>,
    /// A flag pushes branches that are not named.
    sweeping: bool,
}

impl<'w> Push<'w> {
    fn read(mut arguments: impl Iterator<Item = &'w str>) -> Self {
        let mut push = Self {
            words: Vec::new(),
            sweeping: false,
        };
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                push.words.push(argument);
            } else if VALUED.contains(&argument) {
                arguments.next();
            } else {
                let sweeps = |flag: &&str| flag.starts_with(argument);
                push.sweeping |= argument.len() >= SHORTEST_FLAG && SWEEPING.iter().any(sweeps);
            }
        }
        push
    }

    /// The remote, if it is named, and the refspecs.
    fn refspecs(&self) -> (Option<&'w str>, &[&'w str]) {
        match self.words.as_slice() {
            [remote, refspecs @ ..] if !refspecs.is_empty() => (Some(remote), refspecs),
            refspecs => (None, refspecs),
        }
    }
}

/// The branch that a refspec pushes to.
fn branch<'r>(refspec: &'r str, remote: Option<&str>) -> &'r str {
    let spec = refspec.strip_prefix('+').unwrap_or(refspec);
    let target = spec.rsplit_once(':').map_or(spec, |(_, target)| target);
    let target = target.strip_prefix("refs/").unwrap_or(target);
    let target = target.strip_prefix("heads/").unwrap_or(target);
    let behind = |remote: &str| target.strip_prefix(remote)?.strip_prefix('/');
    remote
        .into_iter()
        .chain(REMOTES)
        .find_map(behind)
        .unwrap_or(target)
}

/// Whether what is left of a refspec leaves open to which branch it pushes.
fn is_unresolved(branch: &str) -> bool {
    branch.is_empty()
        || branch == "@"
        || branch.eq_ignore_ascii_case("HEAD")
        || branch.contains(['*', '$', '{'])
}
