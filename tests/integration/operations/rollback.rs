//! The rollback: at once, over restarts, and whatever the file says.

use integration_tests::service::Service;
use integration_tests::{cavra, fast_path};
use serde_json::{Value, json};

use super::{EVALUATE, READINESS, ROLLBACK, harmless, metric, serve, soon};

fn mode(service: &Service) -> Value {
    service.evaluate(&harmless()).json()["backend_mode"].clone()
}

fn command(state: &std::path::Path, args: &[&str]) -> Value {
    let output = cavra(["runtime", "rollback", "--json"])
        .args(args)
        .args(["--state-dir".as_ref(), state.as_os_str()])
        .run();
    assert_eq!(output.code, Some(0), "{output:?}");
    output.json()
}

#[test]
fn it_is_in_effect_when_it_is_answered_and_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()));
    assert_eq!(mode(&service), "enforce");
    let answer = service.post(ROLLBACK, r#"{"reason":"too many mismatches"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    // What begins after the answer.
    let judged = service.evaluate(&harmless()).json();
    assert_eq!(judged["backend_mode"], "disabled");
    assert_eq!(judged["selected_backend"], "python");
    assert_eq!(judged["fallback_code"], "disabled");
    assert_eq!(judged["fallback_reason"], "go backend pilot is disabled");
    assert_eq!(judged["fallback_used"], false);
    assert_eq!(judged["rollback"]["reason"], "too many mismatches");
    let answer = answer.json();
    assert_eq!(answer["rolled_back"], true);
    assert_eq!(answer["configured_mode"], "enforce");
    assert_eq!(answer["effective_mode"], "disabled");
    assert!(answer["rollback"]["at"].is_string() && answer["rollback"]["by"].is_string());
    for path in [
        READINESS,
        "/runtime/go-pilot/promotion-readiness",
        "/deployment/production-readiness",
    ] {
        let report = service.get(path).json();
        assert_eq!(report["rollback"]["reason"], "too many mismatches", "{path}");
        assert_eq!(report["mode"], "disabled", "{path}");
    }
    let report = service.get("/runtime/go-pilot/rollback-readiness").json();
    assert_eq!(report["rollback_state"]["reason"], "too many mismatches");
    assert_eq!(report["rollback"]["valid"], false, "this is the plan: {report}");
    assert_eq!(service.get(READINESS).json()["status"], "disabled");
    assert_eq!(metric(&service, "cavra_rolled_back"), 1.0);
    assert_eq!(metric(&service, "cavra_pilot_mode{mode=\"disabled\"}"), 1.0);
    drop(service);

    let again = Service::ready(serve(dir.path()));
    assert_eq!(mode(&again), "disabled");
    let cleared = again.call("DELETE", ROLLBACK);
    assert_eq!(cleared.json()["rolled_back"], false);
    let judged = again.evaluate(&harmless()).json();
    assert_eq!(
        (judged["backend_mode"].as_str(), judged.get("rollback")),
        (Some("enforce"), None)
    );
    drop(again);
    assert_eq!(mode(&Service::ready(serve(dir.path()))), "enforce");
}

#[test]
fn the_command_reaches_a_running_service_and_every_other_command() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()));
    assert_eq!(mode(&service), "enforce");
    let report = command(dir.path(), &["--reason", "drill"]);
    let took = soon("rolled back", || mode(&service) == "disabled");
    println!("a rollback by the command reached the service after {took:?}");
    assert_eq!(report["rolled_back"], true);
    let flags = || {
        cavra(["runtime", "go-pilot-readiness", "--json"])
            .args(fast_path("enforce", "builtin:fastpath"))
            .args(["--state-dir".as_ref(), dir.path().as_os_str()])
            .run()
            .json()
    };
    assert_eq!(
        (flags()["status"].as_str(), flags()["rollback"]["reason"].as_str()),
        (Some("disabled"), Some("drill"))
    );
    let one = cavra(["evaluate", "read_file", "a", "--json"])
        .args(fast_path("enforce", "builtin:fastpath"))
        .args(["--state-dir".as_ref(), dir.path().as_os_str()])
        .run()
        .json();
    assert_eq!(
        one["rollback"]["by"],
        format!("uid {}", rustix::process::geteuid().as_raw())
    );
    assert_eq!(command(dir.path(), &["--clear"])["changed"], true);
    soon("cleared", || mode(&service) == "enforce");
    assert_eq!(command(dir.path(), &["--clear"])["changed"], false);
}

#[test]
fn a_state_that_says_nothing_counts_as_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rollback.json");
    for text in ["", "{", "{\"active\":false}", "\u{0}"] {
        std::fs::write(&file, text).unwrap();
        let service = Service::ready(serve(dir.path()));
        let judged = service.evaluate(&harmless()).json();
        assert_eq!(judged["backend_mode"], "disabled", "{text:?}");
        assert_eq!(judged["rollback"]["by"], Value::Null);
        let told = judged["rollback"]["reason"].as_str().unwrap();
        assert!(
            told.contains("counts as rolled back") && !told.contains('/'),
            "{told}"
        );
        assert_eq!(service.call("DELETE", ROLLBACK).status, 200);
        assert_eq!(mode(&service), "enforce");
    }
}

#[test]
fn an_incident_is_not_held_up_by_another_setting() {
    let dir = tempfile::tempdir().unwrap();
    let output = cavra(["runtime", "rollback"])
        .env("CAVRA_GO_BACKEND_MODE", "typo")
        .env("CAVRA_EVALUATE_FUEL", "-1")
        .env("CAVRA_STATE_DIR", dir.path())
        .run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("rolled back"), "{}", output.stdout);
    let both = cavra(["runtime", "rollback", "--clear", "--reason", "x"]).run();
    assert_eq!(both.code, Some(3));
    let long = cavra(["runtime", "rollback", "--reason", &"x".repeat(501)])
        .env("CAVRA_STATE_DIR", dir.path())
        .run();
    assert_eq!(long.code, Some(3));
}

#[test]
fn what_is_no_reason_rolls_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(dir.path()));
    let long = |bytes| format!(r#"{{"reason":"{}"}}"#, "x".repeat(bytes));
    for (body, kind) in [
        (&*long(501), "invalid-request"),
        (r#"{"reason":"\u0097"}"#, "invalid-request"),
        (&*long(5_000), "invalid-request"),
        ("{", "invalid-json"),
        ("[]", "invalid-request"),
        (r#"{"reason":7}"#, "invalid-request"),
        (r#"{"resaon":"x"}"#, "invalid-request"),
        (r#"{"reason":"a\nb"}"#, "invalid-request"),
    ] {
        assert_eq!(
            service.post(ROLLBACK, body).problem().as_deref(),
            Some(kind),
            "{body}"
        );
    }
    assert_eq!(mode(&service), "enforce");
    assert_eq!(service.post(ROLLBACK, "").status, 200, "a reason may be left out");
    let most = json!({"reason": "ü".repeat(500)}).to_string();
    assert_eq!(
        service.post(ROLLBACK, &most).status,
        200,
        "characters are counted, not bytes"
    );
    assert_eq!(
        service.post(EVALUATE, &harmless().to_string()).json()["backend_mode"],
        "disabled"
    );
}

#[test]
fn without_a_place_for_it_a_pilot_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let flat = dir.path().join("flat");
    std::fs::write(&flat, "").unwrap();
    let refused = serve(&flat).args(["--addr", "127.0.0.1:0"]).run();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("--state-dir"), "{}", refused.stderr);
}
