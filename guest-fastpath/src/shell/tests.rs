use super::{Line, Words, trim};

fn parts(line: &str) -> Vec<&str> {
    Line::read(line)
        .parts
        .into_iter()
        .map(|part| line.get(part.range).unwrap())
        .collect()
}

fn words(part: &str) -> Vec<String> {
    let words = Words::read(part, core::iter::once(0..part.len()));
    words.of_command(0).map(str::to_owned).collect()
}

/// As the line is judged: by its parts and by their words.
fn is_opaque(line: &str) -> bool {
    let read = Line::read(line);
    let words = Words::read(line, read.parts.iter().map(|part| part.range.clone()));
    read.opaque || words.opaque
}

#[test]
fn lines_are_cut_at_unquoted_separators() {
    let table: &[(&str, &[&str])] = &[
        ("a", &["a"]),
        ("a;b", &["a", "b"]),
        ("a ;; b", &["a", "b"]),
        ("a && b || c", &["a", "b", "c"]),
        ("a | b |& c & d", &["a", "b", "c", "d"]),
        ("a\nb\r\nc", &["a", "b", "c"]),
        ("a;\u{a0};b", &["a", "b"]),
        ("a 2>&1 && b", &["a 2>&1", "b"]),
        ("a &>f b", &["a &>f b"]),
        ("a &>>f b", &["a &>>f b"]),
        ("a <&3 b >|f c", &["a <&3 b >|f c"]),
        ("a &&> f", &["a", "> f"]),
        ("a >>& f", &["a >>", "f"]),
        ("'a;b' \"c|d\" e\\;f;g", &["'a;b' \"c|d\" e\\;f", "g"]),
        ("\"a\\\";b\";c", &["\"a\\\";b\"", "c"]),
        ("'a\\';b", &["'a\\'", "b"]),
        ("'a;b", &["'a;b"]),
        ("a\\\nb;c", &["a\\\nb", "c"]),
        (";|&\n", &[]),
        ("é;日本", &["é", "日本"]),
    ];
    for (line, expected) in table {
        assert_eq!(&parts(line), expected, "{line:?}");
    }
}

#[test]
fn only_a_pipe_pipes() {
    let piped = |line: &str| {
        Line::read(line)
            .parts
            .iter()
            .map(|part| part.piped)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        piped("a | b |& c || d ; e | f"),
        [false, true, false, false, false, true]
    );
    assert_eq!(piped("| a"), [true]);
    assert_eq!(piped("a | ; b"), [false, false]);
}

#[test]
fn parts_are_cut_into_words() {
    let table: &[(&str, &[&str])] = &[
        ("a  b\tc", &["a", "b", "c"]),
        ("'a b' \"c d\" e\\ f", &["a b", "c d", "e f"]),
        ("a'b'\"c\"d", &["abcd"]),
        ("'' \"\" a", &["", "", "a"]),
        ("\"\\$ \\a \\\\\" '\\'", &["$ \\a \\", "\\"]),
        ("a\\\nb c \\\nd", &["ab", "c", "d"]),
        ("\"a\\\nb\"", &["ab"]),
        ("a\\", &["a"]),
        ("a >f b 2>&1 c <d e", &["a", "b", "c", "e"]),
        ("a2>f b", &["a2", "b"]),
        ("a '2'>f", &["a", "2"]),
        ("a \\2>f", &["a", "2"]),
        ("a 2 >f", &["a", "2"]),
        ("a>f>g b", &["a", "b"]),
        ("a >2>f b", &["a", "b"]),
        ("a > 'f g' b", &["a", "b"]),
        ("a&>f b", &["a", "b"]),
        ("a |&> f b", &["a", "|&", "b"]),
        ("a;b|c", &["a;b|c"]),
        ("a\u{a0}b", &["a\u{a0}b"]),
        ("日\\本'é'", &["日本é"]),
    ];
    for (part, expected) in table {
        assert_eq!(&words(part), expected, "{part:?}");
    }
}

#[test]
fn targets_of_redirections_are_words_too() {
    let line = "a 2>>out <'in put' 3<&4";
    let read = Words::read(line, core::iter::once(0..line.len()));
    let all: Vec<&str> = read
        .all()
        .map(|word| core::str::from_utf8(word).unwrap())
        .collect();
    assert_eq!(all, ["a", "out", "in put", "4"]);
    assert!(read.redirects(0));
}

#[test]
fn words_as_written_are_known() {
    for (part, expected) in [
        ("a b", true),
        ("a", true),
        ("a  b", false),
        ("a\tb", false),
        ("'a'", false),
        ("a\\b", false),
        ("a <b", false),
        ("#", true),
    ] {
        let read = Words::read(part, core::iter::once(0..part.len()));
        assert_eq!(read.are_as_written(0), expected, "{part:?}");
    }
}

#[test]
fn what_hides_what_runs_is_opaque() {
    for line in [
        "echo $(id)",
        "echo \"$(id)\"",
        "echo ${A}",
        "echo \"${A}\"",
        "echo $[1]",
        "echo `id`",
        "echo \"`id`\"",
        "echo a\\\nb",
        "echo \"a\\\nb\"",
        "echo $'a'",
        "(a)",
        "a)",
        "a <<E",
        "a <<<b",
        "a <<-E",
        "a <(b)",
        "a >(b)",
        "a #b",
        "#a",
        "a;#b",
        "a <#b",
        "a >f",
        "a >>f",
        "a >|f",
        "a <>f",
        "a >&f",
        "a >&-",
        "a >",
        "a >&",
        "a &>f",
        "a &>/dev/null",
        "a &>>/dev/null",
        "'a",
        "\"a",
        "a\\\\`b`",
        "a > /dev/nullx",
        "a >1",
        "a >/dev/NULL",
    ] {
        assert!(is_opaque(line), "{line:?}");
    }
    for line in [
        "echo $A",
        "echo '$(id)'",
        "echo \\$A",
        "echo \"\\$(id)\"",
        "echo '`id`'",
        "echo \\`id\\`",
        "echo 'a\\\nb'",
        "echo \"$'a'\"",
        "echo '(a)' \"(b)\" \\(c\\)",
        "a#b",
        "a ''#b",
        "a \\#b",
        "a '#b'",
        "a <f",
        "a <&3",
        "a 2>&1",
        "a 2>& 1",
        "a >/dev/null",
        "a 2>>'/dev/null'",
        "a >|/dev/null",
        "a <>/dev/null",
        "a >&/dev/null",
        "a $ {b}",
    ] {
        assert!(!is_opaque(line), "{line:?}");
    }
}

#[test]
fn separators_of_information_are_trimmed() {
    assert_eq!(trim("\u{1c}\u{1f} \u{2003}a\u{1d}b\u{85}\n"), "a\u{1d}b");
    assert_eq!(trim("\u{200b}a"), "\u{200b}a");
}
