//! Everything that can be done to a log by whoever can write its files is found, and
//! where it was done is told.

use std::fs;

use integration_tests::cavra;
use serde_json::{Value, json};

use super::{Place, copy, requests};

const ENTRIES: usize = 30;

/// A log with checkpoints after every ten entries.
fn log() -> Place {
    let place = Place::new();
    place.judge(&["--evidence-checkpoint-records", "10"], &requests(ENTRIES));
    let found = place.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["entries"]),
        (&json!(true), &json!(ENTRIES))
    );
    assert!(found["checkpoints"].as_u64().unwrap() >= 3);
    place
}

/// The faults after `change` was made to the lines of a copy of the log.
fn faults(place: &Place, change: impl Fn(&mut Vec<String>)) -> Vec<Value> {
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("log");
    copy(&place.dir(), &log);
    let segment = log.join(place.segments()[0].file_name().unwrap());
    let text = fs::read_to_string(&segment).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&segment, text).unwrap();
    let output = cavra(["evidence", "verify", log.to_str().unwrap(), "--json"]).run();
    assert_eq!(output.code, Some(1), "nothing was found");
    output.json()["faults"].as_array().unwrap().clone()
}

/// Whether there is such a fault, at this line of the segment.
fn is_told(faults: &[Value], kind: &str, line: usize) -> bool {
    let place = format!("segment-{:020}.jsonl:{line}", 0);
    faults.iter().any(|it| it["kind"] == kind && it["place"] == place)
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let place = log();
    let line = fs::read_to_string(&place.segments()[0]).unwrap();
    let line = line.lines().nth(11).unwrap().to_owned();
    // Bytes all over one entry, its ends and its links included.
    for at in (0..line.len()).step_by(97).chain([0, line.len() - 1]) {
        let faults = faults(&place, |lines| {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            lines[11] = String::from_utf8(bytes).unwrap();
        });
        let told = faults.iter().any(|it| {
            // A link that was changed can as well be the entry before that was.
            let places = [11, 12].map(|line| format!("segment-{:020}.jsonl:{line}", 0));
            places.iter().any(|place| it["place"] == **place)
        });
        assert!(told, "byte {at}: {faults:?}");
        assert!(faults.iter().any(|it| it["kind"] == "other_root"), "byte {at}");
    }
}

#[test]
fn an_entry_that_was_changed_with_its_digest_is_found() {
    let place = log();
    let faults = faults(&place, |lines| {
        let mut entry: cavra::evidence::Entry = serde_json::from_str(&lines[4]).unwrap();
        if let cavra::evidence::Event::Evaluation(record) = &mut entry.event {
            record.identity.actor = "somebody else".to_owned();
        }
        let previous = entry.previous.parse().unwrap();
        let forged = cavra::evidence::Entry::new(4, &previous, entry.event).unwrap();
        lines[4] = String::from_utf8(forged.to_line().unwrap()).unwrap();
    });
    assert!(is_told(&faults, "changed", 5), "{faults:?}");
}

#[test]
fn a_dropped_entry_is_found() {
    let faults = faults(&log(), |lines| drop(lines.remove(6)));
    assert!(is_told(&faults, "missing", 7), "{faults:?}");
    assert_eq!(faults[0]["sequence"], 6);
}

#[test]
fn the_first_entry_cannot_be_dropped() {
    let faults = faults(&log(), |lines| drop(lines.remove(0)));
    assert!(is_told(&faults, "missing", 1), "{faults:?}");
}

#[test]
fn swapped_entries_are_found() {
    let faults = faults(&log(), |lines| lines.swap(8, 9));
    assert!(is_told(&faults, "missing", 9), "{faults:?}");
    assert!(is_told(&faults, "misplaced", 10), "{faults:?}");
    let of_entries = faults.iter().filter(|it| it["kind"] != "other_root");
    assert_eq!(of_entries.count(), 2, "no fault follows from these: {faults:?}");
}

#[test]
fn a_repeated_entry_is_found() {
    let faults = faults(&log(), |lines| lines.insert(5, lines[4].clone()));
    assert!(is_told(&faults, "repeated", 6), "{faults:?}");
    assert_eq!(faults[0]["sequence"], 4);
}

#[test]
fn a_truncated_tail_is_found() {
    let faults = faults(&log(), |lines| lines.truncate(ENTRIES - 1));
    assert_eq!(faults[0]["kind"], "truncated");
    assert_eq!(faults[0]["sequence"], ENTRIES - 1);
}

#[test]
fn a_log_that_was_made_anew_with_another_key_is_found() {
    let (place, other) = (log(), log());
    let key = place.path("public");
    fs::write(&key, place.cavra(&["evidence", "public-key"]).run().stdout).unwrap();
    let old = place.path("old");
    fs::write(&old, place.cavra(&["evidence", "checkpoint"]).run().stdout).unwrap();
    let (key, old) = (key.to_str().unwrap(), old.to_str().unwrap());
    assert_eq!(
        place.verify(&["--public-key", key, "--checkpoint", old])["verified"],
        true
    );
    let found = other.verify(&["--public-key", key]);
    let kinds: Vec<&Value> = found["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds[0], "no_key");
    assert!(
        kinds[1..].iter().all(|it| *it == "foreign_key") && kinds.len() > 3,
        "{kinds:?}"
    );
    let found = other.verify(&["--checkpoint", old]);
    assert_eq!(found["faults"][0]["kind"], "foreign_key");
    assert_eq!(found["faults"][0]["place"], "the old checkpoint");
}

#[test]
fn one_checkpoint_that_another_key_has_signed_is_found() {
    let (place, other) = (log(), log());
    let file = place.dir().join("checkpoints.jsonl");
    let theirs = fs::read_to_string(other.dir().join("checkpoints.jsonl")).unwrap();
    let ours = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = ours.lines().collect();
    lines[1] = theirs.lines().nth(1).unwrap();
    fs::write(&file, format!("{}\n", lines.join("\n"))).unwrap();
    let found = place.verify(&[]);
    assert_eq!(found["faults"][0]["kind"], "foreign_key");
    assert_eq!(found["faults"][0]["place"], "checkpoints.jsonl:2");
}

#[test]
fn a_checkpoint_that_was_changed_is_found() {
    let place = log();
    let file = place.dir().join("checkpoints.jsonl");
    let ours = fs::read_to_string(&file).unwrap();
    let line = ours.lines().nth(1).unwrap();
    let with_another = |before: &str| {
        let at = line.find(before).unwrap() + before.len();
        let digit = if line.as_bytes()[at] == b'0' { "1" } else { "0" };
        let mut other = line.to_owned();
        other.replace_range(at..=at, digit);
        other
    };
    let other_tree = with_another("\"frontier\":[\"sha256:");
    let other_head = with_another("\"head\":\"sha256:");
    for changed in [line.replace("\"note\"", "\"notes\""), other_tree, other_head] {
        assert_ne!(changed, line);
        fs::write(&file, ours.replace(line, &changed)).unwrap();
        let found = place.verify(&[]);
        assert_eq!(found["faults"][0]["kind"], "bad_checkpoint", "{found}");
        assert_eq!(found["faults"][0]["place"], "checkpoints.jsonl:2");
    }
}

#[test]
fn a_log_that_shrank_is_found_by_an_old_checkpoint_alone() {
    let place = log();
    let old = place.path("old");
    fs::write(&old, place.cavra(&["evidence", "checkpoint"]).run().stdout).unwrap();
    let segment = &place.segments()[0];
    let text = fs::read_to_string(segment).unwrap();
    let lines: Vec<&str> = text.lines().take(15).collect();
    fs::write(segment, format!("{}\n", lines.join("\n"))).unwrap();
    // Whoever does that takes the checkpoints along.
    let file = place.dir().join("checkpoints.jsonl");
    let notes = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{}\n", notes.lines().next().unwrap())).unwrap();
    assert_eq!(place.verify(&[])["verified"], true);
    let found = place.verify(&["--checkpoint", old.to_str().unwrap()]);
    assert_eq!(found["faults"][0]["kind"], "truncated");
    // It may grow.
    place.judge(&[], &requests(20));
    let found = place.verify(&["--checkpoint", old.to_str().unwrap()]);
    assert_eq!(
        found["faults"][0]["kind"], "other_root",
        "grown again, but otherwise"
    );
}

#[test]
fn nothing_is_appended_to_a_log_that_was_shortened() {
    let place = log();
    let segment = &place.segments()[0];
    let text = fs::read_to_string(segment).unwrap();
    fs::write(segment, text.split_at(text.len() / 2).0).unwrap();
    let output = place.cavra(&["evaluate", "read_file", "README.md"]).run();
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("cavra evidence verify"),
        "{}",
        output.stderr
    );
    assert_eq!(output.stdout, "");
}

#[test]
fn a_log_is_held_to_the_keys_that_a_trust_policy_gives_hosts() {
    let place = Place::new();
    place.judge(&[], &[json!({"action_type": "read_file", "target": "README.md"})]);
    let pem = place.cavra(&["evidence", "public-key", "--pem"]).run().stdout;
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
    fs::write(place.path("host.pub.pem"), pem).unwrap();
    let verify = |place: &Place, policy: &std::path::Path| {
        let policy = policy.to_str().unwrap();
        place
            .cavra(&["evidence", "verify", "--json", "--trust-policy", policy])
            .run()
    };
    let path = place.path("trust.toml");
    let policy = |rest: &str| {
        let text = format!("version = 1\n\n[[key]]\nid = \"host-7\"\nfile = \"host.pub.pem\"\n{rest}\n");
        fs::write(&path, text).unwrap();
    };
    policy("roles = [\"evidence-host\"]");
    let found = verify(&place, &path);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    assert_eq!(found.json()["key_was_given"], true);

    // A log that was made anew beside the host's public key: its chain is whole.
    let forged = Place::new();
    forged.judge(&[], &[json!({"action_type": "read_file", "target": "LICENSE"})]);
    fs::copy(place.dir().join("log.pub"), forged.dir().join("log.pub")).unwrap();
    fs::remove_file(forged.dir().join("checkpoints.jsonl")).unwrap();
    let found = verify(&forged, &path);
    assert_eq!(found.code, Some(1), "{}", found.stdout);
    assert_eq!(found.json()["faults"][0]["kind"], "bad_checkpoint");

    // Somebody else's log, however whole.
    let other = Place::new();
    other.judge(&[], &[json!({"action_type": "read_file", "target": "README.md"})]);
    let refused = verify(&other, &path);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("unknown_key"), "{}", refused.stderr);

    for (rest, code) in [
        ("roles = [\"release-approver\"]", "wrong_role"),
        (
            "roles = [\"evidence-host\"]\nnot_after = 2026-01-01T00:00:00Z",
            "key_expired",
        ),
        (
            "roles = [\"evidence-host\"]\nrevoked_at = 2026-01-01T00:00:00Z\nrevoked_reason = \"stolen\"",
            "key_revoked",
        ),
    ] {
        policy(rest);
        let refused = verify(&place, &path);
        assert_eq!(refused.code, Some(1), "{rest}: {}", refused.stdout);
        assert!(refused.stderr.contains(code), "{rest}: {}", refused.stderr);
    }
}
