//! The nine documents: read once, each into the model of its schema.
//!
//! Implements the governance specification, *Documents* and *Binding*. A document
//! that is missing, no JSON or of another schema is of no use to anybody; any other
//! fault is kept with its JSON pointer, and whoever judges the document decides
//! which checks it fails.

pub(crate) mod deployment;
pub(crate) mod drills;
mod file;
mod json;
mod judged;
mod kind;
pub(crate) mod promotion;
mod public_safe;
pub(crate) mod rollback;
pub(crate) mod shape;

#[cfg(test)]
mod tests;

pub use file::MAX_DOCUMENT_BYTES;
pub(crate) use judged::{Judged, Loaded, SKEW_DAYS, Trusting, clip, clip_all};
pub use kind::{DocumentKind, UnknownDocument};
pub use shape::Fault;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use self::deployment::{CiRunnerBundles, EndpointDeployment, UpdaterPolicy, WorkstationChannels};
use self::drills::{DrillHistory, DrillSchedule};
use self::promotion::PromotionEvidence;
use self::rollback::{RollbackPlan, RollbackRehearsal};
use self::shape::{At, Date, Reader, Shape};
use crate::config::{Config, Setting};
use crate::signing::Seals;
use crate::signing::trust::Guard;

/// The model of one schema.
pub(crate) trait Model: Shape {
    /// Its `schema_version`.
    const SCHEMA: &'static str;

    /// What its members must be to each other.
    fn rules(&self, _: &mut Reader) {}

    /// The same, as far as JSON Schema can say it.
    fn refine(_: &mut schemars::Schema) {}

    /// What it says it is about, and when it holds.
    fn bindings(&self) -> Vec<Binding<'_>> {
        Vec::new()
    }
}

/// The schema of a document with what its model says of its members together.
fn refined<T: Model>(mut schema: schemars::Schema) -> schemars::Schema {
    T::refine(&mut schema);
    schema
}

/// What a document, or a part of it, says it is about, and when it holds.
#[derive(Debug)]
pub(crate) struct Binding<'a> {
    /// The JSON pointer of the part.
    pub(crate) at: String,
    pub(crate) subject: Option<&'a Subject>,
    pub(crate) issued_at: Option<&'a Date>,
    pub(crate) expires_at: Option<&'a Date>,
}

shape::object! {
    /// What a document is about: what is loaded must be the same.
    pub(crate) Subject {
        /// The SHA-256 of the fast path's module or binary, in hex.
        optional runtime_sha256: shape::Text,
        /// The SHA-256 of the fast path's policy, in hex.
        optional policy_sha256: shape::Text,
        /// The SHA-256 of the reference's module, in hex.
        optional reference_sha256: shape::Text,
        /// The fingerprint of the engine.
        optional engine_fingerprint: shape::Text,
    }
}

/// A document as its file was found.
#[derive(Clone, Debug)]
pub(crate) struct Document<T> {
    kind: DocumentKind,
    /// Where it is read from; empty: nowhere.
    pub(crate) path: String,
    /// SHA-256 of the file, in hex; none where it could not be read.
    sha256: Option<String>,
    content: Content<T>,
    /// What lies there, and the signatures beside it.
    signed: Arc<(Vec<u8>, Seals)>,
}

#[derive(Clone, Debug)]
enum Content<T> {
    /// No path is set.
    Unset,
    /// Nothing of it can be used.
    Unusable { fault: Fault, schema_version: String },
    /// It is of its schema.
    Read(Box<Read<T>>),
}

#[derive(Clone, Debug)]
struct Read<T> {
    raw: Value,
    model: T,
    faults: Vec<Fault>,
    /// Whether what it says may be told.
    public_safe: bool,
}

impl<T: Model> Document<T> {
    fn open(kind: DocumentKind, path: Option<PathBuf>) -> Self {
        let mut sha256 = None;
        let mut signed = (Vec::new(), Seals::default());
        let content = match &path {
            None => Content::Unset,
            Some(path) => match file::read(path) {
                Ok(bytes) => {
                    sha256 = Some(crate::digest::sha256_hex(&bytes));
                    let content = Self::parse(&bytes);
                    signed = (bytes, Seals::beside(path));
                    content
                }
                Err(fault) => unusable(fault.to_string()),
            },
        };
        Self {
            kind,
            sha256,
            path: path.map(|path| path.display().to_string()).unwrap_or_default(),
            content,
            signed: Arc::new(signed),
        }
    }

    /// A document of these bytes.
    fn parse(bytes: &[u8]) -> Content<T> {
        let value = match json::parse(bytes) {
            Ok(value) => value,
            Err(problem) => return unusable(problem),
        };
        let secrets = public_safe::secrets(&value);
        let public_safe = secrets.is_empty();
        let mut reader = Reader {
            faults: secrets,
            telling: public_safe,
        };
        let Some(object) = value.as_object() else {
            return unusable("it is not a JSON object".to_owned());
        };
        let found = object.get("schema_version").unwrap_or(&Value::Null);
        if found != T::SCHEMA {
            let mut other = Reader {
                faults: Vec::new(),
                telling: public_safe,
            };
            let at = At::Key(&At::Root, "schema_version");
            if object.contains_key("schema_version") {
                other.wanted(&at, found, &format!("`{}`", T::SCHEMA));
            } else {
                other.fault(&at, format!("is missing; it must be `{}`", T::SCHEMA));
            }
            let fault = other.faults.pop().unwrap_or(Fault {
                pointer: at.to_string(),
                problem: String::new(),
            });
            let told = found.as_str().filter(|_| public_safe).unwrap_or_default();
            return Content::Unusable {
                fault,
                schema_version: judged::clip(told),
            };
        }
        let Some(model) = T::read(&value, &At::Root, &mut reader) else {
            return unusable("it is not a JSON object".to_owned());
        };
        model.rules(&mut reader);
        Content::Read(Box::new(Read {
            raw: value,
            model,
            faults: reader.faults,
            public_safe,
        }))
    }

    /// Under which setting it is, and its file's SHA-256.
    fn digest(&self) -> Option<(String, String)> {
        let flag = self.kind.setting().flag().to_owned();
        Some((flag, self.sha256.clone()?))
    }

    /// Every fault that the document has by itself.
    fn faults(&self) -> Vec<Fault> {
        match &self.content {
            Content::Unset => Vec::new(),
            Content::Unusable { fault, .. } => vec![fault.clone()],
            Content::Read(read) => read.faults.clone(),
        }
    }
}

fn unusable<T>(problem: String) -> Content<T> {
    Content::Unusable {
        fault: Fault {
            pointer: String::new(),
            problem: problem.strip_prefix("it ").map(str::to_owned).unwrap_or(problem),
        },
        schema_version: String::new(),
    }
}

/// What is at the path of the package directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackageDir {
    Unset,
    There,
    /// Something is there that is no directory, so that nothing is found in it.
    NoDirectory,
    Missing,
}

/// All documents that the settings name, each file read once.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Whose word is taken for them; none: nobody's is asked for.
    pub(crate) trust: Option<Arc<Guard>>,
    pub(crate) package_dir: PackageDir,
    pub(crate) endpoint: Document<EndpointDeployment>,
    pub(crate) bundles: Document<CiRunnerBundles>,
    pub(crate) channels: Document<WorkstationChannels>,
    pub(crate) updater: Document<UpdaterPolicy>,
    pub(crate) promotion: Document<PromotionEvidence>,
    pub(crate) plan: Document<RollbackPlan>,
    pub(crate) rehearsal: Document<RollbackRehearsal>,
    pub(crate) history: Document<DrillHistory>,
    pub(crate) schedule: Document<DrillSchedule>,
}

impl Documents {
    /// Reads them. Nothing that is wrong with a file is an error here.
    pub fn read(config: &Config) -> Self {
        let package_dir = match config.documents.get(&Setting::PackageDir) {
            None => PackageDir::Unset,
            Some(path) => match std::fs::metadata(path) {
                Ok(it) if it.is_dir() => PackageDir::There,
                Ok(_) => PackageDir::NoDirectory,
                Err(_) => PackageDir::Missing,
            },
        };
        Self {
            trust: None,
            package_dir,
            endpoint: open(config, DocumentKind::EndpointDeployment),
            bundles: open(config, DocumentKind::CiRunnerBundles),
            channels: open(config, DocumentKind::WorkstationChannels),
            updater: open(config, DocumentKind::UpdaterPolicy),
            promotion: open(config, DocumentKind::PromotionEvidence),
            plan: open(config, DocumentKind::RollbackPlan),
            rehearsal: open(config, DocumentKind::RollbackRehearsal),
            history: open(config, DocumentKind::DrillHistory),
            schedule: open(config, DocumentKind::DrillSchedule),
        }
    }
}

impl Documents {
    /// The same documents, held to a trust policy.
    #[must_use]
    pub fn guarded(self, trust: Option<Arc<Guard>>) -> Self {
        Self { trust, ..self }
    }

    /// The SHA-256 of every file that could be read, in hex, by its setting's flag.
    pub fn digests(&self) -> std::collections::BTreeMap<String, String> {
        let digests = [
            self.endpoint.digest(),
            self.bundles.digest(),
            self.channels.digest(),
            self.updater.digest(),
            self.promotion.digest(),
            self.plan.digest(),
            self.rehearsal.digest(),
            self.history.digest(),
            self.schedule.digest(),
        ];
        digests.into_iter().flatten().collect()
    }
}

fn open<T: Model>(config: &Config, kind: DocumentKind) -> Document<T> {
    Document::open(kind, kind.path(config))
}

/// Every fault that the file at `path` has as a document of `kind`, by itself: what
/// other documents, what is loaded and the time have to do with it is not asked.
pub fn inspect(kind: DocumentKind, path: &Path) -> Vec<Fault> {
    fn of<T: Model>(kind: DocumentKind, path: &Path) -> Vec<Fault> {
        Document::<T>::open(kind, Some(path.to_owned())).faults()
    }
    let inspect = match kind {
        DocumentKind::EndpointDeployment => of::<EndpointDeployment>,
        DocumentKind::CiRunnerBundles => of::<CiRunnerBundles>,
        DocumentKind::WorkstationChannels => of::<WorkstationChannels>,
        DocumentKind::UpdaterPolicy => of::<UpdaterPolicy>,
        DocumentKind::PromotionEvidence => of::<PromotionEvidence>,
        DocumentKind::RollbackPlan => of::<RollbackPlan>,
        DocumentKind::RollbackRehearsal => of::<RollbackRehearsal>,
        DocumentKind::DrillHistory => of::<DrillHistory>,
        DocumentKind::DrillSchedule => of::<DrillSchedule>,
    };
    inspect(kind, path)
}

/// The JSON Schema (2020-12) of a document.
pub fn schema(kind: DocumentKind) -> Value {
    fn of<T: Model>() -> Value {
        let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
        schema.insert("title".to_owned(), T::SCHEMA.into());
        schema.to_value()
    }
    match kind {
        DocumentKind::EndpointDeployment => of::<EndpointDeployment>(),
        DocumentKind::CiRunnerBundles => of::<CiRunnerBundles>(),
        DocumentKind::WorkstationChannels => of::<WorkstationChannels>(),
        DocumentKind::UpdaterPolicy => of::<UpdaterPolicy>(),
        DocumentKind::PromotionEvidence => of::<PromotionEvidence>(),
        DocumentKind::RollbackPlan => of::<RollbackPlan>(),
        DocumentKind::RollbackRehearsal => of::<RollbackRehearsal>(),
        DocumentKind::DrillHistory => of::<DrillHistory>(),
        DocumentKind::DrillSchedule => of::<DrillSchedule>(),
    }
}
