//! Fuel: exactly reproducible, and decided at exactly the limit.

use std::collections::BTreeSet;
use std::path::Path;

use cavra::config::Setting;
use cavra::model::Request;
use cavra::sandbox::Allocation;
use integration_tests::cavra;

use super::faults::{flags, host};

fn request() -> Request {
    Request::from_json(br#"{"action_type":"execute_command","target":"npm test 2>&1 | tail -20"}"#).unwrap()
}

/// Fuel of both backends.
fn used(host: &cavra::host::Host) -> (u64, u64) {
    let sandbox = host.evaluate(&request()).unwrap().sandbox;
    (
        sandbox.reference.unwrap().fuel_used.unwrap(),
        sandbox.fastpath.unwrap().fuel_used.unwrap(),
    )
}

#[test]
fn a_thousand_runs_use_the_same_fuel() {
    let pooled = host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(4));
    let figures: BTreeSet<_> = (0..1000).map(|_| used(&pooled)).collect();
    assert_eq!(figures.len(), 1, "{figures:?}");
    let on_demand = host(flags(Path::new("builtin:fastpath")), Allocation::OnDemand);
    assert_eq!(
        figures.into_iter().next(),
        Some(used(&on_demand)),
        "however instances get their memory"
    );
}

#[test]
fn the_limit_itself_is_enough_and_one_less_is_not() {
    // The module that needs more fuel is the fast path, so that the reference
    // decides with either limit.
    let (one, other) = used(&host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(4)));
    let (dear, cheap, n) = match one > other {
        true => ("builtin:reference", "builtin:fastpath", one),
        false => ("builtin:fastpath", "builtin:reference", other),
    };
    let answer = |fuel: u64| {
        let mut flags = flags(Path::new(dear));
        flags.insert(Setting::ReferenceModule, cheap.to_owned());
        flags.insert(Setting::EvaluateFuel, fuel.to_string());
        host(flags, Allocation::OnDemand).evaluate(&request()).unwrap()
    };
    let enough = answer(n);
    assert_eq!(enough.fallback_code, None, "{}", enough.fallback_reason);
    assert_eq!(enough.sandbox.fastpath.unwrap().fuel_used, Some(n));
    let short = answer(n - 1);
    assert_eq!(
        short.fallback_code.map(|code| code.as_str()),
        Some("timeout_fuel")
    );
    assert!(
        short.fallback_reason.contains(&(n - 1).to_string()),
        "{}",
        short.fallback_reason
    );
    assert_eq!(
        short.sandbox.fastpath.unwrap().fuel_used,
        Some(n - 1),
        "all of it is used"
    );
}

#[test]
fn the_command_line_uses_the_fuel_that_the_library_uses() {
    let (reference, fast) = used(&host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(4)));
    let answer = cavra([
        "evaluate",
        "execute_command",
        "npm test 2>&1 | tail -20",
        "--json",
    ])
    .args(integration_tests::fast_path("enforce", "builtin:fastpath"))
    .run()
    .json();
    assert_eq!(answer["sandbox"]["reference"]["fuel_used"], reference);
    assert_eq!(answer["sandbox"]["fastpath"]["fuel_used"], fast);
}

#[test]
fn a_long_commit_message_is_judged_by_both() {
    let host = host(flags(Path::new("builtin:fastpath")), Allocation::OnDemand);
    let prose = "Rounding: amounts are kept in minor units, so that `a == b` means what it says (see docs/money.md). ";
    let message = prose.replace(['`', '(', ')'], "").repeat(150);
    let body = serde_json::json!({
        "action_type": "execute_command",
        "target": format!("git commit -m \"{message}\""),
        "workspace": "/home/dev/acme-billing",
    });
    let answer = host
        .evaluate(&Request::from_json(body.to_string().as_bytes()).unwrap())
        .unwrap();
    assert_eq!(answer.fallback_code, None, "{}", answer.fallback_reason);
    assert_eq!(answer.effective_decision.decision.rule_id, "commands.allow");
}
