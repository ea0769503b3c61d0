//! Everything that can be wrong with a request, and what is said of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cavra::api::ProblemKind;
use integration_tests::service::{Answer, Service, head};
use integration_tests::{cavra, misbehaving, root};
use serde_json::json;

use super::{EVALUATE, usual};

const JSON: &str = "content-type: application/json\r\n";

/// A text that stands in requests and may stand in no answer about what is wrong.
const SECRET: &str = "hunter2-hunter2";

fn is(answer: &Answer, kind: ProblemKind) {
    assert_eq!(answer.problem().as_deref(), Some(kind.word()), "{answer:?}");
    assert_eq!(answer.status, kind.status().as_u16());
    assert_eq!(answer.json()["title"], kind.title());
    assert!(!answer.body.contains(SECRET), "{answer:?}");
    let root = root().canonicalize().unwrap();
    assert!(!answer.body.contains(root.to_str().unwrap()), "{answer:?}");
}

#[test]
fn what_is_no_request_is_told_apart() {
    use ProblemKind::{InvalidJson, InvalidRequest, TooLarge, UnknownPolicyPack};
    let service = usual();
    let long = json!({"action_type": "read_file", "target": "x".repeat(65_536)}).to_string();
    let cases: [(&[u8], ProblemKind); 19] = [
        (b"", InvalidJson),
        (b"hunter2-hunter2", InvalidJson),
        (b"action_type=read_file&target=hunter2-hunter2", InvalidJson),
        (
            br#"{"action_type":"read_file","target":"hunter2-hunter2""#,
            InvalidJson,
        ),
        (br#"{"action_type":"read_file"} hunter2-hunter2"#, InvalidJson),
        (b"{\"action_type\":\"hunter2-hunter2\xff\"}", InvalidJson),
        (br#""hunter2-hunter2""#, InvalidRequest),
        (br#" ["hunter2-hunter2"]"#, InvalidRequest),
        (b"7", InvalidRequest),
        (b"null", InvalidRequest),
        (br#"{"target":"hunter2-hunter2"}"#, InvalidRequest),
        (br#"{"action_type":null}"#, InvalidRequest),
        (
            br#"{"action_type":"read_file","target":["hunter2-hunter2"]}"#,
            InvalidRequest,
        ),
        (
            br#"{"action_type":"read_file","target":"hunter2-hunter2\u0000"}"#,
            InvalidRequest,
        ),
        (
            br#"{"action_type":"read_file","note":{"a":["hunter2-hunter2\u0000"]}}"#,
            InvalidRequest,
        ),
        (
            br#"{"action_type":"read_file","target":"a","target":"hunter2-hunter2"}"#,
            InvalidRequest,
        ),
        (
            br#"{"action_type":"read_file","policy_pack":"hunter2-hunter2"}"#,
            UnknownPolicyPack,
        ),
        (
            br#"{"action_type":"read_file","policy_pack":"../hunter2-hunter2"}"#,
            UnknownPolicyPack,
        ),
        (long.as_bytes(), TooLarge),
    ];
    for (body, kind) in cases {
        is(&service.post_with(EVALUATE, JSON, body), kind);
    }
    // The longest that is read.
    let longest = format!("{}{}", " ".repeat(65_536 - 27), r#"{"action_type":"read_file"}"#);
    assert_eq!(longest.len(), 65_536);
    assert_eq!(service.post(EVALUATE, &longest).status, 200);
    is(&service.post(EVALUATE, &format!(" {longest}")), TooLarge);
    // A client that sends far too much still hears why.
    is(&service.post(EVALUATE, &" ".repeat(1_000_000)), TooLarge);
}

#[test]
fn what_does_not_speak_json_is_turned_away() {
    let service = usual();
    let body = r#"{"action_type":"read_file"}"#;
    for kind in [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "",
    ] {
        let answer = service.post_with(EVALUATE, &format!("content-type: {kind}\r\n"), body);
        is(&answer, ProblemKind::UnsupportedMediaType);
    }
    for kind in [
        "APPLICATION/JSON",
        "application/problem+json",
        "application/json;charset=utf-8",
    ] {
        let answer = service.post_with(EVALUATE, &format!("content-type: {kind}\r\n"), body);
        assert_eq!(answer.status, 200, "{kind}: {answer:?}");
    }
}

#[test]
fn a_page_in_a_browser_may_not_call() {
    let service = usual();
    for path in [EVALUATE, "/runtime/go-pilot/evaluate/batch"] {
        let headers = format!("{JSON}origin: https://example.com\r\n");
        let answer = service.post_with(path, &headers, r#"{"action_type":"read_file"}"#);
        is(&answer, ProblemKind::FromBrowser);
    }
}

#[test]
fn unknown_paths_and_wrong_methods() {
    let service = usual();
    for path in [
        "/",
        "/Health",
        "/health/",
        "/runtime/go-pilot",
        "/runtime/go-pilot/hunter2-hunter2",
    ] {
        is(&service.get(path), ProblemKind::NotFound);
    }
    for method in ["PUT", "DELETE", "PATCH", "GET", "HUNTER2"] {
        let answer = service.call(method, EVALUATE);
        is(&answer, ProblemKind::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    let answer = service.call("POST", "/health");
    is(&answer, ProblemKind::MethodNotAllowed);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[test]
fn a_pack_that_is_broken_is_the_services_fault() {
    let packs = tempfile::tempdir().unwrap();
    let broken = packs.path().join("broken-pack");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("policy.yaml"), "no: [pack").unwrap();
    let dir = packs.path().to_str().unwrap();
    let service = Service::ready(cavra(["serve", "--policy-dir", dir]));
    let answer = service.evaluate(&json!({"action_type": "read_file", "policy_pack": "broken-pack"}));
    is(&answer, ProblemKind::PolicyPackUnusable);
    assert!(!answer.body.contains(dir), "{answer:?}");
    // Others are judged.
    assert_eq!(service.evaluate(&json!({"action_type": "read_file"})).status, 200);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let service = usual();
    let mut connection = service.connect();
    connection.send(head("POST", EVALUATE, "content-length: 100\r\n"));
    connection.send("{");
    let answer = connection.answer();
    is(&answer, ProblemKind::TooSlow);
    assert!(
        connection.is_closed(),
        "the rest of the body would be taken for a request"
    );
}

#[test]
fn over_capacity_is_told_at_once() {
    // The reference hangs as long as it may, 5 s. Two threads and one place in the queue.
    let spin = misbehaving("spin_in_evaluate");
    let service = Service::start(cavra([
        "serve",
        "--reference-module",
        spin.to_str().unwrap(),
        "--workers",
        "1",
        "--queue-length",
        "1",
    ]));
    let request = json!({"action_type": "read_file", "target": "README.md"}).to_string();
    let mut waiting = Vec::new();
    let refused = loop {
        let started = Instant::now();
        let mut connection = service.connect();
        connection.post(EVALUATE, "", &request);
        // Whoever is let in is not answered soon.
        let soon = connection.answers_within(Duration::from_secs(1));
        if soon {
            break (connection.answer(), started.elapsed());
        }
        waiting.push(connection);
        assert!(waiting.len() < 10, "nobody is refused");
    };
    let (answer, time) = refused;
    is(&answer, ProblemKind::Overloaded);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(time < Duration::from_secs(1), "{time:?}");
    assert_eq!(service.get("/livez").status, 200);
    for mut connection in waiting {
        let answer = connection.answer();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["fallback_code"], "timeout_wall_clock", "{answer:?}");
    }
}

/// The tests above and in this crate's neighbours meet every kind but the defect.
#[test]
fn every_kind_of_problem_has_its_own_word() {
    let words: BTreeSet<&str> = ProblemKind::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(words.len(), ProblemKind::ALL.len());
    assert!(words.iter().all(|word| !word.is_empty()));
}
