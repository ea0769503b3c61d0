//! The forms in which a path is tried: decision semantics, *Files*, step 1.
//!
//! Paths are bytes here: everything that matters in them is ASCII.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Whether patterns match this form behind any of its slashes too: it is
/// absolute or begins with `..`.
pub(crate) fn reaches_out(form: &[u8]) -> bool {
    matches!(form, [b'/' | b'~', ..] | [b'.', b'.', ..]) || has_drive(form)
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
        let slashed = workspace.contains(&b'\\').then(|| normal(&slashed(workspace)));
        Self {
            as_given: Some(normal(workspace)),
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
        let tidied = tidied(&path);
        if tidied != *path {
            visit(&tidied);
        }
        if is_resolved(&tidied) {
            below(&tidied, workspace, visit);
            continue;
        }
        let resolved = resolved(&tidied, has_drive(&path));
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

/// A path without `//`, `.` segments and a trailing `/`, or `.` where that leaves nothing.
fn tidied(path: &[u8]) -> Vec<u8> {
    let mut tidied = Rebuilt::new(path, false);
    path.iter().for_each(|&byte| tidied.push(byte, Dots::Kept));
    tidied.finish(Dots::Kept)
}

/// A tidied path with each `..` resolved by the words before it. One that would leave a
/// relative path's beginning stays; the root is its own parent, and so is the drive of
/// a path that was given with one.
fn resolved(tidied: &[u8], has_drive: bool) -> Vec<u8> {
    let mut resolved = Rebuilt::new(tidied, has_drive);
    let rest = tidied.get(resolved.path.len()..).unwrap_or_default();
    rest.iter().for_each(|&byte| resolved.push(byte, Dots::Resolved));
    resolved.finish(Dots::Resolved)
}

/// What becomes of `..` segments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dots {
    Kept,
    Resolved,
}

/// A path that is being rebuilt segment by segment.
struct Rebuilt {
    path: Vec<u8>,
    /// How much of it `..` cannot take back: `/`, or a drive and its slash.
    pinned: usize,
    /// Where the segment that is being read begins.
    segment: usize,
    /// How many of the segments before that a `..` can take back.
    depth: usize,
}

impl Rebuilt {
    fn new(path: &[u8], has_drive: bool) -> Self {
        let pinned = if has_drive {
            DRIVE
        } else {
            usize::from(path.starts_with(b"/"))
        };
        let mut built = Vec::with_capacity(path.len().saturating_add(1));
        built.extend(path.get(..pinned).unwrap_or_default());
        Self {
            path: built,
            pinned,
            segment: pinned,
            depth: 0,
        }
    }

    fn push(&mut self, byte: u8, dots: Dots) {
        if byte == b'/' {
            self.end_segment(dots);
        } else {
            self.path.push(byte);
        }
    }

    fn end_segment(&mut self, dots: Dots) {
        match self.path.get(self.segment..).unwrap_or_default() {
            b"" => return,
            b"." => return self.path.truncate(self.segment),
            b".." if dots == Dots::Resolved && self.depth > 0 => {
                let before = self.segment.saturating_sub(1);
                let slash = self
                    .path
                    .get(..before)
                    .and_then(|path| path.iter().rposition(|&byte| byte == b'/'));
                self.segment = slash.map_or(0, |slash| slash.saturating_add(1)).max(self.pinned);
                self.depth = self.depth.saturating_sub(1);
                return self.path.truncate(self.segment);
            }
            b".." if dots == Dots::Resolved && self.pinned > 0 => return self.path.truncate(self.segment),
            b".." => {}
            _ => self.depth = self.depth.saturating_add(1),
        }
        self.path.push(b'/');
        self.segment = self.path.len();
    }

    fn finish(mut self, dots: Dots) -> Vec<u8> {
        self.end_segment(dots);
        if self.path.len() > 1 && self.path.ends_with(b"/") {
            self.path.pop();
        }
        if self.path.is_empty() {
            self.path.push(b'.');
        }
        self.path
    }
}

/// The length of a drive and its slash.
const DRIVE: usize = "c:/".len();

/// Whether a path begins with a drive: a letter, `:` and `/`.
fn has_drive(path: &[u8]) -> bool {
    matches!(path, [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}

/// A path brought to its third form.
fn normal(path: &[u8]) -> Vec<u8> {
    resolved(&tidied(path), has_drive(path))
}

#[cfg(test)]
mod tests;
