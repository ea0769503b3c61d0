//! The module store: a directory of modules by their digest, each with its signatures.
//!
//! ```text
//! <store>/sha256/<64 hex digits>/module.wasm
//!                                module.wasm.sigstore.jsonl    its bundles, one a line
//!                                origin.json                   where it came from
//!                                manifest-<64 hex digits>.json  as what registries know it
//! <store>/pins/<name>                                          the digest that is kept
//! ```
//!
//! An entry appears under its name all at once and its module is never changed, so that
//! reading takes no lock; whoever changes the store waits for their turn. What is read
//! is hashed again: a name in the store is a promise about the bytes, and nothing more.
//! Implements the store of signed policy modules.

mod error;
mod gc;
mod manifests;
mod names;
mod place;

pub use error::StoreError;
pub use gc::{GcPolicy, GcReport, Removed};
pub use names::{Digest, PinName};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::place::{Place, Turn};
use crate::sandbox::{MAX_MODULE_BYTES, is_component};
use crate::signing::{MAX_BUNDLE_BYTES, MAX_SEALS, Seals};

const MODULES: &str = "sha256";
const PINS: &str = "pins";
const MODULE: &str = "module.wasm";
/// All bundles in one file, so that they change at once.
const BUNDLES: &str = "module.wasm.sigstore.jsonl";
const ORIGIN: &str = "origin.json";
/// What is on its way out, so that nobody sees half of it.
const GONE: &str = ".gone";

const MAX_ORIGIN_BYTES: u64 = 64 * 1024;
const MAX_PIN_BYTES: u64 = 128;

/// Where a module came from. Nobody vouches for that: it is for people to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// As what it was asked for: `oci://registry.example.com/fast@sha256:…`, a file's name.
    pub reference: Option<String>,
    /// When it was put into the store.
    pub time: Timestamp,
}

/// A module of the store: bytes that have the digest, and what lies beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The component.
    pub bytes: Vec<u8>,
    /// The Sigstore bundles, each one JSON document on one line.
    pub bundles: Vec<Vec<u8>>,
    /// Where it came from; none: that cannot be read.
    pub origin: Option<Origin>,
}

impl Stored {
    /// The signatures, as those beside a file.
    pub fn seals(&self) -> Seals {
        Seals::of_bundles(&self.bundles)
    }
}

/// What is said of a module in the store without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its digest, if its bytes are what they should be.
    pub digest: Digest,
    /// How long it is.
    pub bytes: u64,
    /// How many signatures lie beside it.
    pub signatures: usize,
    /// Where it came from; none: that cannot be read.
    pub origin: Option<Origin>,
    /// When it was loaded or changed last.
    pub used: Timestamp,
    /// By which names it is pinned.
    pub pins: Vec<PinName>,
}

/// A directory of modules. Processes may share it.
#[derive(Debug)]
pub struct ModuleStore {
    top: Place,
    path: PathBuf,
}

impl ModuleStore {
    /// Opens the store in `dir`; makes the directory, for this user alone, where it is
    /// missing.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] when it belongs to another user than this one or root, or
    /// others may write to it; [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            top: Place::top(dir)?,
            path: dir.to_owned(),
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a module lies, if it is there: to see whether anything beside it changes,
    /// not to be read.
    pub fn module_path(dir: &Path, digest: &Digest) -> PathBuf {
        dir.join(MODULES).join(digest.hex()).join(MODULE)
    }

    /// Puts a component with its bundles into the store, as far as the disk. They take the
    /// place of those that the store has of it: what was verified together is judged
    /// together. Without any, those that are there stay. Whether one is good is not asked:
    /// that is the trust policy's to say when the module is loaded.
    ///
    /// # Errors
    /// When it is too large or no component, a bundle is no JSON object, there are too
    /// many or too large ones, or the file system refuses. Nothing of it is in the store then.
    pub fn put(
        &self,
        bytes: &[u8],
        bundles: &[impl AsRef<[u8]>],
        origin: &Origin,
    ) -> Result<Digest, StoreError> {
        self.put_pinned(bytes, bundles, origin, None)
    }

    /// As [`put`](Self::put), and pins it before anybody could collect it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_pinned(
        &self,
        bytes: &[u8],
        bundles: &[impl AsRef<[u8]>],
        origin: &Origin,
        pin: Option<&PinName>,
    ) -> Result<Digest, StoreError> {
        let length = bytes.len() as u64;
        if length > MAX_MODULE_BYTES {
            return Err(StoreError::large_module("the module", length));
        }
        if !is_component(bytes) {
            return Err(StoreError::NotAComponent);
        }
        let lines = lines(bundles)?;
        let digest = Digest::of(bytes);
        let origin = serde_json::to_vec(origin).map_err(|e| place::told(&self.path)(e.into()))?;
        let turn = self.top.turn()?;
        self.keep(&turn, &digest, bytes, lines, &origin)?;
        if let Some(name) = pin {
            self.write_pin(&turn, &digest, name)?;
        }
        Ok(digest)
    }

    /// Keeps a module under its digest.
    fn keep(
        &self,
        turn: &Turn,
        digest: &Digest,
        bytes: &[u8],
        lines: Vec<Vec<u8>>,
        origin: &[u8],
    ) -> Result<(), StoreError> {
        let modules = self.top.make_child(MODULES)?;
        let lines = match modules.child(digest.hex())? {
            None => lines,
            Some(entry) => {
                let known = split(&entry.read(BUNDLES, MAX_BUNDLE_BYTES)?.unwrap_or_default());
                let lines = if lines.is_empty() { known.clone() } else { lines };
                if let Ok(Some(kept)) = entry.read(MODULE, MAX_MODULE_BYTES)
                    && kept == bytes
                {
                    if lines != known {
                        entry.replace(BUNDLES, &joined(&lines))?;
                    }
                    entry.touch();
                    return Ok(());
                }
                // What is there is damaged: it makes room for what is not.
                self.take_away(turn, &modules, digest)?;
                lines
            }
        };
        let entry = self.top.half_done()?;
        entry.create(MODULE, bytes)?;
        if !lines.is_empty() {
            entry.create(BUNDLES, &joined(&lines))?;
        }
        entry.create(ORIGIN, origin)?;
        entry.sync()?;
        self.top.finish(digest.hex(), &modules)
    }

    /// A module with its bundles. Its bytes have the digest: they are hashed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Corrupt`] when the bytes have another
    /// digest; [`StoreError::TooLarge`], before anything is read; [`StoreError::Irregular`]
    /// for a link or anything else that is no file; [`StoreError::Io`].
    pub fn get(&self, digest: &Digest) -> Result<Stored, StoreError> {
        let absent = || StoreError::NotFound(digest.clone());
        let modules = self.top.child(MODULES)?.ok_or_else(absent)?;
        let entry = modules.child(digest.hex())?.ok_or_else(absent)?;
        let read = (|| {
            let bytes = entry.read(MODULE, MAX_MODULE_BYTES)?.ok_or_else(absent)?;
            let bundles = split(&entry.read(BUNDLES, MAX_BUNDLE_BYTES)?.unwrap_or_default());
            Ok((bytes, bundles, origin(&entry)))
        })();
        // It is renamed before anything of it is removed: while it has its name, all of
        // it was there.
        if !modules.still_has(digest.hex(), &entry) {
            return Err(absent());
        }
        let (bytes, bundles, origin) = read?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(StoreError::Corrupt {
                wanted: digest.clone(),
                found,
            });
        }
        entry.touch();
        Ok(Stored {
            digest: found,
            bytes,
            bundles,
            origin,
        })
    }

    /// What is in the store, by digest. Names that are none of the store's are passed over.
    ///
    /// # Errors
    /// When an entry or a pin is no file of the store's, or the file system refuses.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let mut pins: BTreeMap<Digest, Vec<PinName>> = BTreeMap::new();
        for (name, digest) in self.pins()? {
            pins.entry(digest).or_default().push(name);
        }
        let mut listed = Vec::new();
        let Some(modules) = self.top.child(MODULES)? else {
            return Ok(listed);
        };
        for name in modules.names()? {
            let Ok(digest) = Digest::from_hex(&name) else {
                continue;
            };
            // It may have been removed since.
            let Some(entry) = modules.child(&name)? else {
                continue;
            };
            let Some((_, bytes)) = entry.file(MODULE)? else {
                continue;
            };
            let bundles = entry.read(BUNDLES, MAX_BUNDLE_BYTES)?.unwrap_or_default();
            listed.push(Listed {
                bytes,
                signatures: split(&bundles).len(),
                origin: origin(&entry),
                used: entry.used()?,
                pins: pins.remove(&digest).unwrap_or_default(),
                digest,
            });
        }
        Ok(listed)
    }

    /// Removes a module with its bundles.
    ///
    /// # Errors
    /// [`StoreError::Pinned`]; [`StoreError::NotFound`]; when a pin cannot be read, for it
    /// may be about this module; [`StoreError::Io`].
    pub fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        let turn = self.top.turn()?;
        let pins: Vec<PinName> = self
            .pins()?
            .into_iter()
            .filter_map(|(name, pinned)| (pinned == *digest).then_some(name))
            .collect();
        if !pins.is_empty() {
            return Err(StoreError::Pinned {
                digest: digest.clone(),
                pins,
            });
        }
        let absent = || StoreError::NotFound(digest.clone());
        let modules = self.top.child(MODULES)?.ok_or_else(absent)?;
        match self.take_away(&turn, &modules, digest)? {
            true => Ok(()),
            false => Err(absent()),
        }
    }

    /// Pins a module: it is not collected while the pin is there. Tells what the name was
    /// pinned to before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Io`].
    pub fn pin(&self, digest: &Digest, name: &PinName) -> Result<Option<Digest>, StoreError> {
        let turn = self.top.turn()?;
        let modules = self.top.child(MODULES)?;
        let entry = modules.map(|modules| modules.child(digest.hex())).transpose()?;
        if entry.flatten().is_none() {
            return Err(StoreError::NotFound(digest.clone()));
        }
        self.write_pin(&turn, digest, name)
    }

    /// Writes a pin; tells what the name was pinned to before.
    fn write_pin(&self, _turn: &Turn, digest: &Digest, name: &PinName) -> Result<Option<Digest>, StoreError> {
        let pins = self.top.make_child(PINS)?;
        // One that is damaged is mended by this.
        let before = pinned(&pins, name).ok().flatten();
        pins.replace(name.as_str(), format!("{digest}\n").as_bytes())?;
        Ok(before)
    }

    /// Removes a pin. What it pinned stays until it is collected.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPin`], [`StoreError::Io`].
    pub fn unpin(&self, name: &PinName) -> Result<(), StoreError> {
        let _turn = self.top.turn()?;
        let removed = match self.top.child(PINS)? {
            None => false,
            Some(pins) => pins.remove(name.as_str())?,
        };
        match removed {
            true => Ok(()),
            false => Err(StoreError::NoSuchPin(name.clone())),
        }
    }

    /// What is pinned, by name.
    ///
    /// # Errors
    /// When something among the pins is none, for what it was meant to keep is not known;
    /// [`StoreError::Io`].
    pub fn pins(&self) -> Result<BTreeMap<PinName, Digest>, StoreError> {
        let mut found = BTreeMap::new();
        let Some(pins) = self.top.child(PINS)? else {
            return Ok(found);
        };
        for name in pins.names()? {
            // A pin that is being written.
            if name.starts_with('.') {
                continue;
            }
            let pin: PinName = name.parse().map_err(|e: StoreError| StoreError::Damaged {
                path: pins.path(&name),
                problem: e.to_string(),
            })?;
            if let Some(digest) = pinned(&pins, &pin)? {
                found.insert(pin, digest);
            }
        }
        Ok(found)
    }

    /// Removes an entry, whole: whether there was one.
    fn take_away(&self, _turn: &Turn, modules: &Place, digest: &Digest) -> Result<bool, StoreError> {
        self.top.clear(GONE)?;
        if modules.child(digest.hex())?.is_none() {
            return Ok(false);
        }
        modules.rename(digest.hex(), &self.top, GONE)?;
        modules.sync()?;
        self.top.clear(GONE)
    }
}

/// The digest that a pin keeps; none where there is no such pin.
fn pinned(pins: &Place, name: &PinName) -> Result<Option<Digest>, StoreError> {
    let Some(bytes) = pins.read(name.as_str(), MAX_PIN_BYTES)? else {
        return Ok(None);
    };
    let damaged = |problem: String| StoreError::Damaged {
        path: pins.path(name.as_str()),
        problem,
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is no text".to_owned()))?;
    let digest = text
        .trim_end()
        .parse()
        .map_err(|e: StoreError| damaged(e.to_string()))?;
    Ok(Some(digest))
}

fn origin(entry: &Place) -> Option<Origin> {
    let bytes = entry.read(ORIGIN, MAX_ORIGIN_BYTES).ok()??;
    serde_json::from_slice(&bytes).ok()
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

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests;
