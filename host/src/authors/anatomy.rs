//! What a component's bytes tell without running it: what it exports, what made it, and
//! the memories that it declares.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmparser::{KnownCustom, MemoryType, Parser, Payload};

/// What a component is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Anatomy {
    /// The names that it exports, in its order.
    pub exports: Vec<String>,
    /// What its producers sections name, its core modules' included: `language`, `sdk` and
    /// `processed-by`, each with names and versions.
    pub producers: BTreeMap<String, BTreeMap<String, String>>,
    /// The memories that its core modules define.
    pub memories: Vec<MemorySize>,
    /// How many core modules it holds.
    pub core_modules: usize,
}

/// The size of a memory, in pages of WebAssembly: 64 KiB, unless the module says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemorySize {
    /// What an instance begins with.
    pub initial_pages: u64,
    /// What it may grow to; none: as far as the host lets it.
    pub maximum_pages: Option<u64>,
    /// Bytes of a page.
    pub page_bytes: u64,
}

impl From<MemoryType> for MemorySize {
    fn from(memory: MemoryType) -> Self {
        let log2 = memory.page_size_log2.unwrap_or(16);
        Self {
            initial_pages: memory.initial,
            maximum_pages: memory.maximum,
            page_bytes: 1_u64.checked_shl(log2).unwrap_or(u64::MAX),
        }
    }
}

/// The bytes cannot be read as WebAssembly.
#[derive(Debug, thiserror::Error)]
#[error("its bytes cannot be read: {0}")]
pub struct AnatomyError(#[from] wasmparser::BinaryReaderError);

impl Anatomy {
    /// Looks through a component.
    ///
    /// # Errors
    /// Where a section that is looked at is not well-formed.
    pub fn read(bytes: &[u8]) -> Result<Self, AnatomyError> {
        let mut found = Self::default();
        let mut depth = 0_i32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } => {
                    found.core_modules = found.core_modules.saturating_add(1);
                    depth = depth.saturating_add(1);
                }
                Payload::ComponentSection { .. } => depth = depth.saturating_add(1),
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        found.exports.push(export?.name.name.to_owned());
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        found.memories.push(memory?.into());
                    }
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(fields) = section.as_known() {
                        found.produced(fields)?;
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn produced(&mut self, fields: wasmparser::ProducersSectionReader<'_>) -> Result<(), AnatomyError> {
        for field in fields {
            let field = field?;
            let values = self.producers.entry(field.name.to_owned()).or_default();
            for value in field.values {
                let value = value?;
                values.insert(value.name.to_owned(), value.version.to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Anatomy, MemorySize};
    use crate::builtin;

    #[test]
    fn a_built_in_module_is_read() {
        let bytes = builtin::module("builtin:fastpath").unwrap().unwrap();
        let found = Anatomy::read(bytes).unwrap();
        assert!(
            found.exports.contains(&crate::sandbox::EVALUATOR.to_owned()),
            "{found:?}"
        );
        assert!(found.producers.contains_key("processed-by"), "{found:?}");
        assert!(found.core_modules >= 1 && !found.memories.is_empty());
    }

    #[test]
    fn a_size_is_in_pages_of_the_memory() {
        let memory = wasmparser::MemoryType {
            memory64: false,
            shared: false,
            initial: 3,
            maximum: Some(9),
            page_size_log2: Some(0),
        };
        let size = MemorySize::from(memory);
        assert_eq!(
            (size.initial_pages, size.maximum_pages, size.page_bytes),
            (3, Some(9), 1)
        );
    }

    #[test]
    fn bytes_that_end_too_soon_are_told() {
        let bytes = builtin::module("builtin:fastpath").unwrap().unwrap();
        let error = Anatomy::read(&bytes[..bytes.len() / 2]).unwrap_err();
        assert!(
            error.to_string().starts_with("its bytes cannot be read"),
            "{error}"
        );
    }
}
