//! Puts the two modules where the host embeds them, and tells it which wasmtime
//! it is built with.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told its folders by variables"
)]
fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    for name in ["reference.wasm", "fastpath.wasm"] {
        let module = manifest.join("../target/modules").join(name);
        println!("cargo::rerun-if-changed={}", module.display());
        if let Err(error) = fs::copy(&module, out.join(name)) {
            fail(&format!(
                "{}: {error}; run `make modules` first",
                module.display()
            ));
        }
    }
    println!("cargo::rerun-if-changed=policies");
    wasmtime_version(&manifest);
    code_digest(&manifest);
}

/// A digest of the code that makes what the cache keeps (compiled packs, checked modules,
/// snapshots), so that nothing that other code made is taken for its own.
fn code_digest(manifest: &Path) {
    let single = ["../Cargo.lock", "../wit/enforcement.wit", "src/cache.rs"];
    for file in single {
        println!("cargo::rerun-if-changed={file}");
    }
    let mut files: Vec<PathBuf> = single.iter().map(|file| manifest.join(file)).collect();
    for folder in ["src/policy", "src/sandbox"] {
        println!("cargo::rerun-if-changed={folder}");
        let folder = manifest.join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| fail(&format!("{}: {e}", folder.display())));
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.extend(paths.filter(|path| path.is_file()));
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let text = fs::read(&file).unwrap_or_else(|e| fail(&format!("{}: {e}", file.display())));
        text.hash(&mut hasher);
    }
    println!("cargo::rustc-env=CAVRA_CODE_DIGEST={:016x}", hasher.finish());
}

fn wasmtime_version(manifest: &Path) {
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let lock = manifest.join("../Cargo.lock");
    let text = fs::read_to_string(&lock).unwrap_or_else(|e| fail(&format!("{}: {e}", lock.display())));
    let version = text
        .split("[[package]]")
        .find(|package| package.contains("name = \"wasmtime\"\n"))
        .and_then(|package| package.split("version = \"").nth(1))
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| fail("Cargo.lock holds no wasmtime"));
    println!("cargo::rustc-env=CAVRA_WASMTIME_VERSION={version}");
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    std::process::exit(1)
}
