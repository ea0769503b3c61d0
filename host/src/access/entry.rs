//! The token file's text: read with every fault at once, and written.
//!
//! ```toml
//! version = 1
//!
//! [[token]]
//! id = "ci-runner"
//! roles = ["evaluate"]
//! salt = "…32 hex digits…"
//! sha256 = "…64 hex digits…"
//! created_at = "2030-01-01T00:00:00Z"
//! expires_at = "2030-04-01T00:00:00Z"
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use toml::{Table, Value};

use super::secret::{Hash, Salt, unhex};
use super::{Role, Roles, Tokens};
use crate::digest::digits;

/// How many tokens a file may hold.
pub const MAX_TOKENS: usize = 10_000;
const VERSION: i64 = 1;
const MAX_ID_CHARS: usize = 64;

/// One token, as the file holds it: everything but the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Names it in logs and finds it: lower-case letters, digits, `-`.
    pub id: String,
    /// What it lets its bearer do.
    pub roles: Roles,
    pub(super) salt: Salt,
    pub(super) hash: Hash,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is no longer accepted.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl TokenEntry {
    /// Whether its time is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// `active`, `expired` or `revoked`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self {
            it if it.revoked_at.is_some() => "revoked",
            it if it.expired(now) => "expired",
            _ => "active",
        }
    }
}

/// Something in a token file that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TokenFault {
    /// Where: `version`, or the token by number and id.
    pub place: String,
    /// What is wrong there, never with the salt or the hash.
    pub problem: String,
}

/// All faults of a token file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct TokenFileFaults(pub Vec<TokenFault>);

/// Whether `id` can name a token.
pub(super) fn valid_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !id.is_empty() && id.len() <= MAX_ID_CHARS && id.chars().all(plain)
}

/// What an id must be, for messages.
pub(super) const ID_RULE: &str = "an id is 1 to 64 lower-case letters, digits and `-`";

/// Reads the text of a token file.
pub(super) fn parse(text: &str) -> Result<Tokens, TokenFileFaults> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The message of the parser alone: its excerpt could show a hash.
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count().saturating_add(1));
        TokenFileFaults(vec![TokenFault {
            place: format!("line {line}"),
            problem: format!("this is no TOML: {}", error.message()),
        }])
    })?;
    let mut reader = Reader::default();
    reader.top(table);
    if reader.faults.is_empty() {
        Ok(Tokens::from_iter(reader.entries))
    } else {
        Err(TokenFileFaults(reader.faults))
    }
}

/// Writes tokens as the text of a token file.
pub(super) fn render(tokens: &Tokens) -> String {
    let mut text = format!(
        "# Tokens of the CAVRA service: salted hashes, no secrets. See `cavra token --help`.\nversion = {VERSION}\n"
    );
    for it in tokens.iter() {
        let roles: Vec<String> = it.roles.iter().map(|role| format!("\"{role}\"")).collect();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[token]]\nid = \"{}\"\nroles = [{}]\nsalt = \"{}\"\nsha256 = \"{}\"\ncreated_at = \"{}\"\n",
            it.id,
            roles.join(", "),
            digits(&it.salt),
            digits(&it.hash),
            it.created_at
        );
        for (name, time) in [("expires_at", it.expires_at), ("revoked_at", it.revoked_at)] {
            if let Some(time) = time {
                let _ = writeln!(text, "{name} = \"{time}\"");
            }
        }
    }
    text
}

#[derive(Default)]
struct Reader {
    place: String,
    faults: Vec<TokenFault>,
    entries: Vec<TokenEntry>,
    ids: BTreeSet<String>,
}

impl Reader {
    fn fault(&mut self, problem: impl Into<String>) {
        self.faults.push(TokenFault {
            place: self.place.clone(),
            problem: problem.into(),
        });
    }

    fn top(&mut self, mut table: Table) {
        "version".clone_into(&mut self.place);
        match table.remove("version") {
            Some(Value::Integer(VERSION)) => {}
            // The fields of another version mean other things.
            Some(Value::Integer(other)) => {
                return self.fault(format!("it is {other}; this release reads {VERSION}"));
            }
            Some(other) => self.fault(format!("it must be a whole number, not {}", kind(&other))),
            None => self.fault(format!("it is missing; write `version = {VERSION}`")),
        }
        let tokens = table.remove("token").unwrap_or_else(|| Value::Array(Vec::new()));
        "the file".clone_into(&mut self.place);
        self.nothing_else(&table, "version and token");
        let Value::Array(tokens) = tokens else {
            return self.fault("`token` must be a list of tables, each under `[[token]]`");
        };
        if tokens.len() > MAX_TOKENS {
            return self.fault(format!(
                "it holds {} tokens; at most {MAX_TOKENS} are read",
                tokens.len()
            ));
        }
        for (at, token) in tokens.into_iter().enumerate() {
            let number = at.saturating_add(1);
            self.place = format!("token {number}");
            match token {
                Value::Table(token) => self.token(token),
                _ => self.fault("it must be a table under `[[token]]`"),
            }
        }
    }

    fn nothing_else(&mut self, table: &Table, known: &str) {
        for name in table.keys() {
            let name: String = name.chars().take(64).flat_map(char::escape_debug).collect();
            self.fault(format!("`{name}` is not known; the fields are {known}"));
        }
    }

    fn token(&mut self, mut table: Table) {
        let before = self.faults.len();
        let id = self.text(&mut table, "id", true).unwrap_or_default();
        if valid_id(&id) {
            self.place = format!("{} (`{id}`)", self.place);
            if !self.ids.insert(id.clone()) {
                self.fault("another token has the same id");
            }
        } else if self.faults.len() == before {
            self.fault(format!("`id` is not one: {ID_RULE}"));
        }
        let roles = self.roles(&mut table);
        let salt = self.hex(&mut table, "salt");
        let hash = self.hex(&mut table, "sha256");
        let created_at = self.time(&mut table, "created_at", true);
        let expires_at = self.time(&mut table, "expires_at", false);
        let revoked_at = self.time(&mut table, "revoked_at", false);
        self.nothing_else(
            &table,
            "id, roles, salt, sha256, created_at, expires_at and revoked_at",
        );
        if let (Some(salt), Some(hash), Some(created_at), true) =
            (salt, hash, created_at, self.faults.len() == before)
        {
            self.entries.push(TokenEntry {
                id,
                roles,
                salt,
                hash,
                created_at,
                expires_at,
                revoked_at,
            });
        }
    }

    fn text(&mut self, table: &mut Table, name: &str, required: bool) -> Option<String> {
        match table.remove(name) {
            Some(Value::String(text)) => return Some(text),
            Some(other) => self.fault(format!("`{name}` must be a string, not {}", kind(&other))),
            None if required => self.fault(format!("`{name}` is missing")),
            None => {}
        }
        None
    }

    fn hex<const N: usize>(&mut self, table: &mut Table, name: &str) -> Option<[u8; N]> {
        let text = self.text(table, name, true)?;
        let bytes = unhex(&text);
        if bytes.is_none() {
            let digits = N.saturating_mul(2);
            self.fault(format!("`{name}` must be {digits} lower-case hex digits"));
        }
        bytes
    }

    fn time(&mut self, table: &mut Table, name: &str, required: bool) -> Option<Timestamp> {
        let text = self.text(table, name, required)?;
        let time = text.parse();
        if time.is_err() {
            self.fault(format!(
                "`{name}` must be a time such as \"2030-01-31T12:00:00Z\""
            ));
        }
        time.ok()
    }

    fn roles(&mut self, table: &mut Table) -> Roles {
        let list = match table.remove("roles") {
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(_) => {
                self.fault("`roles` must be a list with one or more of evaluate, read, operate");
                return Roles::default();
            }
            None => {
                self.fault("`roles` is missing; give one or more of evaluate, read, operate");
                return Roles::default();
            }
        };
        let mut roles = Vec::new();
        for role in list {
            match role.as_str().map(str::parse::<Role>) {
                Some(Ok(role)) => roles.push(role),
                Some(Err(unknown)) => self.fault(unknown.to_string()),
                None => self.fault(format!("a role must be a string, not {}", kind(&role))),
            }
        }
        roles.into_iter().collect()
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a bare date; put it in quotes",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
version = 1
[[token]]
id = "a"
roles = ["read", "evaluate"]
salt = "00112233445566778899aabbccddeeff"
sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
created_at = "2030-01-01T00:00:00Z"
revoked_at = "2030-01-02T00:00:00Z"
[[token]]
id = "b"
roles = ["operate"]
salt = "00112233445566778899aabbccddeeff"
sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
created_at = "2030-01-01T00:00:00Z"
expires_at = "2030-02-01T00:00:00Z"
"#;

    #[test]
    fn what_is_written_is_what_was_read() {
        let tokens = parse(GOOD).unwrap();
        assert_eq!(tokens.len(), 2);
        let again = parse(&render(&tokens)).unwrap();
        assert!(tokens.iter().eq(again.iter()));
        assert!(parse("version = 1").unwrap().is_empty());
    }

    #[test]
    fn every_fault_is_told_at_once_and_never_a_hash() {
        let text = r#"
colour = "red"
[[token]]
id = "A b"
roles = ["reed", 7]
salt = "0011"
sha256 = "XX112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
created_at = "yesterday"
secret = "s"
[[token]]
id = "b"
roles = []
salt = 5
created_at = 2030-01-01T00:00:00Z
[[token]]
id = "b"
roles = "read"
salt = "00112233445566778899aabbccddeeff"
sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
created_at = "2030-01-01T00:00:00Z"
"#;
        let faults: Vec<String> = parse(text)
            .unwrap_err()
            .0
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            faults,
            [
                "version: it is missing; write `version = 1`",
                "the file: `colour` is not known; the fields are version and token",
                "token 1: `id` is not one: an id is 1 to 64 lower-case letters, digits and `-`",
                "token 1: `reed` is no role; the roles are evaluate, read, operate",
                "token 1: a role must be a string, not a whole number",
                "token 1: `salt` must be 32 lower-case hex digits",
                "token 1: `sha256` must be 64 lower-case hex digits",
                "token 1: `created_at` must be a time such as \"2030-01-31T12:00:00Z\"",
                "token 1: `secret` is not known; the fields are id, roles, salt, sha256, created_at, expires_at and revoked_at",
                "token 2 (`b`): `roles` must be a list with one or more of evaluate, read, operate",
                "token 2 (`b`): `salt` must be a string, not a whole number",
                "token 2 (`b`): `sha256` is missing",
                "token 2 (`b`): `created_at` must be a string, not a bare date; put it in quotes",
                "token 3 (`b`): another token has the same id",
                "token 3 (`b`): `roles` must be a list with one or more of evaluate, read, operate",
            ]
        );
    }

    #[test]
    fn another_version_and_no_toml_are_refused_as_such() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            told("version = 2\nx = 1"),
            "version: it is 2; this release reads 1"
        );
        assert!(
            told("version = 1\n[[token").starts_with("line 2: this is no TOML: "),
            "{}",
            told("version = 1\n[[token")
        );
        assert!(told("version = 1\ntoken = 3").contains("`[[token]]`"));
    }
}
