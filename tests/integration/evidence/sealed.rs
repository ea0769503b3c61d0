//! Masked records, kept as they were for an auditor alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::fast_path;
use serde_json::{Value, json};

use super::{IDENTITY, OTHER_IDENTITY, Place, RECIPIENT};

const SECRET: &str = "example-word-of-nobody";

fn requests() -> Vec<Value> {
    vec![
        json!({"action_type": "execute_command", "target": format!("deploy --password {SECRET}"), "ticket": 7}),
        json!({"action_type": "read_file", "target": "README.md"}),
        json!({"action_type": "read_file", "target": "a.txt", "credentials": {"word": SECRET}}),
        // Its masking fails: the rule's own name cannot be taken out of the record.
        json!({"action_type": "execute_command", "target": "terraform apply", "password": "commands.block"}),
    ]
}

/// A log with three masked records in four, and an auditor's identity beside it.
fn sealed() -> Place {
    let place = Place::new();
    let flags = fast_path("enforce", "builtin:fastpath");
    place.judge(
        &[&flags[..], &["--evidence-seal-recipient", RECIPIENT]].concat(),
        &requests(),
    );
    fs::write(place.path("identity"), format!("# an auditor\n{IDENTITY}\n")).unwrap();
    fs::write(place.path("other"), OTHER_IDENTITY).unwrap();
    place
}

fn store(place: &Place) -> std::path::PathBuf {
    place.dir().join(format!("sealed-{:020}.jsonl", 0))
}

/// What `cavra evidence unseal` comes to.
fn unseal(place: &Place, record: usize, identity: &str) -> integration_tests::Output {
    let id = &place.records()[record].evaluation_id;
    place
        .cavra(&["evidence", "unseal", id, "--identity"])
        .args([place.path(identity)])
        .run()
}

#[test]
fn an_auditor_reads_what_was_judged_and_nobody_else_does() {
    let place = sealed();
    let found = place.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["sealed"]),
        (&json!(true), &json!(3)),
        "{found}"
    );
    for file in fs::read_dir(place.dir()).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains(SECRET), "{path:?}");
    }
    assert_eq!(
        fs::metadata(store(&place)).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for (i, request) in requests().iter().enumerate() {
        let masked = i != 1;
        let record = &place.records()[i];
        assert_eq!(record.masking.sealed.is_some(), masked);
        let opened = unseal(&place, i, "identity");
        if !masked {
            assert_eq!(opened.code, Some(3), "{}", opened.stderr);
            continue;
        }
        assert_eq!(record.masking.sealed.as_ref().unwrap().recipient, RECIPIENT);
        let open = opened.json();
        assert_eq!(open["evaluation_id"], record.evaluation_id);
        for (field, value) in request.as_object().unwrap() {
            assert_eq!(&open["request"][field], value);
        }
        let other = unseal(&place, i, "other");
        assert_eq!((other.code, other.stdout.as_str()), (Some(1), ""));
    }
}

#[test]
fn masked_records_are_replayed_as_they_were() {
    let place = sealed();
    let replay = |flags: &[&str]| {
        let output = place.cavra(&["replay", "--json"]).args(flags).run();
        output.json()["summary"].clone()
    };
    let without = replay(&[]);
    assert_eq!(
        (&without["identical"], &without["cannot"]),
        (&json!(1), &json!(3)),
        "{without}"
    );
    let identity = place.path("identity");
    let with = replay(&["--identity", identity.to_str().unwrap()]);
    assert_eq!(
        (&with["identical"], &with["records"]),
        (&json!(4), &json!(4)),
        "{with}"
    );
    let other = place.path("other");
    let other = replay(&["--identity", other.to_str().unwrap()]);
    assert_eq!(
        (&other["identical"], &other["cannot"]),
        (&json!(1), &json!(3)),
        "{other}"
    );
}

#[test]
fn what_was_done_to_the_sealed_store_is_found() {
    let whole = sealed();
    let text = fs::read_to_string(store(&whole)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let changed = |line: usize| {
        let mut item: Value = serde_json::from_str(lines[line]).unwrap();
        let age = item["age"].as_str().unwrap();
        let at = age.len() / 2;
        let digit = if age.as_bytes()[at] == b'A' { "B" } else { "A" };
        item["age"] = format!("{}{digit}{}", age.split_at(at).0, age.split_at(at + 1).1).into();
        item.to_string()
    };
    let swapped = |one: usize, other: usize| {
        let mut item: Value = serde_json::from_str(lines[one]).unwrap();
        let theirs: Value = serde_json::from_str(lines[other]).unwrap();
        item["age"] = theirs["age"].clone();
        item.to_string()
    };
    let cases = [
        vec![lines[0].to_owned(), lines[1].to_owned()],
        vec![lines[0].to_owned(), changed(1), lines[2].to_owned()],
        vec![swapped(0, 1), swapped(1, 0), lines[2].to_owned()],
        Vec::new(),
    ];
    for (case, faults) in cases.iter().zip([1, 1, 2, 3]) {
        fs::write(
            store(&whole),
            case.iter().map(|it| format!("{it}\n")).collect::<String>(),
        )
        .unwrap();
        let found = whole.verify(&[]);
        let kinds: Vec<&Value> = found["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["kind"])
            .collect();
        assert_eq!(kinds, vec!["unsealed"; faults], "{found}");
    }
    // A crash in the middle of a line harms no other.
    fs::write(store(&whole), format!("{text}{{\"age\":\"YW")).unwrap();
    assert_eq!(whole.verify(&[])["verified"], true);
    whole.judge(&["--evidence-seal-recipient", RECIPIENT], &requests());
    let found = whole.verify(&[]);
    assert_eq!(
        (&found["verified"], &found["sealed"]),
        (&json!(true), &json!(6)),
        "{found}"
    );
}

#[test]
fn what_is_sealed_goes_with_its_segment() {
    let place = Place::new();
    let flags = [
        "--evidence-seal-recipient",
        RECIPIENT,
        "--evidence-segment-bytes",
        "9000",
        "--evidence-retention-days",
        "0.0000001",
    ];
    for _ in 0..4 {
        place.judge(&flags, &requests());
    }
    let found = place.verify(&[]);
    assert_eq!(found["verified"], true, "{found}");
    assert!(found["pruned"].as_u64().unwrap() > 0, "{found}");
    assert!(!store(&place).exists());
    let sealed = fs::read_dir(place.dir()).unwrap().filter(|it| {
        it.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("sealed-")
    });
    assert_eq!(sealed.count(), place.segments().len());
}

#[test]
fn a_recipient_that_is_none_is_told() {
    let place = Place::new();
    for wrong in ["age1", "ssh-ed25519 AAAA", &IDENTITY.to_lowercase()] {
        let output = place
            .cavra(&["evaluate", "read_file", "a", "--evidence-seal-recipient", wrong])
            .run();
        assert_eq!(output.code, Some(3));
        assert!(
            output.stderr.contains("evidence-seal-recipient"),
            "{}",
            output.stderr
        );
        assert!(
            !output.stderr.to_uppercase().contains("SECRET-KEY"),
            "{}",
            output.stderr
        );
    }
}
