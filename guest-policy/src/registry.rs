//! The MCP trust registry (decision semantics, *MCP*, 2).

use alloc::string::String;
use alloc::vec::Vec;

use crate::LoadError;
use crate::json;
use crate::shape::Object;

/// A loaded trust registry.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    records: Vec<Record>,
}

/// What the registry says of one server. A key that is absent is `None`, or an
/// empty list.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    server_id: Option<String>,
    name: Option<String>,
    pub(crate) trust_tier: Option<String>,
    pub(crate) approval_state: Option<String>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) allowed_tools: Vec<String>,
}

impl Registry {
    /// Reads `{"mcp_servers": [...]}`; other keys are tolerated.
    ///
    /// # Errors
    ///
    /// [`LoadError::InvalidRegistry`] if it is not JSON or has another shape,
    /// naming the place.
    pub(crate) fn load(json: &str) -> Result<Self, LoadError> {
        Self::read(json).map_err(LoadError::InvalidRegistry)
    }

    fn read(json: &str) -> Result<Self, String> {
        let document = json::parse(json)?;
        let registry = Object::root(&document, "the trust registry")?;
        let records = registry.required_objects("mcp_servers")?;
        let records = records.iter().map(Record::read).collect::<Result<_, _>>()?;
        Ok(Self { records })
    }

    /// The records of the server, by id or by name, in order.
    pub(crate) fn records_of<'r>(&'r self, server: &'r str) -> impl Iterator<Item = &'r Record> {
        let is_server = move |name: &Option<String>| name.as_deref() == Some(server);
        self.records
            .iter()
            .filter(move |record| is_server(&record.server_id) || is_server(&record.name))
    }
}

impl Record {
    fn read(record: &Object<'_>) -> Result<Self, String> {
        Ok(Self {
            server_id: record.text("server_id")?,
            name: record.text("name")?,
            trust_tier: record.text("trust_tier")?,
            approval_state: record.text("approval_state")?,
            capabilities: record.texts("capabilities")?.unwrap_or_default(),
            allowed_tools: record.texts("allowed_tools")?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        match Registry::load(json) {
            Err(LoadError::InvalidRegistry(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_is_found_by_its_id_and_by_its_name() {
        let registry = Registry::load(
            r#"{"mcp_servers": [{"server_id": "a", "name": "b"}, {"name": "a"}, {"server_id": "c"}, {}], "agents": 1}"#,
        );
        let registry = registry.unwrap();
        assert_eq!(registry.records_of("a").count(), 2);
        assert_eq!(registry.records_of("b").count(), 1);
        assert_eq!(registry.records_of("A").count(), 0);
        assert_eq!(
            registry.records_of("").count(),
            0,
            "an absent name is no empty name"
        );
    }

    #[test]
    fn a_wrong_shape_is_refused_by_its_path() {
        for (json, expected) in [
            ("[]", "the trust registry must be a JSON object"),
            ("{}", "`mcp_servers` must be a list of objects"),
            (
                r#"{"mcp_servers": {}}"#,
                "`mcp_servers` must be a list of objects",
            ),
            (
                r#"{"mcp_servers": [{}, "a"]}"#,
                "`mcp_servers[1]` must be an object",
            ),
            (
                r#"{"mcp_servers": [{"server_id": 1}]}"#,
                "`mcp_servers[0].server_id` must be a string",
            ),
            (
                r#"{"mcp_servers": [{"name": null}]}"#,
                "`mcp_servers[0].name` must be a string",
            ),
            (
                r#"{"mcp_servers": [{"trust_tier": true}]}"#,
                "`mcp_servers[0].trust_tier` must be a string",
            ),
            (
                r#"{"mcp_servers": [{"approval_state": []}]}"#,
                "`mcp_servers[0].approval_state` must be a string",
            ),
            (
                r#"{"mcp_servers": [{"capabilities": "x"}]}"#,
                "`mcp_servers[0].capabilities` must be a list of strings",
            ),
            (
                r#"{"mcp_servers": [{"allowed_tools": ["x", 1]}]}"#,
                "`mcp_servers[0].allowed_tools[1]` must be a string",
            ),
        ] {
            assert_eq!(error(json), expected);
        }
        assert!(error("").starts_with("not valid JSON: "));
    }
}
