//! The forms in which a path is tried (decision semantics, *Files*, 1).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The forms of `target`: as given; without `//`, `.` segments and a trailing
/// `/`; that with `..` resolved; that relative to `workspace`, where it lies
/// inside it; and all these of the target and workspace with `\` read as `/`.
///
/// A form that was there before is left out: it would match the same patterns.
pub(crate) fn forms(target: &str, workspace: Option<&str>) -> Vec<String> {
    let mut forms = Vec::new();
    add_forms(&mut forms, target, workspace);
    let has_backslash = |path: &str| path.contains('\\');
    if has_backslash(target) || workspace.is_some_and(has_backslash) {
        let slashed = |path: &str| path.replace('\\', "/");
        add_forms(&mut forms, &slashed(target), workspace.map(slashed).as_deref());
    }
    forms
}

fn add_forms(forms: &mut Vec<String>, target: &str, workspace: Option<&str>) {
    let resolved_target = resolved(target);
    let inside = workspace.and_then(|workspace| relative_to(&resolved_target, &resolved(workspace)));
    let own = [target.to_owned(), tidied(target), resolved_target];
    for form in own.into_iter().chain(inside) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
}

/// Whether `form` is absolute (it begins with `/`, `~`, or a letter, `:` and a
/// slash) or begins with `..`.
pub(crate) fn is_absolute_or_above(form: &str) -> bool {
    form.starts_with(['/', '~']) || form.starts_with("..") || has_drive(form)
}

/// The last segment of `form`.
pub(crate) fn last_segment(form: &str) -> &str {
    form.rsplit_once('/').map_or(form, |(_, last)| last)
}

/// `path` with `//`, `.` segments and a trailing `/` removed.
fn tidied(path: &str) -> String {
    joined(path, &segments(path).collect::<Vec<_>>())
}

/// `path`, tidied, with `..` resolved lexically. A `..` that would leave a
/// relative path's root stays; above `/` or a drive there is nothing, so there
/// it goes.
fn resolved(path: &str) -> String {
    let drive = has_drive(path);
    let has_root = drive || path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for segment in segments(path) {
        let at_start = kept.len() <= usize::from(drive) || kept.last() == Some(&"..");
        match segment {
            ".." if !at_start => drop(kept.pop()),
            ".." if has_root => {}
            _ => kept.push(segment),
        }
    }
    joined(path, &kept)
}

/// What remains of `path` below `workspace`, both resolved.
fn relative_to(path: &str, workspace: &str) -> Option<String> {
    let below = path.strip_prefix(workspace).filter(|_| !workspace.is_empty())?;
    if below.is_empty() {
        return Some(".".to_owned());
    }
    let below = if workspace.ends_with('/') {
        Some(below)
    } else {
        below.strip_prefix('/')
    };
    below.map(ToOwned::to_owned)
}

/// Whether `path` begins with an ASCII letter, `:` and a slash.
fn has_drive(path: &str) -> bool {
    let mut start = path.chars();
    start.next().is_some_and(|c| c.is_ascii_alphabetic())
        && start.next() == Some(':')
        && start.next() == Some('/')
}

/// The segments of `path` that are neither empty nor `.`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !matches!(*segment, "" | "."))
}

/// The segments as a path that is absolute if `path` is. Where none is left,
/// it is `/` or `.`; an empty path stays empty.
fn joined(path: &str, segments: &[&str]) -> String {
    if path.starts_with('/') {
        format!("/{}", segments.join("/"))
    } else if segments.is_empty() && !path.is_empty() {
        ".".to_owned()
    } else {
        segments.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_slashes_dots_and_a_trailing_slash_are_removed() {
        assert_eq!(forms("./a//b/./c/", None), ["./a//b/./c/", "a/b/c"]);
        assert_eq!(forms("/a/.", None), ["/a/.", "/a"]);
        assert_eq!(forms("a/../b/", None), ["a/../b/", "a/../b", "b"]);
        assert_eq!(forms("//a", None), ["//a", "/a"]);
        assert_eq!(forms(".a/..b/c.", None), [".a/..b/c."]);
    }

    #[test]
    fn what_has_nothing_left_is_a_dot_or_the_root() {
        assert_eq!(forms(".", None), ["."]);
        assert_eq!(forms("./.", None), ["./.", "."]);
        assert_eq!(forms("a/..", None), ["a/..", "."]);
        assert_eq!(forms("/", None), ["/"]);
        assert_eq!(forms("//.", None), ["//.", "/"]);
        assert_eq!(forms("", None), [""]);
    }

    #[test]
    fn a_relative_path_keeps_what_leads_above_it() {
        assert_eq!(forms("a/../../b", None), ["a/../../b", "../b"]);
        assert_eq!(forms("../../a/..", None), ["../../a/..", "../.."]);
        assert_eq!(forms("..", None), [".."]);
        assert_eq!(forms("~/../x", None), ["~/../x", "x"]);
    }

    #[test]
    fn nothing_is_above_a_root_or_a_drive() {
        assert_eq!(forms("/../a", None), ["/../a", "/a"]);
        assert_eq!(forms("/a/../../b", None), ["/a/../../b", "/b"]);
        assert_eq!(forms("C:/../a", None), ["C:/../a", "C:/a"]);
        assert_eq!(forms("c:/a/../../..", None), ["c:/a/../../..", "c:"]);
        assert_eq!(forms("C:../a", None), ["C:../a"]);
    }

    #[test]
    fn a_path_in_the_workspace_is_also_relative_to_it() {
        assert_eq!(forms("/w/a", Some("/w")), ["/w/a", "a"]);
        assert_eq!(forms("/w/x/../a", Some("/v/../w/")), ["/w/x/../a", "/w/a", "a"]);
        assert_eq!(forms("/w", Some("/w")), ["/w", "."]);
        assert_eq!(forms("/a", Some("/")), ["/a", "a"]);
        assert_eq!(forms("/", Some("/")), ["/", "."]);
    }

    #[test]
    fn a_path_outside_the_workspace_is_not() {
        assert_eq!(forms("/workshop/a", Some("/work")), ["/workshop/a"]);
        assert_eq!(forms("/w/../a", Some("/w")), ["/w/../a", "/a"]);
        assert_eq!(forms("a", Some("/w")), ["a"]);
        assert_eq!(forms("/w/a", Some("")), ["/w/a"]);
        assert_eq!(forms("/W/a", Some("/w")), ["/W/a"]);
    }

    #[test]
    fn backslashes_are_also_read_as_slashes() {
        assert_eq!(forms("a\\.\\b", None), ["a\\.\\b", "a/./b", "a/b"]);
        assert_eq!(forms("C:\\w\\a", Some("c:\\w")), ["C:\\w\\a", "C:/w/a"]);
        assert_eq!(
            forms("C:\\w\\..\\w\\a", Some("C:\\w\\")),
            ["C:\\w\\..\\w\\a", "C:/w/../w/a", "C:/w/a", "a"]
        );
        assert_eq!(forms("C:/w/a", Some("C:\\w")), ["C:/w/a", "a"]);
        assert_eq!(forms("..\\a", None), ["..\\a", "../a"]);
    }

    #[test]
    fn absolute_paths_and_those_above_are_known() {
        for form in ["/a", "~", "~user/a", "C:/a", "z:/a", "..", "../a", "..a"] {
            assert!(is_absolute_or_above(form), "{form}");
        }
        for form in ["", "a", "a/../b", ".a", "C:a", "C:\\a", "CC:/a", "1:/a", ":/"] {
            assert!(!is_absolute_or_above(form), "{form}");
        }
    }

    #[test]
    fn the_last_segment_follows_the_last_slash() {
        assert_eq!(last_segment("a/b"), "b");
        assert_eq!(last_segment("a\\b"), "a\\b");
        assert_eq!(last_segment("a/"), "");
    }
}
