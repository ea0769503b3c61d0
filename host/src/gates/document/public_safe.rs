//! Public-safe: reports are shown to whoever may read them, so no document may hold
//! a secret.
//!
//! Implements the governance specification, *Binding and signatures*. What is looked
//! for is what is a secret beyond doubt; a value is never told, only where it stands.

use serde_json::Value;

use super::shape::{At, Fault, Reader};

/// Names that end like this are those of password fields, whatever is between the
/// letters: `db_password`, `adminPassword`.
const PASSWORDS: [&str; 3] = ["password", "passwd", "passphrase"];
/// Names of fields with a cloud access key.
const CLOUD_KEYS: [&str; 5] = [
    "accountkey",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "secretaccesskey",
    "awssessiontoken",
];
/// Names of fields with a bearer token.
const TOKENS: [&str; 3] = ["bearertoken", "accesstoken", "refreshtoken"];
/// How access keys of AWS begin; 16 capital letters and digits follow.
const AWS: [&str; 4] = ["AKIA", "ASIA", "ABIA", "ACCA"];
/// How other tokens begin, and how many characters of a token follow at least.
const PREFIXES: [(&str, usize, &str); 10] = [
    ("AccountKey=", 40, CLOUD_KEY),
    ("AIza", 35, CLOUD_KEY),
    ("ghp_", 36, TOKEN),
    ("gho_", 36, TOKEN),
    ("ghu_", 36, TOKEN),
    ("ghs_", 36, TOKEN),
    ("github_pat_", 22, TOKEN),
    ("glpat-", 20, TOKEN),
    ("xoxb-", 20, TOKEN),
    ("xoxp-", 20, TOKEN),
];

const PRIVATE_KEY: &str = "a private key block";
const TOKEN: &str = "a bearer token";
const CLOUD_KEY: &str = "a cloud access key";
const PASSWORD: &str = "a password";

/// Where a document holds a secret.
pub(super) fn secrets(value: &Value) -> Vec<Fault> {
    let mut reader = Reader {
        faults: Vec::new(),
        telling: false,
    };
    // Nesting is bounded: a deeper document was not read.
    walk(value, &At::Root, &mut reader);
    reader.faults
}

fn walk(value: &Value, at: &At<'_>, reader: &mut Reader) {
    match value {
        Value::String(text) => {
            if let Some(what) = secret(text) {
                tell(at, what, reader);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(item, &At::Index(at, i), reader);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                if secret(key).is_some() {
                    // The pointer would tell the key.
                    tell(at, "a secret in the name of a member", reader);
                    continue;
                }
                let at = At::Key(at, key);
                match field(key).filter(|_| holds(value)) {
                    Some(what) => tell(&at, what, reader),
                    None => walk(value, &at, reader),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn tell(at: &At<'_>, what: &str, reader: &mut Reader) {
    reader.fault(
        at,
        format!("holds {what}; remove it, and take it for known to others"),
    );
}

/// What a field of this name holds.
fn field(key: &str) -> Option<&'static str> {
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    if PASSWORDS.iter().any(|end| name.ends_with(end)) {
        Some(PASSWORD)
    } else if CLOUD_KEYS.contains(&name.as_str()) {
        Some(CLOUD_KEY)
    } else {
        TOKENS.contains(&name.as_str()).then_some(TOKEN)
    }
}

/// Whether a value can be a secret: `"requires_password": true` is none.
fn holds(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(_))
}

/// What kind of secret a text holds.
fn secret(text: &str) -> Option<&'static str> {
    let private_key = text
        .split("-----BEGIN")
        .skip(1)
        .filter_map(|rest| rest.split("-----").next())
        .any(|label| label.contains("PRIVATE KEY"));
    if private_key {
        return Some(PRIVATE_KEY);
    }
    if bearer(text) || web_token(text) {
        return Some(TOKEN);
    }
    let word = |c: char| c.is_ascii_alphanumeric();
    let aws = text.split(|c| !word(c)).any(|word| {
        let rest = AWS.iter().find_map(|prefix| word.strip_prefix(prefix));
        rest.is_some_and(|rest| {
            rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
    });
    if aws {
        return Some(CLOUD_KEY);
    }
    PREFIXES.iter().find_map(|(prefix, length, what)| {
        let long = |rest: &str| {
            rest.chars()
                .take_while(|c| word(*c) || matches!(c, '_' | '-' | '+' | '/'))
                .count()
                >= *length
        };
        text.split(prefix).skip(1).any(long).then_some(*what)
    })
}

/// Whether the text is, or holds, `Bearer` and a token, and not a word of a sentence:
/// it is the whole value, or a header's, or is long, or has digits.
fn bearer(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("bearer").any(|(start, word)| {
        let (before, rest) = lower.split_at(start);
        if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return false;
        }
        let rest = rest.strip_prefix(word).unwrap_or_default();
        let token = rest.trim_start_matches([' ', '\t', ':', '=']);
        let length = token.bytes().take_while(|byte| is_token(*byte)).count();
        if token.len() == rest.len() || length == 0 {
            return false;
        }
        let whole = text.starts_with("Bearer") && start == 0 && token.len() == length;
        let header = before.trim_end().ends_with("authorization:") && length >= 6;
        let digits = token.bytes().take(length).any(|byte| byte.is_ascii_digit());
        whole || header || length >= 20 || (length >= 8 && digits)
    })
}

/// The characters of a bearer token (RFC 6750, *b64token*).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Whether the text holds a JSON Web Token: three parts, of which the first two are
/// objects in base64.
fn web_token(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .any(|word| {
            let mut parts = word.split('.').skip_while(|part| !part.starts_with("eyJ"));
            let object =
                |part: Option<&str>| part.is_some_and(|part| part.len() >= 10 && part.starts_with("eyJ"));
            object(parts.next()) && object(parts.next()) && parts.next().is_some()
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(value: &Value) -> Vec<(String, String)> {
        let faults = secrets(value).into_iter();
        faults.map(|fault| (fault.pointer, fault.problem)).collect()
    }

    #[test]
    fn secrets_are_found_wherever_they_are_and_never_told() {
        let jwt = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJl"].join(".");
        let aws = format!("key {}{} here", "AKIA", "IOSFODNN7EXAMPLE");
        let azure = format!(
            "AccountName=harbor;AccountKey={}==;EndpointSuffix=x",
            "a+/B".repeat(21)
        );
        let cases = [
            (
                json!({"a": [1, {"b~/c": "-----BEGIN RSA PRIVATE KEY-----\nMII"}]}),
                "/a/1/b~0~1c",
                PRIVATE_KEY,
            ),
            (
                json!({"a": "x -----BEGIN PGP PRIVATE KEY BLOCK----- y"}),
                "/a",
                PRIVATE_KEY,
            ),
            (json!({"a": "Bearer abc"}), "/a", TOKEN),
            (
                json!({"a": "curl -H 'Authorization: Bearer s3cr3t-value'"}),
                "/a",
                TOKEN,
            ),
            (json!({"a": "authorization=bearer 0123456789abcdef"}), "/a", TOKEN),
            (json!({ "a": format!("see {jwt}") }), "/a", TOKEN),
            (json!({"access_token": "x"}), "/access_token", TOKEN),
            (json!({ "a": aws }), "/a", CLOUD_KEY),
            (json!({ "a": azure }), "/a", CLOUD_KEY),
            (
                json!({"AWS_SECRET_ACCESS_KEY": "x"}),
                "/AWS_SECRET_ACCESS_KEY",
                CLOUD_KEY,
            ),
            (json!({"a": {"dbPassword": "hunter2"}}), "/a/dbPassword", PASSWORD),
            (json!({"password": 7}), "/password", PASSWORD),
            (json!({"passwd": ["x"]}), "/passwd", PASSWORD),
        ];
        for (value, pointer, what) in cases {
            let found = found(&value);
            assert_eq!(found.len(), 1, "{value}: {found:?}");
            assert_eq!(found[0].0, pointer);
            assert!(found[0].1.contains(what), "{found:?}");
            for secret in ["hunter2", "s3cr3t", "MII", "EXAMPLE", "0123456789"] {
                assert!(!found[0].1.contains(secret), "{found:?}");
            }
        }
        let key = json!({ "Bearer 0123456789": 1 });
        assert_eq!(found(&key).len(), 1);
        assert_eq!(found(&key)[0].0, "", "a name that is a secret is not told");
    }

    #[test]
    fn what_only_looks_like_a_secret_is_none() {
        for value in [
            json!({"note": "the bearer of this document approves"}),
            json!({"note": "bearer authentication"}),
            json!({"note": "Bearer"}),
            json!({"note": "forbearer 12345678"}),
            json!({"note": "-----BEGIN CERTIFICATE-----"}),
            json!({"note": "-----BEGIN PUBLIC KEY-----"}),
            json!({"note": "AKIA"}),
            json!({"note": "AKIAIOSFODNN7EXAMPLEandmore"}),
            json!({"requires_password": true, "password": null}),
            json!({"password_policy": "rotated"}),
            json!({"controls": ["runner-authentication-claims-signed"]}),
            json!({"note": "release.2026.11.25"}),
        ] {
            assert!(found(&value).is_empty(), "{value}: {:?}", found(&value));
        }
    }
}
