//! Keys, signatures and their verification: one implementation for modules, policies,
//! registries and governance documents.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::passphrase::PassphraseArgs;
use super::settings::SettingsArgs;
use super::{Exit, Failure, output, rollback, store};
use crate::clock::{Clock, SystemClock};
use crate::config::Setting;
use crate::digest::Hashed;
use crate::gates::DocumentKind;
use crate::gates::document::schema;
use crate::host::world_of;
use crate::sandbox::{Allocation, Limits, Loader, is_wasm};
use crate::signing::trust::{BackendRole, Guard, Wanted};
use crate::signing::{
    Algorithm, Artifact, ArtifactKind, Build, KeyError, NewKey, PrivateKey, PublicKey, Refusal, RefusalCode,
    Seal, Seals, bundle_of, bundle_path, more_bundles_path, sign, verify,
};

/// The largest file that is signed or verified: what a policy may have, and more than any other.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

fn told(error: impl std::fmt::Display) -> Failure {
    Failure::Input(error.to_string())
}

#[derive(Debug, Args)]
pub(super) struct KeygenArgs {
    /// The file of the private key, or a directory for `private.pem` and `public.pem`; the public key of
    /// `key.pem` is `key.pub.pem`
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// The algorithm
    #[arg(long, value_enum, default_value_t = Algorithm::Ed25519)]
    algorithm: Algorithm,
    /// Do not encrypt the private key: whoever reads the file can sign
    #[arg(long, conflicts_with = "passphrase_file")]
    unencrypted: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl KeygenArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (private, public) = self.paths();
        for path in [&private, &public] {
            if path.exists() {
                return Err(told(format!(
                    "`{}` is there already; a key is never written over",
                    path.display()
                )));
            }
        }
        let passphrase = match self.unencrypted {
            true => None,
            false => Some(self.passphrase.choose().map_err(told)?),
        };
        let key = NewKey::generate(self.algorithm, passphrase.as_ref()).map_err(told)?;
        let pem = key.public.to_pem().map_err(told)?;
        write(&private, key.private_pem.as_bytes(), 0o600, false)?;
        write(&public, pem.as_bytes(), 0o644, false)?;
        output::text(&format!(
            "{}: the private key, {}\n{}: the public key, {}\nfingerprint {}",
            private.display(),
            if self.unencrypted {
                "not encrypted: keep it where nobody reads it"
            } else {
                "encrypted"
            },
            public.display(),
            self.algorithm,
            key.public.fingerprint()
        ))?;
        Ok(Exit::Done)
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        if self.out.is_dir() || self.out.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return (self.out.join("private.pem"), self.out.join("public.pem"));
        }
        (self.out.clone(), self.out.with_extension("pub.pem"))
    }
}

/// What a statement says.
#[derive(Debug, Args)]
pub(super) struct StatementArgs {
    /// Sign a statement about the file (its name, revision and more), not the bytes alone; every flag below
    /// means it, too
    #[arg(long)]
    statement: bool,
    /// The name that the trust policy knows the file by [default: of a policy and a pack the pack's id, of a
    /// document its kind]
    #[arg(long, visible_alias = "module-name", value_name = "NAME")]
    name: Option<String>,
    /// The publisher's version, for people
    #[arg(long = "version", value_name = "TEXT")]
    artifact_version: Option<String>,
    /// The revision: it grows with every release
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// From when on the statement holds, such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    not_before: Option<Timestamp>,
    /// Until when the statement holds
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
    /// Where the source is
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// The commit that it was built from
    #[arg(long, value_name = "TEXT")]
    commit: Option<String>,
    /// What built it
    #[arg(long, value_name = "TEXT")]
    builder: Option<String>,
}

impl StatementArgs {
    fn is_asked_for(&self) -> bool {
        let texts = [
            &self.name,
            &self.artifact_version,
            &self.source,
            &self.commit,
            &self.builder,
        ];
        self.statement
            || self.revision.is_some()
            || self.not_before.is_some()
            || self.not_after.is_some()
            || texts.into_iter().any(Option::is_some)
    }

    fn artifact(&self, kind: ArtifactKind, path: &Path, bytes: &[u8]) -> Result<Artifact, Failure> {
        let name = self.name.clone().or_else(|| name_of(kind, path, bytes));
        let artifact = Artifact {
            kind,
            name: name.ok_or_else(|| told("which name? a statement needs --name"))?,
            version: self.artifact_version.clone(),
            revision: self.revision.ok_or_else(|| {
                told("which revision? a statement needs --revision, which grows with every release")
            })?,
            world: (kind == ArtifactKind::Module).then(|| world_of(bytes).to_owned()),
            semantics_version: match kind {
                ArtifactKind::Module if is_wasm(bytes) => semantics_version(bytes),
                _ => None,
            },
            issued_at: SystemClock.now(),
            not_before: self.not_before,
            not_after: self.not_after,
            build: Some(Build {
                source: self.source.clone(),
                commit: self.commit.clone(),
                builder: self.builder.clone(),
            })
            .filter(|build| *build != Build::default()),
        };
        artifact.check().map_err(told)?;
        Ok(artifact)
    }
}

/// The semantics version that a module says it implements.
fn semantics_version(bytes: &[u8]) -> Option<String> {
    let limits = Limits::default();
    let module = Loader::new(Allocation::OnDemand, limits.for_reference(), None)
        .map_err(|e| e.to_string())
        .and_then(|loader| loader.module(limits, bytes.to_vec()).map_err(|e| e.to_string()));
    match module {
        Ok(module) => Some(module.description().semantics_version.clone()),
        Err(problem) => {
            output::warn(&format!(
                "no host of this version would load this module, so its semantics version is left out: {problem}"
            ));
            None
        }
    }
}

/// The name that a file has by itself.
fn name_of(kind: ArtifactKind, path: &Path, bytes: &[u8]) -> Option<String> {
    let member = |pointer: &str| {
        let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        Some(value.pointer(pointer)?.as_str()?.to_owned())
    };
    match kind {
        ArtifactKind::Module | ArtifactKind::Registry => None,
        ArtifactKind::Policy => member("/metadata/id"),
        // A pack lies in a folder of its id.
        ArtifactKind::Pack => {
            let folder = path.parent()?.file_name()?;
            Some(folder.to_str()?.to_owned())
        }
        ArtifactKind::Document => {
            let schema_version = member("/schema_version")?;
            let kinds = DocumentKind::ALL.into_iter();
            let mut kinds = kinds.filter(|kind| {
                schema(*kind).get("title").and_then(|it| it.as_str()) == Some(&schema_version)
            });
            kinds.next().map(|kind| kind.name().to_owned())
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The file to sign; the bundle is written beside it, `<file>.sigstore.json`
    file: PathBuf,
    /// The private key, PEM
    #[arg(long, value_name = "PRIVATE.pem")]
    key: PathBuf,
    /// Add the signature to those that there are, in `<file>.sigstore.jsonl`: where two must sign
    #[arg(long)]
    add: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    statement: StatementArgs,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Signed {
    file: String,
    sha256: String,
    bundle: String,
    key: String,
    statement: Option<Artifact>,
}

impl SignArgs {
    /// The file to sign.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn run(self, kind: ArtifactKind) -> Result<Exit, Failure> {
        let bytes = read(&self.file)?;
        let artifact = match self.statement.is_asked_for() {
            true => Some(self.statement.artifact(kind, &self.file, &bytes)?),
            false => None,
        };
        if artifact.is_none() && kind != ArtifactKind::Document {
            output::warn(&format!(
                "the bytes alone are signed; a trust policy asks of a {kind} for a statement: give --name and --revision"
            ));
        }
        let pem = read_text(&self.key)?;
        let key = PrivateKey::from_pem(&pem, || self.passphrase.read());
        let key = key.map_err(|e: KeyError| told(format!("`{}`: {e}", self.key.display())))?;
        let name = file_name(&self.file);
        let bundle =
            sign(&key, &name, &bytes, artifact.as_ref()).map_err(|e| Failure::Internal(e.to_string()))?;
        let path = keep(&self.file, &bundle, self.add)?;
        let signed = Signed {
            file: self.file.display().to_string(),
            sha256: crate::digest::sha256_hex(&bytes),
            bundle: path.display().to_string(),
            key: key.public().fingerprint(),
            statement: artifact,
        };
        if self.json {
            output::json(&signed)?;
            return Ok(Exit::Done);
        }
        let about = match &signed.statement {
            Some(it) => format!(" as the {} `{}`, revision {}", it.kind, it.name, it.revision),
            None => String::new(),
        };
        output::text(&format!(
            "{} is signed{about}; the bundle is {}",
            signed.file, signed.bundle
        ))?;
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub(super) struct AttachArgs {
    /// The file that was signed elsewhere
    file: PathBuf,
    /// The signature: as it is, in Base64, a DSSE envelope or a bundle
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The public key that it was made with, PEM
    #[arg(long, value_name = "PUBLIC.pem")]
    key: PathBuf,
    /// Add the signature to those that there are
    #[arg(long)]
    add: bool,
}

impl AttachArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let bytes = read(&self.file)?;
        let key = public_key(&self.key)?;
        let signature = read(&self.signature)?;
        let seal = Seal::read(&signature).and_then(|seal| {
            verify([&key], &Hashed::new(&*bytes), &seal)
                .map(drop)
                .map(|()| seal)
        });
        let seal = seal.map_err(|refusal| Failure::Internal(refusal.to_string()))?;
        let bundle = bundle_of(&key, &bytes, seal).map_err(|e| Failure::Internal(e.to_string()))?;
        let path = keep(&self.file, &bundle, self.add)?;
        output::text(&format!(
            "the signature is good; the bundle is {}",
            path.display()
        ))?;
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The file; a module may be one of the module store, `sha256:<hex>`
    file: PathBuf,
    /// A public key, PEM; may be repeated. Without one the trust policy is asked
    #[arg(long, value_name = "PUBLIC.pem")]
    key: Vec<PathBuf>,
    /// The signature, if not the bundles beside the file: as it is, in Base64, a DSSE envelope or a bundle
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Serialize)]
struct Verification {
    file: String,
    sha256: String,
    verified: bool,
    code: Option<RefusalCode>,
    message: String,
    signers: Vec<String>,
    statement: Option<Artifact>,
}

impl VerifyArgs {
    /// The file to verify.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Verifies a file of this kind; a module also as what it is to be used as.
    pub(super) fn run(self, kind: ArtifactKind, backend: Option<BackendRole>) -> Result<Exit, Failure> {
        let (bytes, beside) = match self.file.to_str() {
            Some(name) if kind == ArtifactKind::Module && name.starts_with("sha256:") => {
                let stored = store::fetch(name, &self.settings.config()?)?;
                let seals = stored.seals(name).into_owned();
                (stored.bytes.into_bytes().into_owned(), Some(seals))
            }
            _ => (read(&self.file)?, None),
        };
        let seals = match (&self.signature, beside) {
            (Some(path), _) => Seals::one(Seal::read(&read(path)?)),
            (None, Some(stored)) => stored,
            (None, None) => Seals::beside(&self.file),
        };
        let found = if self.key.is_empty() {
            self.by_policy(kind, backend, &bytes, &seals)?
        } else {
            let keys: Result<Vec<PublicKey>, Failure> =
                self.key.iter().map(|path| public_key(path)).collect();
            by_keys(&keys?, kind, &bytes, &seals)
        };
        let mut verification = Verification {
            file: self.file.display().to_string(),
            sha256: crate::digest::sha256_hex(&bytes),
            verified: found.is_ok(),
            code: None,
            message: String::new(),
            signers: Vec::new(),
            statement: None,
        };
        match found {
            Ok((signers, statement)) => {
                verification.message = match &statement {
                    Some(it) => format!(
                        "signed by {} as the {} `{}`, revision {}",
                        signers.join(", "),
                        it.kind,
                        it.name,
                        it.revision
                    ),
                    None => format!("signed by {}", signers.join(", ")),
                };
                verification.signers = signers;
                verification.statement = statement;
            }
            Err(refusal) => {
                verification.code = Some(refusal.code);
                verification.message = refusal.to_string();
            }
        }
        let line = format!("{}: {}", verification.file, verification.message);
        if self.json {
            output::json(&verification)?;
        } else if verification.verified {
            output::text(&line)?;
        } else {
            output::complain(&line);
        }
        Ok(if verification.verified {
            Exit::Done
        } else {
            Exit::Failure
        })
    }

    fn by_policy(
        &self,
        kind: ArtifactKind,
        backend: Option<BackendRole>,
        bytes: &[u8],
        seals: &Seals,
    ) -> Result<Found, Failure> {
        let config = self.settings.config()?;
        let Some(path) = &config.trust_policy else {
            return Err(told(format!(
                "with which key? give --key, or set {}",
                Setting::TrustPolicy
            )));
        };
        let state = rollback::file(&config);
        let state = state.as_ref().map(crate::rollback::RollbackFile::dir);
        let guard = Guard::open(path, state, std::sync::Arc::new(SystemClock)).map_err(told)?;
        let name = match kind {
            ArtifactKind::Policy | ArtifactKind::Pack | ArtifactKind::Document => {
                name_of(kind, &self.file, bytes)
            }
            _ => None,
        };
        let document = match (kind, &name) {
            (ArtifactKind::Document, Some(name)) => Some(name.parse::<DocumentKind>().map_err(told)?),
            (ArtifactKind::Document, None) => {
                return Err(told(format!(
                    "`{}` has the schema_version of no governance document",
                    self.file.display()
                )));
            }
            _ => None,
        };
        let wanted = Wanted {
            kind,
            name: name.as_deref(),
            backend,
            document,
            world: (kind == ArtifactKind::Module).then(|| world_of(bytes)),
            bytes: &Hashed::new(bytes),
            seals,
        };
        Ok(guard.peek(&wanted).map(|it| (it.signers, it.artifact)))
    }
}

/// Who has signed, and what they say.
type Found = Result<(Vec<String>, Option<Artifact>), Refusal>;

/// Verifies with keys alone: the first signature that is good.
fn by_keys(keys: &[PublicKey], kind: ArtifactKind, bytes: &[u8], seals: &Seals) -> Found {
    let mut first = None;
    let bytes = Hashed::new(bytes);
    for seal in seals.iter() {
        let verified = seal.clone().and_then(|seal| {
            let verified = verify(keys, &bytes, &seal)?;
            if let Some(artifact) = &verified.artifact {
                artifact.holds(SystemClock.now())?;
                if artifact.kind != kind {
                    return Err(Refusal {
                        code: RefusalCode::StatementMismatch,
                        detail: format!("it was signed as a {}, not as a {kind}", artifact.kind),
                    });
                }
            }
            Ok((vec![verified.key.fingerprint()], verified.artifact))
        });
        match verified {
            Ok(found) => return Ok(found),
            Err(refusal) => {
                first.get_or_insert(refusal);
            }
        }
    }
    Err(first.unwrap_or(Refusal {
        code: RefusalCode::Unsigned,
        detail: "there is no signature beside the file".to_owned(),
    }))
}

fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let pem = read_text(path)?;
    PublicKey::from_pem(&pem).map_err(|e| told(format!("`{}`: {e}", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let failed = |e: std::io::Error| told(format!("`{}` cannot be read: {e}", path.display()));
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(told(format!("`{}` is no regular file", path.display())));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(told(format!(
            "`{}` is larger than {MAX_FILE_BYTES} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|_| told(format!("`{}` is no PEM text", path.display())))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Keeps a bundle beside its file: alone, or with those that there are.
fn keep(file: &Path, bundle: &str, add: bool) -> Result<PathBuf, Failure> {
    let one = bundle_path(file);
    if !add || !one.exists() {
        write(&one, format!("{bundle}\n").as_bytes(), 0o644, true)?;
        return Ok(one);
    }
    let path = more_bundles_path(file);
    let mut text = match path.exists() {
        true => read_text(&path)?,
        false => String::new(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(bundle);
    text.push('\n');
    write(&path, text.as_bytes(), 0o644, true)?;
    Ok(path)
}

/// Writes a file at once: readers see all of it or nothing.
fn write(path: &Path, bytes: &[u8], mode: u32, over: bool) -> Result<(), Failure> {
    let failed = |e: std::io::Error| told(format!("`{}` cannot be written: {e}", path.display()));
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .prefix(".cavra-")
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(dir)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    if over {
        file.persist(path).map_err(|e| failed(e.error))?;
    } else {
        file.persist_noclobber(path).map_err(|e| failed(e.error))?;
    }
    Ok(())
}
