//! The request: what an agent wants to do, checked at the door.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{DEFAULT_POLICY_PACK, Identity, trim};

/// The largest request body: 64 KiB.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The fields of a request that have a meaning, and what it is. `action_type` must be
/// there; all are texts without NUL.
pub const REQUEST_FIELDS: [(&str, &str); 12] = [
    (
        "action_type",
        "`read_file`, `write_file`, `execute_command`, `git_operation`, `mcp_tool_call`, `pull_request`; any other word is an unknown action.",
    ),
    (
        "target",
        "A path, a command line, a git ref, an MCP server, or free text.",
    ),
    ("operation", "What is asked of the target."),
    (
        "requested_operation",
        "An older name of `operation`, which wins over it.",
    ),
    (
        "policy_pack",
        "The pack to judge by; absent or empty: `cavra-ai-agent-baseline`.",
    ),
    ("server", "MCP: the server; absent: `target`."),
    ("tool", "MCP: the tool; absent: `unknown`."),
    ("capability", "MCP: the capability."),
    ("workspace", "The absolute path of the agent's workspace."),
    ("session_id", "The session; absent or empty: `local`."),
    ("agent_id", "The agent; absent or empty: `unknown-agent`."),
    ("actor", "The actor; absent or empty: `ai-agent`."),
];

/// A request that no evaluator was asked about.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The body is longer than [`MAX_REQUEST_BYTES`].
    #[error("the request is longer than {MAX_REQUEST_BYTES} bytes, which are all that is read")]
    TooLarge,
    /// The body is not UTF-8.
    #[error("the request is not UTF-8 (first bad byte at offset {offset})")]
    NotUtf8 {
        /// Where the first invalid sequence begins.
        offset: usize,
    },
    /// The body is JSON and not an object. What it is stands in no message: it may
    /// be a secret.
    #[error("the request is not valid: it must be a JSON object, not {0}")]
    NotAnObject(&'static str),
    /// The body is not JSON, or a field has the wrong type.
    #[error("the request is not valid: {0}")]
    Invalid(#[from] serde_json::Error),
}

/// The known words of `action_type`; every other word is [`ActionType::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the decision semantics")]
pub enum ActionType {
    ReadFile,
    WriteFile,
    ExecuteCommand,
    GitOperation,
    McpToolCall,
    PullRequest,
    Unknown,
}

/// One action that an agent wants to take.
///
/// Parsing refuses, before any evaluator runs: a body over 64 KiB, a field of
/// the wrong JSON type, a field given twice, and NUL in any string anywhere.
/// `null` is absent. Unknown fields are kept for the evidence record.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Request {
    /// `read_file`, `execute_command`, …; any other word is an unknown action.
    pub action_type: String,
    /// A path, a command line, a git ref, an MCP server, or free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What is asked of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// An older name of `operation`, which wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_operation: Option<String>,
    /// The pack to judge by, never empty: the default is filled in.
    pub policy_pack: String,
    /// MCP: the server; absent: `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// MCP: the tool; absent: `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// MCP: the capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// The absolute path of the agent's workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What ties it to what others know of it, where the caller has said: begins with
    /// `corr_`. No part of the document.
    #[serde(skip)]
    pub correlation: Option<Arc<str>>,
    /// Fields that no evaluator looks at.
    #[serde(skip)]
    pub extra: Map<String, Value>,
}

impl Request {
    /// Reads one request from a JSON document.
    ///
    /// # Errors
    /// [`RequestError`] says what is wrong and where.
    pub fn from_json(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|e| RequestError::NotUtf8 {
            offset: e.valid_up_to(),
        })?;
        if !text.trim_start().starts_with('{')
            && let Ok(other) = serde_json::from_str::<Value>(text)
        {
            return Err(RequestError::NotAnObject(kind(&other)));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// What kind of action this is.
    pub fn kind(&self) -> ActionType {
        match self.action_type.as_str() {
            "read_file" => ActionType::ReadFile,
            "write_file" => ActionType::WriteFile,
            "execute_command" => ActionType::ExecuteCommand,
            "git_operation" => ActionType::GitOperation,
            "mcp_tool_call" => ActionType::McpToolCall,
            "pull_request" => ActionType::PullRequest,
            _ => ActionType::Unknown,
        }
    }

    /// The `target` that every decision about this request must report: the
    /// trimmed line of a command, `server:tool` of an MCP call, else the target
    /// as given.
    pub fn judged_target(&self) -> Cow<'_, str> {
        let target = self.target.as_deref().unwrap_or_default();
        match self.kind() {
            ActionType::ExecuteCommand => Cow::Borrowed(trim(target)),
            ActionType::McpToolCall => {
                let server = self.server.as_deref().unwrap_or(target);
                let tool = self.tool.as_deref().unwrap_or("unknown");
                Cow::Owned(format!("{server}:{tool}"))
            }
            _ => Cow::Borrowed(target),
        }
    }

    /// Who asks, with the defaults filled in.
    pub fn identity(&self) -> Identity {
        let or = |field: &Option<String>, default: &str| match field.as_deref() {
            None | Some("") => default.to_owned(),
            Some(text) => text.to_owned(),
        };
        Identity {
            session_id: or(&self.session_id, "local"),
            agent_id: or(&self.agent_id, "unknown-agent"),
            actor: or(&self.actor, "ai-agent"),
        }
    }
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor)
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request, A::Error> {
        let mut request = Request::default();
        let mut action_type = None;
        let mut policy_pack = None;
        let mut seen: Vec<String> = Vec::with_capacity(12);
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) || request.extra.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "field `{}` is given twice",
                    printable(&key)
                )));
            }
            let slot = match key.as_str() {
                "action_type" => &mut action_type,
                "target" => &mut request.target,
                "operation" => &mut request.operation,
                "requested_operation" => &mut request.requested_operation,
                "policy_pack" => &mut policy_pack,
                "server" => &mut request.server,
                "tool" => &mut request.tool,
                "capability" => &mut request.capability,
                "workspace" => &mut request.workspace,
                "session_id" => &mut request.session_id,
                "agent_id" => &mut request.agent_id,
                "actor" => &mut request.actor,
                _ => {
                    let value: Value = map.next_value()?;
                    if key.contains('\0') || holds_nul(&value) {
                        return Err(nul(&key));
                    }
                    request.extra.insert(key, value);
                    continue;
                }
            };
            *slot = match map.next_value()? {
                Value::Null => None,
                Value::String(text) if text.contains('\0') => return Err(nul(&key)),
                Value::String(text) => Some(text),
                other => {
                    return Err(A::Error::custom(format_args!(
                        "field `{key}` must be a string, not {}",
                        kind(&other)
                    )));
                }
            };
            seen.push(key);
        }
        request.action_type =
            action_type.ok_or_else(|| A::Error::custom("field `action_type` is missing"))?;
        request.policy_pack = policy_pack
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| DEFAULT_POLICY_PACK.to_owned());
        Ok(request)
    }
}

fn nul<E: serde::de::Error>(key: &str) -> E {
    E::custom(format_args!("field `{}` holds a NUL character", printable(key)))
}

/// A key as it can stand in an error message.
fn printable(key: &str) -> String {
    key.chars().take(64).flat_map(char::escape_debug).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_fields_are_those_that_have_a_meaning() {
        for (field, _) in REQUEST_FIELDS {
            let mut body = serde_json::json!({"action_type": "read_file"});
            body[field] = 7.into();
            let error = Request::from_json(body.to_string().as_bytes()).unwrap_err();
            let expected = format!("field `{field}` must be a string, not a number");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
