//! `fmr plugin new`: writes a crate with one component that builds, works and tests itself.

use std::io;
use std::path::{Path, PathBuf};

use crate::host::Role;

/// Where the new crate takes fmr's crates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// crates.io, in a version that is compatible with this one.
    CratesIo,
    /// A git repository.
    Git(String),
    /// A checkout on this machine.
    Path(PathBuf),
}

impl Default for Source {
    /// The checkout that this program was built from, if it still exists, else crates.io.
    fn default() -> Self {
        match Path::new(env!("CARGO_MANIFEST_DIR")).parent() {
            Some(checkout) if checkout.join("fmr-plugins/Cargo.toml").is_file() => Self::Path(checkout.to_owned()),
            _ => Self::CratesIo,
        }
    }
}

impl Source {
    /// fmr's own repository.
    pub fn repository() -> Self {
        Self::Git(env!("CARGO_PKG_REPOSITORY").to_owned())
    }
}

impl From<&str> for Source {
    /// `crates.io`, the folder of a checkout, or else the address of a repository.
    fn from(text: &str) -> Self {
        if text == "crates.io" {
            return Self::CratesIo;
        }
        match Path::new(text).canonicalize() {
            Ok(folder) if folder.is_dir() => Self::Path(folder),
            _ => Self::Git(text.to_owned()),
        }
    }
}

/// Why no crate was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScaffoldError {
    /// The name cannot be a crate's.
    #[error("{0:?} cannot name a plugin: use lower-case letters, digits and single dashes, starting with a letter")]
    Name(String),
    /// The folder exists.
    #[error("{} exists already; choose another name or folder", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written ({source}); choose another folder", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Names that cargo or the language reserves.
const RESERVED: [&str; 8] = ["core", "std", "alloc", "test", "self", "super", "crate", "proc-macro"];

fn sound(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(|part| !part.is_empty())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !RESERVED.contains(&name)
        && !name.starts_with("fmr-")
}

/// Writes the crate `folder/name` with one component of that role and name, and returns its folder.
///
/// # Errors
/// The name cannot be a crate's, the folder exists, or a file cannot be written.
pub fn new(name: &str, role: Role, folder: &Path, source: &Source) -> Result<PathBuf, ScaffoldError> {
    if !sound(name) {
        return Err(ScaffoldError::Name(name.to_owned()));
    }
    let root = folder.join(name);
    if root.exists() {
        return Err(ScaffoldError::Exists(root));
    }
    let files = [
        ("Cargo.toml", manifest(name, role, source)),
        ("README.md", fill(include_str!("templates/README.md"), name, role)),
        (".gitignore", "/target\n".to_owned()),
        ("src/lib.rs", fill(code(role), name, role)),
        ("example.toml", fill(include_str!("templates/example.toml"), name, role)),
    ];
    for (file, text) in files {
        let path = root.join(file);
        let parent = path.parent().unwrap_or(&root).to_owned();
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| ScaffoldError::Write { path, source })?;
    }
    Ok(root)
}

/// The example of a role.
fn code(role: Role) -> &'static str {
    match role {
        Role::Generator => include_str!("templates/generator.rs"),
        Role::Oracle => include_str!("templates/oracle.rs"),
        Role::Target => include_str!("templates/target.rs"),
        Role::Scorer => include_str!("templates/scorer.rs"),
    }
}

fn fill(template: &str, name: &str, role: Role) -> String {
    template
        .replace("TABLE", &table(name, role))
        .replace("my-component", name)
        .replace("my_component", &name.replace('-', "_"))
        .replace("ROLE", role.name())
}

/// Header of the component's table in an experiment file. An experiment has one scorer, and names the others.
fn table(name: &str, role: Role) -> String {
    match role {
        Role::Scorer => "scorer".to_owned(),
        role => format!("{}s.{name}", role.name()),
    }
}

fn manifest(name: &str, role: Role, source: &Source) -> String {
    let from = |package: &str| match source {
        Source::CratesIo => {
            toml_text("version", concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR")))
        }
        Source::Git(url) => toml_text("git", url),
        Source::Path(root) => toml_text("path", &root.join(package).to_string_lossy()),
    };
    fill(include_str!("templates/Cargo.toml.in"), name, role)
        .replace("FMR_CORE", &from("fmr-core"))
        .replace("FMR_PLUGINS", &from("fmr-plugins"))
}

fn toml_text(key: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{key} = \"{value}\"")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates() {
        for name in ["my-model", "a", "resnet50-v2"] {
            assert!(sound(name), "{name}");
        }
        for name in ["", "My", "9a", "a--b", "-a", "a-", "a_b", "a b", "../x", "core", "fmr-core", "ä"] {
            assert!(!sound(name), "{name}");
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = new("mine", Role::Target, folder.path(), &Source::repository()).unwrap();
        let text = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        assert!(text.contains(concat!("git = \"", env!("CARGO_PKG_REPOSITORY"))), "{text}");
        let again = new("mine", Role::Scorer, folder.path(), &Source::repository()).unwrap_err();
        assert!(matches!(again, ScaffoldError::Exists(_)));
        assert!(std::fs::read_to_string(root.join("src/lib.rs")).unwrap().contains("target \"mine\""));
    }

    #[test]
    fn sources_are_checkouts_and_repositories() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        assert_eq!(Source::from(path.to_str().unwrap()), Source::Path(path));
        let url = "https://example.org/fmr";
        assert_eq!(Source::from(url), Source::Git(url.to_owned()));
        assert!(matches!(Source::default(), Source::Path(checkout) if checkout.join("fmr-core").is_dir()));
        assert_eq!(Source::from("crates.io"), Source::CratesIo);
    }

    #[test]
    fn published_crates_are_asked_for_in_this_version() {
        let text = manifest("mine", Role::Target, &Source::CratesIo);
        let version = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
        assert!(text.contains(&format!("fmr-core = {{ version = \"{version}\" }}")), "{text}");
        assert!(
            text.contains(&format!("fmr-plugins = {{ version = \"{version}\", default-features = false }}")),
            "{text}"
        );
    }
}
