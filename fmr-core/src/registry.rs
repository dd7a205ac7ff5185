//! Components by name: what `kind = "…"` of a component's table in an experiment file can be.
//!
//! A registry holds one constructor a name. Built-in components register themselves through a function of their crate;
//! plugins register theirs when they are loaded. The engine never sees where a component came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::{ComponentError, Generator, Oracle, Scorer, SettingError, Target};

/// The settings table of one component, without its `kind`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings(pub serde_json::Map<String, serde_json::Value>);

impl Settings {
    /// Reads the table into the component's own settings type, which should deny unknown fields.
    ///
    /// # Errors
    /// An unknown key, a missing key or a value of the wrong type; [`SettingError::key`] is relative to the table.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, SettingError> {
        let value = serde_json::Value::Object(self.0.clone());
        serde_path_to_error::deserialize(value).map_err(|e| {
            let path = e.path().to_string();
            let problem = e.inner().to_string();
            // serde names an unknown or missing field in its message only.
            let named =
                problem.split('`').nth(1).filter(|_| problem.contains("field `")).unwrap_or_default().to_owned();
            let key = match (path.as_str(), named.as_str()) {
                (".", "") => String::new(),
                (".", named) => named.to_owned(),
                (path, "") => path.to_owned(),
                (path, named) if path.ends_with(named) => path.to_owned(),
                (path, named) => format!("{path}.{named}"),
            };
            SettingError::new(key, problem)
        })
    }
}

/// What a component may need to know of the run that it is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Folder that relative paths of the settings start from: the experiment file's.
    pub base: PathBuf,
    /// Device that computes unless the settings name another, e.g. `cpu`.
    pub device: String,
    /// Seed of whatever the component draws.
    pub seed: u64,
    /// `[channels, height, width]` of the images of the run.
    pub image: [usize; 3],
}

impl Site {
    /// A path of the settings, relative ones taken from the experiment file's folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

/// Why a component could not be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// A setting is unknown, missing, or has a value that makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The settings are sound, but the component cannot be made of what they name.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// No component of that kind is registered.
    #[error("there is no {role} of kind {kind:?}; there are {known}")]
    Unknown {
        /// `generator`, `oracle`, `target` or `scorer`.
        role: &'static str,
        /// The kind that was asked for.
        kind: String,
        /// The kinds that there are.
        known: String,
    },
}

/// A constructor of components.
pub type Make<T> = Box<dyn Fn(&Settings, &Site) -> Result<Box<T>, MakeError> + Send + Sync>;

/// The constructors of one role by kind.
struct Kinds<T: ?Sized> {
    role: &'static str,
    makes: BTreeMap<String, Make<T>>,
}

impl<T: ?Sized> Kinds<T> {
    fn new(role: &'static str) -> Self {
        Self { role, makes: BTreeMap::new() }
    }

    fn make(&self, kind: &str, settings: &Settings, site: &Site) -> Result<Box<T>, MakeError> {
        let make = self.makes.get(kind).ok_or_else(|| MakeError::Unknown {
            role: self.role,
            kind: kind.to_owned(),
            known: self.makes.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })?;
        make(settings, site)
    }
}

/// All components that an experiment file can name. A later registration of a kind replaces an earlier one.
pub struct Registry {
    generators: Kinds<dyn Generator>,
    oracles: Kinds<dyn Oracle>,
    targets: Kinds<dyn Target>,
    scorers: Kinds<dyn Scorer>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            generators: Kinds::new("generator"),
            oracles: Kinds::new("oracle"),
            targets: Kinds::new("target"),
            scorers: Kinds::new("scorer"),
        }
    }
}

macro_rules! role {
    ($add:ident, $make:ident, $kinds:ident, $field:ident, $type:ty) => {
        impl Registry {
            /// Registers a constructor under the name that experiment files use.
            pub fn $add(
                &mut self,
                kind: &str,
                make: impl Fn(&Settings, &Site) -> Result<Box<$type>, MakeError> + Send + Sync + 'static,
            ) {
                self.$field.makes.insert(kind.to_owned(), Box::new(make));
            }

            /// Makes a component.
            ///
            /// # Errors
            /// An unknown kind, or what the constructor says.
            pub fn $make(&self, kind: &str, settings: &Settings, site: &Site) -> Result<Box<$type>, MakeError> {
                self.$field.make(kind, settings, site)
            }

            /// Registered kinds in alphabetical order.
            pub fn $kinds(&self) -> impl Iterator<Item = &str> {
                self.$field.makes.keys().map(String::as_str)
            }
        }
    };
}

role!(add_generator, generator, generator_kinds, generators, dyn Generator);
role!(add_oracle, oracle, oracle_kinds, oracles, dyn Oracle);
role!(add_target, target, target_kinds, targets, dyn Target);
role!(add_scorer, scorer, scorer_kinds, scorers, dyn Scorer);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Mine {
        #[expect(dead_code, reason = "only its reading is tested")]
        step_size: f64,
    }

    #[test]
    fn errors_name_the_key() {
        let key = |text: &str| Settings(serde_json::from_str(text).unwrap()).parse::<Mine>().unwrap_err().key;
        assert_eq!(key(r#"{"step-size": "x"}"#), "step-size");
        assert_eq!(key(r#"{"step-size": 1, "sise": 2}"#), "sise");
        assert_eq!(key("{}"), "step-size");
    }

    #[test]
    fn unknown_kinds_list_the_known_ones() {
        let site = Site { base: PathBuf::new(), device: "cpu".into(), seed: 0, image: [3, 8, 8] };
        let mut registry = Registry::default();
        let refuse = |_: &Settings, _: &Site| Err(SettingError::new("k", "p").into());
        registry.add_target("zoo", refuse);
        registry.add_target("lab", refuse);
        let error = registry.target("zooo", &Settings::default(), &site).err().unwrap().to_string();
        insta::assert_snapshot!(error, @r#"there is no target of kind "zooo"; there are lab, zoo"#);
    }
}
