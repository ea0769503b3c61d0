use super::*;

fn parts(line: &str) -> Vec<&str> {
    split(line).parts.iter().map(|part| part.text).collect()
}

/// The words of a line of one part.
fn words(line: &str) -> Vec<String> {
    let line = split(line);
    assert_eq!(line.parts.len(), 1, "{line:?}");
    line.parts[0].words().map(String::from).collect()
}

fn with_targets(line: &str) -> Vec<String> {
    split(line)
        .parts
        .iter()
        .flat_map(Part::words_and_redirection_targets)
        .map(String::from)
        .collect()
}

fn is_opaque(line: &str) -> bool {
    split(line).opaque
}

#[test]
fn every_separator_splits() {
    for operator in [";", "&&", "||", "|", "|&", "&", "\n"] {
        assert_eq!(parts(&format!("a b{operator}c")), ["a b", "c"], "{operator:?}");
        assert_eq!(parts(&format!("a b {operator} c")), ["a b", "c"], "{operator:?}");
    }
}

#[test]
fn empty_parts_are_dropped_and_parts_are_trimmed() {
    assert_eq!(parts("a;;b"), ["a", "b"]);
    assert_eq!(parts("; a &\n\n|| \u{a0} | b;"), ["a", "b"]);
    assert_eq!(parts("\u{2003}a\u{1c}; \rb"), ["a", "b"]);
    assert!(parts(";;&|").is_empty() && parts("").is_empty());
}

#[test]
fn operators_are_read_longest_first() {
    let after_pipe = |line: &str| {
        split(line)
            .parts
            .iter()
            .map(|part| part.after_pipe)
            .collect::<Vec<_>>()
    };
    assert_eq!(after_pipe("a|b"), [false, true]);
    assert_eq!(after_pipe("a||b"), [false, false]);
    assert_eq!(after_pipe("a|&b"), [false, false]);
    assert_eq!(after_pipe("a|||b"), [false, true]);
    assert_eq!(after_pipe("| a"), [true]);
    assert_eq!(after_pipe("a |;b | |c"), [false, false, true]);
    assert_eq!(after_pipe("a |\nb"), [false, false]);
}

#[test]
fn the_ampersand_of_a_redirection_is_no_separator() {
    for line in ["a 2>&1", "a &>f", "a &>>f", "a >&f", "a <&3", "a >|f"] {
        assert_eq!(parts(line), [line]);
    }
    assert_eq!(parts("a 2>&1&b"), ["a 2>&1", "b"]);
    assert_eq!(parts("a &&>f b"), ["a", ">f b"]);
    assert_eq!(parts("a > & b"), ["a >", "b"]);
}

#[test]
fn quoted_separators_do_not_split() {
    for line in [
        "a ';'",
        "a \";\"",
        "a \\;",
        "a '&&' \"||\" \\|",
        "a '\n'",
        "a \"\n\"",
        "a \\\n b",
    ] {
        assert_eq!(parts(line), [line], "{line:?}");
    }
    assert_eq!(parts("a '\\'; b"), ["a '\\'", "b"]);
    assert_eq!(parts("a \"\\\"; b\"; c"), ["a \"\\\"; b\"", "c"]);
    assert_eq!(parts("a \\\\; b"), ["a \\\\", "b"]);
}

#[test]
fn words_are_split_at_unquoted_blanks_only() {
    assert_eq!(words("a  b\tc"), ["a", "b", "c"]);
    assert_eq!(words("a 'b c' \"d\te\" f\\ g"), ["a", "b c", "d\te", "f g"]);
    assert_eq!(words("a\u{a0}b\rc"), ["a\u{a0}b\rc"]);
}

#[test]
fn quotes_and_escapes_are_removed() {
    assert_eq!(words("t\"er\"r'a'f\\orm"), ["terraform"]);
    assert_eq!(
        words(r#"'a\b' "a\b" "\$\`\"\\" \a"#),
        ["a\\b", "a\\b", "$`\"\\", "a"]
    );
    assert_eq!(words("'it'\\''s' \"'\" '\"'"), ["it's", "'", "\""]);
}

#[test]
fn an_empty_word_exists_if_it_is_quoted() {
    assert_eq!(words("a '' \"\" b"), ["a", "", "", "b"]);
    assert_eq!(words("a \\\n b"), ["a", "b"]);
}

#[test]
fn a_newline_after_a_backslash_vanishes() {
    assert_eq!(words("a\\\nb \"c\\\nd\""), ["ab", "cd"]);
    assert_eq!(words("'a\\\nb'"), ["a\\\nb"]);
}

/// The newline that it stood before may have been trimmed away.
#[test]
fn a_backslash_at_the_end_of_a_part_vanishes() {
    assert_eq!(words("a\\"), ["a"]);
    assert_eq!(words("a \\"), ["a"]);
    assert_eq!(words("a\\\\"), ["a\\"]);
    assert_eq!(words("'a\\'"), ["a\\"]);
    let line = split("a\\\n; b\\ & c\\");
    let words: Vec<Vec<&str>> = line.parts.iter().map(|part| part.words().collect()).collect();
    assert_eq!(words, [["a"], ["b"], ["c"]]);
    assert!(line.opaque && !is_opaque("b\\ & c\\"));
}

#[test]
fn a_redirection_is_left_out_but_its_word_is_kept_as_a_path() {
    assert_eq!(words("a <in b 2>err c"), ["a", "b", "c"]);
    assert_eq!(with_targets("a <in b 2>err c"), ["a", "in", "b", "err", "c"]);
    assert_eq!(words("a>>'x y'b c"), ["a", "c"]);
    assert_eq!(with_targets("a>>'x y'b c"), ["a", "x yb", "c"]);
    assert_eq!(words("a > b < c"), ["a"]);
    assert_eq!(words("<in a"), ["a"]);
    assert!(words(">f").is_empty());
}

#[test]
fn only_unquoted_digits_that_touch_an_operator_belong_to_it() {
    assert_eq!(words("a 2>f"), ["a"]);
    assert_eq!(words("a 12<f"), ["a"]);
    assert_eq!(words("a 2 >f"), ["a", "2"]);
    assert_eq!(words("a x2>f"), ["a", "x2"]);
    assert_eq!(words("a '2'>f"), ["a", "2"]);
    assert_eq!(words("a \\2>f"), ["a", "2"]);
    assert_eq!(words("a ２>f"), ["a", "２"]);
}

#[test]
fn a_redirection_without_a_word_has_none() {
    assert_eq!(with_targets("a > ; b"), ["a", "b"]);
    assert_eq!(with_targets("a > > f"), ["a", "f"]);
}

#[test]
fn a_text_that_is_read_as_one_part_is_not_split() {
    let words = |text: &str| {
        Words::of(trim(text))
            .arguments()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(" a;b && c|d\ne "), ["a;b", "&&", "c|d\ne"]);
    assert_eq!(words("'a b' c 2>&1 >log d"), ["a b", "c", "d"]);
    assert_eq!(words("a&&>b c"), ["a&&", "c"]);
}

#[test]
fn expansions_are_opaque_unless_single_quoted_or_escaped() {
    for expansion in ["$(id)", "${x}", "$[1+1]", "`id`"] {
        assert!(is_opaque(&format!("a {expansion}")), "{expansion}");
        assert!(is_opaque(&format!("a \"x{expansion}\"")), "{expansion}");
        assert!(is_opaque(&format!("a \\\\{expansion}")), "{expansion}");
        assert!(!is_opaque(&format!("a '{expansion}'")), "{expansion}");
    }
    assert!(!is_opaque("a $x \"$x\" $ '$'"));
    assert!(!is_opaque("a \\${x}") && !is_opaque("a \"\\$(id) \\${x} \\$[1]\""));
    assert!(!is_opaque("a \\`id\\`") && !is_opaque("a \"\\`id\\`\""));
    assert!(is_opaque("a \\$(id)"), "the parenthesis is not escaped");
}

#[test]
fn a_backslash_before_a_newline_is_opaque() {
    assert!(is_opaque("a \\\nb") && is_opaque("a \"\\\nb\"") && is_opaque("a\\\n; b"));
    assert!(!is_opaque("a '\\\nb'") && !is_opaque("a \\\\\nb") && !is_opaque("a \"\\\\\nb\""));
}

#[test]
fn dollar_quotes_groups_and_comments_are_opaque_unquoted() {
    for line in [
        "a $'x'",
        "(a)",
        "a )",
        "a <(b)",
        "a >(b)",
        "a # b",
        "# a",
        "a;#b",
        "a >/dev/null #b",
        "a\n#b",
    ] {
        assert!(is_opaque(line), "{line:?}");
    }
    for line in [
        "a \"$'x'\"",
        "a \\$'x'",
        "a '(' \"(\" \\(",
        "a#b",
        "a ''#b",
        "a \\#b",
        "a '#b'",
        "a \"# b\"",
    ] {
        assert!(!is_opaque(line), "{line:?}");
    }
}

#[test]
fn redirections_that_write_are_opaque() {
    for line in [
        "a >f", "a >>f", "a >|f", "a <>f", "a >&f", "a 2>f", "a>f", "a > 1", "a >&-", "a >&1x", "a > '' ",
        "a >",
    ] {
        assert!(is_opaque(line), "{line:?}");
    }
    for line in [
        "a &>f",
        "a &>/dev/null",
        "a &>>/dev/null",
        "a &>1",
        "a <<E",
        "a <<-E",
        "a <<<x",
    ] {
        assert!(is_opaque(line), "{line:?}");
    }
    assert!(is_opaque("a > > /dev/null"), "the first one has no word");
    assert!(is_opaque("a >/dev/null/x") && is_opaque("a >/dev//null") && is_opaque("a >/dev/NULL"));
}

#[test]
fn redirections_that_write_nowhere_are_not_opaque() {
    for line in [
        "a >/dev/null",
        "a 2>>/dev/null",
        "a >| /dev/null",
        "a <>/dev/null",
        "a >&/dev/null",
        "a >'/dev/null'",
    ] {
        assert!(!is_opaque(line), "{line:?}");
    }
    for line in [
        "a 2>&1", "a >&2", "a >& 2", "a 1>&'2'", "a <f", "a <&3", "a <&-", "a 0<&f", "a '>' f", "a \\>f",
        "a \">\"f",
    ] {
        assert!(!is_opaque(line), "{line:?}");
    }
}

#[test]
fn open_quotes_are_opaque() {
    for line in ["a 'b", "a \"b", "a \"b\\\"", "a 'b\\'c'", "'", "\"", "a; b 'c; d"] {
        assert!(is_opaque(line), "{line:?}");
    }
    assert!(!is_opaque("a 'b' \"c\" \\' \\\""));
}

#[test]
fn a_long_line_is_split_without_recursion() {
    assert_eq!(split(&"a;".repeat(30_000)).parts.len(), 30_000);
    assert_eq!(words(&"''".repeat(30_000)), [""]);
    assert!(is_opaque(&"(".repeat(60_000)));
}
