use super::{Workspace, forms, inside, reaches_out};
use std::collections::BTreeSet;

/// The distinct forms of a path, as texts.
fn all(path: &str, workspace: Option<&str>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    forms(path.as_bytes(), &Workspace::new(workspace), &mut |form| {
        all.insert(String::from_utf8(form.to_vec()).unwrap());
    });
    all
}

#[test]
fn a_path_is_tidied_and_resolved() {
    let table: &[(&str, &[&str])] = &[
        ("", &[""]),
        (".", &["."]),
        ("..", &[".."]),
        ("/", &["/"]),
        ("//", &["//", "/"]),
        ("a", &["a"]),
        ("a/", &["a/", "a"]),
        ("./a", &["./a", "a"]),
        ("./.", &["./.", "."]),
        ("a//b/./c/", &["a//b/./c/", "a/b/c"]),
        ("a/..", &["a/..", "."]),
        ("/a/..", &["/a/..", "/"]),
        ("/../a", &["/../a", "/a"]),
        ("../a", &["../a"]),
        ("a/../../b", &["a/../../b", "../b"]),
        ("a/b/../../../../c", &["a/b/../../../../c", "../../c"]),
        ("~/../a", &["~/../a", "a"]),
        ("C:/../a", &["C:/../a", "C:/a"]),
        ("C:/a/../..", &["C:/a/../..", "C:"]),
        ("./C:/../a", &["./C:/../a", "C:/../a", "a"]),
        (r"a\..\b", &[r"a\..\b", "a/../b", "b"]),
        ("...", &["..."]),
        ("a/.../b", &["a/.../b"]),
    ];
    for (path, expected) in table {
        let expected: BTreeSet<String> = expected.iter().map(|&form| form.to_owned()).collect();
        assert_eq!(all(path, None), expected, "{path}");
    }
}

#[test]
fn a_path_is_tried_relative_to_the_workspace() {
    let relative = |path: &str, workspace: &str, form: &str| all(path, Some(workspace)).contains(form);
    assert!(relative("/srv/app", "/srv/app", "."));
    assert!(relative("/srv/app/", "/srv//app/.", "."));
    assert!(relative("work/a/b", "work", "a/b"));
    assert!(relative(r"C:\w\a", r"C:\w", "C:/w/a"));
    assert!(relative(r"w\a", r"w", "a"));
    assert!(!relative("/srv/application", "/srv/app", "lication"));
    assert!(!relative("a", "", "."));
    assert_eq!(inside(b"/srv/app/x", b"/srv/app"), Some(b"x" as &[u8]));
    assert_eq!(inside(b"/x", b"/"), Some(b"x" as &[u8]));
    assert_eq!(inside(b"/srv/apps", b"/srv/app"), None);
}

#[test]
fn what_reaches_out() {
    for form in ["/", "/a", "~", "~user/a", "..", "../a", "..a", "C:/", "z:/a"] {
        assert!(reaches_out(form.as_bytes()), "{form}");
    }
    for form in [
        "", "a", "./a", ".a", "C:", "C:a", "1:/a", "é:/a", r"C:\a", "CC:/a",
    ] {
        assert!(!reaches_out(form.as_bytes()), "{form}");
    }
}
