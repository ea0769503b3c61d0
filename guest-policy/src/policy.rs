//! Loading a compiled policy (decision semantics, *Packs*).

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use crate::LoadError;
use crate::commands::Commands;
use crate::files::{Files, PathList};
use crate::git::Git;
use crate::json;
use crate::mcp::Mcp;
use crate::patterns::{PermissionList, RestrictionList};
use crate::registry::Registry;
use crate::shape::{Object, must_be};
use crate::text::trim;

/// The `schema_version` of a compiled policy.
const SCHEMA_VERSION: &str = "cavra.compiled-policy.v1";

/// The branches that are protected where a policy does not say.
const DEFAULT_PROTECTED_BRANCHES: [&str; 2] = ["main", "master"];

/// A compiled policy and, if there is one, a trust registry, ready to judge
/// requests with [`Policy::evaluate`].
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) id: String,
    pub(crate) files: Files,
    pub(crate) commands: Commands,
    pub(crate) git: Git,
    pub(crate) mcp: Mcp,
    pub(crate) registry: Option<Registry>,
}

impl Policy {
    /// Reads a compiled policy (`cavra.compiled-policy.v1`) and, if there is
    /// one, an MCP trust registry, both JSON.
    ///
    /// A section, a list and the `schema_version` may be absent; keys that are
    /// not evaluated may hold anything. The digest is not verified: whoever
    /// fetched the policy has to.
    ///
    /// # Errors
    ///
    /// [`LoadError::InvalidPolicy`] if the policy is not JSON, has a wrong shape,
    /// an empty pattern, no `metadata.id`, or the `schema_version` of something
    /// else; [`LoadError::InvalidRegistry`] if the registry is not JSON or has a
    /// wrong shape. Both name the place.
    pub fn load(policy_json: &str, registry_json: Option<&str>) -> Result<Self, LoadError> {
        let policy = Self::read(policy_json).map_err(LoadError::InvalidPolicy)?;
        let registry = registry_json.map(Registry::load).transpose()?;
        Ok(Self { registry, ..policy })
    }

    fn read(json: &str) -> Result<Self, String> {
        let document = json::parse(json)?;
        let policy = Object::root(&document, "the compiled policy")?;
        if let Some(other) = policy
            .text("schema_version")?
            .filter(|version| version != SCHEMA_VERSION)
        {
            return Err(format!(
                "`schema_version` is `{other}`; this evaluator reads `{SCHEMA_VERSION}`"
            ));
        }
        let id = policy.object("metadata")?.text("id")?.filter(|id| !id.is_empty());
        Ok(Self {
            id: id.ok_or_else(|| must_be("metadata.id", "the id of the policy pack"))?,
            files: files(&policy.object("filesystem")?)?,
            commands: commands(&policy.object("commands")?)?,
            git: git(&policy.object("git")?)?,
            mcp: mcp(&policy.object("mcp")?)?,
            registry: None,
        })
    }
}

fn files(section: &Object<'_>) -> Result<Files, String> {
    Ok(Files {
        block_read: PathList::new(patterns(section, "block_read")?.unwrap_or_default()),
        block_write: PathList::new(patterns(section, "block_write")?.unwrap_or_default()),
        require_approval_write: PathList::new(
            patterns(section, "require_approval_write")?.unwrap_or_default(),
        ),
    })
}

fn commands(section: &Object<'_>) -> Result<Commands, String> {
    Ok(Commands {
        block: RestrictionList::new(patterns(section, "block")?.unwrap_or_default()),
        require_approval: RestrictionList::new(patterns(section, "require_approval")?.unwrap_or_default()),
        allow: PermissionList::new(patterns(section, "allow")?.unwrap_or_default()),
    })
}

fn git(section: &Object<'_>) -> Result<Git, String> {
    let branches = patterns(section, "protected_branches")?;
    let branches = branches.unwrap_or_else(|| DEFAULT_PROTECTED_BRANCHES.map(String::from).to_vec());
    Ok(Git {
        protected_branches: RestrictionList::new(branches),
    })
}

fn mcp(section: &Object<'_>) -> Result<Mcp, String> {
    Ok(Mcp {
        allowed_servers: section.texts("allowed_servers")?.unwrap_or_default(),
        blocked_servers: section.texts("blocked_servers")?.unwrap_or_default(),
        block_unknown_servers: section.boolean("block_unknown_servers")?.unwrap_or(true),
    })
}

/// A list of patterns, if there is one. The compiler has trimmed them and
/// refused empty ones; an older one may not have.
fn patterns(section: &Object<'_>, key: &str) -> Result<Option<Vec<String>>, String> {
    let Some(patterns) = section.texts(key)? else {
        return Ok(None);
    };
    let mut trimmed = vec![];
    for (index, pattern) in patterns.iter().enumerate() {
        let pattern = trim(pattern);
        if pattern.is_empty() {
            return Err(format!(
                "`{}[{index}]` is an empty pattern; remove it",
                section.path_of(key)
            ));
        }
        trimmed.push(String::from(pattern));
    }
    Ok(Some(trimmed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        match Policy::load(json, None) {
            Err(LoadError::InvalidPolicy(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// The error of a policy with one section.
    fn error_in(section: &str) -> String {
        error(&format!(r#"{{"metadata": {{"id": "x"}}, {section}}}"#))
    }

    fn load(section: &str) -> Policy {
        Policy::load(&format!(r#"{{"metadata": {{"id": "x"}}, {section}}}"#), None).unwrap()
    }

    #[test]
    fn all_but_the_id_may_be_absent() {
        let policy = Policy::load(r#"{"metadata": {"id": "x"}}"#, None).unwrap();
        assert_eq!(policy.id, "x");
        assert!(policy.registry.is_none() && policy.mcp.block_unknown_servers);
        assert!(policy.mcp.allowed_servers.is_empty() && policy.mcp.blocked_servers.is_empty());
        assert_eq!(policy.git.judge("push", "main").pattern, Some("main"));
        assert_eq!(policy.git.judge("push", "master").pattern, Some("master"));
    }

    #[test]
    fn what_is_given_replaces_the_defaults() {
        let policy = load(r#""git": {"protected_branches": []}, "mcp": {"block_unknown_servers": false}"#);
        assert_eq!(policy.git.judge("push", "main").pattern, None);
        assert!(!policy.mcp.block_unknown_servers);
    }

    #[test]
    fn what_is_not_evaluated_may_hold_anything() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        load(&format!(
            r#""approvals": {deep}, "evidence": null, "compliance": 1, "more": {{}}, "digest": 0"#
        ));
        load(r#""git": {"require_pull_request": 1}, "mcp": {"risk_scoring": {}, "allowlist_enabled": "x"}"#);
        load(r#""filesystem": {"note": 1}, "commands": {"note": {}}"#);
    }

    #[test]
    fn only_the_schema_version_of_a_compiled_policy_is_accepted() {
        load(r#""schema_version": "cavra.compiled-policy.v1", "digest": "sha256:00""#);
        assert_eq!(
            error_in(r#""schema_version": "cavra.compiled-policy.v2""#),
            "`schema_version` is `cavra.compiled-policy.v2`; this evaluator reads `cavra.compiled-policy.v1`"
        );
        assert_eq!(
            error_in(r#""schema_version": 1"#),
            "`schema_version` must be a string"
        );
    }

    #[test]
    fn the_id_must_be_there() {
        for json in ["{}", r#"{"metadata": {}}"#, r#"{"metadata": {"id": ""}}"#] {
            assert_eq!(
                error(json),
                "`metadata.id` must be the id of the policy pack",
                "{json}"
            );
        }
        assert_eq!(
            error(r#"{"metadata": {"id": 1}}"#),
            "`metadata.id` must be a string"
        );
        assert_eq!(error(r#"{"metadata": []}"#), "`metadata` must be an object");
        assert_eq!(error("[]"), "the compiled policy must be a JSON object");
        assert!(error("{").starts_with("not valid JSON: "));
    }

    #[test]
    fn a_wrong_shape_is_refused_by_its_path() {
        for (section, expected) in [
            (r#""filesystem": null"#, "`filesystem` must be an object"),
            (
                r#""filesystem": {"block_read": ".env"}"#,
                "`filesystem.block_read` must be a list of strings",
            ),
            (
                r#""filesystem": {"block_write": ["a", 1]}"#,
                "`filesystem.block_write[1]` must be a string",
            ),
            (
                r#""filesystem": {"require_approval_write": [[]]}"#,
                "`filesystem.require_approval_write[0]` must be a string",
            ),
            (r#""commands": "ls""#, "`commands` must be an object"),
            (
                r#""commands": {"allow": {}}"#,
                "`commands.allow` must be a list of strings",
            ),
            (
                r#""commands": {"require_approval": null}"#,
                "`commands.require_approval` must be a list of strings",
            ),
            (
                r#""commands": {"block": [null]}"#,
                "`commands.block[0]` must be a string",
            ),
            (
                r#""git": {"protected_branches": true}"#,
                "`git.protected_branches` must be a list of strings",
            ),
            (
                r#""mcp": {"allowed_servers": [{}]}"#,
                "`mcp.allowed_servers[0]` must be a string",
            ),
            (
                r#""mcp": {"blocked_servers": 1}"#,
                "`mcp.blocked_servers` must be a list of strings",
            ),
            (
                r#""mcp": {"block_unknown_servers": "yes"}"#,
                "`mcp.block_unknown_servers` must be true or false",
            ),
        ] {
            assert_eq!(error_in(section), expected);
        }
    }

    #[test]
    fn patterns_are_trimmed_and_empty_ones_refused() {
        assert_eq!(
            load(r#""filesystem": {"block_read": ["\t.env\u001c "]}"#)
                .files
                .read(".env", None)
                .pattern,
            Some(".env")
        );
        for section in [
            r#""filesystem": {"block_read": ["a", ""]}"#,
            r#""filesystem": {"block_read": ["a", " \n\u001f\u00a0"]}"#,
        ] {
            assert_eq!(
                error_in(section),
                "`filesystem.block_read[1]` is an empty pattern; remove it"
            );
        }
        assert_eq!(
            error_in(r#""git": {"protected_branches": [""]}"#),
            "`git.protected_branches[0]` is an empty pattern; remove it"
        );
    }

    #[test]
    fn the_error_says_which_document_is_wrong() {
        let policy = r#"{"metadata": {"id": "x"}}"#;
        assert!(matches!(
            Policy::load(policy, Some("{")),
            Err(LoadError::InvalidRegistry(_))
        ));
        assert!(matches!(
            Policy::load("{", Some("{")),
            Err(LoadError::InvalidPolicy(_))
        ));
        assert!(
            Policy::load(policy, Some(r#"{"mcp_servers": []}"#))
                .unwrap()
                .registry
                .is_some()
        );
    }
}
