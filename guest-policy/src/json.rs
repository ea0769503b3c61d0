//! JSON as far as policies and registries go: a tree of bounded depth.
//!
//! The guest's stack is 32 KiB. A document of any depth must be refused or
//! passed over, so what lies deeper than [`DEPTH`] is skipped, which `serde_json`
//! does without recursion, and is kept as [`Json::Other`].

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many containers lie in each other in a document that is read: the
/// registry, its list of records, a record, a list in it.
const DEPTH: usize = 4;

/// A JSON value.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Bool(bool),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
    /// Null, a number, or a container that lies too deep to be looked at.
    Other,
}

/// Parses one JSON value.
///
/// # Errors
///
/// Where it is not JSON, by line and column. An object that names a member
/// twice is an error too: which of them counts would be anyone's guess.
pub(crate) fn parse(json: &str) -> Result<Json, String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = Reader { depth: DEPTH }.deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| format!("not valid JSON: {error}"))
}

/// Reads a value in which at most `depth` containers lie in each other.
#[derive(Clone, Copy)]
struct Reader {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let Some(depth) = self.depth.checked_sub(1) else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Json::Other);
        };
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self { depth })? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let Some(depth) = self.depth.checked_sub(1) else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Json::Other);
        };
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self { depth })?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the member `{name}` is there twice")));
            }
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    /// How many lists lie in each other before the tree ends.
    fn depth(mut json: &Json) -> usize {
        let mut depth = 0;
        while let Json::List(items) = json {
            depth += 1;
            match items.first() {
                Some(first) => json = first,
                None => break,
            }
        }
        depth
    }

    #[test]
    fn values_are_kept_as_they_are() {
        let json = parse(r#" {"a": ["x", true], "b": {"c": "\u00e9\n"}, "": "y"} "#).unwrap();
        let Json::Object(members) = json else {
            panic!("no object")
        };
        assert_eq!(
            members.get("a"),
            Some(&Json::List(vec![Json::Text("x".into()), Json::Bool(true)]))
        );
        assert_eq!(
            members.get("b"),
            Some(&Json::Object([("c".into(), Json::Text("é\n".into()))].into()))
        );
        assert_eq!(members.len(), 3);
    }

    #[test]
    fn numbers_and_null_are_other() {
        for number in ["null", "1", "-1", "1.5", "1e300", "18446744073709551615"] {
            assert_eq!(parse(number), Ok(Json::Other), "{number}");
        }
    }

    #[test]
    fn what_lies_too_deep_is_skipped_without_recursion() {
        assert_eq!(depth(&parse(&nested(DEPTH)).unwrap()), DEPTH);
        assert_eq!(depth(&parse(&nested(DEPTH + 1)).unwrap()), DEPTH);
        assert_eq!(depth(&parse(&nested(500_000)).unwrap()), DEPTH);
        let objects = r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000);
        assert!(matches!(parse(&objects), Ok(Json::Object(_))));
    }

    #[test]
    fn what_is_not_json_is_refused_by_place() {
        for json in [
            "",
            "{",
            "[1,]",
            "{'a': 1}",
            "nul",
            "\"\\x\"",
            "[1] 2",
            "\u{feff}{}",
            "[[[[[[1,]]]]]]",
        ] {
            assert!(parse(json).unwrap_err().starts_with("not valid JSON: "), "{json}");
        }
        assert_eq!(
            parse("[1,\n x]").unwrap_err(),
            "not valid JSON: expected value at line 2 column 2"
        );
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused() {
        let error = parse(r#"{"a": {"b": 1, "b": 1}}"#).unwrap_err();
        assert!(error.contains("the member `b` is there twice"), "{error}");
    }
}
