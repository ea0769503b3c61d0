//! What a signature says of a file: an in-toto statement with a predicate of ours.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sigstore_types::{Sha256Hash, Statement, Subject};

use super::{Refusal, RefusalCode};

/// The type of the predicate.
pub const PREDICATE_TYPE: &str = "urn:cavra:statement:artifact:v1";
/// The type of an in-toto statement in a DSSE envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The world that components are of.
pub const COMPONENT_WORLD: &str = "cavra:enforcement/policy-module@1.0.0";
/// What stands for the world of a native binary.
pub const NATIVE_WORLD: &str = "native";

const MAX_NAME_CHARS: usize = 128;
const MAX_TEXT_CHARS: usize = 512;
/// What a name must be, for messages.
const NAME_RULE: &str = "1 to 128 lower-case letters, digits, `-`, `_` and `.`, the first a letter or digit";

/// What kind of file a statement is about: a file that was signed as one is never taken
/// for another.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// A policy module: a component or a native binary.
    Module,
    /// A compiled policy.
    Policy,
    /// The `policy.yaml` of a pack: its revisions are not those of the compiled policy.
    Pack,
    /// A trust registry of MCP servers.
    Registry,
    /// A governance document.
    Document,
}

impl ArtifactKind {
    /// The word in statements.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Policy => "policy",
            Self::Pack => "pack",
            Self::Registry => "registry",
            Self::Document => "document",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The predicate `urn:cavra:statement:artifact:v1`: what the publisher says of a file.
///
/// A member that is not listed is refused: it could be a condition that nobody would keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// What kind of file it is.
    pub kind: ArtifactKind,
    /// The name that the trust policy knows it by: of a module any, of a policy and a pack
    /// the id of the pack, of a document its kind.
    pub name: String,
    /// The publisher's version, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Grows with every release: a host that has used a higher one refuses a lower.
    pub revision: u64,
    /// Of a module: the world that it is a component of, or `native`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Of a module: the semantics version that it implements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantics_version: Option<String>,
    /// When it was signed.
    #[schemars(with = "String")]
    pub issued_at: Timestamp,
    /// From when on it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_before: Option<Timestamp>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_after: Option<Timestamp>,
    /// How it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
}

/// How a file was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Where its source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The commit that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
}

/// Whether a text can be the name of a file that is signed. There is one way to write
/// it: what looks alike is not the same.
pub fn valid_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= MAX_NAME_CHARS
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'))
}

impl Artifact {
    /// What is wrong with it by itself.
    ///
    /// # Errors
    /// The sentence for people.
    pub fn check(&self) -> Result<(), String> {
        if !valid_name(&self.name) {
            return Err(format!(
                "`{}` is no name: it must be {NAME_RULE}",
                shown(&self.name)
            ));
        }
        let build = self.build.iter();
        let texts = [&self.version, &self.world, &self.semantics_version].into_iter();
        let texts = texts.chain(build.flat_map(|it| [&it.source, &it.commit, &it.builder]));
        for text in texts.flatten() {
            if text.is_empty() || text.chars().count() > MAX_TEXT_CHARS || text.chars().any(char::is_control)
            {
                return Err(format!(
                    "`{}` is empty, too long or holds control characters",
                    shown(text)
                ));
            }
        }
        if let (Some(from), Some(until)) = (self.not_before, self.not_after)
            && from >= until
        {
            return Err(format!("it holds from {from} until {until}, which is never"));
        }
        Ok(())
    }

    /// The statement about the file with this SHA-256.
    pub(super) fn statement(&self, file: &str, sha256: Sha256Hash) -> Result<Statement, serde_json::Error> {
        let predicate = serde_json::to_value(self)?;
        Ok(Statement::new(
            vec![Subject::new(file, sha256.into())],
            PREDICATE_TYPE,
            predicate,
        ))
    }

    /// What a statement says of the file with this SHA-256.
    pub(super) fn of(payload_type: &str, payload: &[u8], sha256: &Sha256Hash) -> Result<Self, Refusal> {
        let invalid = |detail: String| Refusal::new(RefusalCode::StatementInvalid, detail);
        if payload_type != PAYLOAD_TYPE {
            return Err(invalid(format!(
                "the envelope holds `{}`, not `{PAYLOAD_TYPE}`",
                shown(payload_type)
            )));
        }
        let statement: Statement = serde_json::from_slice(payload)
            .map_err(|e| invalid(format!("the envelope holds no in-toto statement: {e}")))?;
        if statement.type_ != Statement::TYPE_V1 {
            return Err(invalid(format!("its type is `{}`", shown(&statement.type_))));
        }
        if !statement.matches_sha256(sha256) {
            return Err(Refusal::new(
                RefusalCode::DigestMismatch,
                format!(
                    "the statement is about other bytes; this file has SHA-256 {}",
                    sha256.to_hex()
                ),
            ));
        }
        if statement.predicate_type != PREDICATE_TYPE {
            return Err(invalid(format!(
                "its predicate is `{}`, not `{PREDICATE_TYPE}`",
                shown(&statement.predicate_type)
            )));
        }
        let artifact: Self = serde_json::from_value(statement.predicate)
            .map_err(|e| invalid(format!("its predicate cannot be read: {e}")))?;
        artifact.check().map_err(invalid)?;
        Ok(artifact)
    }

    /// Whether it holds at this time.
    ///
    /// # Errors
    /// `statement_not_yet_valid`, `statement_expired`.
    pub fn holds(&self, now: Timestamp) -> Result<(), Refusal> {
        if let Some(from) = self.not_before.filter(|from| now < *from) {
            return Err(Refusal::new(
                RefusalCode::StatementNotYetValid,
                format!("the statement holds from {from} on"),
            ));
        }
        if let Some(until) = self.not_after.filter(|until| now >= *until) {
            return Err(Refusal::new(
                RefusalCode::StatementExpired,
                format!("the statement held until {until}; have the file signed again"),
            ));
        }
        Ok(())
    }
}

/// The JSON Schema (2020-12) of the predicate.
pub fn predicate_schema() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<Artifact>();
    schema.insert("title".to_owned(), PREDICATE_TYPE.into());
    schema.to_value()
}

/// Foreign text in a message: short, and without what moves a cursor.
pub(crate) fn shown(text: &str) -> String {
    let mut told: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().count() > 80 {
        told.push('…');
    }
    told
}
