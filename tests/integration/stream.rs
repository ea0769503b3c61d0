//! `cavra evaluate -`: many requests, one process.

use integration_tests::{cavra, fast_path};
use serde_json::json;

fn stream(input: &[u8], args: &[&str]) -> integration_tests::Output {
    cavra(["evaluate", "-"])
        .args(fast_path("enforce", "builtin:fastpath"))
        .args(args)
        .run_with(input)
}

#[test]
fn every_line_is_answered_in_order() {
    let input: String = (0..500)
        .map(|n| json!({"action_type": "read_file", "target": format!("src/{n}.rs")}).to_string() + "\n")
        .collect();
    let output = stream(input.as_bytes(), &[]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let answers = output.lines();
    assert_eq!(answers.len(), 500);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["effective_decision"]["target"], format!("src/{n}.rs"));
        assert_eq!(answer["selected_backend"], "go");
    }
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|it| it["evaluation_id"].to_string()).collect();
    assert_eq!(ids.len(), 500, "every evaluation has an id of its own");
}

#[test]
fn a_line_that_is_no_request_gets_an_error_in_its_place() {
    let long = format!(
        "{{\"action_type\":\"read_file\",\"target\":\"{}\"}}",
        "x".repeat(70_000)
    );
    let indented = " ".repeat(70_000) + r#"{"action_type":"read_file","target":"a"}"#;
    let lines = [
        r#"{"action_type":"read_file","target":"a"}"#,
        "not json",
        r#"["read_file"]"#,
        r#"{"target":"a"}"#,
        r#"{"action_type":"read_file","target":7}"#,
        r#"{"action_type":"read_file","target":"a\u0000b"}"#,
        r#"{"action_type":"read_file","target":"a","note":{"deep":["\u0000"]}}"#,
        r#"{"action_type":"read_file","target":"a","target":"b"}"#,
        r#"{"action_type":"read_file","policy_pack":"no-such-pack"}"#,
        r#"{"action_type":"read_file","policy_pack":"../cavra-ai-agent-baseline"}"#,
        &long,
        &indented,
        "",
        r#"{"action_type":"read_file","target":null,"operation":null,"extra":{"kept":true}}"#,
    ];
    let output = stream((lines.join("\n") + "\n").as_bytes(), &[]);
    assert_eq!(output.code, Some(3));
    let answers = output.lines();
    assert_eq!(answers.len(), 13, "an empty line is no request");
    for (n, answer) in answers.iter().enumerate() {
        let good = n == 0 || n == 12;
        assert_eq!(answer.get("effective_decision").is_some(), good, "{answer}");
        assert_eq!(answer.get("error").is_some(), !good, "{answer}");
    }
    assert_eq!(answers[1]["error"]["line"], 2);
    let message = |n: usize| answers[n]["error"]["message"].as_str().unwrap().to_owned();
    assert!(message(3).contains("`action_type`"), "{}", message(3));
    assert!(
        message(4).contains("`target` must be a string, not a number"),
        "{}",
        message(4)
    );
    assert!(message(5).contains("NUL"), "{}", message(5));
    assert!(message(7).contains("given twice"), "{}", message(7));
    assert!(message(8).contains("no-such-pack"), "{}", message(8));
    for long in [10, 11] {
        assert!(message(long).contains("65536"), "{}", message(long));
    }
}

#[test]
fn a_flag_that_describes_one_request_is_refused() {
    for flag in ["--policy-pack", "--operation", "--actor", "--workspace"] {
        let refused = stream(b"{\"action_type\":\"read_file\"}\n", &[flag, "x"]);
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(
            refused.stderr.contains(&format!("remove `{flag}`")),
            "{refused:?}"
        );
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn a_last_line_without_an_end_is_answered() {
    let output = stream(br#"{"action_type":"pull_request","target":"feature"}"#, &[]);
    assert_eq!(output.code, Some(0));
    assert_eq!(
        output.lines()[0]["effective_decision"]["decision"],
        "allow_with_attestation"
    );
}

#[test]
fn check_tells_the_most_restrictive_decision() {
    let line = |target: &str| json!({"action_type": "execute_command", "target": target}).to_string() + "\n";
    let code = |input: String| stream(input.as_bytes(), &["--check"]).code;
    assert_eq!(code(line("npm test")), Some(0));
    assert_eq!(code(line("npm test") + &line("unheard-of")), Some(4));
    assert_eq!(
        code(line("terraform apply") + &line("unheard-of") + &line("npm test")),
        Some(2)
    );
    assert_eq!(code(line("terraform apply") + "{}\n"), Some(3));
}

#[test]
fn an_answer_is_given_before_the_next_question() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let mut child = cavra(["evaluate", "-"])
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for n in 0..3 {
        writeln!(stdin, r#"{{"action_type":"read_file","target":"{n}"}}"#).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains(&format!("\"target\":\"{n}\"")), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_answer_is_one_line_for_every_reader() {
    let target = "a\u{85}b\u{2028}c\u{2029}d\u{b}e\u{c}f\u{1c}g\r";
    let input = json!({"action_type": "read_file", "target": target}).to_string() + "\n";
    let output = stream(input.as_bytes(), &[]);
    let ends = |c: char| {
        matches!(
            c,
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\r' | '\n'
        )
    };
    assert_eq!(
        output.stdout.trim_end_matches('\n').find(ends),
        None,
        "{:?}",
        output.stdout
    );
    assert_eq!(output.lines()[0]["effective_decision"]["target"], target);
}
