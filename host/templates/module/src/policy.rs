//! What counts of a compiled policy.

use serde_json::{Map, Value};

/// The part of a pack that this module judges by.
#[derive(Debug)]
pub struct Policy {
    /// The pack's id.
    pub pack: String,
    /// MCP servers that may be called.
    pub allowed_servers: Vec<String>,
    /// MCP servers that may not.
    pub blocked_servers: Vec<String>,
    /// Whether a server that no list names may be called.
    pub block_unknown_servers: bool,
}

impl Policy {
    /// Reads a compiled policy, the JSON that `cavra policy compile` prints.
    ///
    /// # Errors
    /// One sentence that says where and why. What is refused here is refused by the host:
    /// a policy that was half understood must not decide.
    pub fn read(text: &str) -> Result<Self, String> {
        let document: Value =
            serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
        let document = document.as_object().ok_or("it is not an object")?;
        match document.get("schema_version") {
            None => {}
            Some(version) if version == "cavra.compiled-policy.v1" => {}
            Some(other) => return Err(format!("`schema_version` is {other}")),
        }
        let pack = section(document, "metadata")?
            .and_then(|it| it.get("id"))
            .and_then(Value::as_str)
            .ok_or("`metadata.id` is not a string")?;
        let mcp = section(document, "mcp")?;
        Ok(Self {
            pack: pack.to_owned(),
            allowed_servers: texts(mcp, "allowed_servers")?,
            blocked_servers: texts(mcp, "blocked_servers")?,
            block_unknown_servers: match mcp.and_then(|it| it.get("block_unknown_servers")) {
                None => true,
                Some(value) => value
                    .as_bool()
                    .ok_or("`mcp.block_unknown_servers` is neither true nor false")?,
            },
        })
    }
}

type Section<'a> = Option<&'a Map<String, Value>>;

fn section<'a>(document: &'a Map<String, Value>, name: &str) -> Result<Section<'a>, String> {
    match document.get(name) {
        None => Ok(None),
        Some(Value::Object(section)) => Ok(Some(section)),
        Some(_) => Err(format!("`{name}` is not an object")),
    }
}

fn texts(section: Section<'_>, key: &str) -> Result<Vec<String>, String> {
    let Some(value) = section.and_then(|it| it.get(key)) else {
        return Ok(Vec::new());
    };
    let items = value
        .as_array()
        .ok_or_else(|| format!("`mcp.{key}` is not a list"))?;
    let text = |item: &Value| item.as_str().map(str::to_owned);
    items
        .iter()
        .enumerate()
        .map(|(at, item)| text(item).ok_or_else(|| format!("`mcp.{key}[{at}]` is not a string")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn a_policy_is_read() {
        let text = r#"{"metadata": {"id": "harbor"}, "mcp": {"allowed_servers": ["tickets"]}}"#;
        let policy = Policy::read(text).unwrap();
        assert_eq!(
            (policy.pack.as_str(), policy.block_unknown_servers),
            ("harbor", true)
        );
        assert_eq!(policy.allowed_servers, ["tickets"]);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for (text, why) in [
            ("no", "it is not JSON"),
            ("[]", "it is not an object"),
            (r#"{"schema_version": "v9"}"#, "`schema_version`"),
            (r#"{"metadata": {}}"#, "`metadata.id`"),
            (
                r#"{"metadata": {"id": "a"}, "mcp": {"allowed_servers": [1]}}"#,
                "`mcp.allowed_servers[0]`",
            ),
        ] {
            let told = Policy::read(text).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
    }
}
