//! The bundles of a module, as they are kept.

use super::StoreError;
use crate::sandbox::{MAX_MODULE_BYTES, is_component};
use crate::signing::{MAX_BUNDLE_BYTES, MAX_SEALS};

/// What the store asks of a component and its bundles: these as they are kept.
pub(super) fn accepted(bytes: &[u8], bundles: &[impl AsRef<[u8]>]) -> Result<Vec<Vec<u8>>, StoreError> {
    let length = bytes.len() as u64;
    if length > MAX_MODULE_BYTES {
        return Err(StoreError::large_module("the module", length));
    }
    if !is_component(bytes) {
        return Err(StoreError::NotAComponent);
    }
    lines(bundles)
}

/// The bundles as they are kept: each on a line, none twice.
fn lines(bundles: &[impl AsRef<[u8]>]) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for (at, bundle) in bundles.iter().enumerate() {
        let invalid = |problem: String| StoreError::Bundle { at, problem };
        let bundle = bundle.as_ref();
        if bundle.len() as u64 > MAX_BUNDLE_BYTES {
            return Err(StoreError::TooLarge {
                what: format!("the {}. bundle", at.saturating_add(1)),
                bytes: bundle.len() as u64,
                most: MAX_BUNDLE_BYTES,
            });
        }
        let value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(bundle).map_err(|e| invalid(format!("no JSON object: {e}")))?;
        let line = serde_json::to_vec(&value).map_err(|e| invalid(e.to_string()))?;
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.len() > MAX_SEALS {
        return Err(StoreError::TooManyBundles {
            bundles: lines.len(),
            most: MAX_SEALS,
        });
    }
    let bytes = joined(&lines).len() as u64;
    if bytes > MAX_BUNDLE_BYTES {
        return Err(StoreError::TooLarge {
            what: "all bundles together".to_owned(),
            bytes,
            most: MAX_BUNDLE_BYTES,
        });
    }
    Ok(lines)
}

pub(super) fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

pub(super) fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}
