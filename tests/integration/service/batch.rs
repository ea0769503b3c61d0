//! Many requests at once.

use cavra::api::ProblemKind;
use serde_json::{Value, json};

use super::{EVALUATE, usual};

const BATCH: &str = "/runtime/go-pilot/evaluate/batch";

#[test]
fn each_request_is_answered_in_its_place() {
    let service = usual();
    let long = "x".repeat(70_000);
    let requests = json!([
        {"action_type": "read_file", "target": "a"},
        {"action_type": "read_file", "target": 7},
        ["no request"],
        {"action_type": "read_file", "policy_pack": "no-such-pack"},
        {"action_type": "read_file", "target": "nul\u{0}"},
        {"action_type": "read_file", "target": long},
        {"action_type": "execute_command", "target": "terraform apply"},
        {"action_type": "read_file", "policy_pack": "cavra-pci-dss", "target": "b"},
    ]);
    let answer = service.post(BATCH, &json!({"requests": requests}).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(
        answer["schema_version"],
        "cavra.go-backend-pilot.evaluation-batch.v1"
    );
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 8);
    let problems = [
        None,
        Some(ProblemKind::InvalidRequest),
        Some(ProblemKind::InvalidRequest),
        Some(ProblemKind::UnknownPolicyPack),
        Some(ProblemKind::InvalidRequest),
        Some(ProblemKind::TooLarge),
        None,
        None,
    ];
    for (result, problem) in results.iter().zip(problems) {
        let kind = result.pointer("/error/type").and_then(Value::as_str);
        assert_eq!(kind, problem.map(ProblemKind::type_uri), "{result}");
        assert_eq!(result.get("effective_decision").is_some(), problem.is_none());
    }
    assert_eq!(results[0]["effective_decision"]["target"], "a");
    assert_eq!(results[6]["effective_decision"]["decision"], "block");
    assert_eq!(results[7]["effective_decision"]["policy_pack"], "cavra-pci-dss");
}

#[test]
fn a_thousand_are_judged_as_if_each_came_alone() {
    let service = usual();
    let request = |n: usize| json!({"action_type": "execute_command", "target": format!("cat {n}.txt")});
    let requests: Vec<Value> = (0..1_000).map(request).collect();
    let answer = service.post(BATCH, &json!({"requests": requests}).to_string());
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 1_000);
    let alone = service.post(EVALUATE, &request(0).to_string()).json();
    for (n, result) in results.iter().enumerate() {
        let decision = &result["effective_decision"];
        assert_eq!(decision["target"], format!("cat {n}.txt"));
        assert_eq!(decision["rule_id"], alone["effective_decision"]["rule_id"]);
        assert_eq!(result["selected_backend"], "go", "{result}");
    }
}

#[test]
fn a_batch_that_is_none_is_refused_as_a_whole() {
    let service = usual();
    let kind = |body: &str| service.post(BATCH, body).problem();
    let word = |kind: ProblemKind| Some(kind.word().to_owned());
    assert_eq!(kind("{"), word(ProblemKind::InvalidJson));
    for body in [
        "[]",
        "[[]]",
        r#"[[{"action_type":"read_file"}]]"#,
        "\"hunter2\"",
        "{}",
        r#"{"requests":{}}"#,
        r#"{"requests":null}"#,
    ] {
        assert_eq!(kind(body), word(ProblemKind::InvalidRequest), "{body}");
        assert!(!service.post(BATCH, body).body.contains("hunter2"));
    }
    let many = json!({"requests": vec![json!({}); 1_001]}).to_string();
    assert_eq!(kind(&many), word(ProblemKind::InvalidRequest));
    let large = json!({"requests": ["x".repeat(4 * 1024 * 1024)]}).to_string();
    assert_eq!(kind(&large), word(ProblemKind::TooLarge));
    let none = service.post(BATCH, r#"{"requests":[]}"#);
    assert_eq!((none.status, none.json()["results"].clone()), (200, json!([])));
}
