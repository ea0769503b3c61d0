//! Files that are refused, each with the exact text of its refusal.
//!
//! `testdata/<kind>/<name>.yaml` or `.json` stands beside `<name>.error`. After a
//! deliberate change of a message, run the tests with `UPDATE_GOLDEN=1` and read the diff.

use std::fs;
use std::path::Path;

use super::super::{CompiledPolicy, Overlay, Pack, PackTests, PolicyError, TrustRegistry};

fn check(kind: &str, parse: impl Fn(&[u8], &str) -> Result<(), PolicyError>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/policy/testdata")
        .join(kind);
    let mut checked = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let input = entry.unwrap().path();
        if input.extension().is_some_and(|extension| extension == "error") {
            continue;
        }
        let name = input.file_name().unwrap().to_str().unwrap();
        let refused = parse(&fs::read(&input).unwrap(), name).expect_err(name);
        let (golden, text) = (input.with_extension("error"), format!("{refused}\n"));
        if option_env!("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text, expected, "{kind}/{name}");
        checked += 1;
    }
    assert!(checked > 0, "no {kind} file was checked");
}

#[test]
fn packs_are_refused_with_every_fault_and_its_place() {
    check("pack", |bytes, file| Pack::parse(bytes, file).map(drop));
}

#[test]
fn overlays_are_refused_with_every_fault_and_its_place() {
    check("overlay", |bytes, file| Overlay::parse(bytes, file).map(drop));
}

#[test]
fn compiled_policies_are_refused_with_the_json_pointer_of_every_fault() {
    check("compiled", |bytes, file| {
        CompiledPolicy::from_json(bytes, file).map(drop)
    });
}

#[test]
fn registries_are_refused_with_the_json_pointer_of_every_fault() {
    check("registry", |bytes, file| {
        TrustRegistry::from_json(bytes, file).map(drop)
    });
}

#[test]
fn test_files_are_refused_with_every_fault_and_its_place() {
    check("tests", |bytes, file| PackTests::parse(bytes, file).map(drop));
}
