//! A tree held against the schema of packs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::PackId;
use super::document::{Entry, Node, Shape};
use super::error::{Fault, Faults, Place, Position, Warning};
use super::pack::Parent;
use super::problem::{Advice, Problem};
use super::reader::{Notation, Noted, Path, Reader, all, trim};
use super::schema::{self, Key, Kind, Section};

/// Which document is checked, and so how strictly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// A pack: every key that the schema does not name is a fault.
    Pack,
    /// An overlay: a pack whose `metadata` may be partial or absent, without parents.
    Overlay,
    /// An older compiled policy: more keys are carried, patterns are trimmed, parents are forgotten.
    Compiled,
    /// A compiled policy under a digest: like the last, but nothing in it may need trimming.
    Sealed,
}

impl Rules {
    fn is_pack(self) -> bool {
        matches!(self, Self::Pack | Self::Overlay)
    }
}

/// What a document says, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    /// `metadata.id`; an overlay may have none.
    pub(super) id: Option<PackId>,
    /// `metadata.inherits`.
    pub(super) parents: Vec<Parent>,
    /// Everything that goes into the compiled policy, so without `metadata.inherits`.
    pub(super) body: Map<String, Value>,
    /// Where the id and each carried key of the body stand, by their dotted paths.
    pub(super) places: BTreeMap<String, Position>,
    /// The lists of patterns and names.
    pub(super) lists: Vec<ReadList>,
}

/// A list of patterns or names, and where its entries stand.
#[derive(Clone, Debug)]
pub(super) struct ReadList {
    /// Its key path, such as `commands.allow`.
    pub(super) key: String,
    pub(super) entries: Vec<ReadEntry>,
}

#[derive(Clone, Debug)]
pub(super) struct ReadEntry {
    /// Its index in the file, where repeats count.
    pub(super) index: usize,
    pub(super) text: String,
    pub(super) at: Option<Position>,
}

impl Checked {
    /// The id of a document that must have one.
    pub(super) fn id(&self, file: &str) -> Result<PackId, Faults> {
        let place = Place {
            file: file.to_owned(),
            position: None,
            key: schema::METADATA.to_owned(),
        };
        self.id.clone().ok_or_else(|| {
            Fault {
                place,
                problem: Problem::Missing { key: schema::ID },
            }
            .into()
        })
    }
}

/// Checks `node`, which was read from `file`.
pub(super) fn check(node: &Node, file: &str, rules: Rules) -> Result<(Checked, Vec<Warning>), Faults> {
    let notation = if rules.is_pack() {
        Notation::Dotted
    } else {
        Notation::Pointer
    };
    let mut check = Check {
        reader: Reader::new(file, notation),
        rules,
        places: BTreeMap::new(),
        lists: Vec::new(),
    };
    let read = check.document(node);
    let Check {
        reader,
        places,
        lists,
        ..
    } = check;
    let (checked, warnings) = reader.finish(read)?;
    Ok((
        Checked {
            places,
            lists,
            ..checked
        },
        warnings,
    ))
}

struct Check<'a> {
    reader: Reader<'a>,
    rules: Rules,
    places: BTreeMap<String, Position>,
    lists: Vec<ReadList>,
}

impl Check<'_> {
    fn document(&mut self, node: &Node) -> Result<Checked, Noted> {
        let root = Path::ROOT;
        let entries = self.reader.object(node, &root)?;
        let missing = (self.rules != Rules::Overlay && node.get(schema::METADATA).is_none()).then(|| {
            self.reader.fault(
                &root,
                node.at,
                Problem::Missing {
                    key: schema::METADATA,
                },
            )
        });
        let mut checked = Checked::default();
        let read = all(entries.iter().map(|entry| {
            let value = self.top(entry, &root.key(&entry.key), &mut checked)?;
            Ok((entry.key.clone(), value))
        }));
        missing.map_or(Ok(()), Err)?;
        checked.body.extend(read?);
        Ok(checked)
    }

    fn top(&mut self, entry: &Entry, path: &Path<'_>, into: &mut Checked) -> Result<Value, Noted> {
        if entry.key == schema::METADATA {
            self.metadata(entry, path, into)
        } else if let Some(section) = schema::SECTIONS.iter().find(|section| section.name == entry.key) {
            self.section(entry, path, section)
        } else if schema::CARRIED.contains(&entry.key.as_str()) {
            self.carried(entry, path)
        } else if self.rules.is_pack() {
            Err(self.reader.unknown_key(entry, path, &schema::top_keys()))
        } else {
            self.reader.any(&entry.node, path)
        }
    }

    fn metadata(&mut self, entry: &Entry, path: &Path<'_>, into: &mut Checked) -> Result<Value, Noted> {
        let entries = self.reader.object(&entry.node, path)?;
        let missing = self.missing_metadata(entry, path);
        let mut body = Map::new();
        let read = all(entries.iter().map(|entry| {
            let path = path.key(&entry.key);
            match entry.key.as_str() {
                schema::ID => {
                    let id = self.id(&entry.node, &path)?;
                    self.record(&path, entry.node.at);
                    body.insert(schema::ID.to_owned(), Value::String(id.to_string()));
                    into.id = Some(id);
                }
                // Only the compiler looks at parents; in a compiled policy they are history.
                schema::INHERITS if !self.rules.is_pack() => {}
                schema::INHERITS => into.parents = self.parents(entry, &path)?,
                // Older compilers wrote out what a pack did not say.
                _ if !self.rules.is_pack() && matches!(entry.node.shape, Shape::Null) => {}
                key if schema::METADATA_KEYS.contains(&key) => {
                    body.insert(key.to_owned(), Value::String(self.plain_text(entry, &path)?));
                }
                _ if self.rules.is_pack() => {
                    return Err(self.reader.unknown_key(entry, &path, &schema::METADATA_KEYS));
                }
                key => {
                    body.insert(key.to_owned(), self.reader.any(&entry.node, &path)?);
                }
            }
            Ok(())
        }));
        missing.map_or(Ok(()), Err)?;
        read?;
        Ok(Value::Object(body))
    }

    fn missing_metadata(&mut self, entry: &Entry, path: &Path<'_>) -> Option<Noted> {
        let required = schema::METADATA_TEXTS
            .iter()
            .filter(|(_, required)| *required)
            .map(|(key, _)| *key);
        let required: Vec<&'static str> = match self.rules {
            Rules::Pack => std::iter::once(schema::ID).chain(required).collect(),
            Rules::Overlay => Vec::new(),
            Rules::Compiled | Rules::Sealed => vec![schema::ID],
        };
        let absent = required.into_iter().filter(|key| entry.node.get(key).is_none());
        absent
            .map(|key| self.reader.fault(path, entry.at, Problem::Missing { key }))
            .last()
    }

    fn id(&mut self, node: &Node, path: &Path<'_>) -> Result<PackId, Noted> {
        let text = self.reader.text(node, path)?;
        PackId::new(text).map_err(|error| self.reader.fault(path, node.at, error.into()))
    }

    /// One id or a list of ids.
    fn parents(&mut self, entry: &Entry, path: &Path<'_>) -> Result<Vec<Parent>, Noted> {
        if self.rules == Rules::Overlay {
            return Err(self.reader.fault(path, entry.at, Problem::OverlayInherits));
        }
        if matches!(entry.node.shape, Shape::Text(_)) {
            let id = self.id(&entry.node, path)?;
            return Ok(vec![Parent {
                id,
                position: entry.node.at,
                key: path.render(Notation::Dotted),
            }]);
        }
        if !matches!(entry.node.shape, Shape::List(_) | Shape::Null) {
            return Err(self
                .reader
                .wrong(&entry.node, path, "a pack id or a list of them", None));
        }
        let mut seen = BTreeSet::new();
        let items = self.reader.list(&entry.node, path)?;
        all(items.iter().enumerate().map(|(i, item)| {
            let path = path.index(i);
            let id = self.id(item, &path)?;
            if !seen.insert(id.clone()) {
                return Err(self.reader.fault(&path, item.at, Problem::RepeatedParent { id }));
            }
            Ok(Parent {
                id,
                position: item.at,
                key: path.render(Notation::Dotted),
            })
        }))
    }

    fn plain_text(&mut self, entry: &Entry, path: &Path<'_>) -> Result<String, Noted> {
        let text = self.reader.text(&entry.node, path)?;
        if self.rules.is_pack() && trim(text).is_empty() {
            return Err(self
                .reader
                .fault(path, entry.node.at, Problem::Empty { what: "the text" }));
        }
        Ok(text.to_owned())
    }

    fn section(&mut self, entry: &Entry, path: &Path<'_>, section: &Section) -> Result<Value, Noted> {
        let entries = self.reader.object(&entry.node, path)?;
        let read = all(entries.iter().map(|entry| {
            let path = path.key(&entry.key);
            let value = match section.key(&entry.key) {
                Some(key) => self.value(entry, &path, key)?,
                None if section.open || !self.rules.is_pack() => self.carried(entry, &path)?,
                None => return Err(self.reader.unknown_key(entry, &path, &section.names())),
            };
            Ok((entry.key.clone(), value))
        }));
        Ok(Value::Object(read?.into_iter().collect()))
    }

    fn value(&mut self, entry: &Entry, path: &Path<'_>, key: &Key) -> Result<Value, Noted> {
        if !key.evaluated {
            self.reader.warn(path, entry.at, Advice::NotEvaluated);
        }
        match key.kind {
            Kind::Flag => self.reader.flag(&entry.node, path).map(Value::Bool),
            Kind::Patterns => self.entries(entry, path, Self::pattern),
            Kind::Names => self.entries(entry, path, Self::name),
            Kind::Carried => self.present(entry, path),
        }
    }

    /// A list of texts, each once.
    fn entries<F>(&mut self, entry: &Entry, path: &Path<'_>, read: F) -> Result<Value, Noted>
    where
        F: Fn(&mut Self, &Node, &Path<'_>) -> Result<String, Noted>,
    {
        let items = self.reader.list(&entry.node, path)?;
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        all(items.iter().enumerate().map(|(index, item)| {
            let path = path.index(index);
            let text = read(self, item, &path)?;
            if seen.insert(text.clone()) {
                entries.push(ReadEntry {
                    index,
                    text,
                    at: item.at,
                });
            } else {
                self.reader.warn(&path, item.at, Advice::Repeated { entry: text });
            }
            Ok(())
        }))?;
        let value = entries
            .iter()
            .map(|entry| Value::String(entry.text.clone()))
            .collect();
        self.lists.push(ReadList {
            key: path.render(Notation::Dotted),
            entries,
        });
        Ok(Value::Array(value))
    }

    fn pattern(&mut self, node: &Node, path: &Path<'_>) -> Result<String, Noted> {
        let text = self.reader.text(node, path)?;
        let trimmed = trim(text);
        if trimmed.is_empty() {
            return Err(self
                .reader
                .fault(path, node.at, Problem::Empty { what: "the pattern" }));
        }
        if trimmed.len() != text.len() {
            if self.rules == Rules::Sealed {
                return Err(self.reader.fault(path, node.at, Problem::NotTrimmed));
            }
            self.reader.warn(path, node.at, Advice::Trimmed);
        }
        Ok(trimmed.to_owned())
    }

    fn name(&mut self, node: &Node, path: &Path<'_>) -> Result<String, Noted> {
        let text = self.reader.text(node, path)?;
        if trim(text).len() != text.len() {
            self.reader.warn(path, node.at, Advice::BlankEnds);
        }
        Ok(text.to_owned())
    }

    fn carried(&mut self, entry: &Entry, path: &Path<'_>) -> Result<Value, Noted> {
        self.reader.warn(path, entry.at, Advice::NotEvaluated);
        self.present(entry, path)
    }

    /// Any value, in a pack any but null, with the places of the keys in it.
    fn present(&mut self, entry: &Entry, path: &Path<'_>) -> Result<Value, Noted> {
        if self.rules.is_pack() && matches!(entry.node.shape, Shape::Null) {
            return Err(self.reader.fault(
                path,
                entry.node.at,
                Problem::Null {
                    instead: "`[]` or `{}`",
                },
            ));
        }
        self.record_keys(entry, path);
        self.reader.any(&entry.node, path)
    }

    fn record_keys(&mut self, entry: &Entry, path: &Path<'_>) {
        self.record(path, entry.at);
        if let Shape::Object(entries) = &entry.node.shape {
            for entry in entries {
                self.record_keys(entry, &path.key(&entry.key));
            }
        }
    }

    fn record(&mut self, path: &Path<'_>, at: Option<Position>) {
        if let Some(at) = at {
            self.places.insert(path.render(Notation::Dotted), at);
        }
    }
}
