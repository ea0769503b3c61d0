//! What others have written, read: bounded, and held to what it should be.

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType, SCHEMA_VERSION};

use super::{
    Annotations, ArtifactError, BUNDLE, CONFIG, Config, Described, IndexEntry, LAYER, MANIFEST,
    MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, MAX_REFERRERS, malformed,
};
use crate::sandbox::MAX_MODULE_BYTES;
use crate::signing::MAX_BUNDLE_BYTES;
use crate::store::Digest;

/// A module's manifest, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleManifest {
    /// The configuration.
    pub config: Described,
    /// The module.
    pub layer: Described,
}

fn parsed<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, ArtifactError> {
    let length = bytes.len() as u64;
    if length > MAX_MANIFEST_BYTES {
        return Err(ArtifactError::TooLarge {
            what,
            bytes: length,
            most: MAX_MANIFEST_BYTES,
        });
    }
    serde_json::from_slice(bytes).map_err(|e| malformed(what, e))
}

/// An image manifest of the version that there is.
fn image_manifest(what: &'static str, bytes: &[u8]) -> Result<ImageManifest, ArtifactError> {
    let manifest: ImageManifest = parsed(what, bytes)?;
    if manifest.schema_version() != SCHEMA_VERSION {
        return Err(malformed(
            what,
            format!("its schemaVersion is {}", manifest.schema_version()),
        ));
    }
    if let Some(found) = manifest.media_type()
        && *found != MediaType::ImageManifest
    {
        return other_type(what, found, MANIFEST);
    }
    Ok(manifest)
}

fn other_type<T>(what: &'static str, found: &MediaType, wanted: &'static str) -> Result<T, ArtifactError> {
    Err(ArtifactError::OtherType {
        what,
        found: found.to_string(),
        wanted,
    })
}

fn one_layer<'a>(
    what: &'static str,
    manifest: &'a ImageManifest,
    wanted: &'static str,
) -> Result<&'a Descriptor, ArtifactError> {
    let [layer] = manifest.layers().as_slice() else {
        return Err(ArtifactError::Layers {
            what,
            layers: manifest.layers().len(),
        });
    };
    match layer.media_type().as_ref() == wanted {
        true => Ok(layer),
        false => other_type("layer", layer.media_type(), wanted),
    }
}

fn annotations(found: &Option<std::collections::HashMap<String, String>>) -> Annotations {
    let found = found.iter().flatten();
    found.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Reads the manifest of a module. Whether its bytes are the ones that were asked for is
/// for the caller to check.
///
/// # Errors
/// What is wrong with it; also when the module would be too large, before it is fetched.
pub fn read_manifest(bytes: &[u8]) -> Result<ModuleManifest, ArtifactError> {
    module_of(&image_manifest("manifest", bytes)?)
}

fn module_of(manifest: &ImageManifest) -> Result<ModuleManifest, ArtifactError> {
    let config = manifest.config();
    if config.media_type().as_ref() != CONFIG {
        return other_type("configuration", config.media_type(), CONFIG);
    }
    let layer = one_layer("manifest", manifest, LAYER)?;
    Ok(ModuleManifest {
        config: Described::of("configuration", config, MAX_CONFIG_BYTES)?,
        layer: Described::of("module", layer, MAX_MODULE_BYTES)?,
    })
}

/// Reads the configuration of a module, and holds it to the manifest.
///
/// # Errors
/// When it cannot be read, or is about something else than the layer.
pub fn check_config(bytes: &[u8], manifest: &ModuleManifest) -> Result<(), ArtifactError> {
    const WHAT: &str = "configuration";
    let config: Config = parsed(WHAT, bytes)?;
    if config.architecture != "wasm" {
        return Err(malformed(
            WHAT,
            format!("its architecture is `{}`, not `wasm`", config.architecture),
        ));
    }
    let layer = manifest.layer.digest.to_string();
    if config.layer_digests != [layer.as_str()] {
        return Err(ArtifactError::Mismatch {
            what: WHAT,
            wanted: format!("the one layer {layer}"),
            found: config.layer_digests.join(", "),
        });
    }
    Ok(())
}

/// A bundle that is attached to another manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The manifest that it is about.
    pub subject: Digest,
    /// The bundle.
    pub bundle: Described,
}

/// A manifest, of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyManifest {
    /// Of a module.
    Module(ModuleManifest),
    /// Of a signature.
    Bundle(Attached),
    /// Of something else that is attached to another manifest, such as a list of parts.
    OtherReferrer,
}

/// Reads a manifest of a module, or of what is attached to one.
///
/// # Errors
/// What is wrong with it.
pub fn read_any(bytes: &[u8]) -> Result<AnyManifest, ArtifactError> {
    let manifest = image_manifest("manifest", bytes)?;
    if manifest.subject().is_none() {
        return module_of(&manifest).map(AnyManifest::Module);
    }
    match artifact_type(&manifest).as_ref() {
        BUNDLE => attached(&manifest).map(AnyManifest::Bundle),
        _ => Ok(AnyManifest::OtherReferrer),
    }
}

/// What was written before there were artifact types says it of its configuration.
fn artifact_type(manifest: &ImageManifest) -> &MediaType {
    let said = manifest.artifact_type().as_ref();
    said.unwrap_or_else(|| manifest.config().media_type())
}

fn attached(manifest: &ImageManifest) -> Result<Attached, ArtifactError> {
    const WHAT: &str = "manifest of the signature";
    let kind = artifact_type(manifest);
    if kind.as_ref() != BUNDLE {
        return other_type(WHAT, kind, BUNDLE);
    }
    let subject = manifest.subject().as_ref();
    let subject = subject.ok_or_else(|| malformed(WHAT, "it says not what it is about"))?;
    let subject: &str = subject.digest().as_ref();
    Ok(Attached {
        subject: subject.parse().map_err(|e| malformed(WHAT, e))?,
        bundle: Described::of("bundle", one_layer(WHAT, manifest, BUNDLE)?, MAX_BUNDLE_BYTES)?,
    })
}

/// Reads a manifest that attaches a bundle, and tells what the bundle is.
///
/// # Errors
/// What is wrong with it; [`ArtifactError::OtherSubject`] when it is about another
/// manifest than `subject`.
pub fn read_referrer(bytes: &[u8], subject: &Digest) -> Result<Described, ArtifactError> {
    let attached = attached(&image_manifest("manifest of the signature", bytes)?)?;
    if attached.subject != *subject {
        return Err(ArtifactError::OtherSubject {
            found: attached.subject,
            wanted: subject.clone(),
        });
    }
    Ok(attached.bundle)
}

/// Reads an index.
///
/// # Errors
/// What is wrong with it, or with an entry of it.
pub fn read_index(bytes: &[u8]) -> Result<Vec<IndexEntry>, ArtifactError> {
    const WHAT: &str = "index";
    let index: ImageIndex = parsed(WHAT, bytes)?;
    if index.schema_version() != SCHEMA_VERSION {
        return Err(malformed(
            WHAT,
            format!("its schemaVersion is {}", index.schema_version()),
        ));
    }
    let entries = index.manifests().iter().map(|descriptor| {
        Ok(IndexEntry {
            manifest: Described::of("manifest", descriptor, MAX_MANIFEST_BYTES)?,
            artifact_type: descriptor.artifact_type().as_ref().map(ToString::to_string),
            annotations: annotations(descriptor.annotations()),
        })
    });
    entries.collect()
}

/// Of all that refers to a manifest, what attaches a bundle.
///
/// # Errors
/// [`ArtifactError::TooManyReferrers`].
pub fn bundles_among(entries: &[IndexEntry]) -> Result<Vec<Described>, ArtifactError> {
    if entries.len() > MAX_REFERRERS {
        return Err(ArtifactError::TooManyReferrers { found: entries.len() });
    }
    let bundles = entries
        .iter()
        .filter(|entry| entry.artifact_type.as_deref() == Some(BUNDLE));
    Ok(bundles.map(|entry| entry.manifest.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{index_for, layer_of, manifest_for, referrer_for};
    use super::*;

    /// An empty component.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_written_is_read() {
        let annotations =
            Annotations::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())]);
        let artifact = manifest_for(COMPONENT).unwrap();
        assert_eq!(manifest_for(COMPONENT).unwrap(), artifact, "the same each time");
        let manifest = read_manifest(&artifact.manifest.bytes).unwrap();
        assert_eq!(manifest.layer, layer_of(COMPONENT));
        assert_eq!(manifest.config, artifact.config.described());
        check_config(&artifact.config.bytes, &manifest).unwrap();
        let subject = artifact.manifest.described();
        let referrer = referrer_for(br#"{"messageSignature":{}}"#, &subject).unwrap();
        let bundle = read_referrer(&referrer.manifest.bytes, &subject.digest).unwrap();
        assert_eq!(bundle, referrer.bundle.described());
        let entries = [
            IndexEntry {
                manifest: subject,
                artifact_type: None,
                annotations,
            },
            IndexEntry {
                manifest: referrer.manifest.described(),
                artifact_type: Some(BUNDLE.to_owned()),
                annotations: Annotations::new(),
            },
        ];
        let index = index_for(&entries).unwrap();
        assert_eq!(read_index(&index.bytes).unwrap(), entries);
        assert_eq!(bundles_among(&entries).unwrap(), [referrer.manifest.described()]);
    }

    #[test]
    fn a_signature_about_another_manifest_is_none_of_this_one() {
        let artifact = manifest_for(COMPONENT).unwrap();
        let referrer = referrer_for(b"{}", &artifact.manifest.described()).unwrap();
        let error = read_referrer(&referrer.manifest.bytes, &Digest::of(b"x")).unwrap_err();
        assert!(matches!(error, ArtifactError::OtherSubject { .. }), "{error}");
        // A module's manifest attaches nothing, and what attaches something is no module.
        assert!(read_referrer(&artifact.manifest.bytes, &artifact.manifest.digest).is_err());
        assert!(read_manifest(&referrer.manifest.bytes).is_err());
    }

    #[test]
    fn bytes_of_another_length_are_not_the_ones_that_were_described() {
        let described = layer_of(COMPONENT);
        described.check_length("module", described.size).unwrap();
        for length in [0, described.size - 1, described.size + 1] {
            let error = described.check_length("module", length).unwrap_err();
            assert!(matches!(error, ArtifactError::Mismatch { .. }), "{error}");
        }
    }

    #[test]
    fn what_refers_to_a_manifest_is_bounded() {
        let artifact = manifest_for(COMPONENT).unwrap();
        let entry = IndexEntry {
            manifest: artifact.manifest.described(),
            artifact_type: None,
            annotations: Annotations::new(),
        };
        let error = bundles_among(&vec![entry; MAX_REFERRERS + 1]).unwrap_err();
        assert!(matches!(error, ArtifactError::TooManyReferrers { .. }), "{error}");
        assert!(manifest_for(b"#!/bin/sh").is_err());
    }
}
