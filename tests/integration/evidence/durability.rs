//! What a log is after processes have gone on with it, and where nothing can be written.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use integration_tests::service::Service;
use serde_json::{Value, json};

use super::{Place, requests};

#[test]
fn part_of_a_line_is_set_aside_and_told() {
    let place = Place::new();
    place.judge(&[], &requests(3));
    let segment = &place.segments()[0];
    let mut file = fs::OpenOptions::new().append(true).open(segment).unwrap();
    file.write_all(br#"{"event":{"kind":"evalua"#).unwrap();
    let found = place.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["torn_bytes"]),
        (&json!(true), &json!(24))
    );
    let told = place.judge(&[], &requests(2)).stderr;
    assert!(told.contains("24 bytes"), "{told}");
    let found = place.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["recovered"], &found["entries"]),
        (&json!(true), &json!(1), &json!(6))
    );
    let torn = fs::read_dir(place.dir()).unwrap().map(|it| it.unwrap().path());
    let torn: Vec<_> = torn.filter(|it| it.to_string_lossy().contains("torn-")).collect();
    assert_eq!(fs::read(&torn[0]).unwrap(), br#"{"event":{"kind":"evalua"#);
}

#[test]
fn a_whole_entry_without_the_end_of_its_line_is_kept() {
    let place = Place::new();
    place.judge(&[], &requests(3));
    let segment = &place.segments()[0];
    let text = fs::read_to_string(segment).unwrap();
    // No checkpoint says that it was there.
    fs::remove_file(place.dir().join("checkpoints.jsonl")).unwrap();
    fs::write(segment, text.trim_end()).unwrap();
    place.judge(&[], &requests(1));
    assert_eq!(place.entries().len(), 4);
    let found = place.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["recovered"]),
        (&json!(true), &json!(0))
    );
}

#[test]
fn processes_share_a_log() {
    let place = Place::new();
    let service = Service::start(place.cavra(&["serve"]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| place.judge(&["--evidence-segment-bytes", "20000"], &requests(20)));
        }
        for request in requests(20) {
            assert_eq!(service.evaluate(&request).status, 200);
        }
    });
    let found = place.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["entries"]),
        (&json!(true), &json!(80)),
        "{found}"
    );
}

#[test]
fn old_segments_go_and_the_chain_stays_whole() {
    let place = Place::new();
    let flags = [
        "--evidence-segment-bytes",
        "9000",
        "--evidence-retention-days",
        "0.0000001",
    ];
    place.judge(&flags, &requests(10));
    let old = place.path("old");
    fs::write(&old, place.cavra(&["evidence", "checkpoint"]).run().stdout).unwrap();
    // What one process wrote is old for the next.
    for _ in 0..4 {
        place.judge(&flags, &requests(10));
    }
    let found = place.verify(&["--checkpoint", old.to_str().unwrap()]);
    assert_eq!(found["verified"], true, "{found}");
    assert!(found["pruned"].as_u64().unwrap() > 10, "{found}");
    // What went is told: the entries are those of fifty evaluations, and what tells of it.
    let told: Vec<Value> = place
        .entries()
        .iter()
        .map(|it| serde_json::to_value(&it.event).unwrap())
        .collect();
    let told: Vec<&Value> = told.iter().filter(|it| it["kind"] == "pruned").collect();
    assert!(
        !told.is_empty() && told.len() as u64 <= found["entries"].as_u64().unwrap() - 50,
        "{found}"
    );
    let last = told.last().unwrap();
    assert!(!place.dir().join(last["segment"].as_str().unwrap()).exists());
    let kept = fs::read_to_string(place.dir().join(last["kept_in"].as_str().unwrap())).unwrap();
    assert_eq!(last["entries"], kept.lines().count());
    assert!(place.entries().len() < 40);
    // What is kept can still be proved.
    let id = &place.records()[0].evaluation_id;
    assert_eq!(place.cavra(&["evidence", "prove", id]).run().code, Some(0));
    // What was removed cannot be taken for something else.
    let mut files = fs::read_dir(place.dir()).unwrap().map(|it| it.unwrap().path());
    let hashes = files
        .find(|it| it.extension().is_some_and(|it| it == "hashes"))
        .unwrap();
    let text = fs::read_to_string(&hashes).unwrap();
    let digit = if text.contains("sha256:0") {
        "sha256:1"
    } else {
        "sha256:0"
    };
    fs::write(&hashes, format!("{digit}{}", text.split_at(8).1)).unwrap();
    assert_eq!(place.verify(&[])["verified"], false);
}

#[test]
fn every_durability_records_everything() {
    for durability in ["async", "flush", "fsync"] {
        let place = Place::new();
        place.judge(&["--evidence-durability", durability], &requests(12));
        assert_eq!(place.records().len(), 12, "{durability}");
        assert_eq!(place.verify(&[])["verified"], true, "{durability}");
    }
}

/// Makes the first segment one that takes nothing: a disk that is full.
fn fill(place: &Place) -> std::path::PathBuf {
    let segment = place.dir().join(format!("segment-{:020}.jsonl", 0));
    fs::create_dir(place.dir()).unwrap();
    fs::set_permissions(place.dir(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    symlink("/dev/full", &segment).unwrap();
    segment
}

#[test]
fn where_nothing_can_be_recorded_nothing_is_answered() {
    let place = Place::new();
    let full = fill(&place);
    let request = &requests(2)[1];
    let service = Service::start(place.cavra(&["serve"]));
    let refused = service.evaluate(request);
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("urn:cavra:problem:evidence-unavailable"));
    assert!(
        !refused.body.contains("terraform") && !refused.body.contains("segment"),
        "{}",
        refused.body
    );
    let output = place.cavra(&["evaluate", "read_file", "README.md"]).run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
    let lines = place
        .cavra(&["evaluate", "-"])
        .run_with(format!("{request}\n").as_bytes());
    assert_eq!(lines.code, Some(1));
    assert_eq!(lines.lines()[0]["error"]["code"], "evidence_unavailable");
    // There is room again, and nobody has to restart anything.
    fs::remove_file(full).unwrap();
    let answer: Value = serde_json::from_str(&service.evaluate(request).body).unwrap();
    assert_eq!(place.records()[0].evaluation_id, answer["evaluation_id"]);
    assert_eq!(place.verify(&[])["verified"], true);
}

#[test]
fn a_gap_is_recorded_once_it_is_over() {
    let place = Place::new();
    let full = fill(&place);
    let flags = ["serve", "--on-evidence-failure", "continue"];
    let service = Service::start(place.cavra(&flags));
    let ids: Vec<Value> = requests(5)
        .iter()
        .map(|request| {
            let answer = service.evaluate(request);
            assert_eq!(answer.status, 200);
            serde_json::from_str::<Value>(&answer.body).unwrap()["evaluation_id"].clone()
        })
        .collect();
    fs::remove_file(full).unwrap();
    assert_eq!(service.evaluate(&requests(1)[0]).status, 200);
    let entries = place.entries();
    let gap = serde_json::to_value(&entries[0].event).unwrap();
    assert_eq!(gap["kind"], "gap");
    assert_eq!(gap["evaluations"], 5);
    assert_eq!(
        (&gap["first_evaluation_id"], &gap["last_evaluation_id"]),
        (&ids[0], &ids[4])
    );
    assert_eq!(entries.len(), 2);
    let found = place.verify(&[]);
    assert_eq!((&found["verified"], &found["gaps"]), (&json!(true), &json!(5)));
}
