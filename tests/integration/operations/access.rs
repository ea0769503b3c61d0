//! Who may call.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use integration_tests::cavra;
use integration_tests::service::Service;
use serde_json::{Value, json};

use super::{EVALUATE, READINESS, RELOAD, ROLLBACK, call, harmless, metric, serve, soon, token};

struct Setup {
    dir: tempfile::TempDir,
    tokens: PathBuf,
    service: Service,
    evaluate: String,
    read: String,
    operate: String,
}

fn setup(more: &[&str]) -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens.toml");
    let [evaluate, read, operate] =
        ["evaluate", "read", "operate"].map(|role| token(&tokens, &format!("only-{role}"), &[role]));
    let serve = serve(&dir.path().join("state"))
        .args(["--tokens".as_ref(), tokens.as_os_str()])
        .args(more);
    Setup {
        service: Service::ready(serve),
        dir,
        tokens,
        evaluate,
        read,
        operate,
    }
}

/// Method and path of every route that the service describes.
fn routes(it: &Setup) -> Vec<(String, String)> {
    let document = call(&it.service, "GET", "/openapi.json", &it.read, "").json();
    let mut routes = vec![("GET".to_owned(), "/openapi.json".to_owned())];
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(routes.len() >= 15, "{routes:?}");
    routes
}

fn open(path: &str) -> bool {
    ["/livez", "/readyz", "/health"].contains(&path)
}

#[test]
fn beyond_this_machine_only_with_tokens_and_tls() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens.toml");
    token(&tokens, "a", &["read"]);
    let tokens = ["--tokens", tokens.to_str().unwrap()];
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:8000"] {
        let nothing = cavra(["serve", "--addr", addr]).run();
        assert_eq!(nothing.code, Some(3), "{nothing:?}");
        assert!(
            nothing.stderr.contains("cavra token create"),
            "{}",
            nothing.stderr
        );
        assert!(nothing.stderr.contains("--tls-cert"), "{}", nothing.stderr);
        let plain = cavra(["serve", "--addr", addr]).args(tokens).run();
        assert_eq!(plain.code, Some(3));
        assert!(plain.stderr.contains("--insecure-plaintext"), "{}", plain.stderr);
        assert!(!plain.stderr.contains("token create"), "{}", plain.stderr);
        let bare = cavra(["serve", "--addr", addr, "--insecure-plaintext"]).run();
        assert_eq!(bare.code, Some(3));
        assert!(bare.stderr.contains("cavra token create"), "{}", bare.stderr);
    }
}

#[test]
fn each_role_may_do_its_own_and_nothing_else() {
    let it = setup(&[]);
    for (method, path) in routes(&it) {
        let need = match path.as_str() {
            path if open(path) => None,
            "/version" | "/openapi.json" => None,
            path if path.starts_with(EVALUATE) => Some(&it.evaluate),
            RELOAD | ROLLBACK => Some(&it.operate),
            _ => Some(&it.read),
        };
        for token in [&it.evaluate, &it.read, &it.operate] {
            let answer = call(&it.service, &method, &path, token, "");
            if need.is_none_or(|need| need == token) {
                assert!(!matches!(answer.status, 401 | 403), "{method} {path}: {answer:?}");
            } else {
                assert_eq!(answer.status, 403, "{method} {path}");
                assert_eq!(answer.problem().as_deref(), Some("forbidden"));
            }
        }
    }
}

#[test]
fn a_wrong_token_gets_nothing_anywhere() {
    let it = setup(&[]);
    let revoked = token(&it.tokens, "revoked", &["evaluate", "read", "operate"]);
    let revoke = cavra(["token", "revoke", "revoked"])
        .env("CAVRA_TOKENS", &it.tokens)
        .run();
    assert_eq!(revoke.code, Some(0));
    let expired = token(&it.tokens, "expired", &["evaluate", "read", "operate"]);
    let text = std::fs::read_to_string(&it.tokens).unwrap();
    let entry = text.find("id = \"expired\"").unwrap();
    let created = text[entry..].find("created_at").unwrap() + entry;
    let text = format!(
        "{}expires_at = \"2020-01-01T00:00:00Z\"\n{}",
        &text[..created],
        &text[created..]
    );
    std::fs::write(&it.tokens, text).unwrap();
    // Once it is read, the expired one is known as such.
    soon("read anew", || {
        call(&it.service, "GET", "/version", &expired, "");
        let metrics = call(&it.service, "GET", "/metrics", &it.read, "").body;
        !metrics.contains("cavra_access_refused_total{reason=\"expired\"} 0")
    });
    let stranger = it.read.replace("only-read", "nobody");
    let mut forged = it.read[..it.read.len() - 4].to_owned();
    forged.push_str(if it.read.ends_with("0000") { "1111" } else { "0000" });
    let long = "x".repeat(10_000);
    let wrong = ["", "x", "cavra_", &stranger, &forged, &revoked, &expired, &long];
    for (method, path) in routes(&it) {
        for token in wrong {
            let answer = call(&it.service, &method, &path, token, &harmless().to_string());
            assert_eq!(answer.status, 401, "{method} {path} {token}");
            assert_eq!(answer.problem().as_deref(), Some("unauthorized"));
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"));
        }
        let nothing = it.service.call(&method, &path);
        if open(&path) {
            assert_eq!(nothing.status, 200, "{path}");
        } else {
            assert_eq!(nothing.status, 401, "{method} {path}");
            assert_eq!(nothing.header("www-authenticate"), Some("Bearer realm=\"cavra\""));
        }
    }
    for path in [
        "/nothing",
        "/runtime/go-pilot/evaluate/",
        "//metrics",
        "/METRICS",
        "/metrics/../livez",
    ] {
        assert_eq!(it.service.get(path).status, 401, "{path}");
        assert_eq!(call(&it.service, "PUT", path, &it.read, "").status, 404, "{path}");
    }
    let two = "authorization: Bearer a\r\nauthorization: Bearer b\r\n";
    assert_eq!(it.service.post_with(EVALUATE, two, "{}").status, 401);
    let basic = format!("authorization: Basic {}\r\n", it.evaluate);
    assert_eq!(it.service.post_with(EVALUATE, &basic, "{}").status, 401);
}

#[test]
fn a_token_file_that_cannot_be_used_is_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    let start = || {
        cavra(["serve", "--addr", "127.0.0.1:0"])
            .env("CAVRA_TOKENS", &file)
            .run()
    };
    let missing = start();
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert!(missing.stderr.contains("tokens.toml"), "{}", missing.stderr);
    token(&file, "a", &["read"]);
    for mode in [0o640, 0o604, 0o622] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let open = start();
        assert_eq!(open.code, Some(3));
        assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
    }
    std::fs::write(
        &file,
        "version = 1\n[[token]]\nid = \"a\"\nroles = [\"admin\"]\npassword = \"x\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let invalid = start();
    assert_eq!(invalid.code, Some(3));
    for part in [
        "`admin` is no role",
        "`salt` is missing",
        "`password` is not known",
    ] {
        assert!(invalid.stderr.contains(part), "{part}: {}", invalid.stderr);
    }
}

#[test]
fn the_file_is_followed() {
    let it = setup(&[]);
    let late = token(&it.tokens, "late", &["read"]);
    soon("known", || {
        call(&it.service, "GET", READINESS, &late, "").status == 200
    });
    // What cannot be used leaves the old tokens, and is told.
    let text = std::fs::read_to_string(&it.tokens).unwrap();
    std::fs::write(&it.tokens, format!("{text}\n[[token]]\nid = \"half")).unwrap();
    soon("refused", || {
        let metrics = call(&it.service, "GET", "/metrics", &late, "");
        assert_eq!(metrics.status, 200, "the old tokens stay");
        metrics
            .body
            .contains("cavra_reloads_total{what=\"tokens\",outcome=\"refused\"} 1")
    });
    std::fs::write(&it.tokens, text).unwrap();
    let revoke = cavra(["token", "revoke", "late"])
        .env("CAVRA_TOKENS", &it.tokens)
        .run();
    assert_eq!(revoke.code, Some(0));
    soon("revoked", || {
        call(&it.service, "GET", READINESS, &late, "").status == 401
    });
    drop(it.dir);
}

#[test]
fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let it = setup(&["--rate-limit", "1"]);
    // As many as a batch holds may come at once.
    let batch = |count: usize| {
        let requests: Vec<Value> = vec![harmless(); count];
        let path = format!("{EVALUATE}/batch");
        call(
            &it.service,
            "POST",
            &path,
            &it.evaluate,
            &json!({"requests": requests}).to_string(),
        )
    };
    assert_eq!(batch(995).status, 200);
    let refused = batch(500);
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.problem().as_deref(), Some("rate-limited"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 300, "{wait}");
    let mut last = 200;
    for _ in 0..200 {
        last = call(
            &it.service,
            "POST",
            EVALUATE,
            &it.evaluate,
            &harmless().to_string(),
        )
        .status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(
        call(&it.service, "GET", READINESS, &it.read, "").status,
        200,
        "another token is another"
    );
    let metrics = call(&it.service, "GET", "/metrics", &it.read, "").body;
    assert!(!metrics.contains("cavra_access_refused_total{reason=\"rate\"} 0"));
}

/// A page can reach loopback through its visitor's browser, and read the answers when
/// its own name leads there.
#[test]
fn without_tokens_a_page_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::ready(serve(&dir.path().join("state")));
    let ask = |method: &str, path: &str, headers: &str| {
        let mut connection = service.connect();
        connection.send(format!(
            "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n"
        ));
        connection.answer_to(method)
    };
    for host in [
        "rebound.example",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example:8000",
        "10.0.0.1",
    ] {
        let answer = ask("GET", READINESS, &format!("host: {host}\r\n"));
        assert_eq!(
            (answer.status, answer.problem().as_deref()),
            (403, Some("from-browser")),
            "{host}"
        );
    }
    for host in [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "127.3.2.1:1",
        "[::1]:8000",
        "[::1]",
    ] {
        assert_eq!(
            ask("GET", READINESS, &format!("host: {host}\r\n")).status,
            200,
            "{host}"
        );
    }
    for (method, path) in [("POST", RELOAD), ("POST", ROLLBACK), ("DELETE", ROLLBACK)] {
        let headers = "host: localhost\r\norigin: http://page.example\r\n";
        let answer = ask(method, path, headers);
        assert_eq!(
            (answer.status, answer.problem().as_deref()),
            (403, Some("from-browser")),
            "{method} {path}"
        );
    }
    assert!(metric(&service, "cavra_access_refused_total{reason=\"origin\"}") >= 7.0);
    assert_eq!(metric(&service, "cavra_rolled_back"), 0.0);
}
