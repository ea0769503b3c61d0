//! Reading compiled policies and trust registries.
//!
//! Patterns go straight from the JSON into packed lists, so that a policy near the
//! size limit is not held in memory twice over. Every fault names its place.

use crate::lists::PatternList;
use crate::mcp::{Names, Record, Registry, Standing};
use crate::shell::trim;
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The one layout of compiled policies that there is.
const SCHEMA: &str = "cavra.compiled-policy.v1";

/// A compiled policy, read but not yet compiled into tables.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) pack: Option<String>,
    pub(crate) block_read: PatternList,
    pub(crate) block_write: PatternList,
    pub(crate) approve_write: PatternList,
    pub(crate) block: PatternList,
    pub(crate) approve: PatternList,
    pub(crate) allow: PatternList,
    pub(crate) protected_branches: Option<PatternList>,
    pub(crate) allowed_servers: Vec<String>,
    pub(crate) blocked_servers: Vec<String>,
    pub(crate) block_unknown_servers: Option<bool>,
}

impl Document {
    /// Reads a compiled policy.
    ///
    /// # Errors
    ///
    /// Text that is not JSON or not of the layout; the error says where.
    pub(crate) fn read(json: &str) -> Result<Self, serde_json::Error> {
        let mut document = Self::default();
        read_object(json, &mut document)?;
        if document.pack.is_none() {
            return Err(serde_json::Error::custom(
                "`metadata.id` is missing; compile the policy again",
            ));
        }
        Ok(document)
    }
}

/// Reads a trust registry.
///
/// # Errors
///
/// As `Document::read`.
pub(crate) fn read_registry(json: &str) -> Result<Registry, serde_json::Error> {
    let mut servers = Servers(None);
    read_object(json, &mut servers)?;
    let mut registry = servers
        .0
        .ok_or_else(|| serde_json::Error::custom("`mcp_servers` is missing"))?;
    registry.sort();
    Ok(registry)
}

fn read_object(json: &str, fields: &mut impl Fields) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Object { path: "", fields }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// The fields of one object of a document.
trait Fields {
    /// Reads the value of `key`, whose full path is `path`.
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error>;
}

impl Fields for Document {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "schema_version" => {
                let version = map.next_value_seed(Text(path))?;
                if version != SCHEMA {
                    return Err(A::Error::custom(format!(
                        "`schema_version` is `{version}`, not `{SCHEMA}`"
                    )));
                }
                Ok(())
            }
            "metadata" => map.next_value_seed(Object {
                path,
                fields: &mut Metadata(self),
            }),
            "filesystem" => map.next_value_seed(Object {
                path,
                fields: &mut Filesystem(self),
            }),
            "commands" => map.next_value_seed(Object {
                path,
                fields: &mut Commands(self),
            }),
            "git" => map.next_value_seed(Object {
                path,
                fields: &mut Git(self),
            }),
            "mcp" => map.next_value_seed(Object {
                path,
                fields: &mut Mcp(self),
            }),
            _ => ignore(map),
        }
    }
}

struct Metadata<'d>(&'d mut Document);

impl Fields for Metadata<'_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "id" => {
                self.0.pack = Some(map.next_value_seed(Text(path))?.into_owned());
                Ok(())
            }
            _ => ignore(map),
        }
    }
}

struct Filesystem<'d>(&'d mut Document);

impl Fields for Filesystem<'_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        let list = match key {
            "block_read" => &mut self.0.block_read,
            "block_write" => &mut self.0.block_write,
            "require_approval_write" => &mut self.0.approve_write,
            _ => return ignore(map),
        };
        map.next_value_seed(List { path, into: list })
    }
}

struct Commands<'d>(&'d mut Document);

impl Fields for Commands<'_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        let list = match key {
            "block" => &mut self.0.block,
            "require_approval" => &mut self.0.approve,
            "allow" => &mut self.0.allow,
            _ => return ignore(map),
        };
        map.next_value_seed(List { path, into: list })
    }
}

struct Git<'d>(&'d mut Document);

impl Fields for Git<'_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "protected_branches" => {
                let list = self.0.protected_branches.insert(PatternList::default());
                map.next_value_seed(List { path, into: list })
            }
            _ => ignore(map),
        }
    }
}

struct Mcp<'d>(&'d mut Document);

impl Fields for Mcp<'_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        let list = match key {
            "allowed_servers" => &mut self.0.allowed_servers,
            "blocked_servers" => &mut self.0.blocked_servers,
            "block_unknown_servers" => {
                self.0.block_unknown_servers = Some(map.next_value_seed(Flag(path))?);
                return Ok(());
            }
            _ => return ignore(map),
        };
        map.next_value_seed(List { path, into: list })
    }
}

/// The registry's top level: its records, once they have been read.
struct Servers(Option<Registry>);

impl Fields for Servers {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "mcp_servers" => map.next_value_seed(Records {
                path,
                registry: self.0.insert(Registry::default()),
            }),
            _ => ignore(map),
        }
    }
}

/// One record of the registry, as it is written.
#[derive(Default)]
struct Server {
    server_id: Option<String>,
    name: Option<String>,
    trust_tier: Option<String>,
    approval_state: Option<String>,
    capabilities: Vec<String>,
    allowed_tools: Vec<String>,
}

impl Fields for Server {
    fn read<'de, A: MapAccess<'de>>(&mut self, key: &str, path: &str, map: &mut A) -> Result<(), A::Error> {
        let text = match key {
            "server_id" => &mut self.server_id,
            "name" => &mut self.name,
            "trust_tier" => &mut self.trust_tier,
            "approval_state" => &mut self.approval_state,
            "capabilities" => {
                return map.next_value_seed(List {
                    path,
                    into: &mut self.capabilities,
                });
            }
            "allowed_tools" => {
                return map.next_value_seed(List {
                    path,
                    into: &mut self.allowed_tools,
                });
            }
            _ => return ignore(map),
        };
        *text = Some(map.next_value_seed(Text(path))?.into_owned());
        Ok(())
    }
}

impl Server {
    fn file(self, registry: &mut Registry) {
        let record = Record {
            standing: Standing::of(self.trust_tier.as_deref(), self.approval_state.as_deref()),
            tools: Names::new(self.allowed_tools),
            capabilities: Names::new(self.capabilities),
        };
        let alias = self.name.filter(|name| self.server_id.as_ref() != Some(name));
        registry.push(self.server_id.into_iter().chain(alias), record);
    }
}

fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// Where the texts of a list go.
trait Texts {
    /// Takes the next text, or says what is wrong with it.
    fn take(&mut self, text: &str) -> Result<(), &'static str>;
}

impl Texts for PatternList {
    fn take(&mut self, text: &str) -> Result<(), &'static str> {
        let pattern = trim(text);
        if pattern.is_empty() {
            return Err("an empty pattern; remove it from the policy");
        }
        self.push(pattern);
        Ok(())
    }
}

impl Texts for Vec<String> {
    fn take(&mut self, text: &str) -> Result<(), &'static str> {
        self.push(text.into());
        Ok(())
    }
}

/// Reads an object whose place in the document is `path`.
struct Object<'p, 'f, F> {
    path: &'p str,
    fields: &'f mut F,
}

impl<'de, F: Fields> DeserializeSeed<'de> for Object<'_, '_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fields> Visitor<'de> for Object<'_, '_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(formatter, "an object", self.path)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key_seed(Text(self.path))? {
            let path = if self.path.is_empty() {
                String::from(&*key)
            } else {
                format!("{}.{key}", self.path)
            };
            self.fields.read(&key, &path, &mut map)?;
            if !seen.insert(key) {
                return Err(A::Error::custom(format!("`{path}` is there twice")));
            }
        }
        Ok(())
    }
}

/// Reads a list of texts.
struct List<'p, 't, T> {
    path: &'p str,
    into: &'t mut T,
}

impl<'de, T: Texts> DeserializeSeed<'de> for List<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Texts> Visitor<'de> for List<'_, '_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(formatter, "a list of texts", self.path)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let mut place = 0_usize;
        while let Some(text) = sequence.next_element_seed(Text(Element {
            list: self.path,
            place,
        }))? {
            let refused = |fault| A::Error::custom(format!("`{}[{place}]` is {fault}", self.path));
            self.into.take(&text).map_err(refused)?;
            place = place.saturating_add(1);
        }
        Ok(())
    }
}

/// Reads the registry's records into it.
struct Records<'p, 'r> {
    path: &'p str,
    registry: &'r mut Registry,
}

impl<'de> DeserializeSeed<'de> for Records<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(formatter, "a list of objects", self.path)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        for place in 0_usize.. {
            let path = format!("{}[{place}]", self.path);
            let mut server = Server::default();
            if sequence
                .next_element_seed(Object {
                    path: &path,
                    fields: &mut server,
                })?
                .is_none()
            {
                break;
            }
            server.file(self.registry);
        }
        Ok(())
    }
}

/// The place of an element of a list in the document.
struct Element<'p> {
    list: &'p str,
    place: usize,
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[{}]", self.list, self.place)
    }
}

/// Reads a text whose place in the document is given.
struct Text<P>(P);

impl<'de, P: fmt::Display> DeserializeSeed<'de> for Text<P> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, P: fmt::Display> Visitor<'de> for Text<P> {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(formatter, "a text", &self.0)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }
}

/// Reads a truth value whose place in the document is given.
struct Flag<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Flag<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_bool(self)
    }
}

impl Visitor<'_> for Flag<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(formatter, "true or false", self.0)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        Ok(flag)
    }
}

/// The end of an error's sentence: what should stand where.
fn expecting(formatter: &mut fmt::Formatter<'_>, what: &str, place: impl fmt::Display) -> fmt::Result {
    let place = format!("{place}");
    if place.is_empty() {
        formatter.write_str(what)
    } else {
        write!(formatter, "{what} at `{place}`")
    }
}
