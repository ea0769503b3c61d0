//! Every misbehaving guest: the fallback code that it must cause, the
//! reference's decision, and a host that goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cavra::cache::Cache;
use cavra::clock::{RandomIds, SystemClock};
use cavra::config::{Config, Setting};
use cavra::host::{Host, Surroundings};
use cavra::model::Request;
use cavra::pilot::{Evaluation, SelectedBackend};
use cavra::sandbox::Allocation;
use integration_tests::{misbehaving, root};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    defaults: Defaults,
    guest: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    requests: u32,
    request: toml::Table,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    form: Form,
    category: Category,
    does: String,
    expected: String,
    request: Option<toml::Table>,
    #[serde(default)]
    limits: Limits,
    requests: Option<u32>,
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Form {
    Rust,
    World,
    Wat,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Category {
    Time,
    Memory,
    Trap,
    Identity,
    Refusal,
    Output,
    Parity,
    Isolation,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    evaluate_fuel: Option<u64>,
    load_fuel: Option<u64>,
    wall_clock_ms: Option<u64>,
    memory_bytes: Option<u64>,
}

fn folder() -> PathBuf {
    root().join("tests/guests")
}

fn table() -> Table {
    toml::from_str(&std::fs::read_to_string(folder().join("expectations.toml")).unwrap()).unwrap()
}

/// The module of a row as a file that a setting can name.
fn module(row: &Row, scratch: &Path) -> PathBuf {
    let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let wat = match row.form {
        Form::Rust => return misbehaving(&row.name),
        Form::Wat => text(folder().join(format!("wat/{}.wat", row.name))),
        Form::World => {
            let guest = text(folder().join(format!("wat/{}.wat", row.name)));
            text(folder().join("world.wat")).replace("(; guest ;)", &guest)
        }
    };
    let path = scratch.join(format!("{}.wasm", row.name));
    std::fs::write(
        &path,
        wat::parse_str(&wat).unwrap_or_else(|e| panic!("{}: {e}", row.name)),
    )
    .unwrap();
    path
}

pub(crate) fn host(flags: BTreeMap<Setting, String>, allocation: Allocation) -> Host {
    host_with(flags, allocation, None)
}

pub(crate) fn host_with(
    flags: BTreeMap<Setting, String>,
    allocation: Allocation,
    cache: Option<Cache>,
) -> Host {
    let config = Config::read(&flags, &BTreeMap::new()).unwrap();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        allocation,
        cache,
        module_store: None,
        evidence: None,
        supervisor: integration_tests::binary(),
    };
    Host::open(config, surroundings).unwrap()
}

pub(crate) fn flags(runtime: &Path) -> BTreeMap<Setting, String> {
    BTreeMap::from([
        (Setting::Mode, "enforce".to_owned()),
        (Setting::RuntimePath, runtime.display().to_string()),
        (Setting::PolicyPath, "auto".to_owned()),
    ])
}

fn flags_of(row: &Row, runtime: &Path) -> BTreeMap<Setting, String> {
    let mut flags = flags(runtime);
    let mut set = |setting, value: Option<String>| value.map(|value| flags.insert(setting, value));
    set(
        Setting::EvaluateFuel,
        row.limits.evaluate_fuel.map(|it| it.to_string()),
    );
    set(Setting::LoadFuel, row.limits.load_fuel.map(|it| it.to_string()));
    set(
        Setting::MemoryBytes,
        row.limits.memory_bytes.map(|it| it.to_string()),
    );
    set(
        Setting::TimeoutSeconds,
        row.limits
            .wall_clock_ms
            .map(|ms| (ms as f64 / 1000.0).to_string()),
    );
    flags
}

fn code(answer: &Evaluation) -> &'static str {
    match answer.fallback_code {
        Some(code) => code.as_str(),
        None if answer.selected_backend == SelectedBackend::Go => "selected",
        None => "none",
    }
}

fn check(row: &Row, defaults: &Defaults, allocation: Allocation) {
    let scratch = tempfile::tempdir().unwrap();
    let host = host(flags_of(row, &module(row, scratch.path())), allocation);
    let fields = row.request.as_ref().unwrap_or(&defaults.request);
    let request = Request::from_json(&serde_json::to_vec(fields).unwrap()).unwrap();
    let mut reasons = BTreeSet::new();
    for _ in 0..row.requests.unwrap_or(defaults.requests) {
        let answer = host.evaluate(&request).unwrap();
        let what = format!("{} {}: {}", row.name, row.does, answer.fallback_reason);
        assert_eq!(code(&answer), row.expected, "{what}");
        let python = answer
            .python_decision
            .as_ref()
            .unwrap_or_else(|| panic!("{what}: the reference decides"));
        if row.expected == "selected" {
            assert_eq!(
                python.decision.verdict, answer.effective_decision.decision.verdict,
                "{what}"
            );
        } else {
            assert_eq!(answer.selected_backend, SelectedBackend::Python, "{what}");
            assert_eq!(python, &answer.effective_decision, "{what}");
        }
        let reason = answer.effective_decision.decision.reason.clone();
        if let Some(part) = &row.reason {
            assert!(reason.contains(part), "{what}: {reason}");
        }
        reasons.insert(reason);
    }
    assert_eq!(
        reasons.len(),
        1,
        "{}: nothing of one request is seen by the next",
        row.name
    );
}

#[test]
fn every_guest_causes_its_fallback_on_demand() {
    let table = table();
    for row in &table.guest {
        check(row, &table.defaults, Allocation::OnDemand);
    }
}

#[test]
fn every_guest_causes_its_fallback_in_a_pool() {
    let table = table();
    for row in &table.guest {
        check(row, &table.defaults, Allocation::Pooled(4));
    }
}

#[test]
fn every_guest_has_a_row_and_every_category_a_guest() {
    let rows = table().guest;
    let names = |form: fn(Form) -> bool| -> BTreeSet<String> {
        rows.iter()
            .filter(|row| form(row.form))
            .map(|row| row.name.clone())
            .collect()
    };
    let files = |folder: &Path, extension: &str| -> BTreeSet<String> {
        let paths = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|it| it == extension))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(
        names(|form| form == Form::Rust),
        files(&folder().join("examples"), "rs")
    );
    assert_eq!(
        names(|form| form != Form::Rust),
        files(&folder().join("wat"), "wat")
    );
    let categories: BTreeSet<_> = rows.iter().map(|row| row.category).collect();
    assert_eq!(categories.len(), 8, "{categories:?}");
}

#[test]
fn files_that_are_no_component_are_missing_runtimes() {
    let scratch = tempfile::tempdir().unwrap();
    let good = std::fs::read(root().join("dist/modules/fastpath.wasm")).unwrap();
    let mut flipped = good.clone();
    for byte in flipped.iter_mut().skip(good.len() / 2).take(64) {
        *byte ^= 0xff;
    }
    let files: [(&str, Vec<u8>, &str); 6] = [
        ("empty", vec![], ""),
        (
            "garbage",
            b"\0asm\x0d\0\x01\0garbage".to_vec(),
            "does not compile",
        ),
        ("truncated", good[..good.len() / 2].to_vec(), "does not compile"),
        ("flipped", flipped, "does not compile"),
        (
            "preamble",
            b"\0asm\x63\0\x01\0".to_vec(),
            "not a WebAssembly component",
        ),
        (
            "large",
            [&good[..8], &vec![0; 33 << 20][..]].concat(),
            "larger than 33554432",
        ),
    ];
    for (name, bytes, says) in files {
        let path = scratch.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let host = host(flags(&path), Allocation::OnDemand);
        let request = Request::from_json(br#"{"action_type":"read_file","target":"a"}"#).unwrap();
        let answer = host.evaluate(&request).unwrap();
        assert_eq!(code(&answer), "missing_runtime", "{name}");
        let report = serde_json::to_string(&answer.reports.readiness).unwrap();
        assert!(report.contains(says), "{name}: {report}");
    }
}

#[test]
fn the_host_is_as_good_after_all_of_them() {
    let table = table();
    let request =
        Request::from_json(br#"{"action_type":"execute_command","target":"terraform plan"}"#).unwrap();
    let good = host(flags(Path::new("builtin:fastpath")), Allocation::Pooled(4));
    let before = resident_kib();
    for row in table.guest.iter().filter(|row| row.category == Category::Memory) {
        check(row, &table.defaults, Allocation::Pooled(4));
        assert_eq!(
            code(&good.evaluate(&request).unwrap()),
            "selected",
            "after {}",
            row.name
        );
    }
    let kept = resident_kib().saturating_sub(before);
    assert!(
        kept < 200 * 1024,
        "{kept} KiB are kept after guests that wanted much"
    );
}

/// This process's resident memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
