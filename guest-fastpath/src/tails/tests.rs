//! The trunks against trying every tail by itself.

use crate::files::{FileRules, PathSearch};
use crate::lists::PatternList;
use crate::paths::Marks;
use proptest::prelude::*;

fn rules(patterns: &[impl AsRef<str>]) -> FileRules {
    let mut list = PatternList::default();
    patterns.iter().for_each(|pattern| list.push(pattern.as_ref()));
    FileRules::new(PatternList::default(), PatternList::default(), list)
}

/// The word, then what follows each sign, from left to right.
fn naive(search: &PathSearch<'_>, word: &str) -> Option<u32> {
    let tails = word
        .match_indices(['=', ':', ',', '@'])
        .map(|(at, _)| word.get(at + 1..).unwrap());
    tails.map(str::as_bytes).find_map(|tail| search.first(tail))
}

fn check(patterns: &[impl AsRef<str>], workspace: Option<&str>, word: &str) -> Option<u32> {
    let rules = rules(patterns);
    let search = rules.search(workspace, 0);
    if search.first(word.as_bytes()).is_some() {
        return None;
    }
    let found = search.first_of_tails(word.as_bytes(), Marks::of(word.as_bytes()));
    let patterns: Vec<&str> = patterns.iter().map(AsRef::as_ref).collect();
    assert_eq!(found, naive(&search, word), "{word} {workspace:?} {patterns:?}");
    found
}

fn pieces(range: core::ops::Range<usize>) -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "x", "/", "/", ".", "..", "../", "./", "//", "=", ":", ",", "@", "~", "C:/", "c:", "\\", "b=",
        "/y",
    ]);
    prop::collection::vec(piece, range).prop_map(|pieces| pieces.concat())
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "x", "/", "/", ".", "..", "../", "*", "**/", "/**", "~", "c:", "=", ":", "y", "b",
    ]);
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_tails_at_once_are_one_after_the_other(
        patterns in prop::collection::vec(pattern(), 1..4),
        workspace in prop::option::of(pieces(1..5)),
        word in pieces(2..14),
    ) {
        check(&patterns, workspace.as_deref(), &word);
    }
}

#[test]
fn the_first_tail_that_is_matched_gives_the_pattern() {
    assert_eq!(
        check(&["late", "early"], None, "x=early:late"),
        Some(0),
        "`early:late` is no match, `late` is"
    );
    assert_eq!(check(&["late", "ear*"], None, "x=early:late"), Some(1));
    assert_eq!(check(&["late", "early/**"], None, "x=early/a:late"), Some(1));
    assert_eq!(check(&["late"], None, "x=early"), None);
}

#[test]
fn forms_that_the_whole_word_has_not() {
    let found = [
        ("a/../key", "x=a/../key", None),
        ("key/a", "x=./key/a", None),
        ("key/a", "x=../../w/key/a", None),
        ("../key/*", "x=../key/b", None),
        (".", "x=/srv/app/", Some("/srv/app")),
        ("key/a", "x=app/key/a", Some("app")),
        ("/", "x=/./", None),
        ("c:/key", "x=C:/../key", None),
        ("key/a", r"x=key\a", None),
    ];
    for (pattern, word, workspace) in found {
        assert_eq!(check(&[pattern], workspace, word), Some(0), "{pattern} {word}");
    }
}

/// Tens of thousands of tails of every kind: this ends at once or not within the day.
#[test]
fn long_words_take_no_quadratic_time() {
    let rules = rules(&[
        "secret/**",
        "**/*.key",
        "../outside/**",
        "~/.keys/**",
        "C:/keys/*",
    ]);
    let search = rules.search(Some("/srv/app"), 0);
    for unit in [
        "=", "a=", "=/", "=../", "a=../../", "=./a/", "=~", "=C:/../", ":a@b,", "=x/../y", "=\\",
    ] {
        let mut word = unit.repeat(64 * 1024 / unit.len());
        assert_eq!(
            search.first_of_tails(word.as_bytes(), Marks::of(word.as_bytes())),
            None,
            "{unit}"
        );
        word.push_str("=secret/a");
        assert_eq!(
            search.first_of_tails(word.as_bytes(), Marks::of(word.as_bytes())),
            Some(0),
            "{unit}"
        );
    }
}
