//! JSON values written as YAML that people edit.

use std::fmt::Write as _;

use serde_json::Value;

/// A document in block style, texts in double quotes.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = if is_plain(key) {
                    key.clone()
                } else {
                    scalar(&key.as_str().into())
                };
                // Writing to a String cannot fail.
                let _ = write!(out, "{indent}{key}:");
                nested(value, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut below = String::new();
                block(item, depth.saturating_add(1), &mut below);
                // The dash takes the place of the first line's last indentation.
                let first = below.get(indent.len().saturating_add(2)..).unwrap_or_default();
                let _ = write!(out, "{indent}- {first}");
            }
        }
        other => {
            let _ = writeln!(out, "{indent}{}", scalar(other));
        }
    }
}

fn nested(value: &Value, depth: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if is_block {
        out.push('\n');
        block(value, depth.saturating_add(1), out);
    } else {
        let _ = writeln!(out, " {}", scalar(value));
    }
}

/// Keys that no YAML reader takes for anything else.
fn is_plain(key: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    !key.is_empty() && key.chars().all(letters) && !words.contains(&key)
}

/// JSON's own notation is YAML's, but for characters that YAML wants escaped.
fn scalar(value: &Value) -> String {
    let escaped = |c: char| {
        matches!(
            c,
            '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
    };
    let mut out = String::new();
    for c in value.to_string().chars() {
        if escaped(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_pack_reads_well() {
        let pack = json!({"metadata": {"id": "a"}, "commands": {"block": ["rm -rf *", "a: b"], "allow": []}, "n": 1});
        assert_eq!(
            document(&pack),
            "commands:\n  allow: []\n  block:\n    - \"rm -rf *\"\n    - \"a: b\"\nmetadata:\n  id: \"a\"\n\"n\": 1\n"
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            prop::sample::select(vec![
                "null",
                "~",
                "- a",
                "a: b",
                "#",
                "\u{85}",
                "\u{2028}",
                "\u{feff}x",
                "\u{fffe}",
                "é\u{9f}",
                ""
            ])
            .prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z :#\u{85}é]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(value in prop::collection::btree_map("[a-z]{1,6}", value(), 1..4)) {
            let value = Value::Object(value.into_iter().collect());
            let text = document(&value);
            let read: Value = serde_saphyr::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
