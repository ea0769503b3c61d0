//! The project of a policy module in Rust that `cavra module new` writes. Its files lie
//! in `templates/module` and are a project themselves.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The name of the project as it lies in the repository.
const NAME: &str = "my-module";
/// The same as an identifier, which is the name of what is built.
const IDENTIFIER: &str = "my_module";
/// Names that cargo or the compiler do not take for a package, and those of its dependencies.
const TAKEN: [&str; 10] = [
    "alloc",
    "core",
    "crate",
    "proc-macro",
    "proc_macro",
    "serde_json",
    "std",
    "test",
    "wit-bindgen",
    "wit_bindgen",
];
const MAX_LENGTH: usize = 64;

macro_rules! files {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../templates/module/", $path))),)*]
    };
}

/// Path and text of each.
const FILES: &[(&str, &str)] = files![
    ".gitignore",
    "Cargo.toml",
    "README.md",
    "build.rs",
    "cases.yaml",
    "src/judge.rs",
    "src/lib.rs",
    "src/policy.rs",
    "wit/enforcement.wit",
];

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// No name for a module.
    #[error(
        "`{0}` is no name for a module: at most {MAX_LENGTH} of `a`-`z`, `0`-`9`, `-` and `_`, a letter first, and no name of Rust's own; give one with --name"
    )]
    Name(String),
    /// There is something already.
    #[error("`{}` is not an empty directory; name one that is empty or not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// Something could not be written.
    #[error("cannot write `{}`: {error}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// The name of a module: that of its package, and what it calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TemplateError::Name`] where cargo would not take it for a package.
    pub fn new(name: &str) -> Result<Self, TemplateError> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let good = name.len() <= MAX_LENGTH
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(known)
            && !TAKEN.contains(&name);
        if good {
            Ok(Self(name.to_owned()))
        } else {
            Err(TemplateError::Name(name.escape_debug().to_string()))
        }
    }

    /// The name of the directory, as the name of the module in it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_directory(directory: &Path) -> Result<Self, TemplateError> {
        // `.` has a name only where it lies.
        let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let name = whole.file_name().unwrap_or(directory.as_os_str());
        Self::new(&name.to_string_lossy())
    }

    /// The name of the component that cargo builds, without its extension.
    pub fn identifier(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes the project into a directory that is empty or not there yet; nothing that is
/// there is written over. Returns the files, as they are called below the directory.
///
/// # Errors
/// [`TemplateError`].
pub fn write(directory: &Path, name: &Name) -> Result<Vec<&'static str>, TemplateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| TemplateError::Write { path, error }
    };
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(TemplateError::NotEmpty(directory.to_owned()));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(directory).map_err(failed(directory))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(TemplateError::NotEmpty(directory.to_owned()));
        }
        Err(error) => return Err(failed(directory)(error)),
    }
    for (path, text) in FILES {
        let file = directory.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        // By way of what no file has, for a name may hold what stands for it.
        let text = text.replace(NAME, "\0").replace(IDENTIFIER, &name.identifier());
        let text = text.replace('\0', &name.0);
        fs::File::create_new(&file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed(&file))?;
    }
    Ok(FILES.iter().map(|(path, _)| *path).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FILES, Name, TemplateError, write};

    #[test]
    fn names_are_what_cargo_takes() {
        for good in ["harbor-policy", "p", "policy_2"] {
            assert_eq!(Name::new(good).unwrap().to_string(), good);
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "2fast",
            "-a",
            "Harbor",
            "a/b",
            "a b",
            "core",
            "serde_json",
            "é",
            &long,
        ] {
            assert!(matches!(Name::new(bad), Err(TemplateError::Name(_))), "{bad}");
        }
        assert_eq!(
            Name::of_directory(Path::new("rooms/harbor-policy/"))
                .unwrap()
                .to_string(),
            "harbor-policy"
        );
    }

    #[test]
    fn the_project_bears_the_name_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let room = dir.path().join("rooms/harbor-policy");
        let written = write(&room, &Name::of_directory(&room).unwrap()).unwrap();
        assert_eq!(written.len(), FILES.len());
        for path in written {
            let text = std::fs::read_to_string(room.join(path)).unwrap();
            assert!(
                !text.contains("my-module") && !text.contains("my_module"),
                "{path}"
            );
        }
        let readme = std::fs::read_to_string(room.join("README.md")).unwrap();
        assert!(readme.contains("harbor_policy.wasm") && readme.contains("# harbor-policy"));
    }

    #[test]
    fn a_name_may_hold_that_of_the_template() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["my_module2", "my-module-x", "not-my_module"] {
            let name = Name::new(name).unwrap();
            let room = dir.path().join(&name.0);
            write(&room, &name).unwrap();
            let manifest = std::fs::read_to_string(room.join("Cargo.toml")).unwrap();
            assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{manifest}");
            let readme = std::fs::read_to_string(room.join("README.md")).unwrap();
            let built = format!("/{}.wasm", name.identifier());
            assert!(readme.contains(&built), "{readme}");
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes"), "mine").unwrap();
        let name = Name::new("harbor").unwrap();
        for place in [dir.path(), &dir.path().join("notes")] {
            let error = write(place, &name).unwrap_err();
            assert!(matches!(error, TemplateError::NotEmpty(_)), "{error}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
