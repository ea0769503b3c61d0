//! Records that were written once and are replayed by whatever is built today.
//!
//! The guests that are built here may be other bytes than those that the records name:
//! another compiler is enough. So each thing is held to what it can be held to. By the
//! modules that are named, a record is identical or cannot be replayed, never different.
//! By those that are built, every decision is the recorded one, ids, time and reason
//! included, and the fuel where module and engine are the recorded ones. And what is
//! recorded anew is the same in everything, fuel included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cavra::cache::Cache;
use cavra::config::{Config, Setting};
use cavra::evidence::{EvaluationRecord, Subject, reader};
use cavra::host::{Host, Surroundings};
use cavra::model::Request;
use cavra::pilot::Evaluation;
use cavra::replay::{RecordedClock, RecordedIds};
use cavra::sandbox::Allocation;
use integration_tests::root;
use serde_json::Value;

use super::replay;
use crate::evidence::Place;

/// How many records there are: 23 requests in three modes.
const RECORDS: usize = 69;

fn folder() -> PathBuf {
    root().join("tests/fixtures/replay")
}

fn path(name: &str) -> String {
    folder().join(name).display().to_string()
}

fn records() -> Vec<EvaluationRecord> {
    let entries = reader::entries(&folder().join("records.jsonl")).unwrap();
    let records: Vec<_> = entries
        .map(|it| it.unwrap().evaluation().unwrap().clone())
        .collect();
    assert_eq!(records.len(), RECORDS);
    records
}

/// The request of a record, judged as it was then: by the modules of today at the time
/// and under the ids of the record.
fn judge_again(record: &EvaluationRecord, scratch: &Path) -> (Request, Evaluation) {
    let flags = BTreeMap::from([
        (Setting::Mode, record.mode.as_str().to_owned()),
        (Setting::RuntimePath, "builtin:fastpath".to_owned()),
        (Setting::PolicyPath, "auto".to_owned()),
        (Setting::PolicyDir, path("packs")),
        (Setting::RegistryPath, path("registry.json")),
    ]);
    let surroundings = Surroundings {
        clock: Arc::new(RecordedClock(record.time.parse().unwrap())),
        ids: Arc::new(RecordedIds::new(record.drawn_ids.iter().map(String::as_str))),
        allocation: Allocation::OnDemand,
        // Compiled once for all of them.
        cache: Some(Cache::open(&scratch.join("cache"), &scratch.join("key")).unwrap()),
        module_store: None,
        evidence: None,
        supervisor: integration_tests::binary(),
    };
    let host = Host::open(Config::read(&flags, &BTreeMap::new()).unwrap(), surroundings).unwrap();
    let request: Request = serde_json::from_value(Value::Object(record.request.clone().unwrap())).unwrap();
    let answer = host.evaluate(&request).unwrap();
    (request, answer)
}

#[test]
fn by_the_modules_that_they_name_they_are_never_different() {
    let log = folder().join("records.jsonl");
    let flags = [
        "--all",
        "--policies",
        &path("policies"),
        "--registry-path",
        &path("registry.json"),
    ];
    let report = replay(&log, &flags).json();
    let records = report["records"].as_array().unwrap();
    assert_eq!(records.len(), RECORDS);
    for record in records {
        if record["result"] == "identical" {
            continue;
        }
        assert_eq!(record["result"], "cannot", "{record:#}");
        // Policies and registry lie beside the records: only modules may be missing.
        for missing in record["missing"].as_array().unwrap() {
            let obstacle = missing["obstacle"].as_str().unwrap();
            assert!(
                ["reference_module", "fastpath_module"].contains(&obstacle),
                "{record:#}"
            );
        }
    }
}

#[test]
fn both_evaluators_of_today_decide_as_recorded() {
    let log = folder().join("records.jsonl");
    for module in ["builtin:reference", "builtin:fastpath"] {
        let policies = path("policies");
        let registry = path("registry.json");
        let flags = [
            "--check",
            "--against",
            module,
            "--policies",
            &policies,
            "--registry-path",
            &registry,
        ];
        let output = replay(&log, &flags);
        let report = output.json();
        assert_eq!(output.code, Some(0), "{report:#}");
        assert_eq!(report["unchanged"], RECORDS, "{report:#}");
        assert_eq!(report["cannot"], 0);
    }
}

#[test]
fn with_their_clock_and_ids_everything_that_was_decided_is_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let judge_again = |record: &EvaluationRecord| judge_again(record, scratch.path());
    let mut exact = 0;
    for record in records() {
        let (request, answer) = judge_again(&record);
        let subject = Subject {
            drawn_ids: record.drawn_ids.clone(),
            settings: record.settings.clone(),
            registry_sha256: record.registry_sha256.clone(),
            documents: record.documents.clone(),
        };
        let again = EvaluationRecord::new(&request, &answer, subject);
        let id = &record.evaluation_id;
        assert_eq!(again.outcome, record.outcome, "{id}");
        assert_eq!(
            (&again.evaluation_id, &again.time, &again.request, &again.identity),
            (id, &record.time, &record.request, &record.identity)
        );
        let backends = [
            (&again.backends.reference, &record.backends.reference),
            (&again.backends.fastpath, &record.backends.fastpath),
        ];
        for (again, recorded) in backends {
            assert_eq!(again.is_some(), recorded.is_some(), "{id}");
            let Some((again, recorded)) = again.as_ref().zip(recorded.as_ref()) else {
                continue;
            };
            assert_eq!(again.policy_sha256, recorded.policy_sha256, "{id}");
            let same_module = again.module_sha256 == recorded.module_sha256;
            if same_module && again.engine_fingerprint == recorded.engine_fingerprint {
                assert_eq!(again.fuel_used, recorded.fuel_used, "{id}");
                exact += 1;
            }
        }
        // And once more: nothing of it is chance.
        assert_eq!(
            judge_again(&record).1.effective_decision,
            answer.effective_decision
        );
    }
    // Where the guests are other bytes, the fuel is held to what is recorded anew, below.
    println!("fuel compared of {exact} evaluations by the recorded modules");
}

#[test]
fn recorded_anew_they_are_identical_fuel_included() {
    let place = Place::new();
    let text = std::fs::read_to_string(folder().join("requests.jsonl")).unwrap();
    let requests: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (packs, registry) = (path("packs"), path("registry.json"));
    for mode in ["enforce", "shadow", "disabled"] {
        let mut flags = integration_tests::fast_path(mode, "builtin:fastpath").to_vec();
        flags.extend(["--policy-dir", &packs, "--registry-path", &registry]);
        place.judge(&flags, &requests);
    }
    let output = replay(
        &place.dir(),
        &[
            "--check",
            "--policies",
            &path("policies"),
            "--registry-path",
            &registry,
        ],
    );
    let report = output.json();
    assert_eq!(output.code, Some(0), "{report:#}");
    assert_eq!(report["summary"]["identical"], RECORDS, "{report:#}");
    assert_eq!(report["summary"]["fuel_compared"], RECORDS);
    // What is decided anew is what was decided then.
    let decided = |records: Vec<EvaluationRecord>| -> Vec<_> {
        let decisions = records.into_iter().map(|it| it.outcome.effective_decision);
        decisions
            .map(|it| (it.target, it.decision, it.rule_id, it.severity, it.reason))
            .collect()
    };
    assert_eq!(decided(place.records()), decided(records()));
}
