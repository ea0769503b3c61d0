//! Who may call the service: bearer tokens, their roles, and the file that holds
//! their salted hashes.
//!
//! A token is `cavra_<id>_<secret>`: the id finds the entry, the secret proves it.
//! The secret is 256 random bits, so one salted SHA-256 is enough: there is nothing
//! to guess that a slow hash would make slower to guess.

mod entry;
mod file;
mod secret;

pub use entry::{MAX_TOKENS, TokenEntry, TokenFault, TokenFileFaults};
pub use file::{Created, TokenFile, TokenFileError};
pub use secret::Secret;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

macro_rules! roles {
    ($($variant:ident $word:literal $bit:literal $meaning:literal,)*) => {
        /// What a token lets its bearer do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Role {
            $(#[doc = $meaning] $variant,)*
        }

        impl Role {
            /// Every role with its word and meaning, in the order of the documentation.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in token files and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            const fn bit(self) -> u8 {
                match self { $(Self::$variant => $bit,)* }
            }
        }
    };
}

roles! {
    Evaluate "evaluate" 1 "Have actions judged.",
    Read "read" 2 "See reports, the version, the API description and metrics.",
    Operate "operate" 4 "Reload, roll back and clear a rollback.",
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is none of the roles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; the roles are evaluate, read, operate")]
pub struct UnknownRole(pub String);

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::TABLE.iter().find(|(_, word, _)| *word == text);
        found
            .map(|(role, _, _)| *role)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A set of roles. None implies another: a token that may operate and read has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Whether `role` is one of them.
    pub fn allow(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// The roles, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        let all = Role::TABLE.iter().map(|(role, _, _)| *role);
        all.filter(move |role| self.allow(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

/// Why a caller is not let in. The caller is told no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such token, or another secret than the one it was made with.
    Unknown,
    /// The token's time is over.
    Expired,
    /// The token was revoked.
    Revoked,
}

impl Refusal {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The tokens of one reading of the file, found by their ids.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    by_id: BTreeMap<String, TokenEntry>,
}

impl Tokens {
    /// The token that `presented` is, if it is one and may be used now.
    ///
    /// # Errors
    /// [`Refusal`] is for logs; whoever presents a token learns only that it is refused.
    pub fn verify(&self, presented: &str, now: Timestamp) -> Result<&TokenEntry, Refusal> {
        let (id, secret) = Secret::split(presented).ok_or(Refusal::Unknown)?;
        let Some(entry) = self.by_id.get(id) else {
            // As much work as for an id that exists.
            secret.verify(&[0; secret::SALT_BYTES], &[0; secret::HASH_BYTES]);
            return Err(Refusal::Unknown);
        };
        if !secret.verify(&entry.salt, &entry.hash) {
            return Err(Refusal::Unknown);
        }
        if entry.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if entry.expired(now) {
            return Err(Refusal::Expired);
        }
        Ok(entry)
    }

    /// All tokens, by id.
    pub fn iter(&self) -> impl Iterator<Item = &TokenEntry> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

impl FromIterator<TokenEntry> for Tokens {
    fn from_iter<I: IntoIterator<Item = TokenEntry>>(entries: I) -> Self {
        let by_id = entries.into_iter().map(|it| (it.id.clone(), it));
        Self {
            by_id: by_id.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn tokens() -> (Tokens, String) {
        let secret = Secret::random().unwrap();
        let (salt, hash) = secret.salted().unwrap();
        let entry = TokenEntry {
            id: "ci-runner".to_owned(),
            roles: [Role::Evaluate, Role::Read].into_iter().collect(),
            salt,
            hash,
            created_at: at("2030-01-01T00:00:00Z"),
            expires_at: Some(at("2030-02-01T00:00:00Z")),
            revoked_at: None,
        };
        let presented = secret.token("ci-runner");
        (Tokens::from_iter([entry]), presented)
    }

    #[test]
    fn the_right_secret_is_let_in_until_it_expires() {
        let (tokens, presented) = tokens();
        let entry = tokens.verify(&presented, at("2030-01-31T23:59:59Z")).unwrap();
        assert!(entry.roles.allow(Role::Read) && !entry.roles.allow(Role::Operate));
        assert_eq!(
            tokens.verify(&presented, at("2030-02-01T00:00:00Z")),
            Err(Refusal::Expired)
        );
    }

    #[test]
    fn anything_else_is_unknown() {
        let (tokens, presented) = tokens();
        let now = at("2030-01-02T00:00:00Z");
        let mut other = presented.clone();
        let last = if other.pop() == Some('0') { '1' } else { '0' };
        other.push(last);
        let stranger = presented.replace("ci-runner", "ci-other");
        let upper = presented.to_uppercase();
        for wrong in [
            "",
            "cavra_",
            "cavra_ci-runner_",
            "cavra_ci-runner_00",
            &other,
            &stranger,
            &upper,
            &format!("{presented}0"),
            &format!(" {presented}"),
        ] {
            assert_eq!(tokens.verify(wrong, now), Err(Refusal::Unknown), "{wrong}");
        }
    }

    #[test]
    fn a_revoked_token_tells_only_who_has_its_secret() {
        let (tokens, presented) = tokens();
        let now = at("2030-01-02T00:00:00Z");
        let revoked: Tokens = tokens
            .iter()
            .cloned()
            .map(|it| TokenEntry {
                revoked_at: Some(now),
                ..it
            })
            .collect();
        assert_eq!(revoked.verify(&presented, now), Err(Refusal::Revoked));
        let wrong = format!("cavra_ci-runner_{}", "0".repeat(64));
        assert_eq!(revoked.verify(&wrong, now), Err(Refusal::Unknown));
    }
}
