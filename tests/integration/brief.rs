//! Evaluations that are made on a thread that others wait for: what they decide is what
//! is decided anyway, and what takes longer than a moment is not made there.

use std::path::Path;

use cavra::config::Setting;
use cavra::host::{Begun, Host};
use cavra::model::Request;
use cavra::pilot::Evaluation;
use cavra::sandbox::Allocation;
use integration_tests::{misbehaving, root};
use serde_json::json;

use super::faults::{flags, host};

fn command(text: &str) -> Request {
    let body = json!({"action_type": "execute_command", "target": text});
    Request::from_json(body.to_string().as_bytes()).unwrap()
}

/// One that takes the reference more than a moment.
fn long() -> Request {
    command(&format!(
        "git commit -m \"{}\"",
        "amounts are kept in minor units ".repeat(600)
    ))
}

/// Both evaluations, if both are brief.
fn briefly(host: &Host, request: &Request) -> Option<Evaluation> {
    let judged = match host.begin_briefly(request)? {
        Begun::Decided(judged) => judged,
        Begun::Open(open) => {
            let attempt = open.turn().run_briefly(request)?;
            open.conclude(request, attempt)
        }
    };
    Some(judged.answer().unwrap())
}

/// What is equal where the same was decided in the same way.
fn decided(answer: &Evaluation) -> (String, Option<bool>, [Option<u64>; 2]) {
    let fuel = |usage: &Option<cavra::backend::Usage>| usage.as_ref().and_then(|it| it.fuel_used);
    (
        answer.effective_decision.decision.rule_id.clone(),
        answer.parity_match,
        [fuel(&answer.sandbox.reference), fuel(&answer.sandbox.fastpath)],
    )
}

#[test]
fn what_is_decided_briefly_is_what_is_decided() {
    let host = host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(4));
    let request = command("npm test 2>&1 | tail -20");
    assert!(briefly(&host, &request).is_none(), "nothing is loaded");
    host.prepare(&request.policy_pack).unwrap();
    assert!(
        briefly(&host, &request).is_none(),
        "nobody knows how long it takes"
    );
    let known = host.evaluate(&request).unwrap();
    // An evaluation that the machine has interrupted is not seen as brief.
    let answer = (0..100).find_map(|_| {
        let answer = briefly(&host, &request);
        if answer.is_none() {
            host.evaluate(&request).unwrap();
        }
        answer
    });
    assert_eq!(decided(&answer.expect("it is brief")), decided(&known));
}

#[test]
fn what_takes_longer_is_left_and_decided_elsewhere() {
    let host = host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(4));
    let (short, long) = (command("npm test"), long());
    for _ in 0..3 {
        host.evaluate(&short).unwrap();
        assert!(briefly(&host, &long).is_none());
        assert!(
            host.begin_briefly(&short).is_none(),
            "the last one took longer than a moment"
        );
        let answer = host.evaluate(&long).unwrap();
        assert_eq!(answer.fallback_code, None, "{}", answer.fallback_reason);
        assert!(answer.sandbox.reference.unwrap().fuel_used.unwrap() > 1_000_000);
    }
}

#[test]
fn a_fast_path_that_hangs_is_not_waited_for() {
    let mut flags = flags(&misbehaving("spin_in_evaluate"));
    flags.insert(Setting::EvaluateFuel, "1000000000000".to_owned());
    flags.insert(Setting::TimeoutSeconds, "0.2".to_owned());
    let host = host(flags, Allocation::Pooled(4));
    let request = command("npm test");
    for _ in 0..3 {
        let answer = host.evaluate(&request).unwrap();
        assert_eq!(
            answer.fallback_code.map(|code| code.as_str()),
            Some("timeout_wall_clock")
        );
        assert!(briefly(&host, &request).is_none());
    }
}

#[test]
fn a_native_runtime_is_never_brief() {
    let script = root().join("tests/native/agree.sh");
    let host = host(flags(&script), Allocation::Pooled(4));
    let request = command("npm test");
    for _ in 0..3 {
        host.evaluate(&request).unwrap();
        assert!(briefly(&host, &request).is_none());
    }
}
