//! How many instructions the paths take whose slowing down must be seen: counted by
//! callgrind, so that a busy machine changes nothing.
//!
//! `tests/instructions.toml` holds what they took, and how much more they may take.
//! What is counted is user code, on demand-allocated memory: the engine, the guests and the
//! host, but no kernel and no pool. `make bench` times those.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cavra::cache::Cache;
use cavra::model::Request;
use cavra::pilot::SelectedBackend;
use cavra::sandbox::Allocation;
use integration_tests::{binary, fast_path, root};
use serde::Deserialize;

use super::faults::{flags, host_with};

/// Where the child finds its cache.
const SCRATCH: &str = "CAVRA_TEST_SCRATCH";
/// How many requests the child handles.
const COUNT: &str = "CAVRA_TEST_COUNT";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    /// How far a count may lie from what is written here, in percent.
    tolerance_percent: u64,
    /// By the route that the guests were built by: another compiler, other instructions.
    instructions: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Runs a command as it is, so that what it finds in its cache is what it will find
/// there; then under callgrind. Returns how many instructions it took.
fn count(command: &Path, args: &[&str], env: &[(&str, &str)]) -> u64 {
    let warm = Command::new(command)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .current_dir(root().join("tests"))
        .output()
        .unwrap();
    assert!(warm.status.success(), "{}", String::from_utf8_lossy(&warm.stderr));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(command)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(env.iter().copied())
        .current_dir(root().join("tests"))
        .output()
        .unwrap_or_else(|e| panic!("valgrind: {e}; `make test` installs it"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    told.lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("no count: {told}"))
}

fn requests() -> Vec<Request> {
    let lines = std::fs::read_to_string(root().join("examples/agent-session.jsonl")).unwrap();
    let parse = |line: &str| Request::from_json(line.as_bytes()).unwrap();
    lines.lines().map(parse).collect()
}

/// What the child of this test does under callgrind.
#[test]
#[ignore = "run by `no_path_takes_more_instructions_than_it_did`"]
#[expect(clippy::disallowed_methods, reason = "its parent tells it by variables")]
fn workload() {
    let variable = |name| std::env::var(name).unwrap();
    let scratch = PathBuf::from(variable(SCRATCH));
    let cache = Cache::open(&scratch.join("cache"), &scratch.join("key")).unwrap();
    let host = host_with(
        flags(Path::new("builtin:fastpath")),
        Allocation::OnDemand,
        Some(cache),
    );
    let requests = requests();
    for number in 0..variable(COUNT).parse().unwrap() {
        let body = serde_json::to_vec(&requests[number % requests.len()]).unwrap();
        let answer = host.evaluate(&Request::from_json(&body).unwrap()).unwrap();
        assert_eq!(answer.selected_backend, SelectedBackend::Go);
        assert!(serde_json::to_vec(&answer).unwrap().len() > 1000);
    }
}

/// Instructions of one request, read, decided twice and written: the difference of
/// two runs, so that starting counts for nothing.
fn request(scratch: &str) -> u64 {
    let this = std::env::current_exe().unwrap();
    let run = |requests: u64| {
        let requests = requests.to_string();
        count(
            &this,
            &["--exact", "instructions::workload", "--ignored"],
            &[(SCRATCH, scratch), (COUNT, &requests)],
        )
    };
    let requests = requests().len() as u64;
    (run(4 * requests) - run(requests)) / (3 * requests)
}

/// Instructions of one call of the command, from a warm cache.
fn command(scratch: &str, more: &[&str]) -> u64 {
    let cache = format!("{scratch}/cache");
    let key = format!("{scratch}/key");
    let args: Vec<&str> = ["evaluate", "read_file", "README.md"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    let env = [
        ("CAVRA_CACHE_DIR", cache.as_str()),
        ("CAVRA_CACHE_KEY", key.as_str()),
    ];
    count(&binary(), &args, &env)
}

#[test]
fn no_path_takes_more_instructions_than_it_did() {
    let file = root().join("tests/instructions.toml");
    let baseline: Baseline = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let route = std::fs::read_to_string(root().join("target/modules/route")).unwrap();
    let known = &baseline.instructions[route.trim()];
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path().to_str().unwrap();
    let counts = BTreeMap::from([
        ("request_decided_twice".to_owned(), request(scratch)),
        ("command_disabled".to_owned(), command(scratch, &[])),
        (
            "command_enforce".to_owned(),
            command(scratch, &fast_path("enforce", "builtin:fastpath")),
        ),
    ]);
    println!("{} {counts:#?}", route.trim());
    assert!(counts.keys().eq(known.keys()), "{counts:?} {known:?}");
    for (path, count) in counts {
        let known = known[&path];
        let allowed = known * baseline.tolerance_percent / 100;
        assert!(
            count.abs_diff(known) <= allowed,
            "{path} takes {count} instructions, and took {known}; where that is meant, write it to \
             tests/instructions.toml"
        );
    }
}
