//! Lists of patterns (decision semantics, *Globs*): the two kinds differ in
//! case, in the variants of a pattern, and in what a final `*` may stand for.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::iter;

use crate::glob::Glob;

/// A pattern of a block or approval list, with its variants.
#[derive(Debug, Clone)]
pub(crate) struct Restriction {
    variants: Vec<Glob>,
}

impl Restriction {
    /// A pattern that begins with `**/` also matches without it, repeatedly;
    /// one that ends in `/**` also without that. ASCII case is ignored.
    pub(crate) fn new(pattern: &str) -> Self {
        let pattern = pattern.to_ascii_lowercase();
        let mut variants = Vec::new();
        let mut next = Some(pattern.as_str());
        while let Some(variant) = next {
            variants.push(Glob::new(variant));
            variants.extend(variant.strip_suffix("/**").map(Glob::new));
            next = variant.strip_prefix("**/");
        }
        Self { variants }
    }

    /// The pattern `**/<pattern>`, without the variants that `pattern` has itself.
    pub(crate) fn at_any_depth(pattern: &str) -> Self {
        let pattern = format!("**/{}", pattern.to_ascii_lowercase());
        let without_contents = pattern.strip_suffix("/**").map(Glob::new);
        Self {
            variants: iter::once(Glob::new(&pattern)).chain(without_contents).collect(),
        }
    }

    /// Whether the pattern matches the whole of `folded`.
    pub(crate) fn matches(&self, folded: &Folded<'_>) -> bool {
        self.variants.iter().any(|variant| variant.matches(&folded.0))
    }
}

/// A text whose ASCII letters are in lower case, as block and approval lists
/// compare them.
#[derive(Debug, Clone)]
pub(crate) struct Folded<'t>(Cow<'t, str>);

impl<'t> Folded<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let has_upper_case = text.bytes().any(|byte| byte.is_ascii_uppercase());
        Self(if has_upper_case {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        })
    }

    /// The same of a text that is not needed any more.
    pub(crate) fn from_owned(mut text: String) -> Self {
        text.make_ascii_lowercase();
        Self(Cow::Owned(text))
    }

    /// A piece of the text.
    pub(crate) fn piece(&self, cut: impl FnOnce(&str) -> &str) -> Folded<'_> {
        Folded(Cow::Borrowed(cut(&self.0)))
    }

    /// Whether the text contains `literal`, which is in lower case.
    pub(crate) fn contains(&self, literal: &str) -> bool {
        self.0.contains(literal)
    }
}

/// A block or approval list, in the order of the policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct RestrictionList {
    patterns: Vec<(String, Restriction)>,
}

impl RestrictionList {
    pub(crate) fn new(patterns: Vec<String>) -> Self {
        let patterns = patterns
            .into_iter()
            .map(|pattern| {
                let restriction = Restriction::new(&pattern);
                (pattern, restriction)
            })
            .collect();
        Self { patterns }
    }

    /// The first pattern, in list order, that matches the whole of `text`.
    pub(crate) fn first_match(&self, text: &Folded<'_>) -> Option<&str> {
        let (pattern, _) = self
            .patterns
            .iter()
            .find(|(_, restriction)| restriction.matches(text))?;
        Some(pattern)
    }
}

/// A pattern of `commands.allow`: in the case it is written in, without variants.
#[derive(Debug, Clone)]
pub(crate) struct Permission {
    /// The ways in which the pattern may match: one, or three for a final `*`
    /// that stands for nothing or for something that begins with a blank.
    ways: Vec<Glob>,
}

impl Permission {
    pub(crate) fn new(pattern: &str) -> Self {
        let stem = pattern.trim_end_matches('*');
        let bounded = stem.len() < pattern.len() && stem.ends_with(char::is_alphanumeric);
        let ways = if bounded {
            vec![
                Glob::new(stem),
                Glob::new(&format!("{stem} *")),
                Glob::new(&format!("{stem}\t*")),
            ]
        } else {
            vec![Glob::new(pattern)]
        };
        Self { ways }
    }

    /// Whether the pattern matches the whole of `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.ways.iter().any(|way| way.matches(text))
    }
}

/// `commands.allow`, in the order of the policy.
#[derive(Debug, Clone, Default)]
pub(crate) struct PermissionList {
    patterns: Vec<(String, Permission)>,
}

impl PermissionList {
    pub(crate) fn new(patterns: Vec<String>) -> Self {
        let patterns = patterns
            .into_iter()
            .map(|pattern| {
                let permission = Permission::new(&pattern);
                (pattern, permission)
            })
            .collect();
        Self { patterns }
    }

    /// The first pattern, in list order, that matches the whole of `text`.
    pub(crate) fn first_match(&self, text: &str) -> Option<&str> {
        let (pattern, _) = self
            .patterns
            .iter()
            .find(|(_, permission)| permission.matches(text))?;
        Some(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restricts(pattern: &str, text: &str) -> bool {
        Restriction::new(pattern).matches(&Folded::new(text))
    }

    fn permits(pattern: &str, text: &str) -> bool {
        Permission::new(pattern).matches(text)
    }

    fn owned(patterns: &[&str]) -> Vec<String> {
        patterns.iter().copied().map(String::from).collect()
    }

    #[test]
    fn a_restriction_matches_without_a_leading_any_directory() {
        assert!(restricts("**/main.tf", "main.tf") && restricts("**/main.tf", "a/b/main.tf"));
        assert!(!restricts("**/main.tf", "xmain.tf"));
        assert!(restricts("**/**/x", "x") && restricts("**/**/**/x", "a/x"));
        assert!(!restricts("***/x", "x") && !restricts("*/x", "x"));
    }

    #[test]
    fn a_restriction_matches_without_a_trailing_any_content() {
        assert!(restricts("iam/**", "iam") && restricts("iam/**", "iam/a/b") && restricts("iam/**", "iam/"));
        assert!(!restricts("iam/**", "iamx") && !restricts("iam/**", "a/iam"));
        assert!(
            restricts("**/iam/**", "iam")
                && restricts("**/iam/**", "a/iam")
                && restricts("**/iam/**", "iam/b")
        );
        assert!(!restricts("iam/*", "iam") && !restricts("iam/***", "iam"));
    }

    #[test]
    fn at_any_depth_the_pattern_follows_a_slash() {
        let matches =
            |pattern: &str, text: &str| Restriction::at_any_depth(pattern).matches(&Folded::new(text));
        assert!(matches("Iam/**", "/a/iam/b") && matches("iam/**", "/iam") && matches("*.pem", "../X.PEM"));
        assert!(!matches("iam/**", "/xiam") && !matches("iam/*", "/iam") && !matches("iam", "iam"));
    }

    #[test]
    fn a_trailing_any_content_is_removed_once() {
        assert!(restricts("iam/**/**", "iam/") && !restricts("iam/**/**", "iam"));
    }

    #[test]
    fn a_restriction_ignores_ascii_case_only() {
        assert!(restricts(".env", ".ENV") && restricts("Prod", "pROD"));
        assert!(!restricts("é", "É") && restricts("é", "é"));
    }

    #[test]
    fn a_permission_has_no_variants_and_minds_case() {
        assert!(!permits("**/x", "x") && !permits("x/**", "x") && permits("x/**", "x/y"));
        assert!(!permits("ls", "LS") && permits("ls", "ls"));
    }

    #[test]
    fn a_final_star_after_a_letter_or_digit_stops_at_a_blank() {
        for pattern in ["pytest*", "pytest**", "pytest***"] {
            for text in ["pytest", "pytest ", "pytest -q", "pytest\t-q", "pytest -q\nx"] {
                assert!(permits(pattern, text), "{pattern} {text:?}");
            }
            for text in [
                "pytest-evil",
                "pytest$X",
                "pytest=1",
                "pytests",
                "pytest\n-q",
                "pytest\"\"",
                "pytest\u{a0}x",
            ] {
                assert!(!permits(pattern, text), "{pattern} {text:?}");
            }
        }
        assert!(permits("v2*", "v2 x") && !permits("v2*", "v21"));
        assert!(permits("é*", "é x") && !permits("é*", "éa"));
    }

    #[test]
    fn any_other_star_is_any_run() {
        assert!(
            permits("make [a-z]*", "make [a-z]x")
                && permits("cat *", "cat a")
                && permits("docker ps **", "docker ps ")
        );
        assert!(permits("*ok", "rm; ok") && permits("git -*", "git -xyz"));
        assert!(permits("a*b*", "axb c") && !permits("a*b*", "axbc"));
        assert!(permits("*", "anything") && permits("**", ""));
    }

    #[test]
    fn the_first_pattern_in_list_order_is_reported() {
        let list = RestrictionList::new(owned(&["x*", "*y", "xy"]));
        assert_eq!(list.first_match(&Folded::new("XY")), Some("x*"));
        assert_eq!(list.first_match(&Folded::new("ay")), Some("*y"));
        assert_eq!(list.first_match(&Folded::new("a")), None);
        let list = PermissionList::new(owned(&["b", "a*", "a b"]));
        assert_eq!(list.first_match("a b"), Some("a*"));
        assert_eq!(list.first_match("c"), None);
    }
}
