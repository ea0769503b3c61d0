//! What packs must do, and what they must refuse.

mod catalog;
mod compiled;
mod docs;
mod golden;
mod inheritance;
mod limits;
mod merging;
mod pack_tests;
mod registry;
mod report;
mod source;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Catalog, CompiledPolicy, PackId, PolicyError};

fn id(text: &str) -> PackId {
    PackId::new(text).unwrap()
}

/// A pack whose `metadata` is `id`, `inherits` and what must be there, and whose rest is `rules`.
fn pack(id: &str, inherits: &str, rules: &str) -> String {
    format!("metadata: {{id: {id}, title: Title of {id}, version: 1.0.0, inherits: {inherits}}}\n{rules}\n")
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A policy directory of `(id, inherits, rules)`.
fn directory(packs: &[(&str, &str, &str)]) -> (TempDir, Catalog) {
    let root = TempDir::new().unwrap();
    for (id, inherits, rules) in packs {
        write(
            root.path(),
            &format!("{id}/policy.yaml"),
            &pack(id, inherits, rules),
        );
    }
    let catalog = Catalog::open(root.path()).unwrap();
    (root, catalog)
}

fn compile(catalog: &Catalog, pack: &str) -> Result<CompiledPolicy, PolicyError> {
    catalog.compile(&id(pack), &[])
}

/// The compiled pack as JSON.
fn compiled(catalog: &Catalog, pack: &str) -> Value {
    serde_json::from_str(compile(catalog, pack).unwrap().json()).unwrap()
}

/// The text of the error that compiling `pack` ends in.
fn refusal(catalog: &Catalog, pack: &str) -> String {
    compile(catalog, pack).unwrap_err().to_string()
}
