//! Files that are no documents, and how values are told.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;

fn faults(path: &Path) -> Vec<Fault> {
    inspect(DocumentKind::RollbackPlan, path)
}

#[test]
fn what_is_no_document_is_one_fault_each_and_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("directory")).unwrap();
    symlink("loop", path("loop")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4 * 1024 * 1024));
    let files: [(&str, &[u8]); 16] = [
        ("empty", b""),
        ("cut", br#"{"schema_version": "cavra.go"#),
        ("bom", b"\xef\xbb\xbf{}"),
        ("latin1", b"{\"a\": \"\xe9\"}"),
        ("twice", br#"{"schema_version":"a","schema_version":"b"}"#),
        ("nan", br#"{"a": NaN}"#),
        ("infinity", br#"{"a": -Infinity}"#),
        ("huge", br#"{"a": 1e999}"#),
        ("surrogate", br#"{"a": "\ud800"}"#),
        ("two", b"{} {}"),
        ("list", b"[]"),
        ("text", br#""x""#),
        ("null", b"null"),
        ("deep", deep.as_bytes()),
        ("large", large.as_bytes()),
        ("comment", b"{} // x"),
    ];
    for (name, bytes) in files {
        fs::File::create(path(name)).unwrap().write_all(bytes).unwrap();
    }
    for (name, told) in [
        ("missing", "there is no such file"),
        ("directory", "a directory"),
        ("loop", "cannot be read"),
        ("dangling", "there is no such file"),
        ("pipe", "a pipe"),
        ("empty", "not JSON"),
        ("cut", "not JSON"),
        ("bom", "not JSON"),
        ("latin1", "not UTF-8"),
        ("twice", "a key is given twice"),
        ("nan", "not JSON"),
        ("infinity", "not JSON"),
        ("huge", "not JSON"),
        ("surrogate", "not JSON"),
        ("two", "not JSON"),
        ("list", "not a JSON object"),
        ("text", "not a JSON object"),
        ("null", "not a JSON object"),
        ("deep", "not JSON"),
        ("large", "larger than 4194304 bytes"),
        ("comment", "not JSON"),
    ] {
        let faults = faults(&path(name));
        assert_eq!(faults.len(), 1, "{name}: {faults:?}");
        assert_eq!(faults[0].pointer, "", "{name}");
        assert!(faults[0].problem.contains(told), "{name}: {faults:?}");
    }
    let file = "/proc/self/mem";
    assert!(!faults(Path::new(file)).is_empty(), "{file}");
    assert!(!faults(Path::new("/dev/zero")).is_empty());
}

#[test]
fn every_fault_is_told_with_its_pointer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    fs::write(
        &path,
        r#"{
            "schema_version": "cavra.go-backend-rollback-plan.v1",
            "status": "draft",
            "target_mode": 1,
            "controls": ["python-fallback-available", "", 7],
            "rollback_steps": [],
            "evidence_refs": null,
            "max_recovery_minutes": "20",
            "approval": {"status": 1, "approval_id": ""},
            "subject": {"runtime_sha256": []},
            "expires_at": "tomorrow"
        }"#,
    )
    .unwrap();
    let faults = faults(&path);
    let mut pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/approval/approval_id",
            "/approval/status",
            "/controls",
            "/controls/1",
            "/controls/2",
            "/evidence_refs",
            "/expires_at",
            "/max_recovery_minutes",
            "/rollback_steps",
            "/status",
            "/subject/runtime_sha256",
            "/target_mode",
        ],
        "{faults:?}"
    );
    let status = faults.iter().find(|fault| fault.pointer == "/status").unwrap();
    assert_eq!(status.problem, "must be `ready`; it is the string `draft`");
}

#[test]
fn a_document_with_a_secret_tells_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    fs::write(
        &path,
        r#"{
            "schema_version": "cavra.go-backend-rollback-plan.v1",
            "status": "Bearer hunter2hunter2",
            "max_recovery_minutes": -424242,
            "note": {"admin_password": "swordfish"}
        }"#,
    )
    .unwrap();
    let faults = faults(&path);
    let told = format!("{faults:?}");
    for value in ["hunter2", "swordfish", "424242"] {
        assert!(!told.contains(value), "{told}");
    }
    assert!(
        told.contains("/note/admin_password") && told.contains("/status"),
        "{told}"
    );
}

#[test]
fn faults_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("endpoint.json");
    let targets = vec!["7"; 100_000].join(",");
    let text = format!(
        r#"{{"schema_version":"cavra.go-runtime.endpoint-deployment.v1","deployment_targets":[{targets}]}}"#
    );
    fs::write(&path, text).unwrap();
    let faults = inspect(DocumentKind::EndpointDeployment, &path);
    assert_eq!(faults.len(), 50);
}
