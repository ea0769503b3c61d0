//! The forms in which a path is tried: decision semantics, *Files*, step 1.
//!
//! Paths are bytes here: everything that matters in them is ASCII.

use alloc::borrow::Cow;
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

/// The workspace of a request, resolved once for all its paths.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    as_given: Option<Vec<u8>>,
    /// With every `\` read as `/`; only where it holds one.
    slashed: Option<Vec<u8>>,
}

/// A path whose separator is `/` alone, and the resolved workspace that it may lie in.
pub(crate) struct Reading<'s> {
    pub(crate) path: Cow<'s, [u8]>,
    pub(crate) workspace: Option<&'s [u8]>,
}

impl Workspace {
    pub(crate) fn new(workspace: Option<&str>) -> Self {
        let Some(workspace) = workspace.filter(|workspace| !workspace.is_empty()) else {
            return Self::default();
        };
        let workspace = workspace.as_bytes();
        let slashed = workspace
            .contains(&b'\\')
            .then(|| resolve(&tidy(&slashed(workspace))));
        Self {
            as_given: Some(resolve(&tidy(workspace))),
            slashed,
        }
    }

    /// Whether a path without separators is the workspace itself.
    pub(crate) fn is(&self, path: &[u8]) -> bool {
        self.as_given.as_deref() == Some(path) || self.slashed.as_deref() == Some(path)
    }

    /// The path and this workspace as given and, where either holds a `\`, with every
    /// `\` read as `/`.
    pub(crate) fn readings<'s>(&'s self, path: &'s [u8], marks: Marks) -> impl Iterator<Item = Reading<'s>> {
        let first = Reading {
            path: Cow::Borrowed(path),
            workspace: self.as_given.as_deref(),
        };
        let differs = self.slashed.is_some() || marks.has(Marks::BACKSLASH);
        let second = differs.then(|| Reading {
            path: Cow::Owned(slashed(path)),
            workspace: self.slashed.as_deref().or(self.as_given.as_deref()),
        });
        core::iter::once(first).chain(second)
    }
}

fn slashed(path: &[u8]) -> Vec<u8> {
    path.iter()
        .map(|&byte| if byte == b'\\' { b'/' } else { byte })
        .collect()
}

/// What there is in a path that decides how it has to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Marks(u8);

/// The mark of each byte.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
static MARKS: [u8; 256] = {
    let mut table = [0; 256];
    table[b'/' as usize] = Marks::SLASH;
    table[b'\\' as usize] = Marks::BACKSLASH;
    table[b'=' as usize] = Marks::SIGN;
    table[b':' as usize] = Marks::SIGN;
    table[b',' as usize] = Marks::SIGN;
    table[b'@' as usize] = Marks::SIGN;
    table
};

impl Marks {
    const SLASH: u8 = 1;
    const BACKSLASH: u8 = 2;
    /// A `/`, or a `\` that may be read as one.
    pub(crate) const SEPARATOR: u8 = Self::SLASH | Self::BACKSLASH;
    /// What a tail of a word begins behind: `=`, `:`, `,` or `@`.
    pub(crate) const SIGN: u8 = 4;

    pub(crate) fn of(path: &[u8]) -> Self {
        Self(path.iter().fold(0, |marks, &byte| marks | Self::of_byte(byte).0))
    }

    pub(crate) fn of_byte(byte: u8) -> Self {
        Self(MARKS.get(usize::from(byte)).copied().unwrap_or_default())
    }

    /// Whether there is any of these.
    pub(crate) const fn has(self, marks: u8) -> bool {
        self.0 & marks != 0
    }
}

/// Shows `visit` every form of the path. Some may be shown twice; a form that can
/// match nothing that another does not is left out.
pub(crate) fn forms(path: &[u8], workspace: &Workspace, visit: &mut impl FnMut(&[u8])) {
    let marks = Marks::of(path);
    if !marks.has(Marks::SEPARATOR) {
        visit(path);
        [&workspace.as_given, &workspace.slashed]
            .into_iter()
            .for_each(|workspace| {
                below(path, workspace.as_deref(), visit);
            });
        return;
    }
    for Reading { path, workspace } in workspace.readings(path, marks) {
        visit(&path);
        if is_resolved(&path) {
            below(&path, workspace, visit);
            continue;
        }
        let tidied = tidy(&path);
        if tidied != *path {
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
fn below(path: &[u8], workspace: Option<&[u8]>, visit: &mut impl FnMut(&[u8])) {
    if let Some(rest) = workspace.and_then(|workspace| inside(path, workspace))
        && (rest == b"." || !reaches_out(path))
    {
        // Of a path that reaches out the form begins behind a slash, where patterns match anyway.
        visit(rest);
    }
}

/// What is left of `path` below `workspace`, both resolved, where it lies inside.
pub(crate) fn inside<'p>(path: &'p [u8], workspace: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(workspace)?;
    match rest {
        [] => Some(b"."),
        [b'/', rest @ ..] => Some(rest),
        rest => workspace.ends_with(b"/").then_some(rest),
    }
}

/// Whether nothing of a path is to be tidied or resolved: no segment is empty, `.` or `..`.
pub(crate) fn is_resolved(path: &[u8]) -> bool {
    /// What a segment has been so far.
    enum Segment {
        Dots(u8),
        Name,
    }
    let segments = path.strip_prefix(b"/").unwrap_or(path);
    let mut segment = Segment::Dots(0);
    for &byte in segments {
        segment = match (byte, segment) {
            (b'/', Segment::Dots(_)) => return false,
            (b'/', Segment::Name) => Segment::Dots(0),
            (b'.', Segment::Dots(dots @ 0..2)) => Segment::Dots(dots.saturating_add(1)),
            _ => Segment::Name,
        };
    }
    segments.is_empty() || matches!(segment, Segment::Name)
}

/// The path without `//`, `.` segments and a trailing `/`. What would be nothing is `.`.
pub(crate) fn tidy(path: &[u8]) -> Vec<u8> {
    let root = usize::from(path.starts_with(b"/"));
    let mut tidied = Vec::with_capacity(path.len());
    tidied.extend(path.get(..root).unwrap_or_default());
    for segment in path
        .split(|&byte| byte == b'/')
        .filter(|segment| !matches!(*segment, b"" | b"."))
    {
        if tidied.len() > root {
            tidied.push(b'/');
        }
        tidied.extend(segment);
    }
    if tidied.is_empty() {
        tidied.push(b'.');
    }
    tidied
}

/// A tidy path with `..` segments resolved by the words before them. One that would leave a
/// relative path's beginning stays; a root and a drive are their own parents.
pub(crate) fn resolve(tidied: &[u8]) -> Vec<u8> {
    let root = usize::from(tidied.starts_with(b"/"));
    let (pinned, rest) = match tidied {
        [letter, b':', b'/', rest @ ..] if letter.is_ascii_alphabetic() => (tidied.get(..2), rest),
        _ => (tidied.get(..root), tidied.get(root..).unwrap_or_default()),
    };
    let pinned = pinned.unwrap_or_default();
    let mut resolved = Vec::with_capacity(tidied.len());
    resolved.extend(pinned);
    // How many of the last segments a `..` can take back.
    let mut depth = 0_usize;
    for segment in rest
        .split(|&byte| byte == b'/')
        .filter(|segment| !matches!(*segment, b"" | b"."))
    {
        if segment != b".." {
            depth = depth.saturating_add(1);
        } else if depth > 0 {
            let slash = resolved
                .iter()
                .rposition(|&byte| byte == b'/')
                .unwrap_or_default();
            resolved.truncate(slash.max(pinned.len()));
            depth = depth.saturating_sub(1);
            continue;
        } else if !pinned.is_empty() {
            continue;
        }
        if resolved.len() > root {
            resolved.push(b'/');
        }
        resolved.extend(segment);
    }
    if resolved.is_empty() {
        resolved.push(b'.');
    }
    resolved
}
