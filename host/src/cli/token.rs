//! `cavra token`: who may call the service.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::TokensArgs;
use super::{Exit, Failure, output};
use crate::access::{Role, TokenEntry, TokenFileError};
use crate::clock::{Clock, SystemClock};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, once
    #[command(after_help = "\
Example:
  cavra token create --role evaluate --id ci-runner --expires-in-days 90 --tokens tokens.toml

Roles:
  evaluate  have actions judged
  read      see reports, the version, the API description and metrics
  operate   reload, roll back and clear a rollback

No role implies another. The file holds salted hashes; what is printed is kept nowhere.")]
    Create(CreateArgs),
    /// List the tokens of a file
    List(ListArgs),
    /// Revoke a token; a running service refuses it within seconds
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// What it lets its bearer do; may be given again
    #[arg(long, value_name = "ROLE", required = true)]
    role: Vec<Role>,
    /// Its name in logs: lower-case letters, digits, `-` [default: a random one]
    #[arg(long)]
    id: Option<String>,
    /// After how many days it is no longer accepted [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    expires_in_days: Option<u32>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tokens: TokensArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tokens: TokensArgs,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The token's id
    id: String,
    #[command(flatten)]
    tokens: TokensArgs,
}

/// A token without its secret, for machines.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    roles: Vec<&'static str>,
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// Only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(entry: &'a TokenEntry, token: Option<String>) -> Self {
        Self {
            id: &entry.id,
            roles: entry.roles.iter().map(Role::as_str).collect(),
            status: entry.status(SystemClock.now()),
            created_at: entry.created_at.to_string(),
            expires_at: entry.expires_at.map(|time| time.to_string()),
            revoked_at: entry.revoked_at.map(|time| time.to_string()),
            token,
        }
    }
}

impl From<TokenFileError> for Failure {
    fn from(error: TokenFileError) -> Self {
        match error {
            TokenFileError::Random(_) => Self::Internal(error.to_string()),
            _ => Self::Input(error.to_string()),
        }
    }
}

impl TokenCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Create(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Revoke(args) => {
                args.tokens.file()?.revoke(&args.id, SystemClock.now())?;
                Ok(Exit::Done)
            }
        }
    }
}

impl CreateArgs {
    fn run(self) -> Result<Exit, Failure> {
        let file = self.tokens.file()?;
        let roles = self.role.into_iter().collect();
        let made = file.create(self.id, roles, self.expires_in_days, SystemClock.now())?;
        let token = made.secret.token(&made.entry.id);
        if self.json {
            output::json(&Shown::of(&made.entry, Some(token)))?;
        } else {
            // The token alone on standard output, for `TOKEN=$(cavra token create …)`.
            output::text(&token)?;
            output::note(&format!(
                "this is token `{}`, shown this once; send it as `Authorization: Bearer …`",
                made.entry.id
            ));
        }
        Ok(Exit::Done)
    }
}

impl ListArgs {
    fn run(self) -> Result<Exit, Failure> {
        let tokens = self.tokens.file()?.read()?;
        let shown: Vec<Shown<'_>> = tokens.iter().map(|entry| Shown::of(entry, None)).collect();
        if self.json {
            output::json(&shown)?;
            return Ok(Exit::Done);
        }
        let mut table = output::table(&["id", "roles", "status", "created", "expires"]);
        for it in shown {
            table.add_row(vec![
                it.id.into(),
                it.roles.join(", ").into(),
                output::mark(it.status, it.status == "active"),
                it.created_at.into(),
                it.expires_at.unwrap_or_else(|| "never".to_owned()).into(),
            ]);
        }
        output::text(&table.to_string())?;
        Ok(Exit::Done)
    }
}
