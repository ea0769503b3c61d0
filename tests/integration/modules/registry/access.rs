//! Who asks: credentials of the docker configuration, and tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::Output;
use integration_tests::front::{Act, Front};
use integration_tests::registry::{PASSWORD, Registry, USER};
use serde_json::{Value, json};

use super::{Market, TAGGED};
use crate::signing::MODULE;

/// Base64, as it stands in the docker configuration.
fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let mut bits = [0; 3];
        bits[..chunk.len()].copy_from_slice(chunk);
        let all = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        for at in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * at) & 63) as usize];
            coded.push(if at > chunk.len() { '=' } else { digit as char });
        }
    }
    coded
}

fn docker(it: &Market, config: &Value) {
    fs::create_dir_all(it.shop.path("docker")).unwrap();
    fs::write(it.shop.path("docker/config.json"), config.to_string()).unwrap();
}

/// That a push is refused with this, and shows no secret.
fn refused(it: &Market, reference: &str, says: &str) {
    let output = it
        .cavra(&["module", "push", &it.shop.text(MODULE), reference])
        .run();
    assert_eq!(output.code, Some(1), "{says}: {output:?}");
    assert!(output.stderr.contains(says), "{says}: {output:?}");
    assert_hidden(&output);
}

fn assert_hidden(output: &Output) {
    let coded = base64(&format!("{USER}:{PASSWORD}"));
    for secret in ["planted", coded.as_str()] {
        assert!(
            !output.stdout.contains(secret) && !output.stderr.contains(secret),
            "{output:?}"
        );
    }
}

#[test]
fn credentials_are_those_of_docker() {
    let it = Market::with(Registry::with_accounts());
    let (name, host) = (it.registry.name(TAGGED), it.registry.addr().to_string());
    refused(
        &it,
        &name,
        "asks for credentials, and there is no docker configuration that can be read",
    );
    docker(&it, &json!({"auths": {}}));
    refused(&it, &name, &format!("has none for it; run `docker login {host}`"));
    docker(
        &it,
        &json!({"auths": {host.as_str(): {"auth": base64(&format!("{USER}:planted-wrong"))}}}),
    );
    refused(&it, &name, "does not take those of the docker configuration");
    docker(&it, &json!({"auths": {host.as_str(): {"auth": "planted!"}}}));
    refused(&it, &name, "cannot be read");
    // Those of another registry are not for this one.
    docker(
        &it,
        &json!({"auths": {"registry.example.com": {"auth": base64(&format!("{USER}:{PASSWORD}"))}}}),
    );
    refused(&it, &name, "has none for it");
    it.refused(&name, "asks for credentials");
    docker(
        &it,
        &json!({"auths": {host.as_str(): {"auth": base64(&format!("{USER}:{PASSWORD}"))}}}),
    );
    let by_digest = it.push();
    let pulled = it.pull(&by_digest);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    assert_hidden(&pulled);
}

#[test]
fn a_credential_helper_is_asked() {
    let it = Market::with(Registry::with_accounts());
    let (name, host) = (it.registry.name(TAGGED), it.registry.addr().to_string());
    docker(&it, &json!({"credHelpers": {host.as_str(): "planted-helper"}}));
    refused_with_path(&it, &name, "cannot be run");
    let helper = |script: &str| {
        let path = it.shop.path("bin/docker-credential-test");
        fs::create_dir_all(it.shop.path("bin")).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    docker(&it, &json!({"credsStore": "test"}));
    helper("read server; echo planted; echo planted >&2; exit 1");
    refused_with_path(&it, &name, "`docker-credential-test` has none for it");
    helper("read server; echo planted");
    refused_with_path(&it, &name, "gives no credentials");
    helper(&format!(
        "read server; [ \"$1 $server\" = \"get {host}\" ] && echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
    ));
    let output = with_path(&it, &name);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_hidden(&output);
}

fn with_path(it: &Market, reference: &str) -> Output {
    let path = format!("{}:/usr/bin:/bin", it.shop.text("bin"));
    it.cavra(&["module", "push", &it.shop.text(MODULE), reference])
        .env("PATH", path)
        .run()
}

fn refused_with_path(it: &Market, reference: &str, says: &str) {
    let output = with_path(it, reference);
    assert_eq!(output.code, Some(1), "{says}: {output:?}");
    assert!(output.stderr.contains(says), "{says}: {output:?}");
    assert!(
        !output.stderr.replace("planted-helper", "").contains("planted"),
        "{output:?}"
    );
}

/// A registry that takes tokens, and gives them where it says.
fn tokens(it: &Market, realm: &'static str, answer: &'static str) -> Front {
    Front::start(it.registry.addr(), move |asked, addr| {
        if asked.path.starts_with("/token") {
            let known = format!("Basic {}", base64(&format!("{USER}:{PASSWORD}")));
            let shown = asked.header("authorization") == Some(&known)
                || String::from_utf8_lossy(&asked.body).contains("refresh_token=planted-identity");
            return match shown {
                true => Act::Answer(200, String::new(), answer.as_bytes().to_vec()),
                false => Act::Answer(401, String::new(), b"planted".to_vec()),
            };
        }
        if asked.header("authorization") == Some("Bearer planted-token") {
            return Act::Pass;
        }
        let realm = realm.replace("HERE", &addr.to_string());
        let challenge = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"test\"\r\n");
        Act::Answer(401, challenge, b"{}".to_vec())
    })
}

#[test]
fn a_token_is_fetched_and_shown() {
    let it = Market::new();
    let front = tokens(&it, "http://HERE/token", r#"{"token":"planted-token"}"#);
    let (name, host) = (front.name(TAGGED), front.addr().to_string());
    refused(&it, &name, "asks for credentials");
    docker(
        &it,
        &json!({"auths": {host.as_str(): {"auth": base64(&format!("{USER}:{PASSWORD}"))}}}),
    );
    let output = it.cavra(&["module", "push", &it.shop.text(MODULE), &name]).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_hidden(&output);
    let asked = front.asked();
    let of = |path: &str| {
        asked
            .iter()
            .filter(|it| it.path.contains(path))
            .collect::<Vec<_>>()
    };
    let token = of("/token");
    assert_eq!(
        token.last().unwrap().path,
        "/token?service=test&scope=repository%3Aacme%2Ffastpath%3Apull%2Cpush"
    );
    // The password goes to the token service alone.
    let basic = |it: &&integration_tests::front::Asked| {
        it.header("authorization")
            .is_some_and(|it| it.starts_with("Basic"))
    };
    assert!(of("/v2/").iter().all(|it| !basic(it)));
    // An identity token is exchanged.
    docker(
        &it,
        &json!({"auths": {host.as_str(): {"identitytoken": "planted-identity"}}}),
    );
    let pulled = it.pull(&name);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    let asked = front.asked();
    let last = asked.iter().rfind(|it| it.path == "/token").unwrap();
    assert_eq!(last.method, "POST");
    let form = String::from_utf8_lossy(&last.body);
    assert!(
        form.contains("grant_type=refresh_token")
            && form.contains("scope=repository%3Aacme%2Ffastpath%3Apull&"),
        "{form}"
    );
}

#[test]
fn a_token_service_that_is_not_to_be_trusted_gets_nothing() {
    let it = Market::new();
    let refuses = |front: &Front, says: &str| {
        let host = front.addr().to_string();
        docker(
            &it,
            &json!({"auths": {host.as_str(): {"auth": base64(&format!("{USER}:{PASSWORD}"))}}}),
        );
        refused(&it, &front.name(TAGGED), says);
    };
    for realm in ["http://registry.example.com/token", "ftp://HERE/token"] {
        let front = tokens(&it, realm, "{}");
        refuses(&front, "a token service without TLS, to which nothing is sent");
        assert!(
            front
                .asked()
                .iter()
                .all(|it| it.header("authorization").is_none())
        );
    }
    refuses(
        &tokens(&it, "token", "{}"),
        "without the address of its token service",
    );
    let token = "http://HERE/token";
    refuses(&tokens(&it, token, "{}"), "no token");
    refuses(&tokens(&it, token, "planted"), "no token");
    refuses(
        &tokens(&it, token, "{\"token\":\"planted\\r\\nx: y\"}"),
        "no token",
    );
    refuses(
        &tokens(&it, token, r#"{"token":"planted-other"}"#),
        "does not take those",
    );
}

#[test]
fn nobody_who_is_sent_to_is_signed_in_to() {
    let it = Market::new();
    // Who asks for credentials whoever comes.
    let elsewhere = Front::start(it.registry.addr(), |_, addr| {
        let challenges = format!(
            "www-authenticate: Basic realm=\"x\"\r\nwww-authenticate: Bearer realm=\"http://{addr}/token\"\r\n"
        );
        Act::Answer(401, challenges, b"{}".to_vec())
    });
    let to = elsewhere.addr();
    let front = Front::start(it.registry.addr(), move |asked, _| {
        let location = format!("location: http://{to}{}\r\n", asked.path);
        Act::Answer(307, location, Vec::new())
    });
    let host = front.addr().to_string();
    for entry in [
        json!({"auth": base64(&format!("{USER}:{PASSWORD}"))}),
        json!({"identitytoken": "planted-identity"}),
    ] {
        docker(&it, &json!({"auths": {host.as_str(): entry}}));
        let says = "does so from another address, where none are shown";
        refused(&it, &front.name(TAGGED), says);
        it.refused(&front.name(TAGGED), says);
    }
    let asked = elsewhere.asked();
    assert!(!asked.is_empty());
    for it in asked {
        assert!(it.header("authorization").is_none(), "{it:?}");
        assert!(it.path.starts_with("/v2/") && it.body.is_empty(), "{it:?}");
    }
    assert!(
        front
            .asked()
            .iter()
            .all(|it| it.header("authorization").is_none())
    );
}

#[test]
fn a_token_service_that_sends_elsewhere_is_not_followed() {
    let it = Market::new();
    let elsewhere = Front::start(it.registry.addr(), |_, _| {
        Act::Answer(200, String::new(), br#"{"token":"planted-token"}"#.to_vec())
    });
    let to = elsewhere.addr();
    // The token is asked for, also where a password would do and stands first.
    let front = Front::start(it.registry.addr(), move |asked, addr| {
        if asked.path.starts_with("/token") {
            return Act::Answer(307, format!("location: http://{to}/token\r\n"), Vec::new());
        }
        let challenges = format!(
            "www-authenticate: Basic realm=\"x\"\r\nwww-authenticate: Bearer realm=\"http://{addr}/token\"\r\n"
        );
        Act::Answer(401, challenges, b"{}".to_vec())
    });
    let host = front.addr().to_string();
    for entry in [
        json!({"auth": base64(&format!("{USER}:{PASSWORD}"))}),
        json!({"identitytoken": "planted-identity"}),
    ] {
        docker(&it, &json!({"auths": {host.as_str(): entry}}));
        let says = "its token service sends elsewhere, where nothing is sent";
        refused(&it, &front.name(TAGGED), says);
    }
    let tokens = front
        .asked()
        .into_iter()
        .filter(|it| it.path.starts_with("/token"));
    assert_eq!(tokens.count(), 2);
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
}
