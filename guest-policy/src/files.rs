//! `read_file` and `write_file` (decision semantics, *Files*).

use alloc::string::String;
use alloc::vec::Vec;

use crate::paths;
use crate::patterns::{Folded, Restriction};
use crate::rules::{self, Ruling};

/// The `filesystem` section of a policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) block_read: PathList,
    pub(crate) block_write: PathList,
    pub(crate) require_approval_write: PathList,
}

impl Files {
    /// Judges `read_file`.
    pub(crate) fn read(&self, target: &str, workspace: Option<&str>) -> Ruling<'_> {
        let path = Path::new(target, workspace);
        if let Some(pattern) = self.block_read.first_match(&path) {
            return Ruling::by_pattern(&rules::READ_BLOCK, pattern);
        }
        Ruling::of(if target.is_empty() {
            &rules::READ_EMPTY_TARGET
        } else {
            &rules::READ_ALLOW
        })
    }

    /// Judges `write_file`. What may not be read is not overwritten unseen either.
    pub(crate) fn write(&self, target: &str, workspace: Option<&str>) -> Ruling<'_> {
        let path = Path::new(target, workspace);
        if let Some(pattern) = self.block_write.first_match(&path) {
            return Ruling::by_pattern(&rules::WRITE_BLOCK, pattern);
        }
        if let Some(pattern) = self.require_approval_write.first_match(&path) {
            return Ruling::by_pattern(&rules::WRITE_REQUIRE_APPROVAL, pattern);
        }
        if let Some(pattern) = self.block_read.first_match(&path) {
            return Ruling::by_pattern(&rules::WRITE_SENSITIVE_PATH, pattern);
        }
        Ruling::of(if target.is_empty() {
            &rules::WRITE_EMPTY_TARGET
        } else {
            &rules::WRITE_ALLOW
        })
    }
}

/// A path in all its forms, ready to be compared.
#[derive(Debug)]
pub(crate) struct Path {
    /// The first one is the path as given.
    forms: Vec<Form>,
}

#[derive(Debug)]
struct Form {
    text: Folded<'static>,
    absolute_or_above: bool,
}

impl Path {
    pub(crate) fn new(target: &str, workspace: Option<&str>) -> Self {
        let form = |form: String| Form {
            absolute_or_above: paths::is_absolute_or_above(&form),
            text: Folded::from_owned(form),
        };
        Self {
            forms: paths::forms(target, workspace).into_iter().map(form).collect(),
        }
    }
}

/// A block or approval list of path patterns, in the order of the policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathList {
    patterns: Vec<PathPattern>,
}

impl PathList {
    pub(crate) fn new(patterns: Vec<String>) -> Self {
        Self {
            patterns: patterns.into_iter().map(PathPattern::new).collect(),
        }
    }

    /// The first pattern, in list order, that matches any form of `path`.
    pub(crate) fn first_match(&self, path: &Path) -> Option<&str> {
        first_match(&self.patterns, path)
    }

    /// The patterns that can match a path which is written in `text`.
    pub(crate) fn possible_in(&self, text: &str) -> PossiblePatterns<'_> {
        PossiblePatterns(self.patterns.iter().collect()).narrowed(text)
    }
}

/// The patterns of a list that are left after those that cannot match.
///
/// A word of a command line may hold a path after each `=`, `:`, `,` and `@`, so
/// trying every pattern on all of them takes the square of its length: too long
/// for a kilobyte of JSON. One look at the word rules most patterns out.
#[derive(Debug)]
pub(crate) struct PossiblePatterns<'p>(Vec<&'p PathPattern>);

impl<'p> PossiblePatterns<'p> {
    /// Those that can match a path which is written in `text`.
    pub(crate) fn narrowed(&self, text: &str) -> Self {
        let folded = Folded::new(text);
        Self(
            self.0
                .iter()
                .copied()
                .filter(|pattern| folded.contains(&pattern.clue))
                .collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first pattern, in list order, that matches any form of `path`.
    pub(crate) fn first_match(&self, path: &Path) -> Option<&'p str> {
        first_match(self.0.iter().copied(), path)
    }
}

fn first_match<'p>(patterns: impl IntoIterator<Item = &'p PathPattern>, path: &Path) -> Option<&'p str> {
    let given = &path.forms.first()?.text;
    let mut possible = patterns
        .into_iter()
        .filter(|pattern| given.contains(&pattern.clue));
    let pattern = possible.find(|pattern| path.forms.iter().any(|form| pattern.matches(form)))?;
    Some(&pattern.source)
}

#[derive(Debug, Clone)]
struct PathPattern {
    source: String,
    itself: Restriction,
    /// `**/<pattern>`, for a form that is absolute or begins with `..`.
    at_any_depth: Restriction,
    has_slash: bool,
    /// A text that a path as given must hold to be matched, in lower case.
    clue: String,
}

impl PathPattern {
    fn new(source: String) -> Self {
        Self {
            itself: Restriction::new(&source),
            at_any_depth: Restriction::at_any_depth(&source),
            has_slash: source.contains('/'),
            clue: clue(&source).to_ascii_lowercase(),
            source,
        }
    }

    fn matches(&self, form: &Form) -> bool {
        self.itself.matches(&form.text)
            || (!self.has_slash && self.itself.matches(&form.text.piece(paths::last_segment)))
            || (form.absolute_or_above && self.at_any_depth.matches(&form.text))
    }
}

/// The longest literal of a pattern inside one segment, without `\`.
///
/// The forms of a path are made of its own segments, whole and in order, with
/// `\` read as `/`; only a `.` may be new. So a path that the pattern matches holds
/// this text as it was given. A literal of dots alone would be no clue.
fn clue(pattern: &str) -> &str {
    let literals = pattern
        .split(['*', '/', '\\'])
        .filter(|literal| !literal.trim_matches('.').is_empty());
    literals.max_by_key(|literal| literal.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
