//! Tests of what needs no process; those of whole runs are in the integration tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::decision::parse;
use super::limits::NativeLimits;
use super::pinned::PinnedFile;
use super::printable;
use super::protocol::Confinement;
use super::run::OUTPUT_LIMIT;
use super::workspace::Workspace;
use crate::fault::FallbackCode;
use crate::model::{Decision, Severity, Verdict};

const ANSWER: &str = r#"{"decision":"require_approval","rule_id":"filesystem.write.require_approval",
    "severity":"high","reason":"Ask first.","action_type":"write_file","target":"deploy/main.tf",
    "requested_operation":"write","policy_pack":"example","approver_group":"Platform Security",
    "matched_pattern":"**/main.tf"}"#;

fn answer() -> Decision {
    Decision {
        verdict: Verdict::RequireApproval,
        rule_id: "filesystem.write.require_approval".to_owned(),
        severity: Severity::High,
        reason: "Ask first.".to_owned(),
        action_type: "write_file".to_owned(),
        target: "deploy/main.tf".to_owned(),
        requested_operation: "write".to_owned(),
        policy_pack: "example".to_owned(),
        approver_group: Some("Platform Security".to_owned()),
        matched_pattern: Some("**/main.tf".to_owned()),
    }
}

/// [`ANSWER`] with one part replaced.
fn with(part: &str, other: &str) -> String {
    assert_eq!(ANSWER.matches(part).count(), 1, "`{part}`");
    ANSWER.replace(part, other)
}

/// Why `document` is refused.
fn refusal(document: impl AsRef<[u8]>) -> String {
    let fault = parse(document.as_ref()).expect_err("a refusal");
    assert_eq!(fault.code(), FallbackCode::OutputInvalid);
    fault.to_string()
}

#[test]
fn a_document_of_the_contract_is_read() {
    assert_eq!(parse(ANSWER.as_bytes()), Ok(answer()));
    assert_eq!(parse(format!(" \n{ANSWER}\r\n\t").as_bytes()), Ok(answer()));
}

#[test]
fn what_may_be_absent_may_be_null_or_empty() {
    let sparse = Decision {
        verdict: Verdict::Allow,
        reason: String::new(),
        requested_operation: String::new(),
        approver_group: None,
        matched_pattern: None,
        ..answer()
    };
    let required = r#""decision":"allow","rule_id":"filesystem.write.require_approval","severity":"high",
        "action_type":"write_file","target":"deploy/main.tf","policy_pack":"example""#;
    let optional = [
        "reason",
        "requested_operation",
        "approver_group",
        "matched_pattern",
    ];
    for value in [None, Some("null"), Some("\"\"")] {
        let fields = value.map(|value| optional.map(|name| format!(",\"{name}\":{value}")).concat());
        let document = format!("{{{required}{}}}", fields.unwrap_or_default());
        assert_eq!(parse(document.as_bytes()), Ok(sparse.clone()), "{document}");
    }
}

#[test]
fn foreign_fields_are_dropped() {
    let foreign = r#"{"decision_id":"dec_0","timestamp":12,"evidence_refs":["evidence://a/b"],"policy_id":null,
        "trace":{"steps":[1,-2,0.5,true,null,{"a":"é"}]},"#;
    assert_eq!(parse(ANSWER.replacen('{', foreign, 1).as_bytes()), Ok(answer()));
}

#[test]
fn a_document_outside_the_contract_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let refused = [
        (String::new(), "nothing on its standard output"),
        (" \n".to_owned(), "nothing on its standard output"),
        ("{}".to_owned(), "missing field"),
        ("null".to_owned(), "expected a decision as a JSON object"),
        (format!("[{ANSWER}]"), "expected a decision as a JSON object"),
        (format!("{ANSWER}{ANSWER}"), "trailing characters"),
        (format!("{ANSWER} done"), "trailing characters"),
        (format!("\u{feff}{ANSWER}"), "expected value"),
        (ANSWER.trim_end_matches('}').to_owned(), "EOF"),
        (
            with("require_approval\",\"rule", "Block\",\"rule"),
            "field `decision`: unknown variant `Block`",
        ),
        (
            with(r#""high""#, r#""severe""#),
            "field `severity`: unknown variant `severe`",
        ),
        (with(r#""high""#, "null"), "missing field `severity`"),
        (with(r#""high""#, "3"), "field `severity`: invalid type"),
        (with(r#""deploy/main.tf""#, "[]"), "field `target`: invalid type"),
        (
            with(r#""target":"deploy/main.tf","#, ""),
            "missing field `target`",
        ),
        (
            with(r#""action_type":"write_file","#, ""),
            "missing field `action_type`",
        ),
        (
            with(r#","policy_pack":"example""#, ""),
            "missing field `policy_pack`",
        ),
        (with("Ask first.", "a\\u0000b"), "NUL"),
        (with("Ask first.", "\\ud800"), "hex escape"),
        (with("{", "{\"no\\u0000te\":1,"), "NUL"),
        (with("{", "{\"note\":[{\"a\":\"\\u0000\"}],"), "NUL"),
        (with("{", "{\"decision\":\"allow\","), "given twice"),
        (with("{", "{\"note\":1,\"note\":1,"), "given twice"),
        (with("{", "{\"note\":{\"a\":1,\"a\":2},"), "given twice"),
        (with("{", &format!("{{\"note\":{deep},")), "recursion limit"),
        (with("{", "{\"note\":1e999,"), "out of range"),
        (
            with("require_approval\",\"rule", "allow\",\"rule"),
            "`approver_group` does not go with `allow`",
        ),
    ];
    for (document, why) in refused {
        let said = refusal(&document);
        assert!(said.contains(why), "`{said}` for {document}");
    }
    assert_eq!(
        refusal(b"{\"decision\":\"\xff\"}"),
        "invalid output: not UTF-8 (first bad byte at offset 13)"
    );
}

#[test]
fn a_refusal_quotes_little_and_nothing_raw() {
    let said = refusal(with(
        r#""high""#,
        &format!("\"\\u001b[2J{}\"", "x".repeat(50_000)),
    ));
    assert!(said.contains("\\u{1b}[2J"), "{said}");
    assert!(said.chars().count() < 300, "{said}");
    assert_eq!(printable("two\nlines", 5), "two\\nl…");
    assert_eq!(printable("\u{202e}é", 2), "\\u{202e}é");
}

#[test]
fn the_strings_of_a_document_are_no_longer_than_it() {
    let document = with("Ask first.", &"é".repeat(20_000));
    assert!(document.len() < OUTPUT_LIMIT);
    let decision = parse(document.as_bytes()).unwrap();
    assert!(serde_json::to_string(&decision).unwrap().len() <= document.len());
}

#[test]
fn processor_time_follows_the_deadline() {
    let seconds = |millis| {
        let limits = NativeLimits {
            deadline: Duration::from_millis(millis),
            ..NativeLimits::default()
        };
        limits.confinement().cpu_seconds
    };
    assert_eq!(
        [seconds(0), seconds(1), seconds(1000), seconds(1001)],
        [1, 2, 2, 3]
    );
    let endless = NativeLimits {
        deadline: Duration::MAX,
        ..NativeLimits::default()
    };
    assert_eq!(
        (endless.confinement().cpu_seconds, endless.deadline_ms()),
        (u64::MAX, u64::MAX)
    );
}

#[test]
fn the_limits_pass_the_command_line() {
    let limits = NativeLimits::default().confinement();
    let text = serde_json::to_string(&limits).unwrap();
    assert_eq!(serde_json::from_str::<Confinement>(&text).unwrap(), limits);
    assert!(serde_json::from_str::<Confinement>("{}").is_err());
}

#[test]
fn a_pinned_file_notices_every_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let other = directory.path().join("other");
    let change = |change: &dyn Fn(&Path)| {
        fs::write(&path, "bytes").unwrap();
        let pinned = PinnedFile::open(path.clone()).unwrap();
        assert!(pinned.is_unchanged());
        // Longer than the tick by which a file system may round its times.
        std::thread::sleep(Duration::from_millis(20));
        change(&path);
        !pinned.is_unchanged()
    };
    assert!(change(&|path| fs::write(path, "other").unwrap()));
    assert!(change(&|path| fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o600)
    )
    .unwrap()));
    assert!(change(&|path| fs::rename(path, &other).unwrap()));
    assert!(change(&|path| {
        fs::rename(path, &other).unwrap();
        fs::rename(&other, path).unwrap();
    }));
    assert!(change(&|path| {
        fs::write(&other, "bytes").unwrap();
        fs::rename(&other, path).unwrap();
    }));
    assert!(!change(&|path| assert_eq!(fs::read(path).unwrap(), b"bytes")));
}

#[test]
fn what_is_judged_by_is_private() {
    let workspace = Workspace::create("{\"a\":1}", None).unwrap();
    assert_eq!(workspace.registry(), None);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let directory = workspace.policy().parent().unwrap().to_owned();
    assert_eq!((mode(workspace.policy()), mode(&directory)), (0o400, 0o700));
    assert_eq!(fs::read(workspace.policy()).unwrap(), b"{\"a\":1}");
    drop(workspace);
    assert!(!directory.exists());
}
