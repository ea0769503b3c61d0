//! Reading the shapes of JSON documents: every error names the place, as a path
//! from the document's root.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::Json;

/// An object of a document, and the path to it.
#[derive(Debug)]
pub(crate) struct Object<'j> {
    /// Empty at the root.
    path: String,
    /// `None` where an optional object is absent.
    members: Option<&'j BTreeMap<String, Json>>,
}

impl<'j> Object<'j> {
    /// The document itself, called `what` if it is no object.
    pub(crate) fn root(document: &'j Json, what: &str) -> Result<Self, String> {
        match document {
            Json::Object(members) => Ok(Self {
                path: String::new(),
                members: Some(members),
            }),
            _ => Err(format!("{what} must be a JSON object")),
        }
    }

    /// The object at `key`; where it is absent, one without members.
    pub(crate) fn object(&self, key: &str) -> Result<Self, String> {
        let path = self.path_of(key);
        match self.get(key) {
            None => Ok(Self { path, members: None }),
            Some(value) => Self::at(path, value),
        }
    }

    /// The list of objects at `key`, which must be there.
    pub(crate) fn required_objects(&self, key: &str) -> Result<Vec<Self>, String> {
        let path = self.path_of(key);
        match self.get(key) {
            Some(Json::List(values)) => values
                .iter()
                .enumerate()
                .map(|(index, value)| Self::at(format!("{path}[{index}]"), value))
                .collect(),
            _ => Err(must_be(&path, "a list of objects")),
        }
    }

    /// The string at `key`, if there is one.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, String> {
        self.get(key)
            .map(|value| text_at(&self.path_of(key), value))
            .transpose()
    }

    /// The boolean at `key`, if there is one.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(must_be(&self.path_of(key), "true or false")),
        }
    }

    /// The list of strings at `key`, if there is one.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, String> {
        let path = self.path_of(key);
        match self.get(key) {
            None => Ok(None),
            Some(Json::List(values)) => {
                let texts = values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| text_at(&format!("{path}[{index}]"), value));
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(must_be(&path, "a list of strings")),
        }
    }

    /// The path of the member `key`.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn at(path: String, value: &'j Json) -> Result<Self, String> {
        match value {
            Json::Object(members) => Ok(Self {
                path,
                members: Some(members),
            }),
            _ => Err(must_be(&path, "an object")),
        }
    }

    fn get(&self, key: &str) -> Option<&'j Json> {
        self.members?.get(key)
    }
}

fn text_at(path: &str, value: &Json) -> Result<String, String> {
    match value {
        Json::Text(text) => Ok(text.clone()),
        _ => Err(must_be(path, "a string")),
    }
}

/// The message for a value of the wrong shape.
pub(crate) fn must_be(path: &str, shape: &str) -> String {
    format!("`{path}` must be {shape}")
}
