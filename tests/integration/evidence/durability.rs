//! What happens to a log when processes and disks fail.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use integration_tests::service::Service;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Place, requests};

/// Asks until the service is gone; tells the ids of all answers that came whole.
fn ask_until_gone(addr: SocketAddr, answered: &Mutex<BTreeSet<String>>) {
    let body = json!({"action_type": "execute_command", "target": "terraform plan"}).to_string();
    let request = format!(
        "POST /runtime/go-pilot/evaluate HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let Ok(mut stream) = TcpStream::connect(addr) else {
        return;
    };
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while stream.write_all(request.as_bytes()).is_ok() {
        seen.clear();
        loop {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(n) => seen.extend_from_slice(&buffer[..n]),
            }
            let text = String::from_utf8_lossy(&seen);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                if body.len() == length.unwrap().parse::<usize>().unwrap() {
                    let answer: Value = serde_json::from_str(body).unwrap();
                    let id = answer["evaluation_id"].as_str().unwrap().to_owned();
                    answered.lock().unwrap().insert(id);
                    break;
                }
            }
        }
    }
}

#[test]
fn every_answer_is_in_the_log_whenever_the_service_is_killed() {
    let place = Place::new();
    let answered = Mutex::new(BTreeSet::new());
    for round in 0..6_u64 {
        // A few answers at least, then some moment after.
        let before = answered.lock().unwrap().len();
        let service = Service::start(place.cavra(&["serve", "--evidence-checkpoint-records", "50"]));
        let addr = service.addr;
        let pid = Pid::from_raw(service.id().cast_signed()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ask_until_gone(addr, &answered));
            }
            let started = Instant::now();
            while answered.lock().unwrap().len() < before + 20 {
                assert!(started.elapsed() < Duration::from_secs(120), "no answers");
                std::thread::sleep(Duration::from_millis(1));
            }
            let moment = (u64::from(service.id()) * 7919 + round * 104_729) % 60_000;
            std::thread::sleep(Duration::from_micros(moment));
            kill_process(pid, Signal::KILL).unwrap();
        });
        drop(service);
        // As it was left, and once somebody has gone on.
        assert_eq!(place.verify(&[])["verified"], true);
        let output = place.cavra(&["evaluate", "read_file", "README.md"]).run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let found = place.verify(&[]);
        assert_eq!(
            (&found["verified"], &found["torn_bytes"]),
            (&json!(true), &json!(0))
        );
    }
    let recorded: BTreeSet<String> = place.records().into_iter().map(|it| it.evaluation_id).collect();
    let missing: Vec<String> = answered
        .into_inner()
        .unwrap()
        .difference(&recorded)
        .cloned()
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

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
    place.judge(&flags, &requests(40));
    let found = place.verify(&["--checkpoint", old.to_str().unwrap()]);
    assert_eq!(
        (&found["verified"], &found["entries"]),
        (&json!(true), &json!(50)),
        "{found}"
    );
    assert!(found["pruned"].as_u64().unwrap() > 10, "{found}");
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
