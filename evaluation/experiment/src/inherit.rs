//! `extends`: a file that inherits the tables of a different one.

use std::path::{Path, PathBuf};

use super::error::{ConfigError, Source};
use super::files::tidy;
use super::node::Node;

/// A file and all that it inherits from, as one document.
pub(super) struct Document {
    /// The files; the file itself is the first.
    pub(super) source: Source,
    /// Their tables in one, without `extends`.
    pub(super) root: Node,
    /// Folder that relative paths of all of them start from.
    pub(super) base: PathBuf,
}

/// A file of the chain.
struct Link {
    root: Node,
    folder: PathBuf,
    /// What it gives as `base`.
    base: Option<PathBuf>,
    /// What it extends.
    extends: Option<Node>,
}

impl Document {
    /// Reads what `text` extends, and what that extends. `folder` is where relative paths of `file` start from, unless it
    /// names a `base`.
    ///
    /// # Errors
    /// A file that is not there or no TOML, files that extend one another, and files whose relative paths would start from
    /// different folders.
    pub(super) fn read(file: &Path, text: String, folder: &Path) -> Result<Self, ConfigError> {
        let mut source = Source::new(file, text);
        let mut seen = vec![identity(file)];
        let mut links = vec![Link::parse(&source, folder)?];
        while let Some((parent, place)) = links.last().map(|link| link.parent(&source)).transpose()?.flatten() {
            let refuse = |problem: String, help: &str| source.error(place.value_span(), problem, help.to_owned());
            let identity = identity(&parent);
            if seen.contains(&identity) {
                let problem = format!("extends {}, which extends this file in turn", parent.display());
                return Err(refuse(problem, "a file cannot inherit from itself: remove one `extends` of the circle"));
            }
            let text = read_text(&parent).map_err(|(problem, _)| {
                let problem = format!("extends {}: {problem}", parent.display());
                refuse(problem, "name an experiment file by its path from the folder of this file")
            })?;
            seen.push(identity);
            source.add(&parent, text);
            let folder = parent.parent().unwrap_or(Path::new("")).to_owned();
            links.push(Link::parse(&source, &folder)?);
        }
        let mut links = links.into_iter().rev();
        let Some(Link { mut root, folder, base, .. }) = links.next() else {
            return Err(source.error(None, "there is nothing to read", None));
        };
        let mut above = folder.clone();
        let mut base = base.unwrap_or(folder);
        for link in links {
            let own = match &link.base {
                Some(own) => own,
                None if same(&link.folder, &above) => &base,
                None => &link.folder,
            };
            if !same(own, &base) {
                let place = link.extends.as_ref().and_then(Node::value_span);
                let [inherited, own] = [&base, own].map(|folder| tidy(&folder.join(".")).display().to_string());
                let problem = format!(
                    "relative paths of this file start from {own:?}, those of the file that it extends from {inherited:?}"
                );
                let help = "give the folder that the paths of both start from as `base`".to_owned();
                return Err(source.error(place, problem, help));
            }
            // As the file itself would write it.
            base = own.clone();
            above.clone_from(&link.folder);
            root.overlay(&link.root);
        }
        Ok(Self { source, root, base })
    }
}

impl Link {
    /// Reads the file that was added to the source last.
    fn parse(source: &Source, folder: &Path) -> Result<Self, ConfigError> {
        let mut root = Node::parse(source)?;
        let extends = root.take("extends");
        let base: Option<PathBuf> = root.get("base").map(|node| node.read(source, "base")).transpose()?;
        Ok(Self { root, folder: folder.to_owned(), base: base.map(|base| folder.join(base)), extends })
    }

    /// The path of the file that this one extends, and where it says so.
    fn parent(&self, source: &Source) -> Result<Option<(PathBuf, Node)>, ConfigError> {
        let Some(node) = &self.extends else { return Ok(None) };
        let path: PathBuf = node.read(source, "extends")?;
        Ok(Some((tidy(&self.folder.join(path)), node.clone())))
    }
}

/// What tells a file or a folder from others, however its path is written.
fn identity(path: &Path) -> PathBuf {
    // "" is the present folder.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().or_else(|_| std::path::absolute(path)).map_or_else(|_| path.to_owned(), |path| tidy(&path))
}

fn same(a: &Path, b: &Path) -> bool {
    identity(a) == identity(b)
}

/// The text of an experiment file.
///
/// # Errors
/// What is wrong, and what would be right.
pub(super) fn read_text(file: &Path) -> Result<String, (String, Option<&'static str>)> {
    let hint = Some("name an experiment file (TOML)");
    let unreadable = |e: &std::io::Error| (format!("it cannot be read: {e}"), None);
    let metadata = std::fs::metadata(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => ("there is no such file".to_owned(), hint),
        _ => unreadable(&e),
    })?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "not a regular file" };
        return Err((format!("it is {what}"), hint));
    }
    std::fs::read_to_string(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => ("it is not text in UTF-8".to_owned(), hint),
        _ => unreadable(&e),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::{Changes, ConfigError, Experiment};
    use super::*;

    const COMMON: &str = r#"
title = "shared"
data.digits = { kind = "idx", images = "images.gz", labels = "labels.gz", limit = 100 }
targets.lenet = { kind = "zoo", weights = "lenet.safetensors" }
generators.vqgan.kind = "vqgan"
oracles.clip.kind = "clip"
report.remarks = ["of the shared file"]
[search]
budget = 5
step-size = 0.1
[[rows]]
target = "lenet"
[profiles.quick]
data.digits.limit = 8
"#;

    /// Experiment files in a folder of their own.
    struct Files(tempfile::TempDir);

    impl Files {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            Self(folder)
        }

        fn read(&self, changes: &Changes) -> Result<Experiment, ConfigError> {
            Experiment::read(&self.0.path().join("own.toml"), changes)
        }

        fn error(&self) -> String {
            self.read(&Changes::default()).unwrap_err().to_string().replace(&self.0.path().display().to_string(), "DIR")
        }
    }

    fn extending(text: &str) -> String {
        Files::new(&[("common.toml", COMMON), ("own.toml", &format!("extends = \"common.toml\"\n{text}"))]).error()
    }

    #[test]
    fn keys_of_the_file_win_and_arrays_replace() {
        let own = "extends = 'common.toml'\nsearch.budget = 7\nreport.remarks = []\ntargets.wide.kind = 'zoo'\n\
            [[rows]]\ntarget = 'wide'\n[profiles.quick]\nsearch.budget = 2";
        let files = Files::new(&[("common.toml", COMMON), ("own.toml", own)]);
        let experiment = files.read(&Changes::default()).unwrap();
        assert_eq!((experiment.rows.len(), experiment.rows[0].target.as_str()), (1, "wide"));
        assert_eq!((experiment.rows[0].search.budget, experiment.rows[0].search.step_size), (7, 0.1));
        assert_eq!((experiment.title.as_str(), experiment.name.as_str()), ("shared", "own"));
        assert!(experiment.report.remarks.is_empty() && experiment.targets.contains_key("lenet"));
        assert!(!experiment.resolved().contains("extends"));
        let quick = Changes { profile: Some("quick".to_owned()), ..Changes::default() };
        let experiment = files.read(&quick).unwrap();
        assert_eq!((experiment.rows[0].search.budget, experiment.data["digits"].settings.limit), (2, Some(8)));
    }

    #[test]
    fn a_chain_is_the_file_that_holds_all_of_it() {
        let middle = "extends = '../common.toml'\nbase = '..'\nsearch.budget = 6";
        let own = "extends = 'sub/middle.toml'\nname = 'whole'";
        let files = Files::new(&[("common.toml", COMMON), ("sub/middle.toml", middle), ("own.toml", own)]);
        let chained = files.read(&Changes::default()).unwrap();
        let whole = format!("name = 'whole'\n{}", COMMON.replace("budget = 5", "budget = 6"));
        let whole = Files::new(&[("own.toml", &whole)]).read(&Changes::default()).unwrap();
        let without_base = |e: &Experiment| {
            let resolved = e.resolved();
            resolved.lines().filter(|line| !line.starts_with("base = ")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(without_base(&chained), without_base(&whole));
        assert_eq!(identity(&chained.base), identity(files.0.path()));
    }

    #[test]
    fn errors_name_the_file_that_the_wrong_key_stands_in() {
        let misspelt = COMMON.replace("budget", "bugdet");
        let in_common = Files::new(&[("common.toml", &misspelt), ("own.toml", "extends = 'common.toml'")]).error();
        let broken = Files::new(&[("common.toml", "x ="), ("own.toml", "extends = 'common.toml'")]).error();
        let errors = [
            in_common,
            broken,
            extending("search.bugdet = 5"),
            extending("search = 5"),
            extending("rows = []"),
            extending("targets.lenet.kind = 3"),
            extending("profiles.quick.extends = 'common.toml'"),
        ];
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn what_cannot_be_inherited_is_refused() {
        let own = |text: &str| Files::new(&[("own.toml", text), ("common.toml", "extends = 'own.toml'")]).error();
        let moved = |text: &str| Files::new(&[("sub/common.toml", COMMON), ("own.toml", text)]).error();
        let given = Changes { values: vec![("extends".to_owned(), "common.toml".into())], ..Changes::default() };
        let given = Files::new(&[("own.toml", COMMON)]).read(&given).unwrap_err().to_string();
        let errors = [
            own("extends = 'absent.toml'"),
            own("extends = '.'"),
            own("extends = ['common.toml']"),
            own("extends = 'own.toml'"),
            own("extends = 'common.toml'"),
            moved("extends = 'sub/common.toml'"),
            moved("base = 'elsewhere'\nextends = 'sub/common.toml'"),
        ];
        insta::assert_snapshot!(errors.join("\n"));
        assert!(given.contains("extends cannot be set: only the file itself says what it extends"), "{given}");
        let stated = [("sub/common.toml", COMMON), ("own.toml", "extends = 'sub/common.toml'\nbase = 'sub'")];
        let files = Files::new(&stated);
        let experiment = files.read(&Changes::default()).unwrap();
        let named = &experiment.data["digits"].files(&experiment.base)[0].1;
        assert_eq!(*named, files.0.path().join("sub/images.gz"));
    }
}
