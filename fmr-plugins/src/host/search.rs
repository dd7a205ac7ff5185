//! Where plugins are looked for.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use super::error::{PluginError, Problem};

/// Environment variable that names folders to search, separated as in `PATH`.
pub const PATH_VARIABLE: &str = "FMR_PLUGIN_PATH";

/// Folders to search, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchPath(pub Vec<PathBuf>);

impl SearchPath {
    /// The experiment file's folders, then those of `FMR_PLUGIN_PATH`, then the user's data folder. Never the current
    /// folder, unless one of them says so.
    pub fn of(experiment: &[PathBuf]) -> Self {
        let mut folders = experiment.to_vec();
        if let Some(variable) = std::env::var_os(PATH_VARIABLE) {
            folders.extend(std::env::split_paths(&variable).filter(|p| !p.as_os_str().is_empty()));
        }
        folders.extend(user_folder());
        Self(folders)
    }

    /// The file of a plugin: a path (relative ones start at `base`) where it looks like one, else a name to search for,
    /// such as `vqgan` for `libvqgan.so`, `libfmr_vqgan.so` or `libfmr_vqgan_plugin.so`.
    ///
    /// # Errors
    /// Nothing of that name is found. A path is not looked at.
    pub fn find(&self, plugin: &str, base: &Path) -> Result<PathBuf, PluginError> {
        if plugin.contains(['/', MAIN_SEPARATOR]) || plugin.ends_with(DLL_SUFFIX) {
            return Ok(base.join(plugin));
        }
        let stem = plugin.replace('-', "_");
        let names = [
            format!("{DLL_PREFIX}{stem}{DLL_SUFFIX}"),
            format!("{DLL_PREFIX}fmr_{stem}{DLL_SUFFIX}"),
            format!("{DLL_PREFIX}fmr_{stem}_plugin{DLL_SUFFIX}"),
            format!("{plugin}{DLL_SUFFIX}"),
        ];
        let found = self.0.iter().flat_map(|folder| names.iter().map(|n| folder.join(n))).find(|file| file.is_file());
        found.ok_or_else(|| {
            let searched = self.0.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
            let searched = if searched.is_empty() { "the search path, which is empty".into() } else { searched };
            PluginError::new(plugin, Problem::NotFound { searched })
        })
    }

    /// All files that are named like dynamic libraries: folders in order, names in order within each. Folders that
    /// cannot be read count as empty.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = vec![];
        for folder in &self.0 {
            let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.path().canonicalize().ok())
                .filter(|f| f.is_file() && f.to_string_lossy().ends_with(DLL_SUFFIX))
                .collect();
            files.sort();
            files.retain(|f| !all.contains(f));
            files.dedup();
            all.extend(files);
        }
        all
    }
}

/// `fmr/plugins` in the folder that the system has for data of programs.
fn user_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let data = if cfg!(windows) {
        set("APPDATA")
    } else if cfg!(target_vendor = "apple") {
        set("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        set("XDG_DATA_HOME").filter(|p| p.is_absolute()).or_else(|| set("HOME").map(|home| home.join(".local/share")))
    };
    data.map(|data| data.join("fmr").join("plugins"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_as_they_are_and_names_are_searched_for() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for f in [&a, &b] {
            std::fs::create_dir(f).unwrap();
        }
        let file = b.join(format!("{DLL_PREFIX}my_model{DLL_SUFFIX}"));
        std::fs::write(&file, "x").unwrap();
        std::fs::write(a.join("notes.txt"), "x").unwrap();
        let path = SearchPath(vec![a.clone(), b.clone(), b.clone(), folder.path().join("none")]);
        assert_eq!(path.find("my-model", Path::new("/")).unwrap(), file);
        assert_eq!(path.find("lib/x", &a).unwrap(), a.join("lib/x"));
        assert_eq!(path.files(), [file.canonicalize().unwrap()]);
        let error = path.find("other", &a).unwrap_err().to_string();
        assert!(error.starts_with("other: no plugin of that name is in ") && error.contains(PATH_VARIABLE), "{error}");
    }
}
