use super::*;
use crate::{Severity, Verdict};

fn list(patterns: &[&str]) -> PathList {
    PathList::new(patterns.iter().copied().map(String::from).collect())
}

fn reads(pattern: &str, target: &str) -> bool {
    list(&[pattern]).first_match(&Path::new(target, None)).is_some()
}

fn files() -> Files {
    Files {
        block_read: list(&[".env", "keys/**", "**/*.pem"]),
        block_write: list(&["ci/**", "*.lock"]),
        require_approval_write: list(&["ci/docs/**", "infra/**"]),
    }
}

fn decided(ruling: Ruling<'_>) -> (&'static str, Option<&str>) {
    (ruling.rule.id, ruling.pattern)
}

#[test]
fn a_pattern_without_a_slash_matches_the_last_segment() {
    for target in [
        ".env",
        "app/.env",
        "/srv/.env",
        "app\\.env",
        "app/.env/",
        "./x/../.ENV",
        "~/.env",
        "../.env",
    ] {
        assert!(reads(".env", target), "{target}");
    }
    for target in [".env/child", "x.env", ".env.local", ".env "] {
        assert!(!reads(".env", target), "{target}");
    }
    assert!(reads("*.pem", "a/b.pem") && reads("key*", "a/keys") && !reads("key*", "a/b/akey"));
}

#[test]
fn a_pattern_with_a_slash_matches_a_relative_path_from_its_start() {
    for target in [
        "keys/a",
        "keys",
        "keys/",
        "./keys//a",
        "x/../keys/a",
        "keys\\a",
        "keys/..",
    ] {
        assert!(reads("keys/**", target), "{target}");
    }
    for target in ["x/keys/a", "keysx/a", "key", "mykeys/a"] {
        assert!(!reads("keys/**", target), "{target}");
    }
}

#[test]
fn an_absolute_path_and_one_above_match_at_any_depth() {
    for target in [
        "/keys",
        "/srv/app/keys/a",
        "~/keys/a",
        "~me/x/keys",
        "C:/x/keys/a",
        "d:\\keys\\a",
        "../keys/a",
        "../../x/keys",
    ] {
        assert!(reads("keys/**", target), "{target}");
    }
    for target in ["/srv/mykeys/a", "/keysx", "C:keys\\x\\a"] {
        assert!(!reads("keys/**", target), "{target}");
    }
    assert!(reads("C:/x/**", "C:/../x/y"), "nothing is above a drive");
}

#[test]
fn a_prefix_of_any_directory_matches_at_any_depth() {
    for target in ["a.pem", "x/a.pem", "/a.pem", "x\\y\\a.PEM"] {
        assert!(reads("**/*.pem", target), "{target}");
    }
    assert!(!reads("**/*.pem", "a.pem/x") && !reads("**/*.pem", "apem"));
}

#[test]
fn a_path_in_the_workspace_matches_as_a_relative_one() {
    let list = list(&["out/*"]);
    assert!(list.first_match(&Path::new("repo/out/x", Some("repo"))).is_some());
    assert!(list.first_match(&Path::new("repo/out/x", None)).is_none());
}

#[test]
fn reading_is_blocked_or_allowed() {
    let files = files();
    assert_eq!(
        decided(files.read("a/.env", None)),
        ("filesystem.read.block", Some(".env"))
    );
    assert_eq!(
        decided(files.read("keys/x.pem", None)),
        ("filesystem.read.block", Some("keys/**"))
    );
    assert_eq!(decided(files.read("ci/x", None)), ("filesystem.read.allow", None));
}

#[test]
fn writing_asks_the_lists_in_order() {
    let files = files();
    assert_eq!(
        decided(files.write("ci/docs/a", None)),
        ("filesystem.write.block", Some("ci/**"))
    );
    assert_eq!(
        decided(files.write("infra/x.pem", None)),
        ("filesystem.write.require_approval", Some("infra/**"))
    );
    assert_eq!(
        decided(files.write("x.pem", None)),
        ("filesystem.write.sensitive_path", Some("**/*.pem"))
    );
    assert_eq!(
        decided(files.write("src/a", None)),
        ("filesystem.write.allow", None)
    );
}

#[test]
fn an_empty_target_needs_approval_unless_a_pattern_matches_it() {
    let files = files();
    assert_eq!(
        decided(files.read("", None)),
        ("filesystem.read.empty_target", None)
    );
    assert_eq!(
        decided(files.write("", Some("/w"))),
        ("filesystem.write.empty_target", None)
    );
    assert_eq!(decided(files.read(" ", None)), ("filesystem.read.allow", None));
    let everything = Files {
        block_read: list(&["*"]),
        ..Files::default()
    };
    assert_eq!(
        decided(everything.read("", None)),
        ("filesystem.read.block", Some("*"))
    );
}

#[test]
fn the_table_says_how_much_it_matters() {
    let files = files();
    let rule = files.write("x.pem", None).rule;
    assert_eq!(
        (rule.verdict, rule.severity),
        (Verdict::RequireApproval, Severity::High)
    );
    assert_eq!(rule.approver_group, Some("Platform Security"));
}

#[test]
fn a_clue_is_a_literal_that_every_matched_path_holds() {
    assert_eq!(clue("**/secrets.*"), "secrets.");
    assert_eq!(clue("config/keys/**"), "config");
    assert_eq!(clue("a\\bcd*"), "bcd");
    for pattern in ["*", "**/..", ".", "*/./*"] {
        assert_eq!(clue(pattern), "", "{pattern}");
    }
}

/// Ruling patterns out by their clues must never change what matches.
#[test]
fn no_pattern_that_matches_is_ruled_out() {
    let patterns = [
        ".env", "*", ".", "..", ".*", "**/", "/**", "**/x.*", "x/**", "a/b", "a\\b", "*.A", "~/x", "C:/a",
        "C:", "../x", "a b",
    ];
    let list = list(&patterns);
    let pieces = ["a", "/", "\\", "..", ".", "x", ".env", "C:", "~", " b", "A"];
    for (one, two) in pieces
        .iter()
        .flat_map(|one| pieces.iter().map(move |two| (one, two)))
    {
        for (three, four) in pieces
            .iter()
            .flat_map(|three| pieces.iter().map(move |four| (three, four)))
        {
            let target = format!("{one}{two}{three}{four}");
            for workspace in [None, Some("/a"), Some("a"), Some("C:\\a"), Some(target.as_str())] {
                let path = Path::new(&target, workspace);
                let matches = |pattern: &&PathPattern| path.forms.iter().any(|form| pattern.matches(form));
                let expected = list
                    .patterns
                    .iter()
                    .find(matches)
                    .map(|pattern| pattern.source.as_str());
                assert_eq!(list.first_match(&path), expected, "{target:?} in {workspace:?}");
                assert_eq!(
                    list.possible_in(&format!("x {target}")).first_match(&path),
                    expected,
                    "{target:?} in {workspace:?}"
                );
            }
        }
    }
}
