//! Two documents compared to the byte.

use serde::Serialize;
use serde_json::Value;

/// How much of a value a report repeats.
const SHOWN: usize = 200;

/// A field in which a replay differs from its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// The field, as a JSON pointer.
    pub field: String,
    /// The first byte of its canonical JSON that is another.
    pub byte: usize,
    /// What was recorded, as canonical JSON, cut where it is long; null where there is no such field.
    pub recorded: Option<String>,
    /// What the replay gave.
    pub replayed: Option<String>,
}

/// Every field in which `replayed` differs from `recorded`, in the order of their names.
pub fn departures(recorded: &Value, replayed: &Value) -> Vec<Departure> {
    let mut found = Vec::new();
    walk(Some(recorded), Some(replayed), &mut String::new(), &mut found);
    found
}

fn walk(recorded: Option<&Value>, replayed: Option<&Value>, at: &mut String, found: &mut Vec<Departure>) {
    if recorded == replayed {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (recorded, replayed) {
        let added = new.keys().filter(|key| !old.contains_key(*key));
        let mut keys: Vec<&String> = old.keys().chain(added).collect();
        keys.sort_unstable();
        for key in keys {
            let length = at.len();
            at.push('/');
            at.push_str(&key.replace('~', "~0").replace('/', "~1"));
            walk(old.get(key), new.get(key), at, found);
            at.truncate(length);
        }
        return;
    }
    let text = |value: Option<&Value>| value.map(canonical).unwrap_or_default();
    let (old, new) = (text(recorded), text(replayed));
    let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    found.push(Departure {
        field: at.clone(),
        byte: same,
        recorded: recorded.map(|_| cut(old)),
        replayed: replayed.map(|_| cut(new)),
    });
}

/// Canonical JSON (RFC 8785). A value that has no canonical form, such as a number out
/// of range, is written as it is.
fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_is_located_to_the_byte() {
        let old = json!({"a": {"b/c": "same", "d": "allow"}, "gone": 1, "list": [1, 2]});
        let new = json!({"a": {"b/c": "same", "d": "alloy"}, "list": [1, 3], "new": null});
        let found = departures(&old, &new);
        let told: Vec<_> = found.iter().map(|it| (it.field.as_str(), it.byte)).collect();
        assert_eq!(told, [("/a/d", 5), ("/gone", 0), ("/list", 3), ("/new", 0)]);
        assert_eq!(found[0].recorded.as_deref(), Some("\"allow\""));
        assert_eq!(found[1].replayed, None);
        // A field that is null is not a field that is missing.
        assert_eq!(found[3].replayed.as_deref(), Some("null"));
        assert_eq!(departures(&old, &old), []);
    }

    #[test]
    fn long_values_are_cut_and_still_located() {
        let found = departures(&json!("é".repeat(300)), &json!("é".repeat(299)));
        assert_eq!(found[0].byte, 1 + 2 * 299);
        assert_eq!(
            found[0].recorded.as_ref().map(|text| text.chars().count()),
            Some(SHOWN + 1)
        );
    }
}
