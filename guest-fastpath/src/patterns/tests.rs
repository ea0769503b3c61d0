//! The compiled sets against a matcher that tries one pattern after the other.

use super::PatternSet;
use crate::glob::Dialect;
use crate::lists::PatternList;
use crate::paths::reaches_out;
use crate::subject::Subject;
use proptest::prelude::*;

fn list(patterns: &[impl AsRef<str>]) -> PatternList {
    let mut list = PatternList::default();
    patterns.iter().for_each(|pattern| list.push(pattern.as_ref()));
    list
}

/// `*` matches any run, everything else itself.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

/// A pattern of a block or approval list, with its variants.
fn denies(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut variants = vec![pattern.as_str()];
    while let Some(shorter) = variants[variants.len() - 1].strip_prefix("**/") {
        variants.push(shorter);
    }
    let shorter: Vec<&str> = variants
        .iter()
        .filter_map(|variant| variant.strip_suffix("/**"))
        .collect();
    variants
        .into_iter()
        .chain(shorter)
        .any(|variant| glob(variant.as_bytes(), text.as_bytes()))
}

/// A pattern of an allow list.
fn allows(pattern: &str, text: &str) -> bool {
    let stem = pattern.trim_end_matches('*');
    if stem.len() == pattern.len() || !stem.ends_with(char::is_alphanumeric) {
        return glob(pattern.as_bytes(), text.as_bytes());
    }
    let blank = |end: &str| glob([stem, end].concat().as_bytes(), text.as_bytes());
    blank("") || blank(" *") || blank("\t*")
}

/// A pattern of a block or approval list against one form of a path.
fn denies_path(pattern: &str, form: &str) -> bool {
    let last = form.rsplit('/').next().unwrap_or_default();
    denies(pattern, form)
        || !pattern.contains('/') && denies(pattern, last)
        || reaches_out(form.as_bytes()) && denies(&format!("**/{pattern}"), form)
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "A", "ab", "abcd", "abcdefgh", "abcdefgi", "/", "/", ".", "..", "~", "C:", " ", "\t", "é",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "B", "ab", "abcd", "abcdefgh", "bcdefgh", "/", "/", ".", "..", "*", "*", "**", "**/",
        "/**", " ", "é", "é*",
    ]);
    prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

/// Three lists that lie behind one another.
fn lists() -> impl Strategy<Value = [Vec<String>; 3]> {
    prop::array::uniform3(prop::collection::vec(pattern(), 0..6))
}

/// Asserts that the set finds what the naive matcher finds, from the first pattern of each list on.
fn assert_agrees(
    lists: &[Vec<String>; 3],
    dialect: Dialect,
    subject: &Subject<'_>,
    matches: impl Fn(&str) -> bool,
) {
    let set = PatternSet::new(lists.each_ref().map(|patterns| list(patterns)), dialect);
    let patterns = lists.concat();
    for floor in [0, lists[0].len(), lists[0].len() + lists[1].len()] {
        let naive = (floor..patterns.len()).find(|&number| matches(&patterns[number]));
        let found = set.first(subject, u32::try_from(floor).unwrap());
        assert_eq!(
            found.map(|number| number as usize),
            naive,
            "{patterns:?} {subject:?} from {floor}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn restrictions_match_whole_texts(lists in lists(), text in text()) {
        let subject = Subject::whole(text.as_bytes());
        assert_agrees(&lists, Dialect::Deny, &subject, |pattern| denies(pattern, &text));
    }

    #[test]
    fn restrictions_match_paths(lists in lists(), text in text()) {
        let subject = Subject::path(text.as_bytes());
        assert_agrees(&lists, Dialect::Deny, &subject, |pattern| denies_path(pattern, &text));
    }

    #[test]
    fn permissions_match_whole_texts(lists in lists(), text in text()) {
        let subject = Subject::whole(text.as_bytes());
        assert_agrees(&lists, Dialect::Allow, &subject, |pattern| allows(pattern, &text));
    }

    #[test]
    fn a_piece_is_turned_away_only_if_nothing_matches_it(lists in lists(), before in text(), piece in text()) {
        for dialect in [Dialect::Deny, Dialect::Allow] {
            let set = PatternSet::new(lists.each_ref().map(|patterns| list(patterns)), dialect);
            let floating = set.has_floating([before.as_str(), &piece].concat().as_bytes());
            let found = set.first_of_piece(piece.as_bytes(), 0, floating);
            prop_assert_eq!(found, set.first(&Subject::whole(piece.as_bytes()), 0));
        }
    }
}

#[test]
fn lists_lie_behind_one_another() {
    let lists = || [list(&["b*"]), list(&["a*", "b*"]), list(&["*b", "c"])];
    let set = PatternSet::new(lists(), Dialect::Deny);
    let first = |text: &str, floor| set.first(&Subject::whole(text.as_bytes()), floor);
    assert_eq!(first("bb", 0), Some(0));
    assert_eq!(
        first("bb", 1),
        Some(2),
        "an equal pattern of a later list is found from there on"
    );
    assert_eq!(first("bb", 3), Some(3));
    assert_eq!(first("c", 0), Some(4));
    assert_eq!(first("d", 0), None);
    assert_eq!(set.pattern(3), "*b");
}

#[test]
fn patterns_are_reported_as_written() {
    let set = PatternSet::new([list(&["**/README.*"])], Dialect::Deny);
    assert_eq!(
        set.first(&Subject::path(b"docs/readme.md"), 0)
            .map(|number| set.pattern(number)),
        Some("**/README.*")
    );
}

/// Patterns that begin alike, end alike, hold the same rare words in another order, or
/// are many for one literal: whichever window they are filed under, each is found.
#[test]
fn crowds_are_told_apart() {
    let numbers = 0..3_000;
    let families: [fn(usize) -> String; 6] = [
        |n| format!("deploy tool-{n} *"),
        |n| format!("**/x{n}*.tf"),
        |n| format!("**/dir-{n}/**"),
        |n| format!("*.{n}.config.json"),
        |n| format!("*from-{}*to-{}*", n % 50, n / 50),
        |n| format!("exact/{n}/name"),
    ];
    let texts: [fn(usize) -> String; 6] = [
        |n| format!("deploy tool-{n} now"),
        |n| format!("a/b/x{n}-main.tf"),
        |n| format!("dir-{n}/file"),
        |n| format!("app.{n}.config.json"),
        |n| format!("copy from-{} and to-{} .", n % 50, n / 50),
        |n| format!("exact/{n}/name"),
    ];
    for (family, text) in families.into_iter().zip(texts) {
        let patterns: Vec<String> = numbers.clone().map(family).collect();
        let set = PatternSet::new([list(&patterns)], Dialect::Deny);
        for number in numbers.clone().step_by(7) {
            let text = text(number);
            let naive = patterns
                .iter()
                .position(|pattern| denies(pattern, &text))
                .unwrap();
            let found = set.first(&Subject::whole(text.as_bytes()), 0);
            assert_eq!(found.map(|number| number as usize), Some(naive), "{text}");
        }
        assert_eq!(set.first(&Subject::whole(b"nothing of the kind"), 0), None);
    }
}

#[test]
fn an_empty_set_matches_nothing() {
    let set = PatternSet::new([PatternList::default()], Dialect::Deny);
    for text in ["", "a", "a/b"] {
        assert_eq!(set.first(&Subject::path(text.as_bytes()), 0), None);
        assert!(!set.has_floating(text.as_bytes()));
    }
}
