//! The forms in which a path is tried: decision semantics, *Files*, step 1.

use alloc::string::String;
use alloc::vec::Vec;

/// Whether patterns match this form behind any of its slashes too: it is
/// absolute or begins with `..`.
pub(crate) fn reaches_out(form: &[u8]) -> bool {
    match form {
        [b'/' | b'~', ..] | [b'.', b'.', ..] => true,
        [letter, b':', b'/', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

/// The workspace of a request, resolved once for all paths of it.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    as_given: Option<String>,
    /// With every `\` read as `/`; only where it holds one.
    slashed: Option<String>,
}

impl Workspace {
    pub(crate) fn new(workspace: Option<&str>) -> Self {
        let Some(workspace) = workspace.filter(|workspace| !workspace.is_empty()) else {
            return Self::default();
        };
        let slashed = workspace.contains('\\').then(|| resolve(&tidy(&workspace.replace('\\', "/"))));
        Self { as_given: Some(resolve(&tidy(workspace))), slashed }
    }

    /// The readings of a path and of this workspace: as given, and with every `\` as
    /// `/` where either holds one.
    pub(crate) fn readings<'s>(&'s self, path: &'s str) -> impl Iterator<Item = Reading<'s>> {
        let first = Reading { path: path.into(), workspace: self.as_given.as_deref() };
        let differs = self.slashed.is_some() || path.contains('\\');
        let second = differs.then(|| Reading {
            path: path.replace('\\', "/").into(),
            workspace: self.slashed.as_deref().or(self.as_given.as_deref()),
        });
        core::iter::once(first).chain(second)
    }
}

/// A path whose separator is `/` alone, and the resolved workspace that it may lie in.
pub(crate) struct Reading<'s> {
    pub(crate) path: alloc::borrow::Cow<'s, str>,
    pub(crate) workspace: Option<&'s str>,
}

/// Shows `visit` every form of the path. Some may be shown twice; a form that can
/// match nothing that another does not is left out.
pub(crate) fn forms(path: &str, workspace: &Workspace, visit: &mut dyn FnMut(&str)) {
    for Reading { path, workspace } in workspace.readings(path) {
        visit(&path);
        if is_resolved(&path) {
            below(&path, workspace, visit);
            continue;
        }
        let tidied = tidy(&path);
        if *tidied != *path {
            visit(&tidied);
        }
        let resolved = resolve(&tidied);
        if resolved != tidied {
            visit(&resolved);
        }
        below(&resolved, workspace, visit);
    }
}

/// Shows `visit` a resolved path relative to the workspace.
fn below(path: &str, workspace: Option<&str>, visit: &mut dyn FnMut(&str)) {
    if let Some(rest) = workspace.and_then(|workspace| inside(path, workspace))
        && (rest == "." || !reaches_out(path.as_bytes()))
    {
        // Otherwise the form begins at a segment of `path`, and patterns match there anyway.
        visit(rest);
    }
}

/// What is left of `path` below `workspace`, both resolved, where it lies inside.
pub(crate) fn inside<'p>(path: &'p str, workspace: &str) -> Option<&'p str> {
    if path == workspace {
        return Some(".");
    }
    let rest = path.strip_prefix(workspace)?;
    if workspace.ends_with('/') { Some(rest) } else { rest.strip_prefix('/') }
}

/// Whether a path has nothing to be tidied or resolved.
fn is_resolved(path: &str) -> bool {
    let segments = path.strip_prefix('/').unwrap_or(path);
    segments.is_empty() || segments.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// The path without `//`, `.` segments and a trailing `/`; never empty unless it was.
fn tidy(path: &str) -> String {
    join(path, path.split('/').filter(|segment| !matches!(*segment, "" | ".")))
}

/// A tidy path with `..` resolved by its words alone. One that would leave a
/// relative path's beginning stays; the root is its own parent.
fn resolve(tidy: &str) -> String {
    let rooted = tidy.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for segment in tidy.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        match (segment, kept.last()) {
            ("..", Some(&last)) if last != ".." => {
                kept.pop();
            }
            ("..", _) if rooted => {}
            _ => kept.push(segment),
        }
    }
    join(tidy, kept.into_iter())
}

/// The segments as a path that is absolute where `like` is; `.` where that would leave nothing.
fn join<'s>(like: &str, segments: impl Iterator<Item = &'s str>) -> String {
    let mut path = String::with_capacity(like.len());
    if like.starts_with('/') {
        path.push('/');
    }
    for (at, segment) in segments.enumerate() {
        if at > 0 {
            path.push('/');
        }
        path.push_str(segment);
    }
    if path.is_empty() && !like.is_empty() {
        path.push('.');
    }
    path
}
