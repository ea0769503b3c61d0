//! The two modules that the binary carries.

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
