//! Packs laid over each other.
//!
//! *Packs* in the decision semantics: lists append without repeats, objects
//! merge, scalars replace. What cannot be merged is a fault.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::{Fault, Faults, Place};
use super::pack::Layer;
use super::problem::Problem;
use super::reader::{Notation, Path};

/// Lays `over` over `base`. The layers are the files that each was made from, in the order in
/// which they were laid; a fault names the file of either side.
pub(super) fn overlay(
    base: &mut Map<String, Value>,
    base_layers: &[&Layer],
    over: &Map<String, Value>,
    over_layers: &[&Layer],
) -> Result<(), Faults> {
    merge_objects(base, over, &Path::ROOT).map_err(|conflict| {
        let Conflict {
            key,
            keys,
            found,
            inherited,
        } = conflict;
        let holder = |layers: &[&Layer]| {
            layers
                .iter()
                .rev()
                .find(|layer| at(&layer.body, &keys).is_some())
                .map(|layer| (*layer).clone())
        };
        let (over, base) = (holder(over_layers), holder(base_layers));
        let position = over.as_ref().and_then(|layer| layer.places.get(&key).copied());
        let name = |layer: Option<Layer>| layer.map(|layer| layer.file).unwrap_or_default();
        let place = Place {
            file: name(over),
            position,
            key,
        };
        Fault {
            place,
            problem: Problem::KindConflict {
                found,
                inherited,
                other: name(base),
            },
        }
        .into()
    })
}

/// Two values of one key that are neither two lists, nor two objects, nor two scalars.
struct Conflict {
    key: String,
    /// The path from the root.
    keys: Vec<String>,
    found: &'static str,
    inherited: &'static str,
}

fn merge_objects(
    base: &mut Map<String, Value>,
    over: &Map<String, Value>,
    path: &Path<'_>,
) -> Result<(), Conflict> {
    for (key, value) in over {
        let path = path.key(key);
        match base.get_mut(key) {
            None => {
                base.insert(key.clone(), value.clone());
            }
            Some(below) => merge_values(below, value, &path)?,
        }
    }
    Ok(())
}

fn merge_values(base: &mut Value, over: &Value, path: &Path<'_>) -> Result<(), Conflict> {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => merge_objects(base, over, path),
        (Value::Array(base), Value::Array(over)) => {
            append(base, over);
            Ok(())
        }
        (base, over) if is_scalar(base) && is_scalar(over) => {
            *base = over.clone();
            Ok(())
        }
        (base, over) => Err(Conflict {
            key: path.render(Notation::Dotted),
            keys: path.keys(),
            found: kind(over),
            inherited: kind(base),
        }),
    }
}

/// Appends what `base` does not hold yet. The order of both is kept.
fn append(base: &mut Vec<Value>, over: &[Value]) {
    // The text of a value is the same exactly if the value is: objects print in key order.
    let mut seen: BTreeSet<String> = base.iter().map(Value::to_string).collect();
    for value in over {
        if seen.insert(value.to_string()) {
            base.push(value.clone());
        }
    }
}

fn at<'a>(body: &'a Map<String, Value>, keys: &[String]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter()
        .try_fold(body.get(first)?, |value, key| value.get(key))
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        _ => "a single value",
    }
}
