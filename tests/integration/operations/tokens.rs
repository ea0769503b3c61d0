//! `cavra token`: the file of salted hashes.

use std::os::unix::fs::PermissionsExt;

use integration_tests::cavra;

use super::token;

#[test]
fn a_token_is_made_listed_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let secret = token(&file, "ci", &["evaluate", "read"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(secret.rsplit('_').next().unwrap()), "{text}");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The variable does as well as the flag, and another setting's value does not matter.
    let list = cavra(["token", "list", "--json"])
        .env("CAVRA_TOKENS", &file)
        .env("CAVRA_GO_BACKEND_MODE", "typo")
        .run();
    assert_eq!(list.code, Some(0), "{list:?}");
    let list = list.json();
    assert_eq!(list[0]["id"], "ci");
    assert_eq!(list[0]["roles"], serde_json::json!(["evaluate", "read"]));
    assert_eq!(list[0]["status"], "active");
    assert!(list[0].get("token").is_none());

    let revoke = |id: &str| cavra(["token", "revoke", id]).env("CAVRA_TOKENS", &file).run();
    assert_eq!(revoke("ci").code, Some(0));
    assert_eq!(revoke("nobody").code, Some(3));
    let table = cavra(["token", "list"]).env("CAVRA_TOKENS", &file).run().stdout;
    assert!(table.contains("revoked"), "{table}");
    let again = cavra(["token", "create", "--role", "read", "--id", "ci"])
        .env("CAVRA_TOKENS", &file)
        .run();
    assert_eq!(again.code, Some(3));
    assert!(again.stderr.contains("`ci` already"), "{}", again.stderr);
}

#[test]
fn only_the_token_is_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let made = cavra(["token", "create", "--role", "operate", "--expires-in-days", "7"])
        .env("CAVRA_TOKENS", dir.path().join("tokens.toml"))
        .run();
    assert_eq!(made.stdout.lines().count(), 1, "{made:?}");
    let parts: Vec<&str> = made.stdout.trim().rsplitn(2, '_').collect();
    assert!(parts[0].len() == 64 && parts[0].bytes().all(|it| it.is_ascii_hexdigit()));
    assert!(!made.stderr.contains(parts[0]));
    let list = cavra(["token", "list", "--json"])
        .env("CAVRA_TOKENS", dir.path().join("tokens.toml"))
        .run()
        .json();
    let time = |name: &str| {
        list[0][name]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let days = (time("expires_at").as_second() - time("created_at").as_second()) / 86_400;
    assert_eq!(days, 7);
}

#[test]
fn calls_at_the_same_time_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let file = &file;
            scope.spawn(move || token(file, &format!("t{number}"), &["read"]));
        }
    });
    let list = cavra(["token", "list", "--json"])
        .env("CAVRA_TOKENS", &file)
        .run()
        .json();
    assert_eq!(list.as_array().unwrap().len(), 8);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no other file is left"
    );
}

#[test]
fn what_is_wrong_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let no_file = cavra(["token", "list"]).run();
    assert_eq!(no_file.code, Some(3));
    assert!(
        no_file.stderr.contains("--tokens (CAVRA_TOKENS)"),
        "{}",
        no_file.stderr
    );
    for (args, part) in [
        (vec!["--role", "admin"], "the roles are evaluate, read, operate"),
        (vec!["--role", "read", "--id", "Not An Id"], "lower-case letters"),
        (vec!["--role", "read", "--expires-in-days", "0"], "0"),
        (vec![], "--role"),
    ] {
        let output = cavra(["token", "create"])
            .args(&args)
            .env("CAVRA_TOKENS", &file)
            .run();
        assert_eq!(output.code, Some(3), "{args:?} {output:?}");
        assert!(output.stderr.contains(part), "{args:?} {}", output.stderr);
    }
    assert!(!file.exists());
    token(&file, "a", &["read"]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = cavra(["token", "list"]).env("CAVRA_TOKENS", &file).run();
    assert_eq!(open.code, Some(3));
    assert!(open.stderr.contains("mode 644") && open.stderr.contains("chmod 600"));
}
