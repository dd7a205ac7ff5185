//! Opening a library: look at the file, load it, ask for its tables.
//!
//! A library is never closed. Threads, thread-local destructors and exit handlers of a plugin may run at any time until
//! the process ends, and closing would leave them in unmapped code.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{PluginError, Problem};
use super::file::{self, Stamp};
use super::private;
use super::tables::{self, Component, Role, Tables};
use super::texts::Texts;
use crate::abi;

/// A plugin's library that was loaded. It stays loaded until the process ends.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    sha256: String,
    /// Of the file when its hash was taken; absent for a linked plugin.
    stamp: Option<Stamp>,
    tables: Tables,
}

/// One component of a library, for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// What it is for.
    pub role: Role,
    /// What experiment files call it.
    pub name: &'a str,
    /// JSON Schema of its settings; empty where the plugin does not say.
    pub schema: &'a str,
}

fn pinned(path: &Path, found: &str, wanted: Option<&str>) -> Result<(), PluginError> {
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(found) => {
            let problem = Problem::Pinned { found: found.to_owned(), wanted: wanted.to_owned() };
            Err(PluginError::new(path, problem))
        }
        _ => Ok(()),
    }
}

/// The libraries of this process.
static LOADED: Mutex<Vec<Arc<Library>>> = Mutex::new(Vec::new());

impl Library {
    /// Loads a library, or finds it among those that are loaded already. **This runs code of the library.**
    ///
    /// With `sha256`, a file with another hash is refused before any of it runs.
    ///
    /// # Errors
    /// The first reason not to use it.
    pub fn open(path: &Path, sha256: Option<&str>) -> Result<Arc<Self>, PluginError> {
        let fail = |problem| PluginError::new(path, problem);
        if let Some(known) = Self::unchanged(path) {
            known.expect_pinned(sha256)?;
            return Ok(known);
        }
        // Taken first: a file that changes while it is read has a different one afterwards.
        let stamp = Stamp::of(path);
        let (bytes, found) = file::inspect(path)?;
        pinned(path, &found, sha256)?;
        // The absolute path also keeps the loader from searching its own folders.
        let path = path.canonicalize().map_err(|e| fail(Problem::Unreadable(e.to_string())))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loaded.iter().find(|l| l.path == path) {
            return if known.sha256 == found { Ok(Arc::clone(known)) } else { Err(fail(Problem::Changed)) };
        }
        let tables = load(&path, &private::source(&path, &bytes)).map_err(fail)?;
        if tables.panic_aborts {
            tracing::warn!(
                "{}: built so that a panic ends the process; a failure in it cannot be caught",
                path.display()
            );
        }
        let library = Arc::new(Self { path, sha256: found, stamp, tables });
        loaded.push(Arc::clone(&library));
        Ok(library)
    }

    /// Takes a plugin that is linked into this program: its tests go through the border by this, without a file.
    ///
    /// # Errors
    /// What a loaded library is refused for.
    ///
    /// # Safety
    /// `entry` keeps the contract of `fmr_plugin.h`, as the function that [`export!`](crate::export) makes does.
    pub unsafe fn linked(name: &str, entry: abi::Entry) -> Result<Arc<Self>, PluginError> {
        // SAFETY: the caller's promise.
        let tables = unsafe { enter(entry) }.map_err(|problem| PluginError::new(name, problem))?;
        Ok(Arc::new(Self { path: PathBuf::from(name), sha256: String::new(), stamp: None, tables }))
    }

    /// The library of that file, if it is loaded and its file looks as it did then: preparing an experiment opens each
    /// several times, and hashing it each time would take longer than all else.
    fn unchanged(path: &Path) -> Option<Arc<Self>> {
        let (stamp, path) = (Stamp::of(path)?, path.canonicalize().ok()?);
        let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().find(|l| l.path == path && l.stamp.as_ref() == Some(&stamp)).cloned()
    }

    /// Refuses a library whose hash is another than the pinned one, if one is pinned.
    pub(super) fn expect_pinned(&self, sha256: Option<&str>) -> Result<(), PluginError> {
        pinned(&self.path, &self.sha256, sha256)
    }

    /// All libraries that this process has loaded, in order of loading, for the run store.
    pub fn loaded() -> Vec<Arc<Self>> {
        LOADED.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The library of that file, if it is loaded already.
    pub(super) fn loaded_from(path: &Path) -> Option<Arc<Self>> {
        let path = path.canonicalize().ok()?;
        Self::loaded().into_iter().find(|library| library.path == path)
    }

    /// Absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file in lower-case hexadecimal; empty for a [linked](Library::linked) plugin.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Name, as the plugin says.
    pub fn name(&self) -> &str {
        &self.tables.name
    }

    /// Version, as the plugin says.
    pub fn version(&self) -> &str {
        &self.tables.version
    }

    /// Version `(major, minor)` of the interface that it was built for.
    pub fn abi(&self) -> (u16, u16) {
        self.tables.abi
    }

    /// What it holds.
    pub fn offers(&self) -> impl Iterator<Item = Offer<'_>> {
        self.tables.components.iter().map(|c| Offer { role: c.role, name: &c.name, schema: &c.schema })
    }

    /// Handles that the plugin says it gave out and did not get back, `(instances, saved states)`.
    pub fn live_handles(&self) -> Option<(u64, u64)> {
        let (mut instances, mut saved) = (0, 0);
        // SAFETY: both pointers are valid for writing.
        self.tables.live_handles.map(|f| unsafe { f(&raw mut instances, &raw mut saved) }).map(|()| (instances, saved))
    }

    /// A component: the named one, or the only one of its role.
    pub(super) fn component(&self, role: Role, name: Option<&str>) -> Result<&Component, PluginError> {
        let fail = |problem| PluginError::new(&self.path, problem);
        let matching: Vec<_> =
            self.tables.components.iter().filter(|c| c.role == role && name.is_none_or(|n| n == c.name)).collect();
        let known = |only: Option<Role>| {
            let all = self.tables.components.iter().filter(|c| only.is_none_or(|r| r == c.role));
            all.map(|c| format!("{} {:?}", c.role, c.name)).collect::<Vec<_>>().join(", ")
        };
        match matching[..] {
            [one] => Ok(one),
            [] => {
                Err(fail(Problem::NoComponent { role: role.name(), name: name.map(str::to_owned), known: known(None) }))
            }
            _ => Err(fail(Problem::Ambiguous { role: role.name(), known: known(Some(role)) })),
        }
    }
}

fn load(path: &Path, source: &Path) -> Result<Tables, Problem> {
    // SAFETY: initialisers of the library run here; that foreign code runs is what loading a plugin means (docs/plugins.md).
    let library = unsafe { open(source) }.map_err(|e| refused_by_system(path, source, &e))?;
    // Never closed, see above.
    let library = std::mem::ManuallyDrop::new(library);
    // SAFETY: the symbol's name stands for this type.
    match unsafe { library.get::<abi::Entry>(abi::ENTRY) } {
        // SAFETY: a plugin that exports this name promises to keep the contract.
        Ok(entry) => unsafe { enter(*entry) },
        Err(_) => {
            let other = (0..32_u16).filter(|v| *v != abi::MAJOR).find(|v| {
                // SAFETY: only looked up, not called.
                unsafe { library.get::<abi::Entry>(format!("fmr_plugin_v{v}")) }.is_ok()
            });
            Err(other.map_or(Problem::Symbol, |found| Problem::Version { found }))
        }
    }
}

/// Opens with all symbols resolved at once, so that a missing one shows here, and with none made visible to others.
#[cfg(unix)]
unsafe fn open(path: &Path) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: passed on to the caller.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Into::into)
}

#[cfg(not(unix))]
unsafe fn open(path: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: passed on to the caller.
    unsafe { libloading::Library::new(path) }
}

/// A missing dependency is told apart by the text, as loaders give no code.
fn refused_by_system(path: &Path, source_path: &Path, error: &libloading::Error) -> Problem {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    let own = path.display().to_string();
    // People know the file, not its copy.
    let text = text.replace(&*source_path.to_string_lossy(), &own);
    let glibc = text.find(": cannot open shared object file").map(|at| &text[..at]);
    let musl = text.find("Error loading shared library ").map(|at| &text[at + 29..]);
    let apple = text.find("Library not loaded: ").map(|at| &text[at + 20..]);
    let name = glibc.and_then(|t| t.rsplit([' ', '(']).next());
    let name = name.or_else(|| musl.or(apple).and_then(|t| t.split([':', ' ', '\n']).next()));
    match name {
        Some(name) if !name.is_empty() && name != own => Problem::Dependency(name.to_owned()),
        _ => Problem::Load(text),
    }
}

/// Calls the entry and reads the tables.
///
/// # Safety
/// `entry` keeps the contract.
unsafe fn enter(entry: abi::Entry) -> Result<Tables, Problem> {
    let host = abi::Host {
        size: size_of::<abi::Host>() as u32,
        major: abi::MAJOR,
        minor: abi::MINOR,
        version: abi::Str::new(env!("CARGO_PKG_VERSION")),
    };
    let mut texts = Texts::new();
    let mut table = std::ptr::null();
    // SAFETY: all arguments are valid for the call.
    let status = unsafe { entry(&raw const host, texts.error(), &raw mut table) };
    if status != abi::OK {
        let (message, _) = texts.read();
        return Err(Problem::Refused(if message.is_empty() { format!("status {status}") } else { message }));
    }
    // SAFETY: the contract of the entry.
    let tables = unsafe { tables::read(table)? };
    for component in &tables.components {
        if !component.schema.is_empty() && serde_json::from_str::<serde_json::Value>(&component.schema).is_err() {
            return Err(Problem::Table(format!("the schema of {:?} is not JSON", component.name)));
        }
    }
    Ok(tables)
}
