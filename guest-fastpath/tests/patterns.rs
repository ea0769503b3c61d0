//! The compiled pattern tables against a matcher that tries one pattern after
//! the other: which pattern of a list is reported, in both dialects.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it looks for is to fail there"
)]

use guest_fastpath::{Policy, Request};
use proptest::prelude::*;

/// Whether a glob matches the whole of a text; `*` matches anything.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for &byte in pattern {
        if byte == b'*' {
            let first = reachable.iter().position(|&it| it).unwrap_or(reachable.len());
            reachable.iter_mut().skip(first).for_each(|it| *it = true);
        } else {
            for at in (1..reachable.len()).rev() {
                reachable[at] = reachable[at - 1] && text[at - 1] == byte;
            }
            reachable[0] = false;
        }
    }
    reachable[text.len()]
}

/// Whether a pattern of a block list matches a branch name.
fn blocks(pattern: &str, text: &str) -> bool {
    let (mut pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    loop {
        let whole = [Some(pattern.as_str()), pattern.strip_suffix("/**")];
        if whole
            .into_iter()
            .flatten()
            .any(|it| matches(it.as_bytes(), text.as_bytes()))
        {
            return true;
        }
        match pattern.strip_prefix("**/") {
            Some(rest) => pattern = rest.to_owned(),
            None => return false,
        }
    }
}

/// Whether a pattern of an allow list matches a part of a command line.
fn allows(pattern: &str, text: &str) -> bool {
    let stem = pattern.trim_end_matches('*');
    if stem.len() == pattern.len() || !stem.ends_with(char::is_alphanumeric) {
        return matches(pattern.as_bytes(), text.as_bytes());
    }
    let spaced = [format!("{stem} *"), format!("{stem}\t*")];
    matches(stem.as_bytes(), text.as_bytes())
        || spaced.iter().any(|it| matches(it.as_bytes(), text.as_bytes()))
}

fn request(action: &str, target: &str) -> Request {
    Request {
        action_type: action.to_owned(),
        target: Some(target.to_owned()),
        operation: None,
        requested_operation: None,
        policy_pack: "p".to_owned(),
        server: None,
        tool: None,
        capability: None,
        workspace: None,
        session_id: None,
        agent_id: None,
        actor: None,
    }
}

fn reported(section: &str, list: &str, patterns: &[String], request: &Request) -> Option<String> {
    let policy = serde_json::json!({"metadata": {"id": "p"}, section: {list: patterns}}).to_string();
    Policy::load(&policy, None)
        .unwrap()
        .evaluate(request)
        .unwrap()
        .matched_pattern
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "A", "ab", "main", "é", "x9", ".", "-", "/", "*", "*", "**", "**/", "/**",
    ]);
    prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

fn branch() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "A", "B", "ab", "main", "MAIN", "é", "É", "x9", ".", "-", "/",
    ]);
    // It begins with `z`, so that nothing of it is taken for a remote's name or a flag.
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("z{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_first_pattern_of_a_block_list_is_reported(patterns in prop::collection::vec(pattern(), 1..9), branch in branch()) {
        let patterns: Vec<String> = patterns.into_iter().map(|pattern| if pattern.starts_with('*') { pattern } else { format!("z{pattern}") }).collect();
        let expected = patterns.iter().find(|pattern| blocks(pattern, &branch)).cloned();
        let got = reported("git", "protected_branches", &patterns, &request("git_operation", &branch));
        prop_assert_eq!(got, expected, "{} among {:?}", branch, patterns);
    }

    #[test]
    fn the_first_pattern_of_an_allow_list_is_reported(patterns in prop::collection::vec(pattern(), 1..9), word in branch(), rest in branch()) {
        let patterns: Vec<String> = patterns.into_iter().map(|pattern| if pattern.starts_with('*') { pattern } else { format!("z{pattern}") }).collect();
        for line in [word.clone(), format!("{word} {rest}"), format!("{word}\t{rest}")] {
            let expected = patterns.iter().find(|pattern| allows(pattern, &line)).cloned();
            let got = reported("commands", "allow", &patterns, &request("execute_command", &line));
            prop_assert_eq!(got, expected, "{:?} among {:?}", line, patterns);
        }
    }
}

#[test]
fn order_decides_among_very_many_that_share_their_beginnings() {
    let mut patterns: Vec<String> = (0..20_000).map(|n| format!("release/{n}-*")).collect();
    patterns.push("release/7*".to_owned());
    let first = |branch: &str| {
        reported(
            "git",
            "protected_branches",
            &patterns,
            &request("git_operation", branch),
        )
    };
    assert_eq!(first("release/19999-hot").as_deref(), Some("release/19999-*"));
    assert_eq!(first("RELEASE/71-hot").as_deref(), Some("release/71-*"));
    assert_eq!(first("release/7").as_deref(), Some("release/7*"));
    assert_eq!(first("release/20000-hot"), None);
}

#[test]
fn many_stars_do_not_multiply() {
    let patterns = [format!("z{}b", "*a".repeat(200))];
    let branch = format!("z{}", "a".repeat(60_000));
    assert_eq!(
        reported(
            "git",
            "protected_branches",
            &patterns,
            &request("git_operation", &branch)
        ),
        None
    );
}

#[test]
fn what_is_no_policy_is_refused_with_its_place() {
    for (policy, place) in [
        ("[]", ""),
        (r#"{"metadata":{}}"#, "id"),
        (r#"{"metadata":{"id":"p"},"commands":{"block":[""]}}"#, "commands"),
        (r#"{"metadata":{"id":"p"},"commands":{"block":[7]}}"#, "commands"),
        (
            r#"{"metadata":{"id":"p"},"schema_version":"cavra.compiled-policy.v2"}"#,
            "schema_version",
        ),
    ] {
        let Err(error) = Policy::load(policy, None) else {
            panic!("{policy} is accepted")
        };
        assert!(format!("{error:?}").contains(place), "{policy}: {error:?}");
    }
}
