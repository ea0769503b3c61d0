//! YAML and JSON text, read into a tree that knows its places.
//!
//! `serde` stops at the first fault; a tree that keeps every line and column can
//! be checked whole. Both formats are read under fixed limits, and a key that is
//! given twice is an error in both.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;

use super::error::{Fault, Faults, Place, Position};
use super::problem::Problem;
use super::yaml;

/// The largest whole number that every reader of JSON agrees on: 2⁵³ − 1.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Option<Position>,
    pub(super) shape: Shape,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Entry>),
}

/// A key, where it stands, and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Option<Position>,
    pub(super) node: Node,
}

impl Node {
    /// Reads one YAML document that is not empty.
    pub(super) fn from_yaml(bytes: &[u8], file: &str) -> Result<Self, Faults> {
        let text = utf8(bytes, file)?;
        let tree: Spanned<Tree<Yaml>> = yaml::read(text, file)?;
        match Yaml::open(tree) {
            Node {
                at,
                shape: Shape::Null,
            } => Err(at_start(file, at, Problem::EmptyDocument)),
            node => Ok(node),
        }
    }

    /// Reads one JSON document.
    pub(super) fn from_json(bytes: &[u8], file: &str) -> Result<Self, Faults> {
        let text = utf8(bytes, file)?;
        let read = serde_json::from_str::<Plain<Tree<Json>>>(text);
        read.map(Json::open).map_err(|error| {
            let position = Position {
                line: error.line() as u64,
                column: error.column() as u64,
            };
            // The position stands in front, like that of every other fault.
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            at_start(
                file,
                Some(position),
                Problem::Syntax {
                    format: "JSON",
                    message,
                },
            )
        })
    }

    /// What the value is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Null => "nothing",
            Shape::Flag(_) => "a boolean",
            Shape::Number(_) => "a number",
            Shape::Text(_) => "a string",
            Shape::List(_) => "a list",
            Shape::Object(_) => "an object",
        }
    }

    /// The value of `key`, if this is an object that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.shape {
            Shape::Object(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The same as a JSON value.
    pub(super) fn to_json(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Flag(flag) => Value::Bool(*flag),
            Shape::Number(number) => Value::Number(number.clone()),
            Shape::Text(text) => Value::String(text.clone()),
            Shape::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Shape::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }
}

/// Whether every reader of JSON understands `number` alike.
pub(super) fn is_exact(number: &Number) -> bool {
    number.as_f64().is_some_and(|value| value.abs() <= MAX_EXACT)
}

fn utf8<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, Faults> {
    std::str::from_utf8(bytes).map_err(|error| {
        at_start(
            file,
            None,
            Problem::NotUtf8 {
                offset: error.valid_up_to(),
            },
        )
    })
}

pub(super) fn at_start(file: &str, position: Option<Position>, problem: Problem) -> Faults {
    Fault {
        place: Place {
            file: file.to_owned(),
            position,
            key: String::new(),
        },
        problem,
    }
    .into()
}

/// How a format says where a value stands.
trait Format: 'static {
    type Wrapped<'de, T: Deserialize<'de>>: Deserialize<'de>;

    fn unwrap<'de, T: Deserialize<'de>>(wrapped: Self::Wrapped<'de, T>) -> (T, Option<Position>);

    fn open<'de>(wrapped: Self::Wrapped<'de, Tree<Self>>) -> Node
    where
        Self: Sized,
    {
        let (tree, at) = Self::unwrap(wrapped);
        Node {
            at,
            shape: tree.shape,
        }
    }
}

struct Yaml;

impl Format for Yaml {
    type Wrapped<'de, T: Deserialize<'de>> = Spanned<T>;

    fn unwrap<'de, T: Deserialize<'de>>(wrapped: Spanned<T>) -> (T, Option<Position>) {
        let at = yaml::position(wrapped.referenced);
        (wrapped.value, at)
    }
}

struct Json;

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Plain<T>(T);

impl Format for Json {
    type Wrapped<'de, T: Deserialize<'de>> = Plain<T>;

    fn unwrap<'de, T: Deserialize<'de>>(wrapped: Plain<T>) -> (T, Option<Position>) {
        (wrapped.0, None)
    }
}

struct Tree<F> {
    shape: Shape,
    format: PhantomData<F>,
}

impl<'de, F: Format> Deserialize<'de> for Tree<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = deserializer.deserialize_any(ShapeVisitor::<F>(PhantomData))?;
        Ok(Self {
            shape,
            format: PhantomData,
        })
    }
}

struct ShapeVisitor<F>(PhantomData<F>);

impl<'de, F: Format> Visitor<'de> for ShapeVisitor<F> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Shape, E> {
        Ok(Shape::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
        Ok(Shape::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Ok(Shape::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Shape, E> {
        Number::from_f64(number)
            .map(Shape::Number)
            .ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Shape, E> {
        Ok(Shape::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<F::Wrapped<'de, Tree<F>>>()? {
            items.push(F::open(item));
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some((key, node)) = map.next_entry::<F::Wrapped<'de, String>, F::Wrapped<'de, Tree<F>>>()? {
            let (key, at) = F::unwrap(key);
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(Problem::DuplicateKey { key }));
            }
            entries.push(Entry {
                key,
                at,
                node: F::open(node),
            });
        }
        Ok(Shape::Object(entries))
    }
}
