//! Modules in one file, for machines that no registry can be reached from: an OCI image
//! layout in a tar archive.
//!
//! What is read was made by anybody. Nothing is unpacked: the archive says where each
//! part lies in it, every part has one possible name and its own digest, and no more
//! than one module, or the signatures of one, is in memory at a time.

mod error;

pub use error::ArchiveError;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use tar::{EntryType, Header};

use super::artifact::{
    AnyManifest, Blob, Described, IndexEntry, MAX_MANIFEST_BYTES, REF_NAME, check_config, index_for,
    manifest_for, read_any, read_index, referrer_for,
};
use crate::sandbox::MAX_MODULE_BYTES;
use crate::signing::{MAX_BUNDLE_BYTES, MAX_SEALS};
use crate::store::{Digest, Stored};

const LAYOUT: &str = "oci-layout";
const LAYOUT_JSON: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const LAYOUT_VERSION: &str = "1.0.0";
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs/sha256/";

/// The most parts of an archive.
const MAX_ENTRIES: usize = 4096;
/// What of an archive is headers of headers: long names, times to the nanosecond.
const MAX_EXTENSION_BYTES: u64 = 64 * 1024;
const MAX_LAYOUT_BYTES: u64 = 4096;
/// What of a name is shown in an error.
const SHOWN_CHARS: usize = 120;

/// Writes modules with their bundles, each with the name that it was asked by.
///
/// # Errors
/// When a module is no component, or writing fails.
pub fn write(out: impl Write, modules: &[(Option<String>, Stored)]) -> Result<(), ArchiveError> {
    let mut blobs: BTreeMap<Digest, Cow<'_, [u8]>> = BTreeMap::new();
    let mut index = Vec::new();
    for (name, stored) in modules {
        let artifact = manifest_for(&stored.bytes)?;
        let subject = artifact.manifest.described();
        let name = name.iter().map(|name| (REF_NAME.to_owned(), name.clone()));
        index.push(IndexEntry {
            manifest: subject.clone(),
            artifact_type: None,
            annotations: name.collect(),
        });
        let mut keep = |blob: Blob| blobs.insert(blob.digest, blob.bytes.into());
        for bundle in &stored.bundles {
            let referrer = referrer_for(bundle, &subject)?;
            index.push(IndexEntry {
                manifest: referrer.manifest.described(),
                artifact_type: Some(super::artifact::BUNDLE.to_owned()),
                annotations: BTreeMap::new(),
            });
            keep(referrer.config);
            keep(referrer.bundle);
            keep(referrer.manifest);
        }
        keep(artifact.config);
        keep(artifact.manifest);
        blobs.insert(stored.digest.clone(), Cow::Borrowed(&stored.bytes));
    }
    let mut seen = BTreeSet::new();
    index.retain(|entry| {
        let names: Vec<_> = entry.annotations.clone().into_iter().collect();
        seen.insert((entry.manifest.digest.clone(), names))
    });
    let mut archive = tar::Builder::new(out);
    append(&mut archive, LAYOUT, LAYOUT_JSON)?;
    append(&mut archive, INDEX, &index_for(&index)?.bytes)?;
    for (digest, bytes) in &blobs {
        append(&mut archive, &blob_name(digest), bytes)?;
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

fn blob_name(digest: &Digest) -> String {
    [BLOBS, digest.hex()].concat()
}

/// The same bytes whoever writes them when.
fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)
}

/// A module of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedModule {
    /// The digest of its manifest: by which registries know it.
    pub manifest: Digest,
    /// By which names the archive knows it.
    pub names: Vec<String>,
    /// The module.
    pub module: Described,
    /// Its bundles: together no more than a module may have.
    pub bundles: Vec<Described>,
}

/// Where a part lies.
#[derive(Clone, Copy, Debug)]
struct Extent {
    offset: u64,
    size: u64,
}

/// An archive whose parts are all what their names say.
#[derive(Debug)]
pub struct Archive {
    file: File,
    blobs: BTreeMap<Digest, Extent>,
    modules: Vec<ArchivedModule>,
}

impl Archive {
    /// Reads an archive: its parts, then the digest of every one, then what they say.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        let Parts { layout, index, blobs } = Parts::of(&file)?;
        let mut archive = Self {
            file,
            blobs,
            modules: Vec::new(),
        };
        let missing = |name: &str| ArchiveError::Missing {
            name: name.to_owned(),
        };
        let layout = archive.bytes(layout.ok_or_else(|| missing(LAYOUT))?, LAYOUT)?;
        check_layout(&layout)?;
        let index = archive.bytes(index.ok_or_else(|| missing(INDEX))?, INDEX)?;
        let entries = read_index(&index)?;
        for digest in archive.blobs.keys() {
            archive.blob(digest)?;
        }
        archive.modules = archive.read(&entries)?;
        Ok(archive)
    }

    /// The modules.
    pub fn modules(&self) -> &[ArchivedModule] {
        &self.modules
    }

    /// The bytes of a module.
    ///
    /// # Errors
    /// When they have changed since the archive was opened.
    pub fn module(&self, module: &ArchivedModule) -> Result<Vec<u8>, ArchiveError> {
        self.described("module", &module.module)
    }

    /// The bundles of a module.
    ///
    /// # Errors
    /// When they have changed since the archive was opened.
    pub fn bundles(&self, module: &ArchivedModule) -> Result<Vec<Vec<u8>>, ArchiveError> {
        let bundles = module.bundles.iter();
        bundles.map(|it| self.described("bundle", it)).collect()
    }

    /// The manifest of a module.
    ///
    /// # Errors
    /// When it has changed since the archive was opened.
    pub fn manifest(&self, module: &ArchivedModule) -> Result<Vec<u8>, ArchiveError> {
        self.blob(&module.manifest)
    }

    /// The modules with their signatures, from all manifests of the index.
    fn read(&self, entries: &[IndexEntry]) -> Result<Vec<ArchivedModule>, ArchiveError> {
        let mut modules: BTreeMap<Digest, ArchivedModule> = BTreeMap::new();
        let mut attached = Vec::new();
        let mut seen = BTreeSet::new();
        for entry in entries {
            let digest = &entry.manifest.digest;
            self.there("manifest", &entry.manifest)?;
            // An index may name one as often as it is long enough for.
            if seen.insert(digest) {
                match read_any(&self.blob(digest)?)? {
                    AnyManifest::Module(manifest) => {
                        check_config(&self.described("configuration", &manifest.config)?, &manifest)?;
                        self.there("module", &manifest.layer)?;
                        let module = ArchivedModule {
                            manifest: digest.clone(),
                            names: Vec::new(),
                            module: manifest.layer,
                            bundles: Vec::new(),
                        };
                        modules.insert(digest.clone(), module);
                    }
                    AnyManifest::Bundle(it) => attached.push(it),
                    AnyManifest::OtherReferrer => {}
                }
            }
            if let Some(module) = modules.get_mut(digest) {
                module.names.extend(entry.annotations.get(REF_NAME).cloned());
            }
        }
        for it in attached {
            let Some(module) = modules.get_mut(&it.subject) else {
                return Err(ArchiveError::StraySignature { subject: it.subject });
            };
            self.there("bundle", &it.bundle)?;
            module.bundles.push(it.bundle);
            if module.bundles.len() > MAX_SEALS {
                return Err(ArchiveError::TooManySignatures {
                    module: module.module.digest.clone(),
                    bundles: module.bundles.len(),
                });
            }
            let bytes: u64 = module.bundles.iter().map(|bundle| bundle.size).sum();
            if bytes > MAX_BUNDLE_BYTES {
                return Err(ArchiveError::LargeSignatures {
                    module: module.module.digest.clone(),
                    bytes,
                });
            }
        }
        if modules.is_empty() {
            return Err(ArchiveError::Empty);
        }
        Ok(modules.into_values().collect())
    }

    /// A part that something is said of.
    fn described(&self, what: &'static str, described: &Described) -> Result<Vec<u8>, ArchiveError> {
        self.there(what, described)?;
        self.blob(&described.digest)
    }

    /// That there is such a part, as long as is said of it. All parts were hashed when the
    /// archive was opened, and are again when they are used.
    fn there(&self, what: &'static str, described: &Described) -> Result<(), ArchiveError> {
        let extent = self.extent(&described.digest)?;
        Ok(described.check_length(what, extent.size)?)
    }

    fn extent(&self, digest: &Digest) -> Result<Extent, ArchiveError> {
        let extent = self.blobs.get(digest).copied();
        extent.ok_or_else(|| ArchiveError::Missing {
            name: blob_name(digest),
        })
    }

    /// A part that is called by its digest, and has it.
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ArchiveError> {
        let name = blob_name(digest);
        let bytes = self.bytes(self.extent(digest)?, &name)?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(ArchiveError::Damaged { name, found }),
        }
    }

    fn bytes(&self, extent: Extent, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let size = usize::try_from(extent.size).map_err(io::Error::other)?;
        let mut bytes = vec![0; size];
        match self.file.read_exact_at(&mut bytes, extent.offset) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ArchiveError::Truncated {
                name: name.to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

fn check_layout(bytes: &[u8]) -> Result<(), ArchiveError> {
    let told = |problem: String| ArchiveError::Layout(problem);
    let layout: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| told(e.to_string()))?;
    match layout.get("imageLayoutVersion").and_then(|it| it.as_str()) {
        Some(LAYOUT_VERSION) => Ok(()),
        Some(other) => Err(told(format!("its version is `{}`", shown(other.as_bytes())))),
        None => Err(told("its `oci-layout` says no version".to_owned())),
    }
}

/// Where the parts of an archive lie.
#[derive(Debug, Default)]
struct Parts {
    layout: Option<Extent>,
    index: Option<Extent>,
    blobs: BTreeMap<Digest, Extent>,
}

impl Parts {
    fn of(file: &File) -> Result<Self, ArchiveError> {
        let length = file.metadata()?.len();
        let mut parts = Self::default();
        let mut archive = tar::Archive::new(file);
        // Without the meaning of extension headers: no part of a layout needs one, and
        // what they would have said of a name or a size is not believed.
        for (at, entry) in archive.entries_with_seek()?.raw(true).enumerate() {
            if at >= MAX_ENTRIES {
                return Err(ArchiveError::TooManyEntries);
            }
            let entry = entry?;
            let name = shown(&entry.path_bytes());
            let extent = Extent {
                offset: entry.raw_file_position(),
                size: entry.size(),
            };
            let most = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => MAX_MODULE_BYTES,
                EntryType::Directory => 0,
                EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName => MAX_EXTENSION_BYTES,
                EntryType::Symlink | EntryType::Link | EntryType::GNULongLink => {
                    return Err(ArchiveError::Unsafe {
                        name,
                        problem: "is a link",
                    });
                }
                _ => {
                    return Err(ArchiveError::Unsafe {
                        name,
                        problem: "is neither a file nor a directory",
                    });
                }
            };
            if extent.size > most {
                return Err(ArchiveError::TooLarge {
                    name,
                    bytes: extent.size,
                    most,
                });
            }
            if extent.offset.saturating_add(extent.size) > length {
                return Err(ArchiveError::Truncated { name });
            }
            if matches!(
                entry.header().entry_type(),
                EntryType::Regular | EntryType::Continuous | EntryType::Directory
            ) {
                let path = safe(&entry.path_bytes(), &name)?;
                if entry.header().entry_type() != EntryType::Directory {
                    parts.add(&path, extent)?;
                }
            }
        }
        Ok(parts)
    }

    /// A file of the archive. One that no layout has is passed over: others write more.
    fn add(&mut self, path: &str, extent: Extent) -> Result<(), ArchiveError> {
        let name = || path.to_owned();
        let (before, most) = match path {
            LAYOUT => (self.layout.replace(extent), MAX_LAYOUT_BYTES),
            INDEX => (self.index.replace(extent), MAX_MANIFEST_BYTES),
            _ => match path.strip_prefix(BLOBS) {
                None => return Ok(()),
                Some(hex) => {
                    let digest = Digest::from_hex(hex).map_err(|_| ArchiveError::Unsafe {
                        name: name(),
                        problem: "has a name that is no digest",
                    })?;
                    (self.blobs.insert(digest, extent), MAX_MODULE_BYTES)
                }
            },
        };
        if before.is_some() {
            return Err(ArchiveError::Twice { name: name() });
        }
        if extent.size > most {
            return Err(ArchiveError::TooLarge {
                name: name(),
                bytes: extent.size,
                most,
            });
        }
        Ok(())
    }
}

/// The path of a part, if it stays in the archive's own directory.
fn safe(path: &[u8], shown: &str) -> Result<String, ArchiveError> {
    let refused = |problem| ArchiveError::Unsafe {
        name: shown.to_owned(),
        problem,
    };
    let text = std::str::from_utf8(path).map_err(|_| refused("has a name that is no UTF-8"))?;
    if text.starts_with('/') {
        return Err(refused("has an absolute path"));
    }
    if text.contains(['\\', '\0']) {
        return Err(refused("has a name that no part of a layout has"));
    }
    let mut steps = Vec::new();
    for step in text.split('/') {
        match step {
            ".." => return Err(refused("leads out of the archive")),
            // `tar -c .` writes `./index.json`, and a directory ends with a slash.
            "" | "." => {}
            step => steps.push(step),
        }
    }
    Ok(steps.join("/"))
}

/// A name that somebody else chose, as it is shown.
fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let shown = name.chars().take(SHOWN_CHARS);
    shown.flat_map(char::escape_debug).collect()
}
