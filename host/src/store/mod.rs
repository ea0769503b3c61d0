//! The module store: a directory of modules by their digest, each with its signatures.
//!
//! ```text
//! <store>/sha256/<64 hex digits>/module.wasm
//!                                module.wasm.sigstore.jsonl    its bundles, one a line
//!                                origin.json                   where it came from
//!                                manifest-<64 hex digits>.json  as what registries know it
//! <store>/manifests/<64 hex digits>                            beside which module that one lies
//! <store>/pins/<name>                                          the digest that is kept
//! <store>/.lock                                                held by whoever changes the store
//! ```
//!
//! An entry appears under its name all at once and its module is never changed, so that
//! reading takes no lock; whoever changes the store waits for their turn. What is read
//! is hashed again: a name in the store is a promise about the bytes, and nothing more.
//! Implements the store of signed policy modules.

mod bundles;
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
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::bundles::{accepted, joined, split};
use self::place::{Place, Turn};
use crate::sandbox::MAX_MODULE_BYTES;
use crate::signing::{MAX_BUNDLE_BYTES, Seals};

const MODULES: &str = "sha256";
const PINS: &str = "pins";
/// How long a command waits until nobody else changes the store.
const PATIENCE: Duration = Duration::from_secs(60);
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
    patience: Duration,
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
            patience: PATIENCE,
        })
    }

    /// The same, for one who waits no longer than this until nobody else changes it.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn turn(&self) -> Result<Turn, StoreError> {
        self.top.turn(self.patience)
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
        self.put_with(bytes, bundles, origin, |_, _| Ok(()))
    }

    /// As [`put`](Self::put), with the manifest by which registries know it, which comes
    /// at once with it. Whether it is about this module is for those to ask who read it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_known(
        &self,
        bytes: &[u8],
        bundles: &[impl AsRef<[u8]>],
        origin: &Origin,
        manifest: &[u8],
    ) -> Result<Digest, StoreError> {
        self.put_with(bytes, bundles, origin, |turn, digest| {
            self.write_manifest(turn, digest, manifest)
        })
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
        self.put_with(bytes, bundles, origin, |turn, digest| match pin {
            Some(name) => self.write_pin(turn, digest, name).map(drop),
            None => Ok(()),
        })
    }

    /// Whether the store would take a component with these bundles, if the file system
    /// lets it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn acceptable(bytes: &[u8], bundles: &[impl AsRef<[u8]>]) -> Result<(), StoreError> {
        accepted(bytes, bundles).map(drop)
    }

    /// Puts a module into the store, and what comes `with` it in the same turn.
    fn put_with(
        &self,
        bytes: &[u8],
        bundles: &[impl AsRef<[u8]>],
        origin: &Origin,
        with: impl FnOnce(&Turn, &Digest) -> Result<(), StoreError>,
    ) -> Result<Digest, StoreError> {
        let lines = accepted(bytes, bundles)?;
        let digest = Digest::of(bytes);
        let origin = serde_json::to_vec(origin).map_err(|e| place::told(&self.path)(e.into()))?;
        let turn = self.turn()?;
        self.keep(&turn, &digest, bytes, lines, &origin)?;
        with(&turn, &digest)?;
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
                let known = match entry.read(BUNDLES, MAX_BUNDLE_BYTES) {
                    // They are nobody's: what is given takes their place.
                    Err(StoreError::TooLarge { .. }) => Vec::new(),
                    read => split(&read?.unwrap_or_default()),
                };
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
        let turn = self.turn()?;
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
        let turn = self.turn()?;
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
        let _turn = self.turn()?;
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
        let Some(entry) = modules.child(digest.hex())? else {
            return Ok(false);
        };
        self.forget_manifests(&entry, digest)?;
        modules.rename(digest.hex(), &self.top, GONE)?;
        modules.sync()?;
        self.top.clear(GONE)
    }
}

/// The digest that a pin keeps; none where there is no such pin.
fn pinned(pins: &Place, name: &PinName) -> Result<Option<Digest>, StoreError> {
    digest_in(pins, name.as_str())
}

/// The digest that a file holds.
fn digest_in(place: &Place, name: &str) -> Result<Option<Digest>, StoreError> {
    let Some(bytes) = place.read(name, MAX_PIN_BYTES)? else {
        return Ok(None);
    };
    let damaged = |problem: String| StoreError::Damaged {
        path: place.path(name),
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

#[cfg(test)]
mod tests;
