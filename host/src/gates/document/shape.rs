//! Shapes: what the values of a document must be, read and described by the same types.
//!
//! `serde` stops at the first fault; a release owner wants them all, each with its
//! JSON pointer. So a document is read into a tree first, and its model reads
//! every field of the tree. The JSON Schema is made from the same model.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::gates::date::{self, Moment};

/// So many faults of one document are told.
const MOST_FAULTS: usize = 50;
/// So much of a value is told.
const MOST_TOLD: usize = 60;

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// The JSON pointer (RFC 6901); empty: the document itself.
    pub pointer: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "the document {}", self.problem)
        } else {
            write!(f, "`{}` {}", self.pointer, self.problem)
        }
    }
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(parent, key) => write!(f, "{parent}/{}", key.replace('~', "~0").replace('/', "~1")),
            Self::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// Reads a tree and keeps what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) faults: Vec<Fault>,
    /// Whether values may be told: not those of a document that holds a secret.
    pub(super) telling: bool,
}

impl Reader {
    pub(super) fn fault(&mut self, at: &At<'_>, problem: impl Into<String>) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault {
                pointer: at.to_string(),
                problem: problem.into(),
            });
        }
    }

    /// Another kind of value, or another value, is wanted.
    pub(super) fn wanted(&mut self, at: &At<'_>, value: &Value, wanted: &str) {
        let is = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) if self.telling => number.to_string(),
            Value::Number(_) => "another number".to_owned(),
            Value::String(text) if text.is_empty() => "empty".to_owned(),
            Value::String(text) if self.telling => {
                let told: String = text
                    .chars()
                    .take(MOST_TOLD)
                    .flat_map(char::escape_debug)
                    .collect();
                let more = if text.chars().count() > MOST_TOLD {
                    "…"
                } else {
                    ""
                };
                format!("the string `{told}{more}`")
            }
            Value::String(_) => "another string".to_owned(),
            Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.fault(at, format!("must be {wanted}; it is {is}"));
    }

    pub(super) fn object<'v>(&mut self, value: &'v Value, at: &At<'_>) -> Option<&'v Map<String, Value>> {
        if value.as_object().is_none() {
            self.wanted(at, value, "an object");
        }
        value.as_object()
    }

    pub(super) fn list<'v>(&mut self, value: &'v Value, at: &At<'_>) -> Option<&'v Vec<Value>> {
        if value.as_array().is_none() {
            self.wanted(at, value, "a list");
        }
        value.as_array()
    }

    /// A member that must be there, or one that may.
    pub(super) fn member<T: Shape>(
        &mut self,
        object: &Map<String, Value>,
        at: &At<'_>,
        key: &str,
        required: bool,
    ) -> Field<T> {
        let at = At::Key(at, key);
        match object.get(key) {
            Some(value) => T::read(value, &at, self).map_or(Field::Wrong, Field::Given),
            None if required => {
                self.fault(&at, "is missing");
                Field::Absent
            }
            None => Field::Absent,
        }
    }
}

/// What a value must be.
pub(crate) trait Shape: Sized + JsonSchema + Serialize {
    /// Reads the value. Whatever is wrong with it is told to the reader; a value
    /// that something is wrong with may still be read.
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self>;
}

/// A member of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Field<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there and not what it must be.
    Wrong,
    /// It is what it must be.
    Given(T),
}

impl<T> Field<T> {
    pub(crate) fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Given(value)
    }
}

/// Declares an object: its model, how it is read and written, and its JSON Schema.
macro_rules! object {
    ($(#[doc = $about:literal])+ $visibility:vis $name:ident $(($document:ident))? {
        $($(#[doc = $doc:literal])+ $need:ident $field:ident: $type:ty,)*
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq)]
        $visibility struct $name {
            $($(#[doc = $doc])+ pub(crate) $field: $crate::gates::document::shape::Field<$type>,)*
        }

        impl $crate::gates::document::shape::Shape for $name {
            fn read(
                value: &serde_json::Value,
                at: &$crate::gates::document::shape::At<'_>,
                reader: &mut $crate::gates::document::shape::Reader,
            ) -> Option<Self> {
                let object = reader.object(value, at)?;
                Some(Self {
                    $($field: reader.member(object, at, stringify!($field), $crate::gates::document::shape::object!(@$need)),)*
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry(
                    "schema_version",
                    <Self as $crate::gates::$document::Model>::SCHEMA,
                )?;)?
                $(if let Some(value) = self.$field.given() {
                    map.serialize_entry(stringify!($field), value)?;
                })*
                map.end()
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = $crate::gates::document::shape::ObjectSchema::new(concat!($($about),+));
                $(schema.version(<Self as $crate::gates::$document::Model>::SCHEMA);)?
                $(schema.member(
                    stringify!($field),
                    generator.subschema_for::<$type>(),
                    concat!($($doc),+),
                    $crate::gates::document::shape::object!(@$need),
                );)*
                let schema = schema.done();
                $(let schema = $crate::gates::$document::refined::<Self>(schema);)?
                schema
            }
        }
    };
    (@required) => { true };
    (@optional) => { false };
}
pub(super) use object;

/// The JSON Schema of an object, member by member.
pub(super) struct ObjectSchema {
    about: &'static str,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    pub(super) fn new(about: &'static str) -> Self {
        Self {
            about,
            properties: Map::new(),
            required: Vec::new(),
        }
    }

    pub(super) fn version(&mut self, schema: &'static str) {
        self.properties.insert(
            "schema_version".to_owned(),
            serde_json::json!({ "const": schema }),
        );
        self.required.push("schema_version".into());
    }

    pub(super) fn member(&mut self, name: &str, schema: Schema, about: &'static str, required: bool) {
        let mut schema = schema;
        schema.insert("description".to_owned(), about.trim().into());
        self.properties.insert(name.to_owned(), schema.to_value());
        if required {
            self.required.push(name.into());
        }
    }

    pub(super) fn done(self) -> Schema {
        json_schema!({
            "type": "object",
            "description": self.about.trim(),
            "properties": self.properties,
            "required": self.required,
        })
    }
}

/// A string that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Text(pub(crate) String);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Shape for Text {
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        match value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some(Self(text.to_owned())),
            None => {
                reader.wanted(at, value, "a string that is not empty");
                None
            }
        }
    }
}

/// A number greater than 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Positive(pub(crate) f64);

impl Shape for Positive {
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        let number = value
            .as_f64()
            .filter(|number| number.is_finite() && *number > 0.0);
        if number.is_none() {
            reader.wanted(at, value, "a number greater than 0");
        }
        number.map(Self)
    }
}

/// A date, and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Date {
    pub(crate) moment: Moment,
    pub(crate) text: String,
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl From<Moment> for Date {
    fn from(moment: Moment) -> Self {
        Self {
            moment,
            text: moment.to_string(),
        }
    }
}

impl Shape for Date {
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        let date = value.as_str().and_then(|text| {
            Some(Self {
                moment: Moment::parse(text)?,
                text: text.to_owned(),
            })
        });
        if date.is_none() {
            reader.wanted(
                at,
                value,
                "a date: YYYY-MM-DD, optionally Thh:mm[:ss[.f]], optionally Z or +hh:mm",
            );
        }
        date
    }
}

/// Whatever is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Anything(pub(crate) Value);

impl Shape for Anything {
    fn read(value: &Value, _: &At<'_>, _: &mut Reader) -> Option<Self> {
        Some(Self(value.clone()))
    }
}

/// A list of any length.
impl<T: Shape> Shape for Vec<T> {
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        let items = reader.list(value, at)?.iter().enumerate();
        Some(
            items
                .filter_map(|(i, item)| T::read(item, &At::Index(at, i), reader))
                .collect(),
        )
    }
}

/// A list that is not empty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct NonEmpty<T>(pub(crate) Vec<T>);

impl<T: Shape> Shape for NonEmpty<T> {
    fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        if value.as_array().is_some_and(Vec::is_empty) {
            reader.wanted(at, value, "a list that is not empty");
            return None;
        }
        Vec::read(value, at, reader).map(Self)
    }
}

macro_rules! described {
    ($($type:ident $(<$parameter:ident>)? $name:literal: |$generator:ident| $schema:expr;)*) => {
        $(impl $(<$parameter: JsonSchema>)? JsonSchema for $type $(<$parameter>)? {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

described! {
    Text "Text": |_generator| json_schema!({ "type": "string", "minLength": 1 });
    Positive "Positive": |_generator| json_schema!({ "type": "number", "exclusiveMinimum": 0 });
    Date "Date": |_generator| json_schema!({ "type": "string", "pattern": date::PATTERN });
    Anything "Anything": |_generator| json_schema!({});
    NonEmpty<T> "NonEmpty": |generator| json_schema!({
        "type": "array", "minItems": 1, "items": generator.subschema_for::<T>()
    });
}

/// Declares values of which there is only one, or a few.
macro_rules! constants {
    ($($(#[doc = $about:literal])+ $name:ident { $($variant:ident = $value:literal),+ })*) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
            pub(crate) enum $name {
                $(#[doc = concat!("`", $value, "`.")] $variant,)+
            }

            impl $name {
                fn all() -> Vec<(Self, Value)> {
                    vec![$((Self::$variant, serde_json::json!($value)),)+]
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    match self { $(Self::$variant => $value.serialize(serializer),)+ }
                }
            }

            impl Shape for $name {
                fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
                    let all = Self::all();
                    let found = all.iter().find(|(_, known)| known == value);
                    if found.is_none() {
                        let known: Vec<String> = all
                            .iter()
                            .map(|(_, known)| match known {
                                Value::String(word) => format!("`{word}`"),
                                other => other.to_string(),
                            })
                            .collect();
                        reader.wanted(at, value, &known.join(" or "));
                    }
                    found.map(|(constant, _)| *constant)
                }
            }

            described! {
                $name "Constant": |_generator| {
                    json_schema!({ "enum": Self::all().into_iter().map(|(_, known)| known).collect::<Vec<_>>() })
                };
            }
        )*
    };
}

constants! {
    /// `true`.
    True { Only = true }
    /// `false`.
    False { Only = false }
    /// A boolean.
    Flag { Yes = true, No = false }
    /// `pass`.
    Pass { Only = "pass" }
    /// `ready`.
    Ready { Only = "ready" }
    /// `active`.
    Active { Only = "active" }
    /// `disabled`.
    Disabled { Only = "disabled" }
    /// Where a runtime runs.
    Surface { CiRunner = "ci-runner", Workstation = "workstation" }
    /// The name of the endpoint deployment document.
    EndpointDeploymentName { Only = "cavra-runtime.endpoint-deployment.json" }
    /// The name of the workstation channels document.
    ChannelsName { Only = "cavra-runtime.channels.json" }
}

/// Declares lists of strings that must hold some.
macro_rules! controls {
    ($($(#[doc = $about:literal])+ $name:ident [$($control:literal,)+])*) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq, Serialize)]
            pub(crate) struct $name(pub(crate) Vec<Text>);

            impl $name {
                /// Those that there must be.
                pub(crate) const REQUIRED: &[&str] = &[$($control,)+];

                /// Those of them that are not there.
                pub(crate) fn missing(&self) -> Vec<&'static str> {
                    let missing = Self::REQUIRED.iter().filter(|it| !self.0.iter().any(|held| held.0 == **it));
                    missing.copied().collect()
                }
            }

            impl Shape for $name {
                fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
                    let held = Self(Vec::read(value, at, reader)?);
                    let missing = held.missing();
                    if !missing.is_empty() {
                        reader.fault(at, format!("lacks {}", missing.join(", ")));
                    }
                    Some(held)
                }
            }

            described! {
                $name "Controls": |generator| json_schema!({
                    "type": "array",
                    "items": generator.subschema_for::<Text>(),
                    "allOf": [$({ "contains": { "const": $control } },)+],
                });
            }
        )*
    };
}

controls! {
    /// What CI runner bundles must control.
    RunnerControls [
        "verified-signed-runtime-before-runner-use",
        "runner-authentication-claims-signed",
        "runner-authentication-oidc-verified",
        "daemon-evidence-stream-hmac-signed",
        "evidence-verification-artifact-published",
        "blocking-decision-fails-closed-by-default",
    ]
    /// What a rollback plan must control.
    RollbackControls [
        "python-fallback-available",
        "promoted-mode-disable-tested",
        "rollback-approval-recorded",
        "operator-runbook-linked",
        "evidence-capture-enabled",
    ]
}

macro_rules! containers {
    ($($(#[doc = $about:literal])+ $name:ident $wanted:literal $fits:pat => $schema:tt)*) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq, Serialize)]
            pub(crate) struct $name(pub(crate) Value);

            impl Shape for $name {
                fn read(value: &Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
                    if matches!(value, $fits) {
                        return Some(Self(value.clone()));
                    }
                    reader.wanted(at, value, $wanted);
                    None
                }
            }

            described! {
                $name "Container": |_generator| json_schema!($schema);
            }
        )*
    };
}

containers! {
    /// An object with anything in it.
    AnyObject "an object" Value::Object(_) => { "type": "object" }
    /// A list with anything in it.
    AnyList "a list" Value::Array(_) => { "type": "array" }
    /// An object or a list.
    ObjectOrList "an object or a list" Value::Object(_) | Value::Array(_) => { "type": ["object", "array"] }
}
