//! The document says what the service does.

use std::collections::BTreeSet;

use integration_tests::service::Service;
use integration_tests::{cavra, root};
use serde_json::{Value, json};

use super::{EVALUATE, usual};

/// The schema of OpenAPI 3.1 documents that is published with the specification.
fn meta_schema() -> Value {
    let file = root().join("tests/openapi/schema-3.1.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn the_document_is_openapi_3_1() {
    let document = usual().get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let validator = jsonschema::validator_for(&meta_schema()).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    // Every schema is one, and every reference leads somewhere.
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
    }
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|it| collect_references(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| collect_references(it, found)),
        _ => {}
    }
}

/// The contract's routes, and no others but the document's own.
#[test]
fn the_document_has_every_route_and_every_route_answers() {
    let service = usual();
    let document = service.get("/openapi.json").json();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            // A route that is not there would be 404, one without the method 405.
            let answer = service.call(&method.to_uppercase(), path);
            assert!(
                answer
                    .problem()
                    .is_none_or(|it| it != "not-found" && it != "method-not-allowed"),
                "{path}"
            );
            let responses = &item[method]["responses"];
            assert!(
                responses.get(answer.status.to_string()).is_some(),
                "{method} {path}: {answer:?}"
            );
        }
    }
    let contract = [
        "GET /runtime/go-pilot/readiness",
        "GET /runtime/go-pilot/deployment-readiness",
        "GET /runtime/go-pilot/promotion-readiness",
        "GET /runtime/go-pilot/rollback-readiness",
        "GET /runtime/go-pilot/rollback-rehearsal",
        "GET /runtime/go-pilot/rollback-drills",
        "GET /runtime/go-pilot/rollback-drill-schedule",
        "POST /runtime/go-pilot/evaluate",
        "POST /runtime/go-pilot/evaluate/batch",
        "GET /deployment/production-readiness",
        "GET /health",
        "GET /version",
        "GET /livez",
        "GET /readyz",
    ];
    for route in contract {
        assert!(described.contains(route), "{route} is not described");
    }
}

/// What the service answers keeps to the schemas of the document.
#[test]
fn answers_keep_to_the_document() {
    let service = usual();
    let document = service.get("/openapi.json").json();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_some() {
            let answer = service.get(path);
            if path == "/metrics" {
                continue;
            }
            keeps(&document, path, "get", answer.status, &answer.json());
        }
    }
    let bodies = [
        json!({"action_type": "execute_command", "target": "terraform apply"}),
        json!({"action_type": "mcp_tool_call", "server": "x", "tool": "y", "more": {"a": [1, null]}}),
        json!({"action_type": 7}),
        json!({"action_type": "read_file", "policy_pack": "no-such-pack"}),
    ];
    for body in &bodies {
        let answer = service.evaluate(body);
        keeps(&document, EVALUATE, "post", answer.status, &answer.json());
    }
    let batch = format!("{EVALUATE}/batch");
    let answer = service.post(&batch, &json!({"requests": bodies}).to_string());
    keeps(&document, &batch, "post", answer.status, &answer.json());
    let blocked = Service::start(cavra(["serve", "--reference-module", "no-such-module.wasm"]));
    let answer = blocked.evaluate(&json!({"action_type": "read_file"}));
    keeps(&document, EVALUATE, "post", answer.status, &answer.json());
}

fn keeps(document: &Value, path: &str, method: &str, status: u16, answer: &Value) {
    let kind = if answer.get("title").is_some() {
        "application/problem+json"
    } else {
        "application/json"
    };
    let response = &document["paths"][path][method]["responses"][status.to_string()];
    let mut schema = response["content"][kind]["schema"].clone();
    assert!(schema.is_object(), "{method} {path} {status} {kind}: {response}");
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new(), "{method} {path} {status}");
}
