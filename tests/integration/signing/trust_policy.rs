//! The trust policy's file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Shop;
use integration_tests::cavra;
use serde_json::Value;

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let it = Shop::new();
    let text = "\
version = 2
colour = \"red\"

[[key]]
id = \"Publisher\"
file = \"keys/publisher.pub.pem\"
roles = [\"module-publisher\", \"module-publisher\", \"king\"]

[[key]]
id = \"again\"
file = \"keys/publisher.pem\"
roles = []
revoked_at = 2030-01-01

[[key]]
id = \"one\"
file = \"keys/publisher.pub.pem\"
roles = [\"module-publisher\"]

[[key]]
id = \"two\"
file = \"keys/publisher.pub.pem\"
roles = [\"module-publisher\"]

[threshold]
release-approver = 1

[[module]]
name = \"acme\"
keys = [\"three\"]
minimum_revision = -1

[[builtin]]
sha256 = \"00\"

[documents]
bound = [\"channels\"]
";
    it.trust(text);
    let checked = it.cavra(&["trust", "check", &it.text("trust.toml"), "--json"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    let found = checked.json();
    let found: Vec<(u64, &str)> = found["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["line"].as_u64().unwrap(), it["key"].as_str().unwrap()))
        .collect();
    let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    for line in [1, 2, 5, 7, 9, 13, 20, 26, 30, 31, 34, 37] {
        assert!(lines.contains(&line), "nothing of line {line}: {found:?}");
    }
    assert!(lines.is_sorted(), "{found:?}");
    let told = it.cavra(&["trust", "check", &it.text("trust.toml")]);
    assert!(
        told.stderr.contains("trust.toml:1: version: must be 1"),
        "{}",
        told.stderr
    );
    // Nothing begins under a policy that is not understood.
    let started = it.cavra(&[
        "evaluate",
        "read_file",
        "x",
        "--trust-policy",
        &it.text("trust.toml"),
    ]);
    assert_eq!(started.code, Some(3), "{started:?}");
    let missing = it.cavra(&[
        "evaluate",
        "read_file",
        "x",
        "--trust-policy",
        &it.text("none.toml"),
    ]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
}

#[test]
fn a_policy_that_anybody_can_write_is_not_used() {
    let it = Shop::new();
    for file in ["trust.toml", "keys/publisher.pub.pem"] {
        let mode = |mode| fs::set_permissions(it.path(file), PermissionsExt::from_mode(mode)).unwrap();
        mode(0o666);
        let started = it.cavra(&[
            "evaluate",
            "read_file",
            "x",
            "--trust-policy",
            &it.text("trust.toml"),
        ]);
        assert_eq!(started.code, Some(3), "{started:?}");
        assert!(started.stderr.contains("chmod o-w"), "{}", started.stderr);
        mode(0o644);
    }
}

#[test]
fn the_schema_says_the_same_as_the_reader() {
    let schema = cavra(["trust", "schema"]).run().json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let it = Shop::new();
    let good = it.policy();
    let value = |text: &str| -> Value {
        let table: toml::Table = text.parse().unwrap();
        // A TOML time is a string in JSON.
        fn json(value: toml::Value) -> Value {
            match value {
                toml::Value::Datetime(time) => time.to_string().into(),
                toml::Value::Table(table) => {
                    table.into_iter().map(|(key, value)| (key, json(value))).collect()
                }
                toml::Value::Array(items) => items.into_iter().map(json).collect(),
                toml::Value::String(text) => text.into(),
                toml::Value::Integer(number) => number.into(),
                toml::Value::Boolean(flag) => flag.into(),
                toml::Value::Float(number) => number.into(),
            }
        }
        json(toml::Value::Table(table))
    };
    let agree = |text: &str, is_good: bool| {
        it.trust(text);
        let checked = it.cavra(&["trust", "check", &it.text("trust.toml")]);
        assert_eq!(checked.code == Some(0), is_good, "{checked:?}\n{text}");
        assert_eq!(validator.is_valid(&value(text)), is_good, "{text}");
    };
    agree(&good, true);
    agree("version = 1", true);
    let roles = "roles = [\"module-publisher\"]";
    agree(
        &good.replacen(
            roles,
            &format!("{roles}\nnot_after = 2031-01-01T00:00:00Z\nnote = \"n\""),
            1,
        ),
        true,
    );
    agree(&(good.clone() + "[threshold]\nrelease-approver = 2\n"), true);
    agree(
        &(good.clone() + "[documents]\nsigned = []\nbound = [\"rollback-plan\"]\n"),
        true,
    );
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("version = 1", ""),
        ("version = 1", "version = 1\nx = 1"),
        ("id = \"publisher\"", "id = \"Publisher\""),
        ("id = \"publisher\"", ""),
        (roles, "roles = []"),
        (roles, "roles = [\"king\"]"),
        (roles, "roles = [\"module-publisher\"]\npem = \"x\""),
        (
            roles,
            "roles = [\"module-publisher\"]\nrevoked_at = 2030-01-01T00:00:00Z",
        ),
        ("minimum_revision = 5", "minimum_revision = -5"),
        ("minimum_revision = 5", "keys = []"),
        ("minimum_revision = 5", "backends = [\"x\"]"),
        ("minimum_revision = 5", "minimum = 5"),
    ] {
        assert!(good.contains(from), "{from}");
        agree(&good.replacen(from, to, 1), false);
    }
    agree(&(good.clone() + "[threshold]\nking = 2\n"), false);
    agree(&(good + "[documents]\nbound = [\"channels\"]\n"), false);
}

#[test]
fn what_statements_say_has_a_schema() {
    let it = Shop::new();
    let schema = cavra(["trust", "schema", "--statement"]).run().json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let verified = it.done(&[
        "module",
        "verify",
        &it.text(super::MODULE),
        "--key",
        &it.public("publisher"),
        "--json",
    ]);
    let mut statement = verified.json()["statement"].take();
    assert!(validator.is_valid(&statement), "{statement:#}");
    statement["colour"] = "red".into();
    assert!(!validator.is_valid(&statement));
    let bundle = fs::read_to_string(it.path("fast.wasm.sigstore.json")).unwrap();
    assert!(
        bundle.contains("application/vnd.dev.sigstore.bundle.v0.3+json"),
        "{bundle}"
    );
}
