//! What the figures were measured on.

use std::process::Command;

/// One sentence about processor, kernel and versions; no date, so that a run that
/// finds the same leaves the same.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, {cores} cores, {}, {}, wasmtime {}.",
        processor(),
        kernel(),
        output("rustc", &["--version"]),
        wasmtime_version()
    )
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split_once(": "));
    model.map_or_else(
        || "unknown processor".to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // What follows the version is the builder's.
    let version = release.trim().split('-').next().unwrap_or_default();
    format!("Linux {version}")
}

/// As Cargo.lock has it.
fn wasmtime_version() -> &'static str {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let package = LOCK
        .split("[[package]]")
        .find(|package| package.contains("name = \"wasmtime\"\n"));
    let version = package.and_then(|it| it.split("version = \"").nth(1));
    version.and_then(|it| it.split('"').next()).unwrap_or("unknown")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    text.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| format!("unknown {program}"))
}
