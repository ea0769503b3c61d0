//! What a module is in a registry or an archive: an image manifest with the component as
//! its one layer, and for each signature a manifest that refers to it.
//!
//! The layout is that of the CNCF's *Wasm OCI Artifact*; bundles are attached as the
//! OCI image specification attaches what is about another manifest. Nothing here reads or
//! writes anything, and nothing that is read is believed: sizes are bounded before
//! anything is fetched, and whoever fetches a blob holds it to its [`Described`].

mod read;

pub use read::{
    AnyManifest, Attached, ModuleManifest, bundles_among, check_config, read_any, read_index, read_manifest,
    read_referrer,
};

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, MediaType, SCHEMA_VERSION};
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::sandbox::{EVALUATOR, MAX_MODULE_BYTES, is_component};
use crate::signing::{COMPONENT_WORLD, MAX_BUNDLE_BYTES, MAX_SEALS};
use crate::store::Digest;

/// The media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index: of an archive, or of what refers to a manifest.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of the configuration of a WebAssembly artifact.
pub const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of a component.
pub const LAYER: &str = "application/wasm";
/// The media type of a Sigstore bundle, and the artifact type of what attaches one.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The media type of a configuration that says nothing.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The name, in an index, of what a descriptor stands for.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// When what a manifest holds was made: RFC 3339.
pub const CREATED: &str = "org.opencontainers.image.created";

/// The most bytes of a manifest or an index: what registries take at least.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// The most bytes of the configuration, which says little.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

const EMPTY_JSON: &[u8] = b"{}";
/// So many manifests that refer to one are looked at: with others' attestations among them.
const MAX_REFERRERS: usize = 8 * MAX_SEALS;
/// Where nobody says when: the same module has the same manifest, whoever writes it when.
const NO_TIME: &str = "1970-01-01T00:00:00Z";
const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";

/// What is said of something beside it, by key.
pub type Annotations = BTreeMap<String, String>;

/// Why something is no artifact of a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// The module is none.
    #[error("it is not a WebAssembly component")]
    NotAComponent,
    /// The component's imports and exports cannot be read.
    #[error("the component cannot be read: {0}")]
    Unreadable(String),
    /// Larger than what is looked at.
    #[error("the {what} is {bytes} bytes long; at most {most} are accepted")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How large it is, or says it is.
        bytes: u64,
        /// How large it may be.
        most: u64,
    },
    /// No JSON of its kind.
    #[error("the {what} cannot be read: {problem}")]
    Malformed {
        /// What.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Of another kind than a module's.
    #[error("the {what} is of the type `{found}`, not `{wanted}`")]
    OtherType {
        /// What.
        what: &'static str,
        /// Its type.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A manifest with none or more than one layer.
    #[error("the {what} has {layers} layers; one is wanted")]
    Layers {
        /// What.
        what: &'static str,
        /// How many there are.
        layers: usize,
    },
    /// A signature that says it is about something else.
    #[error("the manifest of the signature is about {found}, not about {wanted}")]
    OtherSubject {
        /// What it is about.
        found: Digest,
        /// What it should be about.
        wanted: Digest,
    },
    /// The bytes are not those that were described.
    #[error("the {what} is damaged or was exchanged: it should have {wanted}, and has {found}")]
    Mismatch {
        /// What.
        what: &'static str,
        /// Which digest, or how many bytes, it should have.
        wanted: String,
        /// Which it has.
        found: String,
    },
    /// More signatures than are looked at.
    #[error("{found} manifests refer to the module; at most {MAX_REFERRERS} are looked at")]
    TooManyReferrers {
        /// How many there are.
        found: usize,
    },
}

/// Bytes with their media type and digest: something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is.
    pub media_type: &'static str,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// These bytes.
    pub fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            media_type,
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// What a manifest says of it.
    pub fn described(&self) -> Described {
        Described {
            media_type: self.media_type.to_owned(),
            digest: self.digest.clone(),
            size: self.bytes.len() as u64,
        }
    }
}

/// What is said of bytes that are somewhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What it is said to be.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

impl Described {
    /// Whether so many bytes, which have the digest, are as many as is said. `what` names
    /// them in the error.
    ///
    /// # Errors
    /// [`ArtifactError::Mismatch`].
    pub fn check_length(&self, what: &'static str, length: u64) -> Result<(), ArtifactError> {
        if length == self.size {
            return Ok(());
        }
        Err(ArtifactError::Mismatch {
            what,
            wanted: format!("{} bytes", self.size),
            found: length.to_string(),
        })
    }

    fn descriptor(&self) -> Result<Descriptor, ArtifactError> {
        let digest: oci_spec::image::Digest = self
            .digest
            .to_string()
            .parse()
            .map_err(|e: oci_spec::OciSpecError| malformed("digest", e))?;
        Ok(Descriptor::new(
            MediaType::from(self.media_type.as_str()),
            self.size,
            digest,
        ))
    }

    fn of(what: &'static str, descriptor: &Descriptor, most: u64) -> Result<Self, ArtifactError> {
        if descriptor.size() > most {
            return Err(ArtifactError::TooLarge {
                what,
                bytes: descriptor.size(),
                most,
            });
        }
        let digest: &str = descriptor.digest().as_ref();
        Ok(Self {
            media_type: descriptor.media_type().to_string(),
            digest: digest.parse().map_err(|e| malformed(what, e))?,
            size: descriptor.size(),
        })
    }
}

fn malformed(what: &'static str, problem: impl std::fmt::Display) -> ArtifactError {
    ArtifactError::Malformed {
        what,
        problem: problem.to_string(),
    }
}

/// A module's manifest and configuration. Its layer is the module itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleArtifact {
    /// The configuration.
    pub config: Blob,
    /// The manifest: its digest is the artifact's.
    pub manifest: Blob,
}

/// The configuration of a WebAssembly artifact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: String,
    architecture: String,
    os: String,
    #[serde(default)]
    layer_digests: Vec<String>,
    #[serde(default)]
    component: Option<Component>,
}

/// What a component needs and offers.
#[derive(Debug, Serialize, Deserialize)]
struct Component {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

impl Component {
    /// The names at the outside of a component.
    fn of(module: &[u8]) -> Result<Self, ArtifactError> {
        let unreadable = |e: wasmparser::BinaryReaderError| ArtifactError::Unreadable(e.to_string());
        let mut exports = Vec::new();
        let mut imports = Vec::new();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(unreadable)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    depth = depth.saturating_add(1);
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.push(import.map_err(unreadable)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(export.map_err(unreadable)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        let target = exports.iter().any(|name| name == EVALUATOR);
        Ok(Self {
            exports,
            imports,
            target: target.then(|| COMPONENT_WORLD.to_owned()),
        })
    }
}

/// The JSON of a document, the same whoever writes it.
fn json(what: &'static str, document: &impl Serialize) -> Result<Vec<u8>, ArtifactError> {
    serde_json_canonicalizer::to_vec(document).map_err(|e| malformed(what, e))
}

fn manifest(
    artifact_type: Option<&str>,
    config: &Blob,
    layer: &Described,
    subject: Option<&Described>,
    annotations: &Annotations,
) -> Result<Blob, ArtifactError> {
    let mut builder = oci_spec::image::ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config.described().descriptor()?)
        .layers(vec![layer.descriptor()?]);
    if let Some(artifact_type) = artifact_type {
        builder = builder.artifact_type(MediaType::from(artifact_type));
    }
    if let Some(subject) = subject {
        builder = builder.subject(subject.descriptor()?);
    }
    if !annotations.is_empty() {
        let annotations = annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        builder = builder.annotations(annotations.collect::<std::collections::HashMap<_, _>>());
    }
    let manifest = builder.build().map_err(|e| malformed("manifest", e))?;
    Ok(Blob::new(MANIFEST, json("manifest", &manifest)?))
}

/// The manifest and configuration of a module. The same module has the same ones: no time
/// is said.
///
/// # Errors
/// [`ArtifactError::NotAComponent`], [`ArtifactError::Unreadable`], [`ArtifactError::TooLarge`].
pub fn manifest_for(module: &[u8]) -> Result<ModuleArtifact, ArtifactError> {
    if !is_component(module) {
        return Err(ArtifactError::NotAComponent);
    }
    let layer = layer_of(module);
    if layer.size > MAX_MODULE_BYTES {
        return Err(ArtifactError::TooLarge {
            what: "module",
            bytes: layer.size,
            most: MAX_MODULE_BYTES,
        });
    }
    let config = Config {
        created: NO_TIME.to_owned(),
        architecture: "wasm".to_owned(),
        os: "wasip2".to_owned(),
        layer_digests: vec![layer.digest.to_string()],
        component: Some(Component::of(module)?),
    };
    let config = Blob::new(CONFIG, json("configuration", &config)?);
    let manifest = manifest(None, &config, &layer, None, &Annotations::new())?;
    Ok(ModuleArtifact { config, manifest })
}

/// What a manifest says of a module.
pub fn layer_of(module: &[u8]) -> Described {
    Described {
        media_type: LAYER.to_owned(),
        digest: Digest::of(module),
        size: module.len() as u64,
    }
}

/// A signature as it is attached to a manifest. Its layer is the bundle itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerArtifact {
    /// The configuration, which says nothing.
    pub config: Blob,
    /// The bundle.
    pub bundle: Blob,
    /// The manifest that refers to the subject.
    pub manifest: Blob,
}

/// What attaches a bundle to the manifest `subject`.
///
/// # Errors
/// [`ArtifactError::TooLarge`]; [`ArtifactError::Malformed`] when it is no JSON object.
pub fn referrer_for(bundle: &[u8], subject: &Described) -> Result<ReferrerArtifact, ArtifactError> {
    let bytes = bundle.len() as u64;
    if bytes > MAX_BUNDLE_BYTES {
        return Err(ArtifactError::TooLarge {
            what: "bundle",
            bytes,
            most: MAX_BUNDLE_BYTES,
        });
    }
    let members: BTreeMap<String, serde::de::IgnoredAny> =
        serde_json::from_slice(bundle).map_err(|e| malformed("bundle", e))?;
    let content = match members.contains_key("messageSignature") {
        true => "message-signature",
        false => "dsse-envelope",
    };
    let config = Blob::new(EMPTY, EMPTY_JSON.to_vec());
    let bundle = Blob::new(BUNDLE, bundle.to_vec());
    let annotations = [
        (CREATED.to_owned(), NO_TIME.to_owned()),
        (BUNDLE_CONTENT.to_owned(), content.to_owned()),
    ];
    let manifest = manifest(
        Some(BUNDLE),
        &config,
        &bundle.described(),
        Some(subject),
        &Annotations::from(annotations),
    )?;
    Ok(ReferrerArtifact {
        config,
        bundle,
        manifest,
    })
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The manifest.
    pub manifest: Described,
    /// What kind of artifact it is of, where that is said.
    pub artifact_type: Option<String>,
    /// What else is said of it.
    pub annotations: Annotations,
}

/// An index of these entries: of an archive, or of all that refers to one manifest.
///
/// # Errors
/// None that are expected.
pub fn index_for(entries: &[IndexEntry]) -> Result<Blob, ArtifactError> {
    let mut manifests = Vec::new();
    for entry in entries {
        let mut descriptor = entry.manifest.descriptor()?;
        if let Some(artifact_type) = &entry.artifact_type {
            descriptor.set_artifact_type(Some(MediaType::from(artifact_type.as_str())));
        }
        if !entry.annotations.is_empty() {
            descriptor.set_annotations(Some(entry.annotations.clone().into_iter().collect()));
        }
        manifests.push(descriptor);
    }
    let index = oci_spec::image::ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .build()
        .map_err(|e| malformed("index", e))?;
    Ok(Blob::new(INDEX, json("index", &index)?))
}
