//! Whom the store believes, and who finds what somebody has changed.

use std::ffi::OsStr;
use std::fs;

use integration_tests::cavra;
use integration_tests::postgres::{PASSWORD, Postgres};
use integration_tests::service::Service;
use serde_json::Value;

use super::super::copy;
use super::{Place, assert_same, of_store, origin, requests, ship, shipped, verify};

/// The roles of the documentation.
const ROLES: &str = "
    CREATE ROLE host_one LOGIN PASSWORD 'one-secret-password';
    CREATE ROLE host_two LOGIN PASSWORD 'two-secret-password';
    CREATE ROLE auditor LOGIN PASSWORD 'auditor-secret-password';
    GRANT SELECT ON cavra_evidence_migrations, cavra_evidence_logs, cavra_evidence_entries,
        cavra_evidence_checkpoints TO host_one, host_two, auditor;
    GRANT INSERT ON cavra_evidence_logs, cavra_evidence_entries, cavra_evidence_checkpoints
        TO host_one, host_two;";

#[test]
fn a_forked_log_is_refused() {
    let database = Postgres::start();
    let (one, fork) = (Place::new(), Place::new());
    one.judge(&[], &requests(4));
    copy(&one.dir(), &fork.dir());
    fs::set_permissions(fork.dir(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::copy(one.path("key"), fork.path("key")).unwrap();
    one.judge(&[], &requests(3));
    shipped(&one, &database.owner());
    // One that has fewer entries, then one that has others.
    let output = ship(&fork, &database.owner());
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(
        output.stderr.contains("forked") && output.stderr.contains("has 7 entries"),
        "{}",
        output.stderr
    );
    fork.judge(&[], &requests(6));
    let output = ship(&fork, &database.owner());
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(
        output.stderr.contains("forked") && output.stderr.contains("entry 6"),
        "{}",
        output.stderr
    );
    // The service tells it and goes on.
    let log = fork.path("service.log");
    let serve = fork
        .cavra(&["serve"])
        .env("CAVRA_EVIDENCE_STORE", database.owner());
    let service = Service::logged(serve, &log);
    service.wait_until("the fork is seen", |service| {
        service
            .get("/metrics")
            .body
            .contains("\ncavra_evidence_store_forked 1\n")
    });
    assert_eq!(service.evaluate(&requests(1)[0]).status, 200);
    assert!(fs::read_to_string(&log).unwrap().contains("forked"));
    drop(service);
    assert_same(&database, &one);
    assert_eq!(verify(&database)["verified"], true);
}

#[test]
fn a_damaged_log_is_not_sent() {
    let database = Postgres::start();
    let place = Place::new();
    place.judge(&[], &requests(4));
    let segment = &place.segments()[0];
    let text = fs::read_to_string(segment).unwrap();
    fs::write(
        segment,
        text.replacen("README", "READYOU", 1)
            .replacen("file-0", "file-9", 1),
    )
    .unwrap();
    let output = ship(&place, &database.owner());
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(output.stderr.contains("damaged"), "{}", output.stderr);
    assert_eq!(database.sql("SELECT count(*) FROM cavra_evidence_entries"), "0");
}

#[test]
fn no_password_is_shown() {
    let database = Postgres::start();
    let place = Place::new();
    place.judge(&[], &requests(2));
    let wrong = database.url("postgres", "wrong-password-91c2");
    let output = ship(&place, &wrong);
    assert_eq!(output.code, Some(1));
    let told = output.stdout + &output.stderr;
    assert!(
        told.contains("postgres@127.0.0.1") && told.contains("authentication failed"),
        "{told}"
    );
    assert!(!told.contains("91c2"), "{told}");
    // Nor in the service's log, its metrics and its reports.
    let log = place.path("service.log");
    let serve = place
        .cavra(&["serve", "--log-level", "debug"])
        .env("CAVRA_EVIDENCE_STORE", &wrong);
    let service = Service::logged(serve, &log);
    service.wait_until("the failure is told", |_| {
        fs::read_to_string(&log)
            .unwrap()
            .contains("authentication failed")
    });
    let report = service.get("/deployment/production-readiness").body;
    let seen = fs::read_to_string(&log).unwrap() + &report + &service.get("/metrics").body;
    drop(service);
    assert!(!seen.contains("91c2"), "{seen}");
    // A password in a file, which may change.
    let file = place.path("password");
    let by_file = |password: &str| {
        fs::write(&file, format!("{password}\n")).unwrap();
        let url = database.url("postgres", "").replace(":@", "@");
        let shipping = place.cavra(&["evidence", "ship", "--evidence-store", &url]);
        shipping
            .args([OsStr::new("--evidence-store-password-file"), file.as_os_str()])
            .run()
    };
    let output = by_file("file-password-91c2");
    assert_eq!(output.code, Some(1));
    assert!(!output.stderr.contains("91c2"), "{}", output.stderr);
    assert_eq!(by_file(PASSWORD).code, Some(0));
    // An address that is none.
    for bad in [
        "postgres://u:91c2/x@h/d",
        "mysql://u:91c2@h/d",
        "postgres://u:91c2@h/d?sslmode=91c2&x=91c2",
    ] {
        let output = ship(&place, bad);
        assert_eq!(output.code, Some(3), "{}", output.stderr);
        assert!(output.stderr.contains("--evidence-store"), "{}", output.stderr);
        assert!(!output.stderr.contains("91c2"), "{}", output.stderr);
    }
    // What is sent must be recorded.
    let output = cavra(["evaluate", "read_file", "README.md", "--evidence-store", &wrong]).run();
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("--evidence-dir"), "{}", output.stderr);
}

#[test]
fn a_host_needs_to_add_and_nothing_else() {
    let database = Postgres::start();
    let one = Place::new();
    one.judge(&[], &requests(3));
    let as_one = database.url("host_one", "one-secret-password");
    database.sql("CREATE ROLE host_none LOGIN PASSWORD 'none-secret-password'");
    let none = ship(&one, &database.url("host_none", "none-secret-password"));
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("cavra evidence migrate"), "{}", none.stderr);
    let made = of_store(&database, &["evidence", "migrate"]).run();
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    database.sql(ROLES);
    shipped(&one, &as_one);
    one.judge(&[], &requests(3));
    shipped(&one, &as_one);
    // Another host's chain is not its own, whoever has the files.
    one.judge(&[], &requests(1));
    let other = ship(&one, &database.url("host_two", "two-secret-password"));
    assert_eq!(other.code, Some(1), "{}", other.stdout);
    assert!(other.stderr.contains("row-level security"), "{}", other.stderr);
    let auditor = ship(&one, &database.url("auditor", "auditor-secret-password"));
    assert_eq!(auditor.code, Some(1), "{}", auditor.stdout);
    let url = database.url("auditor", "auditor-secret-password");
    let read = cavra(["evidence", "verify", "--evidence-store", &url]).run();
    assert_eq!(read.code, Some(0), "{}", read.stderr);
    // Not even the owner changes something by the way.
    for statement in [
        "UPDATE cavra_evidence_entries SET decision = 'allow'",
        "DELETE FROM cavra_evidence_entries",
        "TRUNCATE cavra_evidence_entries",
        "DELETE FROM cavra_evidence_checkpoints",
        "UPDATE cavra_evidence_logs SET public_key = ''",
    ] {
        let told = database.refusal(statement);
        assert!(told.contains("evidence is only ever added to"), "{told}");
    }
    for statement in [
        "UPDATE cavra_evidence_entries SET decision = 'allow'",
        "DELETE FROM cavra_evidence_logs",
    ] {
        let told = database.refusal(&format!("SET ROLE host_one; {statement}"));
        assert!(told.contains("permission denied"), "{told}");
    }
}

#[test]
fn what_is_changed_in_the_store_is_found() {
    let database = Postgres::start();
    let place = Place::new();
    place.judge(&[], &requests(6));
    shipped(&place, &database.owner());
    database.sql("ALTER TABLE cavra_evidence_entries DISABLE TRIGGER ALL");
    database.sql("CREATE TABLE kept AS SELECT * FROM cavra_evidence_entries");
    let restore = "DELETE FROM cavra_evidence_entries; INSERT INTO cavra_evidence_entries SELECT * FROM kept";
    let fault = |change: &str| -> Value {
        database.sql(change);
        let found = verify(&database);
        database.sql(restore);
        assert_eq!(found["verified"], false, "{change}");
        found["logs"][0]["faults"][0].clone()
    };
    let changed = fault("UPDATE cavra_evidence_entries SET decision = 'allow' WHERE sequence = 1");
    assert_eq!(
        (&changed["kind"], &changed["sequence"]),
        (&"changed".into(), &1.into())
    );
    assert_eq!(changed["place"], format!("{}:1", origin(&place)));
    let line = "UPDATE cavra_evidence_entries SET line = convert_to(replace(convert_from(line, 'UTF8'), \
        'terraform', 'teraform'), 'UTF8') WHERE sequence = 4";
    let changed = fault(line);
    assert_eq!(
        (&changed["kind"], &changed["sequence"]),
        (&"changed".into(), &4.into())
    );
    let missing = fault("DELETE FROM cavra_evidence_entries WHERE sequence = 2");
    assert_eq!(
        (&missing["kind"], &missing["sequence"]),
        (&"missing".into(), &2.into())
    );
    let cut = fault("DELETE FROM cavra_evidence_entries WHERE sequence > 3");
    assert_eq!(cut["kind"], "truncated");
    let hash = fault("UPDATE cavra_evidence_entries SET line = NULL, hash = sha256('x') WHERE sequence = 0");
    assert!(
        hash["kind"] == "changed" || hash["kind"] == "other_root",
        "{hash}"
    );
    assert_eq!(verify(&database)["verified"], true);
}
