//! The routes, as operators and agents use them.

use integration_tests::service::{Service, head};
use integration_tests::{cavra, fast_path, root};
use serde_json::{Value, json};

use super::{EVALUATE, usual};

/// What `curl -d` sends without a word about the type.
const CURL: &str =
    "content-type: application/x-www-form-urlencoded\r\nuser-agent: curl/8.5.0\r\naccept: */*\r\n";

#[test]
fn an_operators_first_calls() {
    let service = usual();
    let reports = [
        ("readiness", "cavra.go-backend-pilot.readiness.v1"),
        (
            "deployment-readiness",
            "cavra.go-backend-pilot.deployment-readiness.v1",
        ),
        (
            "promotion-readiness",
            "cavra.go-backend-pilot.promotion-readiness.v1",
        ),
        (
            "rollback-readiness",
            "cavra.go-backend-pilot.rollback-readiness.v1",
        ),
        (
            "rollback-rehearsal",
            "cavra.go-backend-pilot.rollback-rehearsal.v1",
        ),
        (
            "rollback-drills",
            "cavra.go-backend-pilot.rollback-drill-history.v1",
        ),
        (
            "rollback-drill-schedule",
            "cavra.go-backend-pilot.rollback-drill-schedule.v1",
        ),
    ];
    for (report, schema) in reports {
        let answer = service.get(&format!("/runtime/go-pilot/{report}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json()["schema_version"], schema);
        assert_eq!(answer.json()["mode"], "enforce");
    }
    let production = service.get("/deployment/production-readiness");
    assert_eq!(production.status, 200);
    assert_eq!(
        production.json()["schema_version"],
        "cavra.deployment.production_readiness.v1"
    );
    let body = r#"{"action_type":"execute_command","target":"terraform plan","policy_pack":"cavra-ai-agent-baseline"}"#;
    for headers in [CURL, "content-type: application/json; charset=utf-8\r\n", ""] {
        let answer = service.post_with(EVALUATE, headers, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let answer = answer.json();
        assert_eq!(answer["schema_version"], "cavra.go-backend-pilot.evaluation.v1");
        assert_eq!(answer["effective_decision"]["decision"], "allow");
        assert_eq!(answer["effective_decision"]["target"], "terraform plan");
        assert_eq!(answer["selected_backend"], "go");
    }
}

#[test]
fn what_the_service_is_and_whether_it_is_ready() {
    let service = usual();
    assert_eq!(
        service.get("/health").json(),
        json!({"status": "ok", "product": "CAVRA"})
    );
    let version = service.get("/version").json();
    assert_eq!(
        version,
        json!({"version": env!("CARGO_PKG_VERSION"), "name": "cavra"})
    );
    assert_eq!(service.get("/livez").status, 200);
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, ready.json()["ready"].clone()),
        (200, Value::Bool(true))
    );
}

#[test]
fn a_service_without_a_reference_lives_and_is_not_ready_and_blocks() {
    let service = Service::start(cavra(["serve", "--reference-module", "no-such-module.wasm"]));
    let answer = service.evaluate(&json!({"action_type": "read_file", "target": "README.md"}));
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.json();
    assert_eq!(answer["selected_backend"], "none");
    assert_eq!(answer["effective_decision"]["decision"], "block");
    assert_eq!(
        answer["effective_decision"]["rule_id"],
        "runtime.reference.unavailable"
    );
    assert_eq!(service.get("/livez").status, 200);
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, ready.json()["ready"].clone()),
        (503, Value::Bool(false))
    );
}

#[test]
fn head_and_options_are_answered() {
    let service = usual();
    let head = service.call("HEAD", "/health");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        head.header("content-length"),
        service.get("/health").header("content-length")
    );
    for (path, methods) in [("/health", "GET,HEAD"), (EVALUATE, "POST")] {
        let options = service.call("OPTIONS", path);
        assert_eq!(
            (options.status, options.header("allow")),
            (204, Some(methods)),
            "{path}"
        );
    }
}

#[test]
fn one_connection_carries_many_requests_also_without_waiting() {
    let service = usual();
    let mut connection = service.connect();
    let body = |n: usize| json!({"action_type": "read_file", "target": format!("src/{n}.rs")}).to_string();
    for n in 0..20 {
        connection.post(EVALUATE, "", body(n));
        let answer = connection.answer();
        assert_eq!(
            answer.json()["effective_decision"]["target"],
            format!("src/{n}.rs")
        );
    }
    // All at once, and between them what is answered by other threads.
    let mut all = String::new();
    for n in 0..20 {
        let body = body(n);
        all += &head("POST", EVALUATE, &format!("content-length: {}\r\n", body.len()));
        all += &body;
        all += &head("GET", "/livez", "");
    }
    connection.send(all);
    for n in 0..20 {
        let answer = connection.answer();
        assert_eq!(
            answer.json()["effective_decision"]["target"],
            format!("src/{n}.rs")
        );
        assert_eq!(connection.answer().status, 200);
    }
}

#[test]
fn a_body_may_come_in_pieces() {
    let service = usual();
    let mut connection = service.connect();
    let body = br#"{"action_type":"read_file","target":"README.md"}"#;
    connection.send(head("POST", EVALUATE, "transfer-encoding: chunked\r\n"));
    for piece in body.chunks(7) {
        connection.send(format!("{:x}\r\n", piece.len()));
        connection.send(piece);
        connection.send("\r\n");
    }
    connection.send("0\r\n\r\n");
    let answer = connection.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["effective_decision"]["target"], "README.md");
}

/// Ids and times are new each time, everything else is the same as on the command line.
#[test]
fn the_service_answers_as_the_command_line_does() {
    let session = std::fs::read_to_string(root().join("examples/agent-session.jsonl")).unwrap();
    let registry = root().join("examples/mcp-registry.json");
    let registry = ["--registry-path", registry.to_str().unwrap()];
    let flags = fast_path("enforce", "builtin:fastpath");
    let lines = cavra(["evaluate", "-"])
        .args(flags)
        .args(registry)
        .run_with(session.as_bytes())
        .lines();
    let service = Service::ready(cavra(["serve"]).args(flags).args(registry));
    let mut connection = service.connect();
    let requests: Vec<&str> = session.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(requests.len(), lines.len());
    for (request, line) in requests.iter().zip(lines) {
        connection.post(EVALUATE, "", request);
        let answer = connection.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(lasting(answer.json()), lasting(line), "{request}");
    }
}

/// An answer without what is new each time.
fn lasting(mut answer: Value) -> Value {
    answer["evaluation_id"].take();
    for decision in ["python_decision", "go_decision", "effective_decision"] {
        for field in ["decision_id", "correlation_id", "timestamp", "evidence_refs"] {
            if answer[decision].is_object() {
                answer[decision][field].take();
            }
        }
    }
    for backend in ["reference", "fastpath"] {
        for field in ["microseconds", "stages"] {
            answer["sandbox"][backend][field].take();
        }
        assert!(answer["sandbox"][backend]["fuel_used"].as_u64().unwrap() > 0);
    }
    answer
}
