//! What lies beside a file: Sigstore bundles, as files and as texts.
//!
//! `<file>.sigstore.json` is one bundle; `<file>.sigstore.jsonl` holds more, one a line,
//! because a bundle holds one signature and some files need two.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::fs::OFlags;
use serde::Serialize;
use sigstore_types::{
    Bundle, DsseEnvelope, HashAlgorithm, MediaType, MessageSignature, SignatureContent,
    VerificationMaterialContent,
};

use super::{Refusal, RefusalCode};

/// The most bytes of all bundles beside one file.
pub const MAX_BUNDLE_BYTES: u64 = 1024 * 1024;
/// So many signatures of one file are looked at.
pub const MAX_SEALS: usize = 16;

const ONE: &str = ".sigstore.json";
const MORE: &str = ".sigstore.jsonl";
const FORMATS: &str = "a Sigstore bundle, a DSSE envelope or a signature";

/// Where the one bundle of a file lies.
pub fn bundle_path(file: &Path) -> PathBuf {
    beside(file, ONE)
}

/// Where further bundles of a file lie.
pub fn more_bundles_path(file: &Path) -> PathBuf {
    beside(file, MORE)
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// The name of a file's one bundle, and of the file of its further ones.
pub(crate) fn bundle_names(file: &str) -> [String; 2] {
    [[file, ONE].concat(), [file, MORE].concat()]
}

/// One signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Seal {
    /// By what the signature names its key; empty: it names none. Not to be believed.
    pub(super) hint: String,
    pub(super) content: SealContent,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum SealContent {
    /// Over the file itself.
    Message {
        /// What it says the file's SHA-256 is.
        digest: Option<Vec<u8>>,
        signature: Vec<u8>,
    },
    /// Over a statement.
    Envelope(DsseEnvelope),
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::BundleInvalid, detail)
}

impl Seal {
    /// Reads a bundle, an envelope, or a signature as it is or in Base64.
    ///
    /// # Errors
    /// `bundle_invalid`.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).ok().map(str::trim);
        // A signature as it is may begin with any byte, and is hardly ever text.
        if text.is_some_and(|text| text.starts_with('{')) {
            return Self::from_json(bytes);
        }
        let decoded = text.and_then(|text| BASE64_STANDARD.decode(text).ok());
        let signature = decoded.unwrap_or_else(|| bytes.to_vec());
        if signature.is_empty() || signature.len() > 256 {
            return Err(invalid(format!("it is not {FORMATS}")));
        }
        Ok(Self {
            hint: String::new(),
            content: SealContent::Message {
                digest: None,
                signature,
            },
        })
    }

    fn from_json(bytes: &[u8]) -> Result<Self, Refusal> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| invalid(format!("it is no JSON: {e}")))?;
        if value.get("mediaType").is_none() && value.get("payloadType").is_some() {
            let envelope: DsseEnvelope =
                serde_json::from_value(value).map_err(|e| invalid(format!("it is no DSSE envelope: {e}")))?;
            return Ok(Self {
                hint: envelope.signature.keyid.as_str().to_owned(),
                content: SealContent::Envelope(envelope),
            });
        }
        if value.get("mediaType").is_none() {
            return Err(invalid(format!("it is not {FORMATS}")));
        }
        let bundle: Bundle =
            serde_json::from_value(value).map_err(|e| invalid(format!("it is no Sigstore bundle: {e}")))?;
        Self::of(bundle)
    }

    fn of(bundle: Bundle) -> Result<Self, Refusal> {
        if bundle.media_type() != MediaType::Bundle0_3 {
            return Err(invalid("it is a Sigstore bundle of another version than 0.3"));
        }
        let VerificationMaterialContent::PublicKey(key) = bundle.verification_material.content else {
            return Err(invalid(
                "it is signed with a certificate; only pinned keys are trusted here",
            ));
        };
        let content = match bundle.content {
            SignatureContent::DsseEnvelope(envelope) => SealContent::Envelope(envelope),
            SignatureContent::MessageSignature(MessageSignature {
                message_digest,
                signature,
                ..
            }) => SealContent::Message {
                digest: match message_digest {
                    None => None,
                    Some(digest) if digest.algorithm == HashAlgorithm::Sha2256 => {
                        Some(digest.digest.into_bytes())
                    }
                    Some(_) => return Err(invalid("its digest is not SHA-256")),
                },
                signature: signature.into_bytes(),
            },
            _ => return Err(invalid("it holds neither a signature nor an envelope")),
        };
        let hint = match &content {
            SealContent::Envelope(envelope) if key.hint.is_empty() => {
                envelope.signature.keyid.as_str().to_owned()
            }
            _ => key.hint,
        };
        Ok(Self { hint, content })
    }
}

/// All signatures beside a file, as they were found: good, bad and unreadable ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seals(pub(super) Vec<Result<Seal, Refusal>>);

impl Seals {
    /// Those beside the file at `path`.
    pub fn beside(path: &Path) -> Self {
        Self::of(
            read_bounded(&bundle_path(path)),
            read_bounded(&more_bundles_path(path)),
        )
    }

    /// These bundles, each one JSON document.
    pub fn of_bundles<B: AsRef<[u8]>>(bundles: impl IntoIterator<Item = B>) -> Self {
        let bundles = bundles.into_iter().take(MAX_SEALS.saturating_add(1));
        Self::few(bundles.map(|it| Seal::from_json(it.as_ref())).collect())
    }

    /// Unless they are too many.
    fn few(seals: Vec<Result<Seal, Refusal>>) -> Self {
        if seals.len() > MAX_SEALS {
            return Self(vec![Err(invalid(format!(
                "there are more than {MAX_SEALS} signatures"
            )))]);
        }
        Self(seals)
    }

    /// One alone.
    pub fn one(seal: Result<Seal, Refusal>) -> Self {
        Self(vec![seal])
    }

    /// From the contents of the two files; none: it is not there.
    pub(crate) fn of(one: Result<Option<Vec<u8>>, String>, more: Result<Option<Vec<u8>>, String>) -> Self {
        let mut seals = Vec::new();
        match one {
            Ok(None) => {}
            Ok(Some(bytes)) => seals.push(Seal::from_json(&bytes)),
            Err(problem) => seals.push(Err(invalid(problem))),
        }
        match more {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let lines = bytes.split(|byte| *byte == b'\n');
                let lines = lines.filter(|line| !line.trim_ascii().is_empty());
                seals.extend(lines.take(MAX_SEALS.saturating_add(1)).map(Seal::from_json));
            }
            Err(problem) => seals.push(Err(invalid(problem))),
        }
        Self::few(seals)
    }

    /// Each, or why it cannot be read.
    pub fn iter(&self) -> impl Iterator<Item = &Result<Seal, Refusal>> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The bundles beside a file as they are, each one JSON document; [`Seals::of_bundles`]
/// reads them.
///
/// # Errors
/// `bundle_invalid` when they cannot be read, or are too large.
pub fn bundles_beside(file: &Path) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut bundles: Vec<Vec<u8>> = read_bounded(&bundle_path(file))
        .map_err(invalid)?
        .into_iter()
        .collect();
    let more = read_bounded(&more_bundles_path(file)).map_err(invalid)?;
    let more = more.unwrap_or_default();
    let lines = more.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    bundles.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    Ok(bundles)
}

/// What a signature says, verified or not: for people to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SealView {
    /// By what it names its key; empty: it names none.
    pub key: String,
    /// `message`, `statement` or `unreadable`.
    pub form: &'static str,
    /// What the statement says, or why nothing can be read.
    pub problem: Option<String>,
    /// The name that it says.
    pub name: Option<String>,
    /// The version that it says.
    pub version: Option<String>,
    /// The revision that it says.
    pub revision: Option<u64>,
}

impl Seals {
    /// What all signatures say of these bytes. Nobody has verified it.
    pub fn views(&self, bytes: &[u8]) -> Vec<SealView> {
        self.0.iter().map(|seal| view(seal, bytes)).collect()
    }
}

fn view(seal: &Result<Seal, Refusal>, bytes: &[u8]) -> SealView {
    let seal = match seal {
        Ok(seal) => seal,
        Err(refusal) => {
            return SealView {
                form: "unreadable",
                problem: Some(refusal.to_string()),
                ..SealView::default()
            };
        }
    };
    let key = super::statement::shown(&seal.hint);
    let SealContent::Envelope(envelope) = &seal.content else {
        return SealView {
            key,
            form: "message",
            ..SealView::default()
        };
    };
    let digest = crate::digest::sha256(bytes).into();
    let said = super::Artifact::of(&envelope.payload_type, envelope.payload.as_bytes(), &digest);
    match said {
        Ok(artifact) => SealView {
            key,
            form: "statement",
            problem: None,
            name: Some(artifact.name),
            version: artifact.version,
            revision: Some(artifact.revision),
        },
        Err(refusal) => SealView {
            key,
            form: "statement",
            problem: Some(refusal.to_string()),
            ..SealView::default()
        },
    }
}

/// The bytes of a bundle's file; none where there is no such file.
fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let told = |problem: &str| Err(format!("the bundle beside the file {problem}"));
    let opened = File::options()
        .read(true)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return told(&format!("cannot be read: {}", error.kind())),
    };
    match file.metadata() {
        Ok(it) if it.is_file() => {}
        _ => return told("is no regular file"),
    }
    let mut bytes = Vec::new();
    if let Err(error) = file
        .take(MAX_BUNDLE_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
    {
        return told(&format!("cannot be read: {}", error.kind()));
    }
    if bytes.len() as u64 > MAX_BUNDLE_BYTES {
        return told(&format!("is larger than {MAX_BUNDLE_BYTES} bytes"));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_may_begin_like_json() {
        let mut signature = vec![0xff; 64];
        signature[0] = b'{';
        let seal = Seal::read(&signature).unwrap();
        let expected = SealContent::Message {
            digest: None,
            signature,
        };
        assert_eq!(seal.content, expected);
        let refused = Seal::read(b" {").unwrap_err();
        assert_eq!(refused.code, RefusalCode::BundleInvalid);
    }
}
