//! Matching one pattern against one text (decision semantics, *Globs*).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// A pattern, cut at its `*`s into the literals between them.
///
/// `*` stands for any run of characters, the empty run included; every other
/// character for itself. A run of `*` is one `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    /// What the text must begin with.
    start: String,
    /// What follows the first `*`; `None` if there is no `*`.
    rest: Option<Rest>,
    /// The bytes of all literals together: a shorter text cannot match.
    shortest: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    /// The non-empty literals between two `*`s, in order.
    middle: Vec<String>,
    /// What the text must end with.
    end: String,
}

impl Glob {
    /// Reads a pattern. Every text is one.
    pub(crate) fn new(pattern: &str) -> Self {
        let shortest = pattern.split('*').map(str::len).sum();
        let Some((start, rest)) = pattern.split_once('*') else {
            return Self {
                start: pattern.to_owned(),
                rest: None,
                shortest,
            };
        };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle = middle
            .split('*')
            .filter(|literal| !literal.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        let rest = Rest {
            middle,
            end: end.to_owned(),
        };
        Self {
            start: start.to_owned(),
            rest: Some(rest),
            shortest,
        }
    }

    /// Whether the pattern matches the whole of `text`.
    ///
    /// The literals between the stars are looked for from left to right, each
    /// at its first place: a later place leaves less room for those that follow,
    /// so no choice is ever taken back and the time is linear in `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if text.len() < self.shortest {
            return false;
        }
        let Some(Rest { middle, end }) = &self.rest else {
            return text == self.start;
        };
        let Some(mut room) = text
            .strip_prefix(self.start.as_str())
            .and_then(|room| room.strip_suffix(end.as_str()))
        else {
            return false;
        };
        for literal in middle {
            match room.split_once(literal.as_str()) {
                Some((_, after)) => room = after,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).matches(text)
    }

    #[test]
    fn without_a_star_it_is_equality() {
        assert!(matches("a.b", "a.b"));
        assert!(
            !matches("a.b", "axb") && !matches("a.b", "a.bc") && !matches("a.b", "xa.b") && !matches("a", "")
        );
        assert!(matches("", "") && !matches("", "a"));
    }

    #[test]
    fn a_star_is_any_run_of_characters() {
        assert!(matches("*", "") && matches("*", "a/b\nc"));
        assert!(
            matches("a*c", "ac")
                && matches("a*c", "abc")
                && matches("a*c", "a/b\nc")
                && matches("a*c", "acc")
        );
        assert!(!matches("a*c", "a") && !matches("a*c", "acb"));
        assert!(matches("a**c", "ac") && matches("a***c", "a/c") && matches("**", ""));
    }

    #[test]
    fn start_and_end_do_not_overlap() {
        assert!(!matches("ab*ba", "aba") && matches("ab*ba", "abba"));
        assert!(!matches("a*a", "a") && matches("a*a", "aa"));
        assert!(!matches("ab*bc*cd", "abcd") && matches("ab*bc*cd", "abbccd"));
    }

    #[test]
    fn middles_are_found_in_order() {
        assert!(matches("curl *|*sh*", "curl x | tee y | bash -s"));
        assert!(!matches("curl *|*sh*", "curl sh x | tee"));
        assert!(matches("*a*a*", "aa") && !matches("*a*a*", "a"));
        assert!(matches("*ab*abc", "ababc") && !matches("*abc*abc", "abc"));
    }

    #[test]
    fn question_marks_and_brackets_are_literal() {
        assert!(matches("a?b", "a?b") && !matches("a?b", "axb"));
        assert!(matches("[a-z]*", "[a-z]x") && !matches("[a-z]*", "bx"));
        assert!(matches("{x,y}", "{x,y}") && !matches("{x,y}", "x"));
        assert!(matches("w\\*x", "w\\anyx") && !matches("w\\*x", "w*x"));
    }

    #[test]
    fn text_is_unicode() {
        assert!(matches("é*", "éa") && !matches("é*", "e\u{301}"));
        assert!(matches("日本/**", "日本/語") && matches("*語", "日本語"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = "a*".repeat(2_000) + "b";
        let text = "a".repeat(60_000);
        assert!(!matches(&pattern, &text));
        assert!(matches(&pattern, &(text + "b")));
    }
}
