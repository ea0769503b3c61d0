//! A service that is killed, and a disk that is full, while many ask.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use integration_tests::service::Service;
use integration_tests::{cavra, fast_path};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::load::{Asked, number, request};
use super::{IDENTITY, Place, RECIPIENT};

/// With `CAVRA_EVIDENCE_ANSWERS` and `CAVRA_EVIDENCE_KILLS` at length: see `make test-long`.
#[test]
fn every_answer_is_in_the_log_whenever_the_service_is_killed() {
    let place = Place::new();
    let (all, kills) = (
        number("CAVRA_EVIDENCE_ANSWERS", 1_500),
        number("CAVRA_EVIDENCE_KILLS", 5),
    );
    let asked = Asked::default();
    let mut took = Duration::ZERO;
    for round in 1..=kills {
        // After so many answers, and then at some moment.
        let enough = all * round / kills;
        let flags = [
            "serve",
            "--evidence-seal-recipient",
            RECIPIENT,
            "--evidence-checkpoint-records",
            "50",
        ];
        let serve = place.cavra(&flags).args(fast_path("enforce", "builtin:fastpath"));
        let service = Service::ready(serve);
        let addr = service.addr;
        let pid = Pid::from_raw(service.id().cast_signed()).unwrap();
        std::thread::scope(|scope| {
            // Where this fails, it is gone, and the clients with it.
            let service = service;
            for _ in 0..4 {
                scope.spawn(|| asked.ask(addr, None));
            }
            took += asked.wait_for(enough);
            let moment = (u64::from(service.id()) * 7919 + round as u64 * 104_729) % 60_000;
            std::thread::sleep(Duration::from_micros(moment));
            kill_process(pid, Signal::KILL).unwrap();
        });
        // As it was left, and once somebody has gone on.
        let left = place.verify(&[]);
        assert_eq!(left["verified"], true, "{left}");
        let output = place.cavra(&["evaluate", "read_file", "README.md"]).run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let found = place.verify(&[]);
        assert_eq!(
            (&found["verified"], &found["torn_bytes"]),
            (&json!(true), &json!(0)),
            "{found}"
        );
    }
    let recorded: BTreeSet<String> = place.records().into_iter().map(|it| it.evaluation_id).collect();
    let answered = asked.answered();
    let missing: Vec<&String> = answered.difference(&recorded).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // All of it was decided as it says, the masked ones too.
    fs::write(place.path("identity"), IDENTITY).unwrap();
    let dir = place.dir();
    let replayed = cavra(["replay", dir.to_str().unwrap(), "--json", "--check", "--identity"])
        .args([place.path("identity")])
        .run();
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);
    let summary = &replayed.json()["summary"];
    assert_eq!(
        (
            &summary["identical"],
            &summary["records"],
            &summary["fuel_compared"]
        ),
        (
            &json!(recorded.len()),
            &json!(recorded.len()),
            &json!(recorded.len())
        ),
        "{summary}"
    );
    eprintln!(
        "{} answers in {:.1} s, {kills} kills, {} records; replayed: {:.0} records a second on {} threads",
        answered.len(),
        took.as_secs_f64(),
        recorded.len(),
        summary["records_per_second"].as_f64().unwrap(),
        summary["threads"],
    );
}

/// The size of a small disk, and how much of it something else takes, in bytes.
const SMALL: usize = 1 << 20;
const FILLED: usize = 700_000;

/// A service whose log lies on a small disk of its own, which nobody else sees; none
/// where this machine lets nobody mount one.
fn on_a_small_disk(place: &Place, bytes: usize, flags: &[&str]) -> Option<(Service, PathBuf)> {
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let namespace = ["--user", "--map-root-user", "--mount"];
    let mounts = std::process::Command::new("/usr/bin/unshare")
        .args(namespace)
        .args(["/bin/sh", "-c", "mount -t tmpfs tmpfs \"$0\""])
        .arg(&disk)
        .output();
    if !mounts.as_ref().is_ok_and(|it| it.status.success()) {
        eprintln!("NOT SHOWN: nothing can be mounted here ({mounts:?}), so no disk can be filled");
        return None;
    }
    let script = format!("mount -t tmpfs -o size={bytes},mode=700 tmpfs \"$0\" && exec \"$@\"");
    let serve = cavra(["serve"])
        .args(flags)
        .args(fast_path("enforce", "builtin:fastpath"))
        .env("PATH", "/usr/bin:/bin")
        .env("CAVRA_EVIDENCE_DIR", disk.join("log"))
        .env("CAVRA_EVIDENCE_KEY", place.path("key"));
    let mut wrapper: Vec<String> = namespace.map(str::to_owned).to_vec();
    wrapper.extend(["/bin/sh", "-c", &script].map(str::to_owned));
    wrapper.push(disk.to_str().unwrap().to_owned());
    let service = Service::ready(serve.under("/usr/bin/unshare", wrapper));
    // As the service sees it.
    let seen = format!("/proc/{}/root{}", service.id(), disk.display());
    Some((service, PathBuf::from(seen)))
}

/// Puts something else on the disk, of this many bytes or as many as there is room for.
fn fill(disk: &Path, bytes: usize) {
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    // Where the disk is full, the rest is not written.
    let _ = filler.write_all(&vec![0; bytes]);
}

fn empty(disk: &Path) {
    fs::remove_file(disk.join("filler")).unwrap();
}

/// Ids of records and how many evaluations gaps tell of, in a log that verifies.
fn recorded(log: &Path) -> (BTreeSet<String>, u64) {
    let output = cavra(["evidence", "verify", log.to_str().unwrap(), "--json"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let gaps = output.json()["gaps"].as_u64().unwrap();
    let entries = cavra::evidence::reader::entries(log).unwrap().map(Result::unwrap);
    let ids = entries.filter_map(|it| it.evaluation().map(|it| it.evaluation_id.clone()));
    (ids.collect(), gaps)
}

/// What the service's own metric says; its description has the same words.
fn is_failing(service: &Service) -> bool {
    let metrics = service.get("/metrics").body;
    match metrics
        .lines()
        .find_map(|line| line.strip_prefix("cavra_evidence_failing "))
    {
        Some("1") => true,
        Some("0") => false,
        other => panic!("{other:?}"),
    }
}

fn id(body: &str) -> String {
    let answer: Value = serde_json::from_str(body).unwrap();
    answer["evaluation_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_full_disk_stops_answers_until_there_is_room() {
    let place = Place::new();
    let Some((service, disk)) = on_a_small_disk(&place, SMALL, &[]) else {
        return;
    };
    fill(&disk, FILLED);
    let mut answered = BTreeSet::new();
    let mut refused = 0;
    for n in 0.. {
        assert!(n < 5_000, "the disk does not become full");
        let answer = service.evaluate(&request(n));
        match answer.status {
            200 => {
                answered.insert(id(&answer.body));
            }
            503 => {
                assert!(
                    answer.body.contains("urn:cavra:problem:evidence-unavailable"),
                    "{}",
                    answer.body
                );
                refused += 1;
            }
            other => panic!("{other}: {}", answer.body),
        }
        if refused > 5 {
            break;
        }
    }
    assert!(answered.len() > 20, "{}", answered.len());
    let (records, _) = recorded(&disk.join("log"));
    assert!(answered.is_subset(&records));
    assert!(is_failing(&service));
    empty(&disk);
    for n in 0..20 {
        let answer = service.evaluate(&request(n));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answered.insert(id(&answer.body));
    }
    let (records, gaps) = recorded(&disk.join("log"));
    assert_eq!((records, gaps), (answered, 0));
    assert!(!is_failing(&service));
}

#[test]
fn a_full_disk_leaves_a_gap_where_answers_go_on() {
    let place = Place::new();
    let flags = ["--on-evidence-failure", "continue"];
    let Some((service, disk)) = on_a_small_disk(&place, SMALL, &flags) else {
        return;
    };
    fill(&disk, FILLED);
    let answered = std::cell::RefCell::new(BTreeSet::new());
    let mut lost = 0;
    for n in 0.. {
        assert!(n < 5_000, "the disk does not become full");
        let answer = service.evaluate(&request(n));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answered.borrow_mut().insert(id(&answer.body));
        if is_failing(&service) {
            lost += 1;
        }
        if lost > 10 {
            break;
        }
    }
    empty(&disk);
    // Room can take a moment to be seen.
    let writes = |service: &Service| {
        let answer = service.evaluate(&request(0));
        answered.borrow_mut().insert(id(&answer.body));
        !is_failing(service)
    };
    service.wait_until("written again", writes);
    let answered = answered.into_inner();
    let (records, gaps) = recorded(&disk.join("log"));
    assert!(gaps > 10, "{gaps}");
    assert!(records.is_subset(&answered));
    assert_eq!(records.len() as u64 + gaps, answered.len() as u64);
    let metrics = service.get("/metrics").body;
    assert!(
        metrics.contains(&format!("cavra_evidence_lost_total {gaps}")),
        "{metrics}"
    );
}

/// With `CAVRA_EVIDENCE_ANSWERS` and `CAVRA_EVIDENCE_KILLS` at length: see `make test-long`.
#[test]
fn every_answer_is_in_the_log_however_often_the_disk_is_filled() {
    let (all, times) = (
        number("CAVRA_EVIDENCE_ANSWERS", 1_500),
        number("CAVRA_EVIDENCE_KILLS", 5),
    );
    let place = Place::new();
    // A record is about 4 KB; room for those that are sealed twice, and for all that are
    // judged while the disk is filled, also where this thread has to wait for seconds.
    let bytes = 64 * SMALL + all * 16 * 1024 + 64 * 1024 * 1024;
    let Some((service, disk)) = on_a_small_disk(&place, bytes, &[]) else {
        return;
    };
    let asked = Asked::default();
    let addr = service.addr;
    std::thread::scope(|scope| {
        let _end = asked.until_dropped();
        for _ in 0..4 {
            scope.spawn(|| asked.ask(addr, Some("urn:cavra:problem:evidence-unavailable")));
        }
        for time in 1..=times {
            asked.wait_for(all * time / times);
            let refused = asked.refused();
            fill(&disk, bytes);
            service.wait_until("it is refused", |_| asked.refused() > refused + 10);
            // What is there is whole, in the middle of it.
            recorded(&disk.join("log"));
            empty(&disk);
        }
        asked.end();
    });
    let (records, gaps) = recorded(&disk.join("log"));
    let answered = asked.answered();
    assert_eq!((&records, gaps), (&*answered, 0));
    eprintln!(
        "{} answers, {} refused, the disk filled {times} times",
        answered.len(),
        asked.refused()
    );
}
