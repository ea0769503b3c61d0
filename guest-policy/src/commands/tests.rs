use super::*;
use crate::Policy;
use crate::Severity;

const POLICY: &str = r#"{
    "metadata": {"id": "test"},
    "filesystem": {"block_read": [".env", "keys/**", "**/*.pem"]},
    "commands": {
        "block": ["terraform apply*", "rm -rf *", "fetch *|*sh*", "*--purge*", "shutdown"],
        "require_approval": ["git tag*", "publish"],
        "allow": ["pytest*", "echo*", "cat *", "git*", "npm test*", "ls"]
    },
    "git": {"protected_branches": ["main", "release/*"]}
}"#;

/// The rule that decides, and its pattern.
fn judge(line: &str) -> (String, Option<String>) {
    judge_in(line, None)
}

fn judge_in(line: &str, workspace: Option<&str>) -> (String, Option<String>) {
    let policy = Policy::load(POLICY, None).unwrap();
    let ruling = policy
        .commands
        .judge(&policy.git, &policy.files.block_read, line, workspace);
    (ruling.rule.id.into(), ruling.pattern.map(String::from))
}

fn by(rule: &str, pattern: &str) -> (String, Option<String>) {
    (rule.into(), Some(pattern.into()))
}

fn without_pattern(rule: &str) -> (String, Option<String>) {
    (rule.into(), None)
}

fn severity(line: &str) -> Severity {
    let policy = Policy::load(POLICY, None).unwrap();
    policy
        .commands
        .judge(&policy.git, &policy.files.block_read, line, None)
        .rule
        .severity
}

const BLOCK: &str = "commands.block";
const APPROVAL: &str = "commands.require_approval";
const OPAQUE: &str = "commands.opaque.require_approval";
const SENSITIVE: &str = "commands.sensitive_path.require_approval";
const ALLOW: &str = "commands.allow";
const DEFAULT: &str = "commands.default.require_approval";
const PROTECTED: &str = "git.protected_branch.block_direct_push";
const UNRESOLVED: &str = "git.push.unresolved_target";

#[test]
fn what_is_blocked_is_blocked_in_every_part() {
    for line in [
        "terraform apply",
        "cd x && terraform apply",
        "pytest; terraform apply -auto-approve",
        "pytest\nterraform apply",
        "pytest |& terraform apply",
        "TERRAFORM Apply",
    ] {
        assert_eq!(judge(line), by(BLOCK, "terraform apply*"), "{line}");
    }
}

#[test]
fn quotes_blanks_and_redirections_do_not_hide_a_command() {
    for line in [
        "terraform   apply",
        "terraform\tapply",
        "'terraform' \"apply\"",
        "terra\\form app'ly'",
        "terra\\\nform apply",
        "2>/dev/null terraform apply",
        "terraform >log 2>&1 apply",
    ] {
        assert_eq!(judge(line), by(BLOCK, "terraform apply*"), "{line}");
    }
}

#[test]
fn the_first_text_that_matches_decides_and_then_the_first_pattern() {
    assert_eq!(judge("fetch x | sh"), by(BLOCK, "fetch *|*sh*"));
    assert_eq!(judge("shutdown; terraform apply"), by(BLOCK, "shutdown"));
    assert_eq!(
        judge("'shutdown'; terraform apply"),
        by(BLOCK, "terraform apply*")
    );
    assert_eq!(judge("terraform apply; x --purge"), by(BLOCK, "terraform apply*"));
    assert_eq!(
        judge("x --purge; terraform apply"),
        by(BLOCK, "*--purge*"),
        "the whole line comes first"
    );
    assert_eq!(judge("terraform apply --purge"), by(BLOCK, "terraform apply*"));
}

#[test]
fn a_block_is_critical_if_the_text_that_matched_applies_or_deletes() {
    assert_eq!(severity("terraform apply"), Severity::Critical);
    assert_eq!(severity("rm -rf deleted"), Severity::Critical);
    assert_eq!(severity("rm -rf x"), Severity::High);
    assert_eq!(severity("TERRAFORM APPLY"), Severity::High, "as written");
    assert_eq!(severity("shutdown; echo apply"), Severity::High, "another part");
    assert_eq!(
        severity("rm -rf x; echo apply"),
        Severity::Critical,
        "the whole line matched"
    );
    assert_eq!(severity("terraform appl'y'"), Severity::Critical, "as words");
}

#[test]
fn approval_comes_after_block_and_before_allow() {
    assert_eq!(judge("git tag v1"), by(APPROVAL, "git tag*"));
    assert_eq!(judge("pytest && git  'tag' v1"), by(APPROVAL, "git tag*"));
    assert_eq!(
        judge("git tag v1; terraform apply"),
        by(BLOCK, "terraform apply*")
    );
    assert_eq!(judge("git tag v1; git push origin main"), by(PROTECTED, "main"));
    assert_eq!(judge("publish \"$(x)\""), without_pattern(DEFAULT));
}

#[test]
fn a_line_is_allowed_if_every_part_is() {
    assert_eq!(judge("pytest -q"), by(ALLOW, "pytest*"));
    assert_eq!(judge("pytest;;ls"), by(ALLOW, "pytest*"));
    assert_eq!(judge("ls && pytest || echo failed"), by(ALLOW, "ls"));
    assert_eq!(judge("npm test 2>&1 | tail -20"), by(ALLOW, "npm test*"));
    for line in [
        "id",
        "pytest && id",
        "id; pytest",
        "pytest | sh",
        "pytest & id",
        "pytest\nid",
        "pytest |& id",
    ] {
        assert_eq!(judge(line), without_pattern(DEFAULT), "{line}");
    }
}

#[test]
fn allow_patterns_are_tried_as_written() {
    for line in [
        "'pytest'", "py\\test", "LS", "ls  -l", "sudo ls", "A=1 ls", "{ ls; }", "(ls)", "! ls", "/bin/ls",
    ] {
        assert_eq!(judge(line), without_pattern(DEFAULT), "{line}");
    }
    assert_eq!(judge("cat  a"), by(ALLOW, "cat *"));
}

#[test]
fn an_empty_line_and_one_without_parts_need_approval() {
    for line in ["", ";", "&&", "\n;"] {
        assert_eq!(judge(line), without_pattern(DEFAULT), "{line:?}");
    }
}

#[test]
fn a_filter_directly_after_a_pipe_counts_as_allowed() {
    for filter in [
        "head",
        "tail -20",
        "tail -n 20",
        "wc -l",
        "cat",
        "cat -A",
        "'tail' -5",
        "head -c 100 -q",
        "tail -n20",
    ] {
        assert_eq!(
            judge(&format!("pytest | {filter}")),
            by(ALLOW, "pytest*"),
            "{filter}"
        );
    }
    assert_eq!(judge("pytest | head -5 | wc -l"), by(ALLOW, "pytest*"));
}

#[test]
fn a_filter_with_anything_else_or_elsewhere_does_not() {
    for filter in [
        "tail x",
        "head --lines=5",
        "tail -n +5",
        "wc -",
        "head --",
        "wc </srv/x",
        "tail 2>/dev/null",
        "Tail -5",
        "/usr/bin/tail",
        "head -5x/y",
        "tac",
        "tail -n $X",
        "tail -f''/x",
    ] {
        assert_eq!(
            judge(&format!("pytest | {filter}")),
            without_pattern(DEFAULT),
            "{filter}"
        );
    }
    for line in [
        "tail -5",
        "pytest |& tail -5",
        "pytest || wc -l",
        "pytest && head",
        "pytest |\ntail",
        "pytest & wc",
    ] {
        assert_eq!(judge(line), without_pattern(DEFAULT), "{line:?}");
    }
}

#[test]
fn a_leading_filter_is_allowed_without_a_pattern() {
    assert_eq!(judge("| wc -l"), without_pattern(ALLOW));
}

#[test]
fn an_opaque_line_needs_approval_even_if_its_parts_are_allowed() {
    for line in [
        "echo $(id)",
        "echo `id`",
        "echo > f",
        "echo a # b",
        "echo 'a",
        "echo a\\\nb",
        "pytest; echo ${x}",
    ] {
        assert_eq!(judge(line), without_pattern(OPAQUE), "{line:?}");
    }
    assert_eq!(
        judge("id $(id)"),
        without_pattern(DEFAULT),
        "not allowed in the first place"
    );
    assert_eq!(
        judge("cat .env > f"),
        without_pattern(OPAQUE),
        "before the sensitive path"
    );
    assert_eq!(
        judge("git push origin HEAD > f"),
        without_pattern(OPAQUE),
        "before the unresolved push"
    );
}

#[test]
fn a_sensitive_path_in_an_allowed_line_needs_approval() {
    for line in [
        "cat .env",
        "cat a .env",
        "cat ./x/../.env",
        "cat ~/.env",
        "cat '.env'",
        "cat .e\"n\"v",
        "cat <.env",
        "cat .ENV",
        "echo --file=.env",
        "echo a:b:.env",
        "echo x,.env",
        "echo @.env",
        "echo a=b@.env",
        "echo a=.env/",
        "pytest; cat .env",
        "pytest | cat -n; cat .env",
        "cat a 2>/dev/null <.env",
    ] {
        assert_eq!(judge(line), by(SENSITIVE, ".env"), "{line}");
    }
    for line in [
        "cat x.env",
        "cat .env.local",
        "cat x/keys/a",
        "echo a;echo .envx",
        "echo a.env/b",
        "echo +.env",
        "echo 'a .env'",
    ] {
        assert_eq!(judge(line).0, ALLOW, "{line}");
    }
}

#[test]
fn the_first_sensitive_word_decides_and_its_whole_before_its_tails() {
    assert_eq!(judge("cat a.pem .env"), by(SENSITIVE, "**/*.pem"));
    assert_eq!(
        judge("cat keys/.env"),
        by(SENSITIVE, ".env"),
        "the first pattern in list order"
    );
    assert_eq!(
        judge("echo keys/a=.env"),
        by(SENSITIVE, "keys/**"),
        "the whole word comes first"
    );
    assert_eq!(
        judge("echo x=keys/a,.env"),
        by(SENSITIVE, "keys/**"),
        "then its longest tail"
    );
}

#[test]
fn a_sensitive_path_may_be_relative_to_the_workspace() {
    assert_eq!(
        judge_in("cat repo/keys/a", Some("repo")),
        by(SENSITIVE, "keys/**")
    );
    assert_eq!(judge_in("cat repo/keys/a", None), by(ALLOW, "cat *"));
}

#[test]
fn a_push_to_a_protected_branch_is_blocked_wherever_it_stands() {
    for line in [
        "git push origin main",
        "git push origin HEAD:main",
        "git push main",
        "git -C /x push origin main",
        "git -c a=b --no-pager --git-dir /x push -f origin main",
        "git --git-dir=/x push origin +main",
        "'git' pu\\sh origin 'main'",
        "git push origin main 2>&1 | tail -5",
        "id; git push origin main",
        "git push origin main >log",
        "git push origin main\\\n; ls",
        "git push origin main\\",
    ] {
        assert_eq!(judge(line), by(PROTECTED, "main"), "{line}");
    }
    assert_eq!(judge("git push origin x release/1"), by(PROTECTED, "release/*"));
}

#[test]
fn what_is_no_push_is_judged_as_any_command() {
    for line in [
        "git commit -m 'push origin main'",
        "git -C push origin main",
        "git log push",
        "git pull origin main",
    ] {
        assert_eq!(judge(line), by(ALLOW, "git*"), "{line}");
    }
    for line in [
        "/usr/bin/git push origin main",
        "hub push origin main",
        "GIT push origin main",
        "sudo git push origin main",
    ] {
        assert_eq!(judge(line), without_pattern(DEFAULT), "{line}");
    }
}

#[test]
fn an_allowed_push_whose_target_is_open_needs_approval() {
    for line in [
        "git push",
        "git push -u origin",
        "git push feature",
        "git push --mirror",
        "git push origin HEAD",
        "git push origin $B",
    ] {
        assert_eq!(judge(line), without_pattern(UNRESOLVED), "{line}");
    }
    assert_eq!(judge("git push origin feature"), by(ALLOW, "git*"));
    assert_eq!(
        judge("git push origin '' feature"),
        by(ALLOW, "git*"),
        "an empty word is no refspec"
    );
    assert_eq!(
        judge("id; git push"),
        without_pattern(DEFAULT),
        "not allowed in the first place"
    );
    assert_eq!(
        judge("git push --all .env"),
        by(SENSITIVE, ".env"),
        "the sensitive path comes first"
    );
}
