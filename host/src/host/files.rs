//! What files look like from outside: enough to see that one has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Base, source};
use crate::config::{Config, Setting};
use crate::gates::DocumentKind;
use crate::signing::trust::{Revisions, TrustPolicy};
use crate::signing::{bundle_path, more_bundles_path};

/// A file that changed so shortly before it was looked at may change again without
/// looking different: file systems tell time in steps. It counts as changed at the
/// next look.
const UNSETTLED_SECONDS: f64 = 0.1;

/// So many links are followed on the way to a file.
const MOST_LINKS: usize = 16;

/// How files looked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Files(BTreeMap<PathBuf, Look>);

/// How one file looked.
#[derive(Clone, Debug)]
enum Look {
    /// Not there, or not to be seen.
    Hidden,
    /// A directory; what is in it is looked at on its own.
    Directory,
    File {
        identity: [u64; 2],
        size: u64,
        times: [i64; 4],
        settled: bool,
    },
}

impl PartialEq for Look {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Hidden, Self::Hidden) | (Self::Directory, Self::Directory) => true,
            (
                Self::File {
                    identity,
                    size,
                    times,
                    settled,
                },
                Self::File {
                    identity: other_identity,
                    size: other_size,
                    times: other_times,
                    settled: other_settled,
                },
            ) => {
                *settled
                    && *other_settled
                    && identity == other_identity
                    && size == other_size
                    && times == other_times
            }
            _ => false,
        }
    }
}

impl Files {
    /// The files of modules, policies and the registry, the signatures beside them, and
    /// what says which signatures are taken.
    pub(super) fn of_code(config: &Config, base: &Base) -> Self {
        let state_dir = base.rollback.state_dir();
        let store = base.module_store.as_deref();
        let mut paths: Vec<PathBuf> = [&config.runtime_path, &config.reference_module]
            .into_iter()
            .filter_map(|setting| source::file(setting, store))
            .collect();
        if !config.registry_path.is_empty() {
            paths.push(PathBuf::from(&config.registry_path));
        }
        if let Some(trust) = &config.trust_policy {
            let signed: Vec<PathBuf> = paths.iter().flat_map(|path| bundles(path)).collect();
            paths.extend(signed);
            paths.extend(TrustPolicy::files(trust));
            paths.extend(state_dir.map(Revisions::allowances_file));
        }
        if !config.policy_path.is_empty() && config.policy_path != "auto" {
            let path = PathBuf::from(&config.policy_path);
            paths.extend(entries(&path));
            paths.extend(bundles(&path));
            paths.push(path);
        }
        if let Some(dir) = &config.policy_dir {
            for entry in entries(dir) {
                let pack = entry.join("policy.yaml");
                paths.extend(bundles(&pack));
                paths.push(pack);
                paths.push(entry);
            }
            paths.push(dir.clone());
        }
        Self::look(paths)
    }

    /// The files of the governance documents.
    pub(super) fn of_documents(config: &Config) -> Self {
        let documents = DocumentKind::ALL.into_iter().filter_map(|kind| kind.path(config));
        let documents = documents.flat_map(|path| bundles(&path).into_iter().chain([path]));
        Self::look(documents.chain(config.documents.get(&Setting::PackageDir).cloned()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "compared with the times of files, and with nothing that is decided"
    )]
    fn look(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        Self(
            paths
                .into_iter()
                .map(|path| {
                    let look = Look::of(&path, now);
                    (path, look)
                })
                .collect(),
        )
    }

    /// The directories in which a change to these files can be seen: where they lie,
    /// and where every link on the way to them lies.
    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for (path, look) in &self.0 {
            if matches!(look, Look::Directory) {
                directories.insert(path.clone());
            }
            let mut path = path.clone();
            for _ in 0..MOST_LINKS {
                // The file may be a link, and so may every directory above it.
                for step in path.ancestors() {
                    if let Some(parent) = parent(step)
                        && (step == path || step.is_symlink())
                    {
                        directories.insert(parent);
                    }
                }
                let Ok(target) = std::fs::read_link(&path) else {
                    break;
                };
                path = match parent(&path) {
                    Some(parent) => parent.join(target),
                    None => target,
                };
            }
        }
        directories
    }
}

impl Look {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds to some microseconds are enough"
    )]
    fn of(path: &Path, now: f64) -> Self {
        match std::fs::metadata(path) {
            Err(_) => Self::Hidden,
            Ok(it) if it.is_dir() => Self::Directory,
            Ok(it) => Self::File {
                identity: [it.dev(), it.ino()],
                size: it.size(),
                times: [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()],
                settled: now - (it.ctime() as f64 + it.ctime_nsec() as f64 / 1e9) > UNSETTLED_SECONDS,
            },
        }
    }
}

/// The directory that a path lies in.
fn parent(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        parent.to_owned()
    })
}

/// Where the signatures of a file lie.
fn bundles(path: &Path) -> [PathBuf; 2] {
    [bundle_path(path), more_bundles_path(path)]
}

/// What is in a directory; nothing if it is none.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
