//! What happens when the database or the service fails.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use integration_tests::fast_path;
use integration_tests::postgres::Postgres;
use integration_tests::service::Service;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::super::load::{Asked, number};
use super::{Place, assert_same, requests, verify};

fn serve(place: &Place, url: &str) -> integration_tests::Cavra {
    place
        .cavra(&["serve", "--evidence-checkpoint-records", "20"])
        .env("CAVRA_EVIDENCE_STORE", url)
}

/// A gauge's value.
fn gauge(service: &Service, name: &str) -> Option<f64> {
    let metrics = service.get("/metrics").body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.map(|value| value.parse().unwrap())
}

fn wait_until_sent(service: &Service) {
    service.wait_until("all of it is sent", |service| {
        gauge(service, "cavra_evidence_unsent_entries") == Some(0.0)
            && gauge(service, "cavra_evidence_store_up") == Some(1.0)
    });
}

/// Asks for so many decisions; tells the longest that one took.
fn ask(service: &Service, count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for request in requests(count) {
        let begun = Instant::now();
        assert_eq!(service.evaluate(&request).status, 200);
        longest = longest.max(begun.elapsed());
    }
    longest
}

#[test]
fn a_database_that_is_stopped_and_started_has_everything_once() {
    let mut database = Postgres::start();
    let place = Place::new();
    let service = Service::start(serve(&place, &database.owner()));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..3).map(|_| scope.spawn(|| ask(&service, 60))).collect();
        service.wait_until("some are sent", |service| {
            gauge(service, "cavra_evidence_store_up") == Some(1.0)
                && database.sql("SELECT count(*) FROM cavra_evidence_entries") != "0"
        });
        database.stop();
        // Decisions go on, and what they leave is counted.
        let during = ask(&service, 30);
        assert!(during < Duration::from_secs(30), "{during:?}");
        service.wait_until("the outage is seen", |service| {
            gauge(service, "cavra_evidence_store_up") == Some(0.0)
                && gauge(service, "cavra_evidence_unsent_entries").unwrap() >= 1.0
        });
        assert_eq!(gauge(&service, "cavra_evidence_store_forked"), Some(0.0));
        for asking in asking {
            asking.join().unwrap();
        }
        database.start_again();
        wait_until_sent(&service);
    });
    assert_eq!(place.entries().len(), 210);
    assert_same(&database, &place);
    let found = verify(&database);
    assert_eq!(
        (&found["verified"], &found["logs"][0]["entries"]),
        (&json!(true), &json!(210)),
        "{found}"
    );
    // What the end of the service leaves is sent, too: the last checkpoint.
    ask(&service, 3);
    kill_process(Pid::from_raw(service.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(service.wait(), Some(0));
    assert_same(&database, &place);
    assert_eq!(verify(&database)["logs"][0]["unsigned"], 0);
}

/// With `CAVRA_EVIDENCE_ANSWERS` and `CAVRA_EVIDENCE_KILLS` at length: see `make test-long`.
#[test]
fn however_often_the_database_is_stopped_it_has_everything_once() {
    let (all, times) = (
        number("CAVRA_EVIDENCE_ANSWERS", 1_500),
        number("CAVRA_EVIDENCE_KILLS", 3),
    );
    let mut database = Postgres::start();
    let place = Place::new();
    let serve = serve(&place, &database.owner());
    let service = Service::ready(serve.args(fast_path("enforce", "builtin:fastpath")));
    let asked = Asked::default();
    let addr = service.addr;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| asked.ask(addr, None));
        }
        for time in 1..=times {
            asked.wait_for(all * time / times);
            database.stop();
            service.wait_until("the outage is seen", |service| {
                gauge(service, "cavra_evidence_store_up") == Some(0.0)
            });
            database.start_again();
            service.wait_until("it is sent again", |service| {
                gauge(service, "cavra_evidence_store_up") == Some(1.0)
            });
        }
        asked.end();
    });
    wait_until_sent(&service);
    let records: BTreeSet<String> = place.records().into_iter().map(|it| it.evaluation_id).collect();
    let answered = asked.answered();
    assert_eq!(records, *answered);
    assert_same(&database, &place);
    let found = verify(&database);
    assert_eq!(
        (&found["verified"], &found["logs"][0]["entries"]),
        (&json!(true), &json!(answered.len())),
        "{found}"
    );
    eprintln!(
        "{} answers, the database stopped {times} times: all in it, once",
        answered.len()
    );
}

#[test]
fn a_service_that_is_killed_while_it_sends_sends_nothing_twice() {
    let database = Postgres::start();
    let place = Place::new();
    for round in 0..5_u64 {
        let service = Service::start(serve(&place, &database.owner()));
        std::thread::scope(|scope| {
            scope.spawn(|| ask(&service, 25));
            ask(&service, 25);
        });
        let moment = (u64::from(service.id()) * 7919 + round * 104_729) % 300_000;
        std::thread::sleep(Duration::from_micros(moment));
        let pid = Pid::from_raw(service.id().cast_signed()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        drop(service);
        let found = verify(&database);
        assert_eq!(found["verified"], true, "{found}");
    }
    let service = Service::start(serve(&place, &database.owner()));
    wait_until_sent(&service);
    assert_eq!(place.entries().len(), 250);
    assert_same(&database, &place);
    assert_eq!(verify(&database)["verified"], true);
}

#[test]
fn a_command_beside_the_service_sends_the_same_log() {
    let database = Postgres::start();
    let place = Place::new();
    let service = Service::start(serve(&place, &database.owner()));
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&service, 40));
        for _ in 0..6 {
            place.judge(&[], &requests(5));
            super::shipped(&place, &database.owner());
        }
    });
    wait_until_sent(&service);
    // The service learns of what others have written when it writes itself.
    super::shipped(&place, &database.owner());
    assert_eq!(place.entries().len(), 70);
    assert_same(&database, &place);
}

#[test]
fn without_a_database_decisions_are_made_and_a_command_fails() {
    let mut database = Postgres::start();
    database.stop();
    let place = Place::new();
    let service = Service::start(serve(&place, &database.owner()));
    ask(&service, 5);
    assert_eq!(gauge(&service, "cavra_evidence_unsent_entries"), Some(5.0));
    let output = super::ship(&place, &database.owner());
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(
        output.stderr.contains("postgres://postgres@127.0.0.1:"),
        "{}",
        output.stderr
    );
    kill_process(Pid::from_raw(service.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(service.wait(), Some(0));
    assert_eq!(place.verify(&[])["verified"], true);
}
