use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::evidence::testing::sparse;

/// What texts with and without secrets are made of.
const PARTS: &[&str] = &[
    " ",
    "\n",
    "=",
    ":",
    ": ",
    "\"",
    "'",
    "-",
    "--",
    "://",
    "@",
    "/",
    "\\",
    "_",
    "|",
    "x",
    "secret1",
    "password",
    "Token",
    "api_key",
    "PASS",
    "pwd",
    "auth",
    "bearer ",
    "Authorization",
    "Cookie",
    "x-api-key",
    "https",
    "-u",
    "--user",
    "mysql",
    "-p",
    "-pword",
    "AKIAEXAMPLEEXAMPLE1",
    "ghp_aaaaaaaaaaaaaaaaaaaaaaaa",
    "eyJhbGciOi.eyJzdWIi.abc",
    "-----BEGIN RSA PRIVATE KEY-----",
    "robot:word",
    "$",
    "\u{17f}ecret=word",
];

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PARTS), 0..7).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_not_suspected_holds_nothing_to_mask(
        (key, inner, target, actor) in (text(), text(), text(), text())
    ) {
        let masker = masker();
        let mut record = sparse();
        record.request = json!({"target": target, "context": [{key: inner}]}).as_object().cloned();
        record.identity.actor = actor;
        let suspected = masker.suspects(&record);
        masker.mask(&mut record);
        prop_assert!(suspected || record.masking.masked.is_empty(), "{:?}", record);
    }
}

fn masker() -> &'static Masker {
    static MASKER: std::sync::OnceLock<Masker> = std::sync::OnceLock::new();
    MASKER.get_or_init(|| Masker::new(&[7; 32], &[]).unwrap())
}

#[test]
fn most_records_are_not_suspected() {
    let mut record = sparse();
    for target in [
        "terraform apply",
        "git push origin main",
        "src/password_reset.rs",
        "cat notes.txt",
    ] {
        record.request = json!({"action_type": "x", "target": target}).as_object().cloned();
        record.outcome.effective_decision.target = target.to_owned();
        assert!(!masker().suspects(&record), "{target}");
    }
    record.request = json!({"password": 7}).as_object().cloned();
    assert!(masker().suspects(&record));
}
