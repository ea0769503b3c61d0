//! Directories of this user alone.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes a directory, and those above it, where they are missing; nobody else may look
/// into what is made.
///
/// # Errors
/// When the system refuses, or something else has the name.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            io::ErrorKind::NotADirectory,
            "what has this name is no directory; name another one, or move it away",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn what_is_made_is_private_and_what_is_there_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let deep = scratch.path().join("one/two");
        make_private(&deep).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o700);
        fs::write(deep.join("file"), "kept").unwrap();
        make_private(&deep).unwrap();
        assert_eq!(fs::read(deep.join("file")).unwrap(), b"kept");
    }

    #[test]
    fn a_name_that_is_taken_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("name");
        fs::write(&path, "").unwrap();
        let error = make_private(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert!(error.to_string().contains("is no directory"), "{error}");
    }
}
