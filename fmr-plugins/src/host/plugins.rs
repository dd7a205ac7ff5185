//! Plugins in the registry of components.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fmr_core::registry::{MakeError, Registry, Settings, Site};
use fmr_core::{Generator, Oracle, Scorer, SettingError, Target};

use super::components::{PluginGenerator, PluginOracle, PluginScorer, PluginTarget};
use super::error::{PluginError, Problem};
use super::handle::{Handle, Limits};
use super::library::Library;
use super::search::SearchPath;
use super::tables::Role;

/// The kind under which a component is made from a plugin's file: what stands for `kind` in a table with the key
/// `plugin`.
pub const KIND: &str = "plugin";

/// Finds and makes components of plugins.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    /// Where plugins are looked for by name.
    pub search: SearchPath,
    /// What calls are held to unless the component's table says otherwise.
    pub limits: Limits,
}

/// The keys of a component's table that say which plugin it is.
#[derive(Debug, Clone, PartialEq)]
struct Reference {
    plugin: String,
    component: Option<String>,
}

/// The keys that say on what terms the plugin is used, however it is named.
#[derive(Debug, Clone, PartialEq)]
struct Terms {
    sha256: Option<String>,
    time_limit: Option<f64>,
}

/// Takes a text out of the table.
fn take_text(settings: &mut Settings, key: &str) -> Result<Option<String>, SettingError> {
    match settings.0.remove(key) {
        None => Ok(None),
        Some(serde_json::Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(SettingError::new(key, format!("is {other}, must be text"))),
    }
}

impl Reference {
    /// Takes the keys out of the table.
    fn take(settings: &mut Settings) -> Result<Self, SettingError> {
        let plugin = take_text(settings, "plugin")?.filter(|p| !p.is_empty()).ok_or_else(|| {
            SettingError::new("plugin", "must name the plugin's file, or a plugin in the search path")
        })?;
        Ok(Self { plugin, component: take_text(settings, "component")? })
    }
}

impl Terms {
    /// Takes the keys out of the table.
    fn take(settings: &mut Settings) -> Result<Self, SettingError> {
        let sha256 = take_text(settings, "sha256")?;
        if let Some(hash) = &sha256
            && (hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(SettingError::new("sha256", format!("is {hash:?}, must be 64 hexadecimal digits")));
        }
        let time_limit = match settings.0.remove("time-limit") {
            None => None,
            Some(value) => Some(value.as_f64().filter(|t| (0.0..1e9).contains(t)).ok_or_else(|| {
                SettingError::new("time-limit", format!("is {value}, must be seconds, or 0 for no limit"))
            })?),
        };
        Ok(Self { sha256, time_limit })
    }

    fn limits(&self, usual: &Limits) -> Limits {
        let mut limits = usual.clone();
        if let Some(seconds) = self.time_limit {
            limits.time = (seconds > 0.0).then(|| Duration::from_secs_f64(seconds));
        }
        limits
    }
}

impl Plugins {
    fn handle(&self, role: Role, settings: &Settings, site: &Site) -> Result<Handle, MakeError> {
        let mut settings = settings.clone();
        let (reference, terms) = (Reference::take(&mut settings)?, Terms::take(&mut settings)?);
        let file = self.search.find(&reference.plugin, &site.base)?;
        let library = Library::open(&file, terms.sha256.as_deref())?;
        Handle::make(&library, role, reference.component.as_deref(), &settings, site, &terms.limits(&self.limits))
    }

    /// Loads every library of the search path. **This runs code of each.**
    pub fn load_all(&self) -> Vec<(PathBuf, Result<Arc<Library>, PluginError>)> {
        let files = self.search.files();
        files.into_iter().map(|file| (file.clone(), Library::open(&file, None))).collect()
    }
}

impl Library {
    /// Makes a component: the named one, or the only one of its role.
    ///
    /// # Errors
    /// There is none or several, or the plugin refuses its settings or the place.
    pub fn generator(
        &self,
        name: Option<&str>,
        settings: &Settings,
        site: &Site,
        limits: &Limits,
    ) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(PluginGenerator::new(Handle::make(self, Role::Generator, name, settings, site, limits)?)))
    }

    /// Makes an oracle; see [`Library::generator`].
    ///
    /// # Errors
    /// As there.
    pub fn oracle(
        &self,
        name: Option<&str>,
        settings: &Settings,
        site: &Site,
        limits: &Limits,
    ) -> Result<Box<dyn Oracle>, MakeError> {
        Ok(Box::new(PluginOracle::new(Handle::make(self, Role::Oracle, name, settings, site, limits)?)))
    }

    /// Makes a target; see [`Library::generator`].
    ///
    /// # Errors
    /// As there.
    pub fn target(
        &self,
        name: Option<&str>,
        settings: &Settings,
        site: &Site,
        limits: &Limits,
    ) -> Result<Box<dyn Target>, MakeError> {
        Ok(Box::new(PluginTarget::new(Handle::make(self, Role::Target, name, settings, site, limits)?)))
    }

    /// Makes a scorer; see [`Library::generator`].
    ///
    /// # Errors
    /// As there.
    pub fn scorer(
        &self,
        name: Option<&str>,
        settings: &Settings,
        site: &Site,
        limits: &Limits,
    ) -> Result<Box<dyn Scorer>, MakeError> {
        Ok(Box::new(PluginScorer::new(Handle::make(self, Role::Scorer, name, settings, site, limits)?)))
    }
}

/// Lets experiment files name a plugin by `plugin = "…"`: registers the kind [`KIND`] of every role, whose table holds
///
/// | key | |
/// | --- | --- |
/// | `plugin` | path of the library, from the experiment file's folder, or a name in the search path |
/// | `component` | which one, where the library holds several of the role |
/// | `sha256` | hash that the file must have |
/// | `time-limit` | seconds that one call may take; 0 for no limit |
///
/// and the plugin's own settings. Nothing is loaded before a component is made.
pub fn register(registry: &mut Registry, plugins: &Plugins) {
    let p = plugins.clone();
    registry.add_generator(KIND, move |settings, site| {
        Ok(Box::new(PluginGenerator::new(p.handle(Role::Generator, settings, site)?)))
    });
    let p = plugins.clone();
    registry.add_oracle(KIND, move |settings, site| {
        Ok(Box::new(PluginOracle::new(p.handle(Role::Oracle, settings, site)?)))
    });
    let p = plugins.clone();
    registry.add_target(KIND, move |settings, site| {
        Ok(Box::new(PluginTarget::new(p.handle(Role::Target, settings, site)?)))
    });
    let p = plugins.clone();
    registry.add_scorer(KIND, move |settings, site| {
        Ok(Box::new(PluginScorer::new(p.handle(Role::Scorer, settings, site)?)))
    });
}

/// Registers the components of all libraries in the search path under their own names, to be named by `kind = "…"` like
/// built-in ones. **This runs code of each library.**
///
/// Gives the reasons why libraries, or components whose names are taken, were left out. What is there goes on to work.
pub fn register_found(registry: &mut Registry, plugins: &Plugins) -> Vec<PluginError> {
    let mut refused = vec![];
    let mut taken: Vec<(Role, String, PathBuf)> = vec![];
    for (_, result) in plugins.load_all() {
        let library = match result {
            Ok(library) => library,
            Err(error) => {
                refused.push(error);
                continue;
            }
        };
        for offer in library.offers() {
            let (role, name) = (offer.role, offer.name);
            let other =
                taken.iter().find(|(r, n, _)| *r == role && n == name).map(|(.., file)| file.display().to_string());
            let other = other.or_else(|| has(registry, role, name).then(|| "fmr itself".to_owned()));
            if let Some(other) = other {
                let problem = Problem::Duplicate { role: role.name(), name: name.to_owned(), other };
                refused.push(PluginError::new(library.path(), problem));
                continue;
            }
            add(registry, &library, role, name, &plugins.limits);
            taken.push((role, name.to_owned(), library.path().to_owned()));
        }
    }
    refused
}

fn has(registry: &Registry, role: Role, name: &str) -> bool {
    match role {
        Role::Generator => registry.generator_kinds().any(|k| k == name),
        Role::Oracle => registry.oracle_kinds().any(|k| k == name),
        Role::Target => registry.target_kinds().any(|k| k == name),
        Role::Scorer => registry.scorer_kinds().any(|k| k == name),
    }
}

fn add(registry: &mut Registry, library: &Arc<Library>, role: Role, name: &str, limits: &Limits) {
    let (library, kind, usual) = (Arc::clone(library), name.to_owned(), limits.clone());
    let handle = move |settings: &Settings, site: &Site| {
        let mut settings = settings.clone();
        let terms = Terms::take(&mut settings)?;
        library.expect_pinned(terms.sha256.as_deref())?;
        Handle::make(&library, role, Some(&kind), &settings, site, &terms.limits(&usual))
    };
    match role {
        Role::Generator => registry
            .add_generator(name, move |settings, site| Ok(Box::new(PluginGenerator::new(handle(settings, site)?)))),
        Role::Oracle => {
            registry.add_oracle(name, move |settings, site| Ok(Box::new(PluginOracle::new(handle(settings, site)?))));
        }
        Role::Target => {
            registry.add_target(name, move |settings, site| Ok(Box::new(PluginTarget::new(handle(settings, site)?))));
        }
        Role::Scorer => {
            registry.add_scorer(name, move |settings, site| Ok(Box::new(PluginScorer::new(handle(settings, site)?))));
        }
    }
}

impl Plugins {
    /// The loaded library that a component of this role and kind is of: the one that its table names by `plugin`, or the
    /// one of the search path that offers the kind. `None` where the component is built in, or not made yet.
    pub fn library_of(&self, role: Role, kind: &str, settings: &Settings, base: &Path) -> Option<Arc<Library>> {
        let loaded = Library::loaded();
        if kind == KIND {
            let file = referenced(settings, &self.search, base).ok()??.canonicalize().ok()?;
            return loaded.into_iter().find(|library| library.path() == file);
        }
        let searched = self.search.files();
        let offers = |library: &Library| library.offers().any(|o| o.role == role && o.name == kind);
        loaded.into_iter().find(|library| searched.iter().any(|f| f == library.path()) && offers(library))
    }
}

/// The file that a component's table names by `plugin`, if it does, for fingerprints and for checks without loading.
///
/// # Errors
/// The key is there but no plugin is found.
pub fn referenced(settings: &Settings, search: &SearchPath, base: &Path) -> Result<Option<PathBuf>, MakeError> {
    if !settings.0.contains_key("plugin") {
        return Ok(None);
    }
    let reference = Reference::take(&mut settings.clone())?;
    Ok(Some(search.find(&reference.plugin, base)?))
}
