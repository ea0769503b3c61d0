//! Log lines, and what ties them to answers.

use integration_tests::service::Service;
use serde_json::Value;

use super::{EVALUATE, call, serve, soon, token};

fn lines(log: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    whole.lines().map(parse).collect()
}

#[test]
fn a_request_is_one_line_without_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let (log, tokens) = (dir.path().join("log"), dir.path().join("tokens.toml"));
    let secret = token(&tokens, "ci", &["evaluate"]);
    let serve = serve(&dir.path().join("state")).args(["--tokens".as_ref(), tokens.as_os_str()]);
    let service = Service::logged(serve, &log);
    let body =
        r#"{"action_type":"execute_command","target":"terraform apply hunter2","session_id":"s-hunter2"}"#;
    let answer = call(&service, "POST", &format!("{EVALUATE}?hunter2"), &secret, body);
    assert_eq!(answer.status, 200);
    let wrong = call(&service, "POST", "/hunter2", "cavra_ci_hunter2", body);
    assert_eq!(wrong.status, 401);
    let requests = || -> Vec<Value> {
        let all = lines(&log).into_iter();
        all.filter(|line| line["message"] == "request").collect()
    };
    soon("written", || requests().len() == 2);
    let requests = requests();
    let line = &requests[0];
    assert_eq!(line["correlation_id"].as_str(), answer.header("x-correlation-id"));
    assert_eq!(
        line["correlation_id"],
        answer.json()["effective_decision"]["correlation_id"]
    );
    assert_eq!(line["method"], "POST");
    assert_eq!(line["route"], EVALUATE);
    assert_eq!(line["status"], 200);
    assert_eq!(line["caller"], "ci");
    assert_eq!(line["decision"], "block");
    assert_eq!(line["backend"], "go");
    assert!(line["duration_us"].as_u64().unwrap() > 0);
    assert_eq!(requests[1]["route"], "unmatched");
    assert_eq!(requests[1]["refused"], "unknown");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains(secret.rsplit('_').next().unwrap()));
}

#[test]
fn a_correlation_is_taken_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()));
    let ask = |headers: &str| {
        let body = r#"{"action_type":"read_file","target":"a"}"#;
        let answer = service.post_with(EVALUATE, headers, body);
        let header = answer.header("x-correlation-id").unwrap().to_owned();
        let id = answer.json()["effective_decision"]["correlation_id"]
            .as_str()
            .unwrap()
            .to_owned();
        (header, id)
    };
    assert_eq!(
        ask("x-correlation-id: req-1\r\n"),
        ("req-1".to_owned(), "corr_req-1".to_owned())
    );
    assert_eq!(
        ask("x-correlation-id: corr_7\r\n"),
        ("corr_7".to_owned(), "corr_7".to_owned())
    );
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let of_trace = "corr_4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
    assert_eq!(ask(trace), (of_trace.clone(), of_trace));
    for refused in ["a b", "a\"b", "{}", &"x".repeat(200)] {
        let (header, id) = ask(&format!("x-correlation-id: {refused}\r\n"));
        assert_eq!(header, id);
        assert!(id.len() == 37 && id.starts_with("corr_"), "{id}");
    }
    assert_ne!(ask(""), ask(""));
    // Every answer has one, whatever it is.
    assert!(service.get("/nothing").header("x-correlation-id").is_some());
    assert!(service.get("/livez").header("x-correlation-id").is_some());
}

#[test]
fn levels_and_forms_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let run = |args: &[&str]| {
        let service = Service::logged(serve(&dir.path().join("state")).args(args), &log);
        service.post(EVALUATE, r#"{"action_type":"read_file","target":"a"}"#);
        super::signal(&service, rustix::process::Signal::TERM);
        assert_eq!(service.wait(), Some(0));
        std::fs::read_to_string(&log).unwrap()
    };
    let text = run(&["--log-format", "text"]);
    assert!(
        text.contains("INFO") && text.contains("request") && !text.contains('{'),
        "{text}"
    );
    assert_eq!(run(&["--log-level", "off"]), "");
    assert_eq!(run(&["--log-level", "warn"]), "");
    assert!(
        run(&[])
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
}
