//! The two modules that the binary carries.

use std::sync::LazyLock;

use crate::digest::sha256_hex;

/// How a setting names a built-in module.
const PREFIX: &str = "builtin:";

const MODULES: [(&str, &[u8]); 2] = [
    (
        "reference",
        include_bytes!(concat!(env!("OUT_DIR"), "/reference.wasm")),
    ),
    (
        "fastpath",
        include_bytes!(concat!(env!("OUT_DIR"), "/fastpath.wasm")),
    ),
];

/// The module that a setting names, if it names a built-in one.
///
/// # Errors
/// A name that no built-in module has; the sentence names those there are.
pub fn module(setting: &str) -> Option<Result<&'static [u8], String>> {
    let name = setting.strip_prefix(PREFIX)?;
    let found = MODULES.iter().find(|(known, _)| *known == name);
    Some(found.map(|(_, bytes)| *bytes).ok_or_else(|| {
        format!("there is no built-in module `{setting}`; there are builtin:reference and builtin:fastpath")
    }))
}

/// The built-in module with this SHA-256.
pub fn by_digest(sha256: &str) -> Option<&'static [u8]> {
    known(sha256).map(|(_, bytes)| bytes)
}

/// How a setting names the built-in module with this SHA-256.
pub fn name_by_digest(sha256: &str) -> Option<String> {
    known(sha256).map(|(name, _)| [PREFIX, name].concat())
}

fn known(sha256: &str) -> Option<(&'static str, &'static [u8])> {
    static DIGESTS: LazyLock<[String; 2]> = LazyLock::new(|| MODULES.map(|(_, bytes)| sha256_hex(bytes)));
    let mut modules = MODULES.iter().zip(DIGESTS.iter());
    modules
        .find(|(_, digest)| *digest == sha256)
        .map(|(module, _)| *module)
}
