//! The evidence of many hosts in one PostgreSQL.

mod failures;
mod trust;

use std::collections::BTreeMap;
use std::fs;

use integration_tests::postgres::Postgres;
use integration_tests::{Cavra, Output, cavra};
use serde_json::{Value, json};

use super::{Place, requests};

/// A command that reads the store.
fn of_store(database: &Postgres, args: &[&str]) -> Cavra {
    cavra(args).args(["--evidence-store", &database.owner()])
}

/// `cavra evidence ship`.
fn ship(place: &Place, url: &str) -> Output {
    place
        .cavra(&["evidence", "ship"])
        .env("CAVRA_EVIDENCE_STORE", url)
        .run()
}

fn shipped(place: &Place, url: &str) -> String {
    let output = ship(place, url);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stdout
}

fn verify(database: &Postgres) -> Value {
    let output = of_store(database, &["evidence", "verify", "--json"]).run();
    let found = output.json();
    assert_eq!(output.code, Some(i32::from(found["verified"] != true)), "{found}");
    found
}

fn stats(database: &Postgres, flags: &[&str]) -> Value {
    let counts = of_store(database, &["evidence", "stats", "--json"]);
    counts.args(flags).run().json()
}

/// The log's name.
fn origin(place: &Place) -> String {
    let key = fs::read_to_string(place.dir().join("log.pub")).unwrap();
    key.split('+').next().unwrap().to_owned()
}

/// That the store has what the files have, byte for byte, once each.
fn assert_same(database: &Postgres, place: &Place) {
    let lines: Vec<String> = place
        .segments()
        .iter()
        .flat_map(|it| {
            fs::read_to_string(it)
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let stored = database.sql(&format!(
        "SELECT convert_from(line, 'UTF8') FROM cavra_evidence_entries JOIN cavra_evidence_logs USING (log_id) \
         WHERE origin = '{}' ORDER BY sequence",
        origin(place)
    ));
    assert_eq!(stored.lines().count(), lines.len());
    assert!(stored.lines().eq(lines.iter().map(String::as_str)));
}

#[test]
fn two_hosts_are_read_as_one() {
    let database = Postgres::start();
    let (one, other) = (Place::new(), Place::new());
    let fast = integration_tests::fast_path("enforce", "builtin:fastpath");
    one.judge(&fast, &requests(9));
    other.judge(&[], &requests(5));
    let told = shipped(&one, &database.owner());
    assert!(told.contains("sent 9 entries and "), "{told}");
    assert!(!told.contains("planted"), "{told}");
    shipped(&other, &database.owner());
    assert!(shipped(&one, &database.owner()).contains("sent 0 entries and 0 checkpoints"));
    assert_same(&database, &one);
    assert_same(&database, &other);

    // Queries, over both and over one.
    let lines = |flags: &[&str]| {
        of_store(&database, &["evidence", "query", "--json"])
            .args(flags)
            .run()
            .lines()
    };
    assert_eq!(lines(&[]).len(), 14);
    assert_eq!(lines(&["--log", &origin(&other)]).len(), 5);
    let files = |flags: &[&str]| -> usize {
        let of = |place: &Place| {
            place
                .cavra(&["evidence", "query", "--json"])
                .args(flags)
                .run()
                .lines()
                .len()
        };
        of(&one) + of(&other)
    };
    let middle = one.records()[4].time.clone();
    for flags in [
        ["--decision", "require_approval"],
        ["--session-id", "first"],
        ["--parity", "true"],
        ["--rule", "filesystem.read.allow"],
        ["--since", &middle],
        ["--until", &middle],
        ["--policy-pack", "no-such-pack"],
        ["--fallback-code", "parity_mismatch"],
    ] {
        assert_eq!(lines(&flags).len(), files(&flags), "{flags:?}");
    }
    assert!(files(&["--since", &middle]) > 0 && files(&["--until", &middle]) > 0);
    let unknown = of_store(&database, &["evidence", "query", "--log", "nobody"]).run();
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
    let tail = of_store(&database, &["evidence", "tail", "--json", "-n", "3"]).run();
    assert_eq!(
        tail.lines()[2]["event"]["evaluation_id"],
        json!(other.records()[4].evaluation_id)
    );
    let csv = of_store(&database, &["evidence", "export", "--format", "csv"])
        .run()
        .stdout;
    assert_eq!(csv.lines().count(), 15);
    assert!(csv.lines().nth(14).unwrap().ends_with(&origin(&other)), "{csv}");
    let jsonl = of_store(&database, &["evidence", "export", "--log", &origin(&one)])
        .run()
        .stdout;
    assert_eq!(jsonl, fs::read_to_string(&one.segments()[0]).unwrap());

    // One evaluation.
    let id = &one.records()[3].evaluation_id;
    let shown = of_store(&database, &["evidence", "show", id]).run().json();
    assert_eq!(shown, one.cavra(&["evidence", "show", id]).run().json());
    let unknown = of_store(&database, &["evidence", "show", "eval_none"]).run();
    assert_eq!(unknown.code, Some(3));
    let (key, proof) = (one.path("log.pub"), one.path("proof"));
    let public = of_store(&database, &["evidence", "public-key", "--log", &origin(&one)]).run();
    fs::write(&key, public.stdout).unwrap();
    fs::write(
        &proof,
        of_store(&database, &["evidence", "prove", id]).run().stdout,
    )
    .unwrap();
    let (key, proof) = (key.to_str().unwrap(), proof.to_str().unwrap());
    let proved = cavra(["evidence", "verify-proof", proof, "--public-key", key]).run();
    assert_eq!(proved.code, Some(0), "{}", proved.stderr);

    // All of it, against a key and a checkpoint that were kept.
    let found = verify(&database);
    assert_eq!(found["verified"], true, "{found}");
    assert_eq!(found["logs"].as_array().unwrap().len(), 2);
    let note = of_store(&database, &["evidence", "checkpoint", "--log", &origin(&one)]).run();
    let kept = one.path("kept");
    fs::write(&kept, note.stdout).unwrap();
    let flags = ["--public-key", key, "--checkpoint", kept.to_str().unwrap()];
    let told = of_store(&database, &["evidence", "verify"]).args(flags).run();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stdout.contains("2 logs: verified"), "{}", told.stdout);
}

#[test]
fn counts_are_those_of_the_lines() {
    let database = Postgres::start();
    let (one, other) = (Place::new(), Place::new());
    one.judge(
        &integration_tests::fast_path("enforce", "builtin:fastpath"),
        &requests(10),
    );
    // No policy for the fast path: every answer falls back.
    other.judge(
        &["--mode", "enforce", "--runtime-path", "builtin:fastpath"],
        &requests(7),
    );
    for place in [&one, &other] {
        shipped(place, &database.owner());
    }
    let count = |select: fn(&Value) -> Value| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for place in [&one, &other] {
            for record in place.records() {
                let value = select(&serde_json::to_value(record).unwrap());
                if let Some(word) = value.as_str() {
                    *counts.entry(word.to_owned()).or_default() += 1;
                }
            }
        }
        json!(counts)
    };
    let counts = stats(&database, &[]);
    assert_eq!(counts["evaluations"], 17);
    let decision = |it: &Value| it["outcome"]["effective_decision"]["decision"].clone();
    assert_eq!(counts["decisions"], count(decision));
    let rule = |it: &Value| it["outcome"]["effective_decision"]["rule_id"].clone();
    assert_eq!(counts["rules"], count(rule));
    let code = |it: &Value| it["outcome"]["fallback_code"].clone();
    assert_eq!(counts["fallback_codes"], count(code));
    assert!(
        counts["fallback_codes"].as_object().unwrap().len() == 1,
        "{counts}"
    );
    let parity = |it: &Value| match it["outcome"]["parity_match"].as_bool() {
        Some(true) => json!("match"),
        Some(false) => json!("mismatch"),
        None => json!("none"),
    };
    assert_eq!(counts["parity"], count(parity));
    let hour = |it: &Value| json!(format!("{}:00:00Z", &it["time"].as_str().unwrap()[..13]));
    assert_eq!(stats(&database, &["--by", "hour"])["times"], count(hour));
    let logs = counts["logs"].as_array().unwrap();
    for (place, evaluations) in [(&one, 10), (&other, 7)] {
        let log = logs
            .iter()
            .find(|it| it["log"] == origin(place).as_str())
            .unwrap();
        assert_eq!(log["evaluations"], evaluations);
        // From the files, and of that log alone: the same but the host.
        let of_files = place.cavra(&["evidence", "stats", "--json"]).run().json();
        let of_log = stats(&database, &["--log", &origin(place)]);
        for key in [
            "evaluations",
            "decisions",
            "rules",
            "fallback_codes",
            "parity",
            "times",
        ] {
            assert_eq!(of_files[key], of_log[key], "{key}");
        }
    }
    let blocked = stats(&database, &["--decision", "allow"]);
    assert_eq!(blocked["evaluations"], counts["decisions"]["allow"]);
    let table = of_store(&database, &["evidence", "stats"]).run().stdout;
    assert!(table.contains("evaluations") && table.contains("17"), "{table}");
}

#[test]
fn hosts_that_start_at_once_make_one_set_of_tables() {
    let database = Postgres::start();
    let places: Vec<Place> = (0..5).map(|_| Place::new()).collect();
    std::thread::scope(|scope| {
        for place in &places {
            scope.spawn(|| {
                place.judge(&[], &requests(2));
                shipped(place, &database.owner());
            });
        }
    });
    assert_eq!(stats(&database, &[])["evaluations"], 10);
    assert_eq!(verify(&database)["verified"], true);
}

#[test]
fn what_agents_write_into_names_does_not_stop_anything() {
    let database = Postgres::start();
    let place = Place::new();
    let odd = [
        json!({"action_type": "read_file", "target": "README.md", "session_id": "a\u{0}b"}),
        json!({"action_type": "read_file", "target": "README.md", "session_id": "x".repeat(20_000)}),
        json!({"action_type": "read_file", "target": "\u{0}\u{1f600}'; DROP TABLE cavra_evidence_logs; --"}),
    ];
    place.judge(&[], &odd);
    shipped(&place, &database.owner());
    assert_same(&database, &place);
    assert_eq!(verify(&database)["verified"], true);
    let long = "x".repeat(20_000);
    let found = of_store(&database, &["evidence", "query", "--json", "--session-id", &long]).run();
    assert_eq!(found.lines().len(), 1, "{}", found.stderr);
}

#[test]
fn what_is_not_sent_is_not_forgotten() {
    let database = Postgres::start();
    let place = Place::new();
    let url = database.owner();
    let small = [
        "--evidence-segment-bytes",
        "9000",
        "--evidence-retention-days",
        "0.0000001",
    ];
    // Some are gone before there is a store.
    place.judge(&small, &requests(20));
    place.judge(&small, &requests(20));
    let kept = place.entries().len();
    assert!(kept < 40, "{kept}");
    // From then on nothing goes that the store has not got.
    let with_store = [&small[..], &["--evidence-store", &url]].concat();
    place.judge(&with_store, &requests(30));
    assert_eq!(place.entries().len(), kept + 30);
    let all = place.verify(&[])["entries"].as_u64().unwrap();
    assert!(all > 70, "{all}");
    let (gone, evaluations) = (all - kept as u64 - 30, place.records().len());
    let shipping = place
        .cavra(&["evidence", "ship"])
        .env("CAVRA_EVIDENCE_STORE", &url)
        .env("CAVRA_EVIDENCE_RETENTION_DAYS", "0.0000001");
    let output = shipping.run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    // Those of evaluations, and those that tell what went.
    assert!(
        output.stdout.contains(&format!("sent {all} entries")),
        "{}",
        output.stdout
    );
    // And then it goes.
    assert!(place.entries().len() < kept + 30);
    assert_eq!(place.verify(&[])["verified"], true);
    let found = verify(&database);
    let log = &found["logs"][0];
    assert_eq!(
        (&found["verified"], &log["entries"]),
        (&json!(true), &json!(all)),
        "{found}"
    );
    assert_eq!(log["pruned"], gone);
    assert_eq!(stats(&database, &[])["evaluations"], evaluations);
    // It goes on from there.
    place.judge(&with_store, &requests(3));
    shipped(&place, &url);
    let found = verify(&database);
    assert_eq!(found["verified"], true);
    assert_eq!(stats(&database, &[])["evaluations"], evaluations + 3);
}
