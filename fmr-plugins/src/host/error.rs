//! Why a plugin is not used: one sentence each, which names the file and what to do.

use std::path::{Path, PathBuf};

use fmr_core::SettingError;
use fmr_core::registry::MakeError;

use crate::abi;

/// A plugin that is refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct PluginError {
    /// The library's file, or what was asked for where none was found.
    pub file: PathBuf,
    /// What is wrong and what to do.
    pub problem: Problem,
}

/// What is wrong with a plugin and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such file.
    #[error("there is no such file; build the plugin (`cargo build --release`) or mend the path")]
    Missing,
    /// Nothing of that name in the search path.
    #[error("no plugin of that name is in {searched}; name its file, or add its folder to FMR_PLUGIN_PATH")]
    NotFound {
        /// The folders that were looked at.
        searched: String,
    },
    /// The file cannot be read.
    #[error("it cannot be read ({0}); mend its permissions or the path")]
    Unreadable(String),
    /// Some other kind of file.
    #[error("it is {0}, not a dynamic library; name the {suffix} file that the build made", suffix = std::env::consts::DLL_SUFFIX)]
    NotALibrary(String),
    /// A library of another machine.
    #[error("it was built for {found}, but this is {wanted}; build it for this machine")]
    Architecture {
        /// The library's.
        found: String,
        /// This machine's.
        wanted: String,
    },
    /// The file is cut short, or its headers are damaged.
    #[error("it is cut short or damaged ({0}); copy or build it again")]
    Cut(String),
    /// The pinned hash is another one.
    #[error("its SHA-256 is {found}, but {wanted} is pinned; restore the pinned file, or pin this one if you trust it")]
    Pinned {
        /// The file's.
        found: String,
        /// The experiment's.
        wanted: String,
    },
    /// The file is another one than when it was loaded.
    #[error("the file changed since it was loaded; start fmr anew to use the new one")]
    Changed,
    /// A library that it needs is missing.
    #[error("it needs the library {0}, which is not found; install that, or add its folder to LD_LIBRARY_PATH")]
    Dependency(String),
    /// The system's loader refuses it.
    #[error("the system cannot load it ({0}); build it anew on this machine")]
    Load(String),
    /// It exports no entry.
    #[error("it does not export `{entry}`, so it is no plugin of fmr; export components by `fmr_plugins::export!` in a crate of type cdylib, or see fmr_plugin.h", entry = abi::ENTRY)]
    Symbol,
    /// It was built for another interface.
    #[error("it was built for version {found} of the plugin interface, but this fmr speaks version {ours}; build it against this fmr's `fmr-plugins`", ours = abi::MAJOR)]
    Version {
        /// The major version that it was built for.
        found: u16,
    },
    /// Its entry refused.
    #[error("it refuses to work with this fmr: {0}; ask its author")]
    Refused(String),
    /// Its tables break the contract.
    #[error("its tables are broken: {0}; build it anew against this fmr's fmr_plugin.h, or tell its author")]
    Table(String),
    /// Two components have the same name.
    #[error(
        "it offers the {role} {name:?}, which {other} offers too; remove one, or name the file by `plugin = \"…\"`"
    )]
    Duplicate {
        /// The component's role.
        role: &'static str,
        /// The component's name.
        name: String,
        /// Who else offers it.
        other: String,
    },
    /// It holds no such component.
    #[error("it holds no {role}{}; it holds {known}", name.as_ref().map(|n| format!(" {n:?}")).unwrap_or_default())]
    NoComponent {
        /// The role that was asked for.
        role: &'static str,
        /// The name that was asked for.
        name: Option<String>,
        /// What there is.
        known: String,
    },
    /// It holds several and none was named.
    #[error("it holds several components of role {role}: {known}; choose one by `component = \"…\"`")]
    Ambiguous {
        /// The role that was asked for.
        role: &'static str,
        /// What there is.
        known: String,
    },
}

impl PluginError {
    pub(crate) fn new(file: impl AsRef<Path>, problem: Problem) -> Self {
        Self { file: file.as_ref().to_owned(), problem }
    }
}

impl From<PluginError> for MakeError {
    fn from(error: PluginError) -> Self {
        let key = match &error.problem {
            Problem::Pinned { .. } => "sha256",
            Problem::NoComponent { .. } | Problem::Ambiguous { .. } => "component",
            _ => "plugin",
        };
        SettingError::new(key, error.to_string()).into()
    }
}
