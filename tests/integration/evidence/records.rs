//! What is recorded, and how it is read.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::service::Service;
use integration_tests::{cavra, fast_path};
use serde_json::{Value, json};

use super::{Place, requests};

#[test]
fn every_evaluation_of_the_command_line_is_recorded() {
    let place = Place::new();
    let flags = fast_path("enforce", "builtin:fastpath");
    let output = place.judge(&flags, &requests(9));
    let answers = output.lines();
    let records = place.records();
    assert_eq!(records.len(), answers.len());
    for ((answer, record), request) in answers.iter().zip(&records).zip(requests(9)) {
        let record = serde_json::to_value(record).unwrap();
        assert_eq!(answer["evaluation_id"], record["evaluation_id"]);
        assert_eq!(answer["effective_decision"]["timestamp"], record["time"]);
        assert_eq!(record["mode"], "enforce");
        for field in ["selected_backend", "fallback_code", "parity_match", "parity_diff"] {
            assert_eq!(answer[field], record["outcome"][field], "{field}");
        }
        for decision in ["python_decision", "go_decision", "effective_decision"] {
            for field in ["decision_id", "decision", "rule_id", "severity", "target"] {
                assert_eq!(answer[decision][field], record["outcome"][decision][field]);
            }
        }
        for backend in ["reference", "fastpath"] {
            let (told, kept) = (&answer["sandbox"][backend], &record["backends"][backend]);
            for field in [
                "module_sha256",
                "policy_sha256",
                "engine_fingerprint",
                "fuel_used",
            ] {
                assert_eq!(told[field], kept[field], "{field}");
                assert!(!kept[field].is_null(), "{field}");
            }
            assert_eq!(told["microseconds"], record["measured"][backend]["microseconds"]);
        }
        let ids = record["drawn_ids"].as_array().unwrap();
        assert_eq!(ids.len(), 4);
        assert_eq!(
            json!(format!("eval_{}", ids[0].as_str().unwrap())),
            record["evaluation_id"]
        );
        for (field, value) in request.as_object().unwrap() {
            assert_eq!(
                &record["request"][field], value,
                "unknown fields stay as they were"
            );
        }
        assert_eq!(record["masking"]["replayable"], true);
    }
    assert_eq!(place.verify(&[])["verified"], true);
}

#[test]
fn one_evaluation_is_recorded_and_signed_and_nobody_else_reads_it() {
    let place = Place::new();
    let output = place
        .cavra(&["evaluate", "read_file", "README.md", "--json"])
        .run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let found = place.verify(&[]);
    assert_eq!(
        (&found["entries"], &found["checkpoints"], &found["unsigned"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(
        fs::metadata(place.dir()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for path in place.segments().into_iter().chain([place.path("key")]) {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn without_a_directory_nothing_is_recorded() {
    let place = Place::new();
    let output = cavra(["evaluate", "read_file", "README.md"])
        .env("CAVRA_EVIDENCE_KEY", place.path("key"))
        .run();
    assert_eq!(output.code, Some(0));
    assert!(!place.path("key").exists());
}

#[test]
fn every_entry_is_of_the_schema_and_canonical() {
    let place = Place::new();
    place.judge(&fast_path("shadow", "builtin:fastpath"), &requests(6));
    let schema = cavra(["evidence", "schema"]).run().json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = fs::read_to_string(&place.segments()[0]).unwrap();
    for (line, entry) in text.lines().zip(place.entries()) {
        let value: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(line.as_bytes(), entry.to_line().unwrap());
        assert!(!validator.is_valid(&json!({"schema_version": "cavra.evidence.v1"})));
    }
}

#[test]
fn the_service_and_the_command_line_record_the_same() {
    let (one, other) = (Place::new(), Place::new());
    let flags = fast_path("enforce", "builtin:fastpath");
    one.judge(&flags, &requests(6));
    let service = Service::start(other.cavra(&["serve"]).args(flags));
    for request in requests(6) {
        assert_eq!(service.evaluate(&request).status, 200);
    }
    let comparable = |place: &Place| -> Vec<Value> {
        let records = place.records().into_iter();
        records
            .map(|record| {
                let mut record = serde_json::to_value(record).unwrap();
                for field in ["evaluation_id", "time", "drawn_ids", "measured"] {
                    record.as_object_mut().unwrap().remove(field);
                }
                for decision in ["python_decision", "go_decision", "effective_decision"] {
                    record["outcome"][decision]
                        .as_object_mut()
                        .unwrap()
                        .remove("decision_id");
                }
                record
            })
            .collect()
    };
    assert_eq!(comparable(&one), comparable(&other));
}

#[test]
fn records_are_found_shown_and_exported() {
    let place = Place::new();
    place.judge(&[], &requests(9));
    let query = |flags: &[&str]| {
        let output = place.cavra(&["evidence", "query", "--json"]).args(flags).run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.lines().len()
    };
    assert_eq!(query(&[]), 9);
    assert_eq!(query(&["--session-id", "first"]), 3);
    assert_eq!(query(&["--decision", "block", "--rule", "commands.block"]), 3);
    assert_eq!(query(&["--fallback-code", "disabled"]), 9);
    assert_eq!(query(&["--fallback-code", "trap"]), 0);
    assert_eq!(query(&["--policy-pack", "another"]), 0);
    assert_eq!(query(&["--parity", "false"]), 0);
    assert_eq!(
        query(&[
            "--since",
            "2020-01-01T00:00:00Z",
            "--until",
            "2020-01-02T00:00:00Z"
        ]),
        0
    );
    assert_eq!(query(&["--since", "2020-01-01T00:00:00Z"]), 9);
    let bad = place.cavra(&["evidence", "query", "--decision", "perhaps"]).run();
    assert_eq!(bad.code, Some(3));

    let tail = place
        .cavra(&["evidence", "tail", "-n", "2", "--json"])
        .run()
        .lines();
    let last = place.records().last().unwrap().evaluation_id.clone();
    assert_eq!(tail.len(), 2);
    assert_eq!(tail[1]["event"]["evaluation_id"], last);
    let shown = place.cavra(&["evidence", "show", &last]).run().json();
    assert_eq!(shown, tail[1]);
    assert_eq!(place.cavra(&["evidence", "show", "eval_0"]).run().code, Some(3));

    let export = |form: &str| place.cavra(&["evidence", "export", "--format", form]).run();
    assert_eq!(
        export("jsonl").stdout,
        fs::read_to_string(&place.segments()[0]).unwrap()
    );
    let table = export("csv").stdout;
    assert_eq!(table.lines().count(), 10);
    assert!(table.starts_with("sequence,time,evaluation_id,"));
    let events = export("cloudevents").lines();
    assert_eq!(events[8]["id"], last);
    assert_eq!(events[8]["data"], shown);
    assert!(
        events[8]["source"]
            .as_str()
            .unwrap()
            .starts_with("cavra-evidence/")
    );
    let events = export("ocsf").lines();
    assert_eq!(
        (&events[1]["class_uid"], &events[1]["action"]),
        (&json!(6003), &json!("Denied"))
    );
}

#[test]
fn what_is_no_log_is_told_as_such() {
    let place = Place::new();
    fs::write(place.path("file"), "").unwrap();
    // A file is read as records are, one a line; verified is a log.
    for (name, command) in [("nowhere", "tail"), ("nowhere", "verify"), ("file", "verify")] {
        let refused = cavra(["evidence", command])
            .env("CAVRA_EVIDENCE_DIR", place.path(name))
            .run();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let told = format!("there is no evidence log in `{}`", place.path(name).display());
        assert!(refused.stderr.contains(&told), "{refused:?}");
    }
}

#[test]
fn a_proof_needs_no_log() {
    let place = Place::new();
    place.judge(&[], &requests(7));
    let key = place.path("public");
    fs::write(&key, place.cavra(&["evidence", "public-key"]).run().stdout).unwrap();
    let check = |proof: &Value, key: &std::path::Path| {
        let file = place.path("proof.json");
        fs::write(&file, proof.to_string()).unwrap();
        let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
        cavra(["evidence", "verify-proof", file, "--public-key", key])
            .run()
            .code
    };
    for record in place.records() {
        let proof = place
            .cavra(&["evidence", "prove", &record.evaluation_id])
            .run()
            .json();
        assert_eq!(check(&proof, &key), Some(0));
        let mut forged = proof.clone();
        forged["entry"] = proof["entry"].as_str().unwrap().replace("allow", "block").into();
        if forged != proof {
            assert_eq!(check(&forged, &key), Some(1));
        }
    }
    let other = Place::new();
    other.judge(&[], &requests(1));
    let foreign = other.path("public");
    fs::write(&foreign, other.cavra(&["evidence", "public-key"]).run().stdout).unwrap();
    let id = &place.records()[0].evaluation_id;
    let proof = place.cavra(&["evidence", "prove", id]).run().json();
    assert_eq!(check(&proof, &foreign), Some(1));
}

#[test]
fn the_production_report_asks_for_a_log_that_verifies() {
    let check = |place: &Place| {
        let report = place
            .cavra(&["deployment", "production-readiness", "--json"])
            .run()
            .json();
        let checks = report["checks"].as_array().unwrap().clone();
        let found = checks.into_iter().find(|it| it["id"] == "evidence_store");
        found.unwrap()["status"].clone()
    };
    let place = Place::new();
    place.judge(&[], &requests(3));
    assert_eq!(check(&place), "pass");
    let segment = &place.segments()[0];
    let text = fs::read_to_string(segment).unwrap();
    fs::write(segment, text.replacen("docs/2.md", "docs/3.md", 1)).unwrap();
    assert_ne!(check(&place), "pass");
}
