//! The documentation of packs names every key, and every key that it names exists.

use std::collections::BTreeSet;

use super::super::schema::{CARRIED, METADATA, METADATA_KEYS, SECTIONS};
use super::super::{
    COMPILED_SCHEMA, MAX_COMPILED_BYTES, MAX_INHERITANCE_DEPTH, MAX_MERGED_PACKS, MAX_PACK_BYTES,
    MAX_REGISTRY_BYTES, Pack, PackTests,
};

const TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/packs.md"));

/// The text of the first fenced block that holds `start`.
fn fenced(start: &str) -> &'static str {
    let blocks = TEXT
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    blocks.into_iter().find(|block| block.contains(start)).unwrap()
}

#[test]
fn the_table_of_keys_is_the_schema() {
    let table = TEXT
        .split("| key | value | meaning |")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let first_cells = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let named = first_cells
        .flat_map(|cell| cell.split('`'))
        .filter(|key| !key.is_empty() && *key != ", ");
    let named: BTreeSet<String> = named.filter(|key| *key != "git.…").map(str::to_owned).collect();

    let mut known: BTreeSet<String> = METADATA_KEYS
        .iter()
        .map(|key| format!("{METADATA}.{key}"))
        .collect();
    known.insert(METADATA.to_owned());
    known.extend(CARRIED.map(str::to_owned));
    for section in &SECTIONS {
        known.insert(section.name.to_owned());
        known.extend(
            section
                .names()
                .iter()
                .map(|key| format!("{}.{key}", section.name)),
        );
    }
    assert_eq!(named, known);
}

#[test]
fn the_limits_are_the_codes() {
    let rows = [
        format!(
            "| a pack, an overlay, a test file | {} MiB |",
            MAX_PACK_BYTES / 1024 / 1024
        ),
        format!(
            "| a compiled policy, read or written | {} MiB |",
            MAX_COMPILED_BYTES / 1024 / 1024
        ),
        format!("| a trust registry | {} MiB |", MAX_REGISTRY_BYTES / 1024 / 1024),
        format!("| packs above one another, the pack itself included | {MAX_INHERITANCE_DEPTH} |"),
        format!("| packs merged into one | {MAX_MERGED_PACKS} |"),
    ];
    for row in rows {
        assert!(TEXT.contains(&row), "{row}");
    }
    assert!(TEXT.contains(COMPILED_SCHEMA));
}

#[test]
fn the_examples_are_read() {
    let pack = Pack::parse(fenced("metadata:").as_bytes(), "packs.md").unwrap();
    assert_eq!(pack.id().as_str(), "payments");
    let tests = PackTests::parse(fenced("tests:").as_bytes(), "packs.md").unwrap();
    assert_eq!(tests.tests.len(), 2);
}
