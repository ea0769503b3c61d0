use super::*;

fn git(branches: &[&str]) -> Git {
    Git {
        protected_branches: RestrictionList::new(branches.iter().copied().map(String::from).collect()),
    }
}

/// The last word of the rule's id, and the pattern.
fn judge(verb: &str, target: &str) -> (&'static str, Option<String>) {
    let git = git(&["main", "release/*", "Prod"]);
    let ruling = git.judge(verb, target);
    let rule = match ruling.rule.id {
        "git.protected_branch.block_direct_push" => "block",
        "git.push.unresolved_target" => "unresolved",
        "git.allow" => "allow",
        other => other,
    };
    (rule, ruling.pattern.map(String::from))
}

fn push(target: &str) -> (&'static str, Option<String>) {
    judge("push", target)
}

fn block(pattern: &str) -> (&'static str, Option<String>) {
    ("block", Some(pattern.into()))
}

const UNRESOLVED: (&str, Option<String>) = ("unresolved", None);
const ALLOW: (&str, Option<String>) = ("allow", None);

#[test]
fn a_verb_is_a_push_in_many_spellings() {
    for verb in [
        "push",
        "PUSH",
        " push ",
        "git push",
        "git_push",
        "Git-Push",
        "force push",
        "force_push",
        "force--push",
        "git force-push",
        "-push",
        "push_force",
        "push-force",
        "push --force",
        "push\t-f",
        "\u{1c}push",
    ] {
        assert_eq!(judge(verb, "origin main"), block("main"), "{verb}");
    }
}

#[test]
fn any_other_verb_is_allowed() {
    for verb in [
        "pull",
        "merge",
        "force",
        "pushx",
        "gitpush",
        "git git push",
        "force git push",
        "force force push",
        "commit push",
        "reset --hard",
        "delete",
        "push.x",
    ] {
        assert_eq!(judge(verb, "origin main"), ALLOW, "{verb}");
    }
}

#[test]
fn what_follows_push_in_the_verb_comes_before_the_target() {
    assert_eq!(judge("push origin main", ""), block("main"));
    assert_eq!(judge("push origin", "main"), block("main"));
    assert_eq!(judge("git push fork", "fork/main"), block("main"));
    assert_eq!(judge("push Main", ""), block("main"));
    assert_eq!(
        judge("push -o", "main feature"),
        ALLOW,
        "an option of the verb takes a word of the target"
    );
    assert_eq!(judge("push 'a b' main", ""), block("main"));
}

#[test]
fn the_rest_of_a_verb_is_no_branch() {
    assert_eq!(judge("push_main", "feature"), ALLOW);
    assert_eq!(judge("push _main", "feature"), ALLOW);
    assert_eq!(
        judge("push_x main", "feature"),
        ALLOW,
        "the first word is the remote"
    );
    assert_eq!(judge("push-main", "feature"), ALLOW, "an option");
    assert_eq!(judge("push", "_main"), ALLOW);
}

#[test]
fn a_refspec_updates_its_destination() {
    for refspec in [
        "main",
        "+main",
        "HEAD:main",
        "+x:main",
        ":main",
        "a:b:main",
        "x:refs/heads/main",
        "refs/heads/main",
        "heads/main",
        "refs/main",
        "MAIN",
    ] {
        assert_eq!(push(&format!("origin {refspec}")), block("main"), "{refspec}");
    }
    for refspec in [
        "main:x",
        "mainx",
        "xmain",
        "++main",
        "refs/remotes/origin/main",
        "refs/refs/heads/main",
        "heads/refs/main",
        "x/main",
        "release",
    ] {
        assert_eq!(push(&format!("origin {refspec}")), ALLOW, "{refspec}");
    }
}

#[test]
fn the_remote_is_stripped_from_a_branch_once() {
    assert_eq!(push("fork fork/main"), block("main"));
    assert_eq!(push("fork origin/main"), block("main"));
    assert_eq!(push("fork upstream/main"), block("main"));
    assert_eq!(push("origin/main"), block("main"));
    assert_eq!(push("refs/heads/origin/main"), block("main"));
    assert_eq!(push("fork other/main"), ALLOW);
    assert_eq!(push("fork fork/origin/main"), ALLOW);
    assert_eq!(push("origin origin/origin/main"), ALLOW);
}

#[test]
fn every_refspec_is_tried_and_the_first_decides() {
    assert_eq!(push("origin x main"), block("main"));
    assert_eq!(push("origin prod main"), block("Prod"));
    assert_eq!(push("origin tag main"), block("main"));
    assert_eq!(push("main x"), ALLOW, "the first word is the remote");
}

#[test]
fn protected_branches_are_a_block_list() {
    assert_eq!(push("RELEASE/1"), block("release/*"));
    assert_eq!(push("release/1/2"), block("release/*"));
    let git = git(&["**/lts/**"]);
    assert_eq!(git.judge("push", "lts").pattern, Some("**/lts/**"));
    assert_eq!(git.judge("push", "a/lts/1").pattern, Some("**/lts/**"));
    assert_eq!(git.judge("push", "main").rule.id, "git.allow");
}

#[test]
fn options_and_their_values_are_no_refspecs() {
    for options in [
        "-f",
        "--force",
        "-o ci.skip",
        "--push-option ci.skip",
        "--repo x",
        "--receive-pack x",
        "--exec x",
        "--repo=x",
        "-u --tags --",
    ] {
        assert_eq!(
            push(&format!("{options} origin main")),
            block("main"),
            "{options}"
        );
        assert_eq!(push(&format!("origin {options} feature")), ALLOW, "{options}");
    }
    assert_eq!(
        push("-o --all feature"),
        ALLOW,
        "the value of an option is no flag"
    );
    assert_eq!(push("-main"), UNRESOLVED);
    assert_eq!(push("origin --delete main"), block("main"));
}

#[test]
fn what_cannot_be_told_is_unresolved() {
    for target in [
        "",
        " ",
        "-f",
        "--tags",
        "origin HEAD",
        "head",
        "@",
        "origin :",
        "origin +",
        "origin x:",
        "refs/heads/",
        "origin/",
        "refs/heads/*",
        "x:*",
        "$B",
        "x{y",
        "@{u}",
        "feature HEAD x",
    ] {
        assert_eq!(push(target), UNRESOLVED, "{target:?}");
    }
    for target in ["HEAD:x", "@:x", "$B:x", "HEADx", "HEAD~1", "@x"] {
        assert_eq!(push(target), ALLOW, "{target:?}");
    }
}

#[test]
fn a_lone_customary_remote_is_unresolved() {
    assert_eq!(push("origin"), UNRESOLVED);
    assert_eq!(push("upstream"), UNRESOLVED);
    assert_eq!(push("Origin"), ALLOW);
    assert_eq!(push("fork"), ALLOW);
    assert_eq!(
        git(&["origin"]).judge("push", "origin").rule.id,
        "git.protected_branch.block_direct_push"
    );
}

#[test]
fn flags_that_push_everything_are_unresolved_shortened_or_not() {
    for flag in [
        "--all",
        "--al",
        "--mirror",
        "--mirr",
        "--mi",
        "--branches",
        "--br",
    ] {
        assert_eq!(push(&format!("fork {flag}")), UNRESOLVED, "{flag}");
        assert_eq!(push(&format!("{flag} origin feature")), UNRESOLVED, "{flag}");
        assert_eq!(push(&format!("{flag} origin main")), block("main"), "{flag}");
    }
    for flag in ["--a", "--m", "--", "-", "--allx", "--all=x", "--atomic", "--All"] {
        assert_eq!(push(&format!("{flag} origin feature")), ALLOW, "{flag}");
    }
}

#[test]
fn the_target_is_read_as_one_part() {
    assert_eq!(push("'origin' \"main\""), block("main"));
    assert_eq!(push("origin main 2>&1 >log"), block("main"));
    assert_eq!(push("origin 'x main'"), block("main"), "also split inside quotes");
    assert_eq!(push("x\nmain"), block("main"));
    assert_eq!(push("x\u{a0}main"), block("main"));
    assert_eq!(push("\u{1c}main\u{1f}"), block("main"));
    assert_eq!(
        push("origin main;x"),
        ALLOW,
        "a separator is a character like others"
    );
    assert_eq!(push("origin ''"), UNRESOLVED);
}

#[test]
fn in_a_command_line_a_lone_word_is_also_the_remote() {
    let git = git(&["main"]);
    let judge = |words: &[&str]| {
        git.judge_push(&Push::in_command_line(words.iter().copied()))
            .rule
            .id
    };
    assert_eq!(judge(&["main"]), "git.protected_branch.block_direct_push");
    assert_eq!(judge(&["feature"]), "git.push.unresolved_target");
    assert_eq!(judge(&["origin", "feature"]), "git.allow");
    assert_eq!(judge(&["origin", "_main"]), "git.allow");
    assert_eq!(
        judge(&["-u", "origin", "x main"]),
        "git.protected_branch.block_direct_push"
    );
}
