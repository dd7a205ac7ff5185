//! How a component is made of its settings.

use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::{MakeContext, MakeError, RemoteFile, Settings};
use crate::setting::join;

/// A file or folder that a setting names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Dotted key of the setting, e.g. `weights` or `members[1].weights`.
    pub key: String,
    /// Where it is, relative paths taken from the context's base.
    pub path: PathBuf,
    /// Where the file is published, if the component knows.
    pub published: Option<RemoteFile>,
}

impl NamedFile {
    /// The file that the setting `key` names, if it is set.
    pub fn of(key: &str, path: Option<&PathBuf>, context: &MakeContext<'_>) -> Option<Self> {
        path.map(|path| Self { key: key.to_owned(), path: context.path(path), published: None })
    }

    /// The same, published as that one of these files whose key it has.
    #[must_use]
    pub fn published_as(self, files: &[RemoteFile]) -> Self {
        let published = files.iter().find(|file| file.key == self.key).cloned();
        Self { published, ..self }
    }

    /// The same of a table inside the table `name`.
    #[must_use]
    pub fn within(self, name: &str) -> Self {
        Self { key: join(name, &self.key), ..self }
    }
}

/// The settings of a component, and how it is made of them.
///
/// `T` is the trait object that is made, such as `dyn Target`.
pub trait Recipe<T: ?Sized>: DeserializeOwned {
    /// Checks the settings as far as that is possible without the files that they name, and gives these.
    ///
    /// # Errors
    /// A setting that makes no sense, e.g. the name of a model that there is not.
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError>;

    /// Makes the component. [`MakeContext::note_file`] is told of every file that is read.
    ///
    /// # Errors
    /// As [`Recipe::check`], and a file that cannot be used.
    fn make(self, context: &MakeContext<'_>) -> Result<Box<T>, MakeError>;
}

/// What makes components of one kind. [`Registry::add`](super::Registry::add) makes one of a [`Recipe`]; a function of
/// the settings and the context is one that checks nothing beforehand and names no files.
pub trait Maker<T: ?Sized>: Send + Sync {
    /// See [`Recipe::check`].
    ///
    /// # Errors
    /// As there.
    fn check(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError>;

    /// See [`Recipe::make`].
    ///
    /// # Errors
    /// As there.
    fn make(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Box<T>, MakeError>;
}

impl<T: ?Sized, F> Maker<T> for F
where
    F: Fn(&Settings, &MakeContext<'_>) -> Result<Box<T>, MakeError> + Send + Sync,
{
    fn check(&self, _: &Settings, _: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        Ok(Vec::new())
    }

    fn make(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Box<T>, MakeError> {
        self(settings, context)
    }
}

/// The maker of a recipe.
pub(super) struct Typed<R>(PhantomData<fn() -> R>);

pub(super) fn typed<R>() -> Typed<R> {
    Typed(PhantomData)
}

impl<T: ?Sized, R: Recipe<T>> Maker<T> for Typed<R> {
    fn check(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        settings.parse::<R>()?.check(context)
    }

    fn make(&self, settings: &Settings, context: &MakeContext<'_>) -> Result<Box<T>, MakeError> {
        settings.parse::<R>()?.make(context)
    }
}
