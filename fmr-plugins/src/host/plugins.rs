//! Plugins in the registry of components.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fmr_core::registry::{MakeContext, MakeError, Maker, NamedFile, Origin, Registry, Settings};
use fmr_core::{Generator, Oracle, Scorer, SettingError, Target};

use super::components::{PluginGenerator, PluginOracle, PluginScorer, PluginTarget};
use super::error::{PluginError, Problem};
use super::handle::{self, Handle, Limits};
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
    /// Checking settings loads no library: what only a library knows, which of its settings are files, is known of those
    /// alone that are loaded already. For reports, which should run no foreign code.
    pub only_loaded: bool,
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
    fn handle(&self, role: Role, settings: &Settings, context: &MakeContext<'_>) -> Result<Handle, MakeError> {
        let mut settings = settings.clone();
        let (reference, terms) = (Reference::take(&mut settings)?, Terms::take(&mut settings)?);
        let file = self.search.find(&reference.plugin, &context.base)?;
        let library = Library::open(&file, terms.sha256.as_deref())?;
        Handle::make(&library, role, reference.component.as_deref(), &settings, context, &terms.limits(&self.limits))
    }

    /// Loads every library of the search path. **This runs code of each.**
    pub fn load_all(&self) -> Vec<(PathBuf, Result<Arc<Library>, PluginError>)> {
        let files = self.search.files();
        files.into_iter().map(|file| (file.clone(), Library::open(&file, None))).collect()
    }
}

impl Library {
    /// Checks the settings of a component, the named one or the only one of its role, as far as that is possible without
    /// the files that they name, and gives these.
    ///
    /// # Errors
    /// There is none or several, or the plugin refuses the settings.
    pub fn check(
        &self,
        role: Role,
        name: Option<&str>,
        settings: &Settings,
        context: &MakeContext<'_>,
        limits: &Limits,
    ) -> Result<Vec<NamedFile>, MakeError> {
        handle::check(self, role, name, settings, context, limits)
    }

    /// Makes a component: the named one, or the only one of its role.
    ///
    /// # Errors
    /// There is none or several, or the plugin refuses its settings or the place.
    pub fn generator(
        &self,
        name: Option<&str>,
        settings: &Settings,
        context: &MakeContext<'_>,
        limits: &Limits,
    ) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(PluginGenerator::new(Handle::make(self, Role::Generator, name, settings, context, limits)?)))
    }

    /// Makes an oracle; see [`Library::generator`].
    ///
    /// # Errors
    /// As there.
    pub fn oracle(
        &self,
        name: Option<&str>,
        settings: &Settings,
        context: &MakeContext<'_>,
        limits: &Limits,
    ) -> Result<Box<dyn Oracle>, MakeError> {
        Ok(Box::new(PluginOracle::new(Handle::make(self, Role::Oracle, name, settings, context, limits)?)))
    }

    /// Makes a target; see [`Library::generator`].
    ///
    /// # Errors
    /// As there.
    pub fn target(
        &self,
        name: Option<&str>,
        settings: &Settings,
        context: &MakeContext<'_>,
        limits: &Limits,
    ) -> Result<Box<dyn Target>, MakeError> {
        Ok(Box::new(PluginTarget::new(Handle::make(self, Role::Target, name, settings, context, limits)?)))
    }

    /// Makes a scorer; see [`Library::generator`].
    ///
    /// # Errors
    /// As there.
    pub fn scorer(
        &self,
        name: Option<&str>,
        settings: &Settings,
        context: &MakeContext<'_>,
        limits: &Limits,
    ) -> Result<Box<dyn Scorer>, MakeError> {
        Ok(Box::new(PluginScorer::new(Handle::make(self, Role::Scorer, name, settings, context, limits)?)))
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
/// and the plugin's own settings. A library is loaded when a component's settings are checked, and only there: **that runs
/// its code.**
pub fn register(registry: &mut Registry, plugins: &Plugins) {
    registry.insert::<dyn Generator>(KIND, Origin::BuiltIn, Named(plugins.clone()));
    registry.insert::<dyn Oracle>(KIND, Origin::BuiltIn, Named(plugins.clone()));
    registry.insert::<dyn Target>(KIND, Origin::BuiltIn, Named(plugins.clone()));
    registry.insert::<dyn Scorer>(KIND, Origin::BuiltIn, Named(plugins.clone()));
}

/// Makes components of the plugin that their table names.
struct Named(Plugins);

impl Named {
    /// The library's file, and the files that the settings name as far as the library is there to say which these are.
    fn files(&self, role: Role, settings: &Settings, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let mut settings = settings.clone();
        let (reference, terms) = (Reference::take(&mut settings)?, Terms::take(&mut settings)?);
        let path = self.0.search.find(&reference.plugin, &context.base)?;
        let mut files = vec![NamedFile { key: "plugin".to_owned(), path: path.clone(), published: None }];
        let library = match self.0.only_loaded {
            true => Library::loaded_from(&path),
            false if path.exists() => Some(Library::open(&path, terms.sha256.as_deref())?),
            false => None,
        };
        if let Some(library) = library {
            let (name, limits) = (reference.component.as_deref(), terms.limits(&self.0.limits));
            files.extend(handle::check(&library, role, name, &settings, context, &limits)?);
        }
        Ok(files)
    }
}

/// Makes one component of a library.
struct Found {
    library: Arc<Library>,
    name: String,
    limits: Limits,
}

impl Found {
    /// The files that the settings name.
    fn files(&self, role: Role, settings: &Settings, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let mut settings = settings.clone();
        let terms = Terms::take(&mut settings)?;
        self.library.expect_pinned(terms.sha256.as_deref())?;
        handle::check(&self.library, role, Some(&self.name), &settings, context, &terms.limits(&self.limits))
    }

    fn handle(&self, role: Role, settings: &Settings, context: &MakeContext<'_>) -> Result<Handle, MakeError> {
        let mut settings = settings.clone();
        let terms = Terms::take(&mut settings)?;
        self.library.expect_pinned(terms.sha256.as_deref())?;
        Handle::make(&self.library, role, Some(&self.name), &settings, context, &terms.limits(&self.limits))
    }
}

macro_rules! makers {
    ($($role:ident $type:ty => $plugin:ident;)*) => {
        $(impl Maker<$type> for Named {
            fn check(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
                self.files(Role::$role, settings, context)
            }

            fn make(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Box<$type>, MakeError> {
                Ok(Box::new($plugin::new(self.0.handle(Role::$role, settings, context)?)))
            }
        }

        impl Maker<$type> for Found {
            fn check(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
                self.files(Role::$role, settings, context)
            }

            fn make(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Box<$type>, MakeError> {
                Ok(Box::new($plugin::new(self.handle(Role::$role, settings, context)?)))
            }
        })*
    };
}

makers! {
    Generator dyn Generator => PluginGenerator;
    Oracle dyn Oracle => PluginOracle;
    Target dyn Target => PluginTarget;
    Scorer dyn Scorer => PluginScorer;
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
    registry.kinds_of(role).contains(&name)
}

fn add(registry: &mut Registry, library: &Arc<Library>, role: Role, name: &str, limits: &Limits) {
    let found = Found { library: Arc::clone(library), name: name.to_owned(), limits: limits.clone() };
    let origin = Origin::Plugin { file: library.path().to_owned(), sha256: library.sha256().to_owned() };
    match role {
        Role::Generator => registry.insert::<dyn Generator>(name, origin, found),
        Role::Oracle => registry.insert::<dyn Oracle>(name, origin, found),
        Role::Target => registry.insert::<dyn Target>(name, origin, found),
        Role::Scorer => registry.insert::<dyn Scorer>(name, origin, found),
    }
}
