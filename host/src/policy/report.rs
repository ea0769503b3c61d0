//! `cavra policy validate`: everything that can be said about the files of a path.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::catalog::{MISSING, PACK_FILE, TESTS_FILE};
use super::check::ReadList;
use super::error::{Fault, Place, Warning};
use super::folder::{Folder, read_file};
use super::pack::ReadPack;
use super::problem::{Advice, Problem};
use super::resolve::resolve;
use super::schema::{self, Case};
use super::{
    Catalog, CompiledPolicy, MAX_COMPILED_BYTES, MAX_PACK_BYTES, Pack, PackId, PackTests, PolicyError,
};

/// What was found in the files of a path.
#[derive(Clone, Debug, Serialize)]
pub struct ValidationReport {
    /// The path as it was given.
    pub path: String,
    /// The files, in order.
    pub files: Vec<FileReport>,
}

/// What was found in one file.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The file.
    pub file: String,
    /// What it was read as.
    pub kind: FileKind,
    /// What makes it unusable.
    pub errors: Vec<Fault>,
    /// What is accepted and probably not meant.
    pub warnings: Vec<Warning>,
}

/// What a file is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A pack: any file that is not one of the others.
    Pack,
    /// `tests.yaml`.
    Tests,
    /// `*.json`.
    CompiledPolicy,
}

impl ValidationReport {
    /// Whether no file has an error. Warnings do not count.
    pub fn is_valid(&self) -> bool {
        self.files.iter().all(|file| file.errors.is_empty())
    }
}

/// Checks a pack file, a test file, a compiled policy, a pack folder, or a directory of packs.
///
/// Parents are looked for beside the pack's folder and among the built-in packs.
///
/// # Errors
/// [`PolicyError::Unreadable`] if `path` itself cannot be read. All other faults are in the
/// report, each in the file that has it.
pub fn validate(path: &Path) -> Result<ValidationReport, PolicyError> {
    let files = if path.is_dir() {
        validate_folder(path)?
    } else {
        vec![validate_file(path)?]
    };
    Ok(ValidationReport {
        path: path.display().to_string(),
        files,
    })
}

fn validate_file(path: &Path) -> Result<FileReport, PolicyError> {
    let file = path.display().to_string();
    if path.extension() == Some(OsStr::new("json")) {
        let bytes = read_file(path, MAX_COMPILED_BYTES)?;
        let read = CompiledPolicy::from_json(&bytes, &file).map(drop);
        return Ok(FileReport::new(file, FileKind::CompiledPolicy, read));
    }
    let bytes = read_file(path, MAX_PACK_BYTES)?;
    if path.file_name() == Some(OsStr::new(TESTS_FILE)) {
        return Ok(tests_report(&bytes, file));
    }
    let home = path
        .parent()
        .filter(|_| path.file_name() == Some(OsStr::new(PACK_FILE)))
        .map(Home::of);
    match home {
        Some(Ok(home)) => Ok(pack_report(&home.catalog()?, &bytes, file, Some(&home.id))),
        _ => Ok(pack_report(&Catalog::builtin(), &bytes, file, None)),
    }
}

fn validate_folder(path: &Path) -> Result<Vec<FileReport>, PolicyError> {
    let label = path.join("").display().to_string();
    let folder = Folder::open(path, &label)?;
    if folder.has(PACK_FILE) {
        return match Home::of(path) {
            Ok(home) => Ok(folder_reports(&home.catalog()?, &folder, "", &home.id)),
            Err(problem) => Ok(vec![unusable(folder.label(PACK_FILE), problem)]),
        };
    }
    let catalog = Catalog::open_as(path, &label)?;
    let built_in = Catalog::builtin().ids()?;
    let mut reports = Vec::new();
    for name in folder.names()? {
        let within = format!("{name}/");
        let file = format!("{within}{PACK_FILE}");
        if !folder.has(&file) {
            // Any other folder is none of a pack's.
            if PackId::new(&name).is_ok_and(|id| built_in.contains(&id)) {
                reports.push(unusable(
                    folder.label(&file),
                    Problem::Unreadable {
                        reason: MISSING.to_owned(),
                    },
                ));
            }
            continue;
        }
        match PackId::new(&name) {
            Ok(id) => reports.extend(folder_reports(&catalog, &folder, &within, &id)),
            Err(error) => reports.push(unusable(folder.label(&file), error.into())),
        }
    }
    if reports.is_empty() {
        reports.push(unusable(label, Problem::NoPack));
    }
    Ok(reports)
}

/// The pack in the folder `within` of `folder`, and its tests if it has some.
fn folder_reports(catalog: &Catalog, folder: &Folder, within: &str, id: &PackId) -> Vec<FileReport> {
    let read = |name: &str| {
        let name = format!("{within}{name}");
        (folder.label(&name), folder.read(&name, MAX_PACK_BYTES))
    };
    let mut reports = Vec::new();
    match read(PACK_FILE) {
        (file, Ok(Some(bytes))) => reports.push(pack_report(catalog, &bytes, file, Some(id))),
        (file, Ok(None)) => reports.push(unusable(file, Problem::NoPack)),
        (file, Err(error)) => reports.push(FileReport::new(file, FileKind::Pack, Err(error))),
    }
    match read(TESTS_FILE) {
        (file, Ok(Some(bytes))) => reports.push(tests_report(&bytes, file)),
        (_, Ok(None)) => {}
        (file, Err(error)) => reports.push(FileReport::new(file, FileKind::Tests, Err(error))),
    }
    reports
}

fn tests_report(bytes: &[u8], file: String) -> FileReport {
    let read = PackTests::parse(bytes, &file).map(drop);
    FileReport::new(file, FileKind::Tests, read)
}

/// `id` is the name that the pack must have, if it lies in a folder.
fn pack_report(catalog: &Catalog, bytes: &[u8], file: String, id: Option<&PackId>) -> FileReport {
    let ReadPack {
        pack,
        lists,
        mut warnings,
    } = match Pack::read(bytes, &file) {
        Ok(read) => read,
        Err(error) => return FileReport::new(file, FileKind::Pack, Err(error)),
    };
    let own = pack.layer().body.clone();
    let named = match id {
        Some(id) => pack.named(id).map_err(PolicyError::from),
        None => Ok(pack),
    };
    let resolved = named.and_then(|pack| resolve(catalog, pack));
    let body = resolved.as_ref().map_or(&own, |resolved| resolved.body());
    warnings.extend(shadowed(&lists, body, &file));
    FileReport {
        warnings,
        ..FileReport::new(file, FileKind::Pack, resolved.map(drop))
    }
}

/// The entries of the pack that never take effect once it is merged into `body`.
fn shadowed(lists: &[ReadList], body: &Map<String, Value>, file: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (list, by, case) in schema::SHADOWS {
        let folded = |text: &str| match case {
            Case::Ignored => text.to_ascii_lowercase(),
            Case::Matters => text.to_owned(),
        };
        let stricter: BTreeSet<String> = texts(body, by).map(folded).collect();
        let entries = lists
            .iter()
            .filter(|read| read.key == list)
            .flat_map(|read| &read.entries);
        for entry in entries.filter(|entry| stricter.contains(&folded(&entry.text))) {
            let key = format!("{list}[{}]", entry.index);
            let place = Place {
                file: file.to_owned(),
                position: entry.at,
                key,
            };
            warnings.push(Warning {
                place,
                advice: Advice::Shadowed {
                    entry: entry.text.clone(),
                    by,
                },
            });
        }
    }
    warnings
}

fn texts<'a>(body: &'a Map<String, Value>, list: &str) -> impl Iterator<Item = &'a str> {
    let list = list
        .split_once('.')
        .and_then(|(section, key)| body.get(section)?.get(key)?.as_array());
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// The policy directory that a pack file lies in, and the name of its folder.
struct Home {
    directory: PathBuf,
    id: PackId,
}

impl Home {
    /// The home of the pack in `folder`.
    fn of(folder: &Path) -> Result<Self, Problem> {
        // `.` and a trailing `..` have no name, so the real one is asked for.
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let real = here.canonicalize().map_err(|error| Problem::Unreadable {
            reason: error.to_string(),
        })?;
        let id = PackId::new(&real.file_name().unwrap_or_default().to_string_lossy())?;
        Ok(Self {
            directory: real.parent().unwrap_or(&real).to_owned(),
            id,
        })
    }

    fn catalog(&self) -> Result<Catalog, PolicyError> {
        Catalog::open_as(&self.directory, &self.directory.join("").display().to_string())
    }
}

fn unusable(file: String, problem: Problem) -> FileReport {
    let fault = Fault {
        place: whole(&file),
        problem,
    };
    FileReport::new(file, FileKind::Pack, Err(fault.into()))
}

fn whole(file: &str) -> Place {
    Place {
        file: file.to_owned(),
        position: None,
        key: String::new(),
    }
}

impl FileReport {
    fn new(file: String, kind: FileKind, read: Result<(), PolicyError>) -> Self {
        let unreadable = |reason: String| {
            vec![Fault {
                place: whole(&file),
                problem: Problem::Unreadable { reason },
            }]
        };
        let errors = match read {
            Ok(()) => Vec::new(),
            Err(PolicyError::Faulty(faults)) => faults.into_vec(),
            Err(PolicyError::Unreadable { source, .. }) => unreadable(source.to_string()),
            Err(error) => unreadable(error.to_string()),
        };
        Self {
            file,
            kind,
            errors,
            warnings: Vec::new(),
        }
    }
}
