//! Components by name: what `kind = "…"` of a component's table in an experiment file can be.
//!
//! A registry holds an entry for each name of each role. Built-in components register themselves through a function of
//! their crate, plugins when they are loaded. A component is made in two steps: its settings are
//! [checked](Registry::check), which needs none of the files that they name and says which these are, and then it is
//! [made](Registry::make). What it is made for comes in a [`MakeContext`], which holds the registry itself, so that a
//! component can be made of other components. The engine never sees where a component came from.

mod context;
mod error;
mod recipe;
mod remote;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::DeserializeOwned;

pub use context::{MakeContext, Sources};
pub use error::{MakeError, UnknownRole};
pub use recipe::{Maker, NamedFile, Recipe};
pub use remote::RemoteFile;

use crate::{Generator, Oracle, Scorer, SettingError, Target, setting};

/// The settings table of one component, without its `kind`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings(pub serde_json::Map<String, serde_json::Value>);

impl Settings {
    /// Reads the table into the component's own settings type, which should deny unknown fields.
    ///
    /// # Errors
    /// An unknown key, a missing key or a value of the wrong type; [`SettingError::key`] is relative to the table.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, SettingError> {
        setting::read(&serde_json::Value::Object(self.0.clone()))
    }
}

/// What a component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// See [`Generator`].
    Generator,
    /// See [`Oracle`].
    Oracle,
    /// See [`Target`].
    Target,
    /// See [`Scorer`].
    Scorer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Generator, Self::Oracle, Self::Target, Self::Scorer];

    /// Lower-case name, as in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Oracle => "oracle",
            Self::Target => "target",
            Self::Scorer => "scorer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let role = Self::ALL.into_iter().find(|role| role.name() == text);
        role.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// Where a registered component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of this program.
    BuiltIn,
    /// It is of a plugin.
    Plugin {
        /// The library's file.
        file: PathBuf,
        /// SHA-256 of the file in lower-case hexadecimal.
        sha256: String,
    },
}

struct Entry<T: ?Sized> {
    maker: Box<dyn Maker<T>>,
    origin: Origin,
}

/// The entries of one role by name.
pub struct Kinds<T: ?Sized>(BTreeMap<String, Entry<T>>);

impl<T: ?Sized> Default for Kinds<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

mod sealed {
    use super::{Kinds, Registry};

    pub trait Kept {
        fn kinds(registry: &Registry) -> &Kinds<Self>;
        fn kinds_mut(registry: &mut Registry) -> &mut Kinds<Self>;
    }
}

/// What a registry makes: `dyn Generator`, `dyn Oracle`, `dyn Target` or `dyn Scorer`.
pub trait Component: sealed::Kept + 'static {
    /// Its role.
    const ROLE: Role;
}

/// All components that an experiment file can name. A later registration of a name replaces an earlier one.
///
/// ```
/// use fmr_core::registry::{MakeContext, Registry, Settings};
/// use fmr_core::{Scorer, scorer};
///
/// let mut registry = Registry::default();
/// scorer::register(&mut registry);
/// let context = MakeContext::new(&registry, [3, 32, 32]);
/// let margin = registry.make::<dyn Scorer>("margin", &Settings::default(), &context)?;
/// assert_eq!(margin.name(), "margin");
/// let error = registry.make::<dyn Scorer>("marign", &Settings::default(), &context).err().unwrap();
/// assert_eq!(error.to_string(), "there is no scorer of kind \"marign\"; did you mean `margin`?");
/// # Ok::<(), fmr_core::registry::MakeError>(())
/// ```
#[derive(Default)]
pub struct Registry {
    generators: Kinds<dyn Generator>,
    oracles: Kinds<dyn Oracle>,
    targets: Kinds<dyn Target>,
    scorers: Kinds<dyn Scorer>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Role::ALL.map(|role| (role, self.kinds_of(role)))).finish()
    }
}

impl Registry {
    /// Registers the component that is made of the settings `R`, under the name that experiment files use.
    pub fn add<T: Component + ?Sized, R: Recipe<T> + 'static>(&mut self, kind: &str) {
        self.insert::<T>(kind, Origin::BuiltIn, recipe::typed::<R>());
    }

    /// Registers what makes a component, and where it comes from.
    pub fn insert<T: Component + ?Sized>(&mut self, kind: &str, origin: Origin, maker: impl Maker<T> + 'static) {
        T::kinds_mut(self).0.insert(kind.to_owned(), Entry { maker: Box::new(maker), origin });
    }

    /// Registered names of a role in alphabetical order.
    pub fn kinds<T: Component + ?Sized>(&self) -> impl Iterator<Item = &str> {
        T::kinds(self).0.keys().map(String::as_str)
    }

    /// The same, for a role that is known when the program runs.
    pub fn kinds_of(&self, role: Role) -> Vec<&str> {
        match role {
            Role::Generator => self.kinds::<dyn Generator>().collect(),
            Role::Oracle => self.kinds::<dyn Oracle>().collect(),
            Role::Target => self.kinds::<dyn Target>().collect(),
            Role::Scorer => self.kinds::<dyn Scorer>().collect(),
        }
    }

    /// Where the component of that name comes from, if there is one.
    pub fn origin<T: Component + ?Sized>(&self, kind: &str) -> Option<&Origin> {
        T::kinds(self).0.get(kind).map(|entry| &entry.origin)
    }

    /// Checks the settings of a component as far as that is possible without the files that they name, and gives these.
    ///
    /// # Errors
    /// An unknown name, or what the component says of its settings.
    pub fn check<T: Component + ?Sized>(
        &self,
        kind: &str,
        settings: &Settings,
        context: &MakeContext<'_>,
    ) -> Result<Vec<NamedFile>, MakeError> {
        self.entry::<T>(kind)?.maker.check(settings, &context.inner(T::ROLE, kind)?)
    }

    /// Makes a component.
    ///
    /// # Errors
    /// An unknown name, what the component says of its settings, or components that are nested too deeply.
    pub fn make<T: Component + ?Sized>(
        &self,
        kind: &str,
        settings: &Settings,
        context: &MakeContext<'_>,
    ) -> Result<Box<T>, MakeError> {
        self.entry::<T>(kind)?.maker.make(settings, &context.inner(T::ROLE, kind)?)
    }

    fn entry<T: Component + ?Sized>(&self, kind: &str) -> Result<&Entry<T>, MakeError> {
        T::kinds(self).0.get(kind).ok_or_else(|| MakeError::Unknown {
            role: T::ROLE,
            kind: kind.to_owned(),
            known: self.kinds::<T>().map(str::to_owned).collect(),
        })
    }
}

macro_rules! role {
    ($role:ident, $type:ty, $field:ident, $add:ident) => {
        impl sealed::Kept for $type {
            fn kinds(registry: &Registry) -> &Kinds<Self> {
                &registry.$field
            }

            fn kinds_mut(registry: &mut Registry) -> &mut Kinds<Self> {
                &mut registry.$field
            }
        }

        impl Component for $type {
            const ROLE: Role = Role::$role;
        }

        impl Registry {
            /// Registers a function that makes a component of a table of settings.
            pub fn $add(
                &mut self,
                kind: &str,
                make: impl Fn(&Settings, &MakeContext<'_>) -> Result<Box<$type>, MakeError> + Send + Sync + 'static,
            ) {
                self.insert::<$type>(kind, Origin::BuiltIn, make);
            }
        }
    };
}

role!(Generator, dyn Generator, generators, add_generator);
role!(Oracle, dyn Oracle, oracles, add_oracle);
role!(Target, dyn Target, targets, add_target);
role!(Scorer, dyn Scorer, scorers, add_scorer);

#[cfg(test)]
mod tests;
