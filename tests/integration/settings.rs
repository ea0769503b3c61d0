//! Settings: flags, environment, faults.

use std::collections::BTreeMap;

use cavra::config::{Config, Setting};
use cavra::pilot::Mode;
use integration_tests::cavra;

fn env(pairs: &[(Setting, &str)]) -> BTreeMap<Setting, String> {
    pairs
        .iter()
        .map(|(setting, value)| (*setting, (*value).to_owned()))
        .collect()
}

#[test]
fn every_default_is_accepted_and_is_what_nothing_gives() {
    let defaults = Config::read(&env(&[]), &env(&[])).unwrap();
    assert_eq!(defaults.mode, Mode::Disabled);
    let given: Vec<_> = Setting::ALL.iter().map(|it| (*it, it.default())).collect();
    assert_eq!(Config::read(&env(&given), &env(&[])).unwrap(), defaults);
    let empty: Vec<_> = Setting::ALL.iter().map(|it| (*it, "")).collect();
    assert_eq!(
        Config::read(&env(&[]), &env(&empty)).unwrap(),
        defaults,
        "empty means unset"
    );
}

#[test]
fn a_flag_wins_over_the_environment() {
    let flags = env(&[(Setting::Mode, "shadow")]);
    let variables = env(&[(Setting::Mode, "enforce"), (Setting::RuntimePath, "x.wasm")]);
    let config = Config::read(&flags, &variables).unwrap();
    assert_eq!(config.mode, Mode::Shadow);
    assert_eq!(config.runtime_path, "x.wasm");
    let output = cavra(["evaluate", "read_file", "a", "--mode", "disabled", "--json"])
        .env("CAVRA_GO_BACKEND_MODE", "shadow")
        .run();
    assert_eq!(output.json()["backend_mode"], "disabled");
    let output = cavra(["evaluate", "read_file", "a", "--json"])
        .env("CAVRA_GO_BACKEND_MODE", " SHADOW ")
        .run();
    assert_eq!(output.json()["backend_mode"], "shadow");
}

#[test]
fn all_faults_are_told_at_once_by_name_and_value() {
    let output = cavra([
        "evaluate",
        "read_file",
        "a",
        "--evaluate-fuel",
        "-1",
        "--timeout-seconds",
        "inf",
    ])
    .env("CAVRA_GO_BACKEND_MODE", "enforced")
    .env("CAVRA_GO_ROLLBACK_DRILL_MAX_AGE_DAYS", "0")
    .env("CAVRA_MEMORY_BYTES", "64MiB")
    .run();
    assert_eq!(output.code, Some(3));
    assert_eq!(output.stdout, "");
    for part in [
        "--evaluate-fuel (CAVRA_EVALUATE_FUEL) is `-1`",
        "--timeout-seconds (CAVRA_GO_RUNTIME_TIMEOUT_SECONDS) is `inf`",
        "--mode (CAVRA_GO_BACKEND_MODE) is `enforced`: the mode must be one of disabled, shadow, enforce, promoted",
        "--rollback-drill-max-age-days (CAVRA_GO_ROLLBACK_DRILL_MAX_AGE_DAYS) is `0`",
        "--memory-bytes (CAVRA_MEMORY_BYTES) is `64MiB`",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(output.stderr.lines().count(), 5, "{}", output.stderr);
}

#[test]
fn numbers_must_be_finite_and_positive() {
    for value in ["nan", "inf", "-1", "0", "x", "1e400", "-0"] {
        for setting in [Setting::TimeoutSeconds, Setting::RollbackDrillDueSoonDays] {
            let faults = Config::read(&env(&[(setting, value)]), &env(&[])).unwrap_err();
            assert_eq!(
                (faults.0.len(), faults.0[0].setting, faults.0[0].value.as_str()),
                (1, setting, value)
            );
        }
    }
    for value in ["0", "-5", "1.5", "18446744073709551616"] {
        assert!(
            Config::read(&env(&[(Setting::LoadFuel, value)]), &env(&[])).is_err(),
            "{value}"
        );
    }
    assert!(Config::read(&env(&[(Setting::TimeoutSeconds, "0.25")]), &env(&[])).is_ok());
}

#[test]
fn a_value_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let output = cavra(["evaluate", "read_file", "a"])
        .env("CAVRA_GO_RUNTIME_PATH", std::ffi::OsStr::from_bytes(b"a\xffb"))
        .run();
    assert_eq!(output.code, Some(3));
    assert!(
        output.stderr.contains("CAVRA_GO_RUNTIME_PATH") && output.stderr.contains("UTF-8"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_tight_limit_is_not_the_references() {
    let tight = env(&[(Setting::TimeoutSeconds, "0.01"), (Setting::EvaluateFuel, "7")]);
    let config = Config::read(&tight, &env(&[])).unwrap();
    assert_eq!(config.limits.wall_clock.as_millis(), 10);
    assert_eq!(config.limits.evaluate_fuel, 7);
    assert_eq!(config.reference_limits().wall_clock.as_secs(), 5);
    assert_eq!(config.reference_limits().evaluate_fuel, 10_000_000_000);
}

#[test]
fn a_directory_that_is_none_is_told_as_what_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    let rollback = ["runtime", "rollback", "--reason", "to see", "--state-dir"];
    let commands: [&[&str]; 3] = [
        &["evaluate", "read_file", "a", "--evidence-dir"],
        &["module", "list", "--module-store"],
        &rollback,
    ];
    for command in commands {
        let output = cavra(command).args([&file]).run();
        assert!(output.code.is_some_and(|code| code != 0), "{output:?}");
        let told =
            output.stderr.contains(file.to_str().unwrap()) && output.stderr.contains("is no directory");
        assert!(told, "{output:?}");
    }
}
