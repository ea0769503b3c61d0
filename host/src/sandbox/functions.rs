//! Compiled functions, kept while an engine lives.
//!
//! All snapshots of a module have its functions, and only their memory differs.
//! Compiling the second is looking them up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use wasmtime::CacheStore;

/// The most bytes that are kept: 64 MiB, enough for some hundred modules.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Compiled functions by what they were compiled from.
#[derive(Debug, Default)]
pub(super) struct Functions(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    functions: HashMap<Box<[u8]>, Box<[u8]>>,
    bytes: usize,
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.functions
            .get(key)
            .map(|function| Cow::Owned(function.to_vec()))
    }

    fn insert(&self, key: &[u8], function: Vec<u8>) -> bool {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = kept.bytes.saturating_add(function.len());
        if bytes > MAX_BYTES {
            return false;
        }
        kept.bytes = bytes;
        kept.functions.insert(key.into(), function.into());
        true
    }
}
