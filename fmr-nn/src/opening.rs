//! What opening a published model of any family takes: the device that its settings name, averaged weights where a
//! file keeps both, and one kind of error.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_checkpoint::{CheckpointError, Selection, shown};
use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, SettingError, Subject};

use crate::files::{Chosen, Loaded, read_selected};

/// Why a model could not be opened. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The weights cannot be read, or are a different model's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What the weights or a file beside them say of the model cannot be read, is missing, or makes no model.
    #[error("{}: {problem}", shown::path(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl OpenError {
    /// The file that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Checkpoint(error) => error.path(),
            Self::File { path, .. } => path,
        }
    }

    /// The error of the component that was to be made of the model.
    pub fn of(&self, component: &str) -> ComponentError {
        ComponentError::new(component, "load the model", self.to_string()).about(Subject::File(self.path().to_owned()))
    }
}

/// The device that a component's setting `device` names, or else the run's.
///
/// # Errors
/// There is no device of that name here.
pub fn device(asked: Option<&String>, context: &MakeContext<'_>) -> Result<Device, SettingError> {
    let name = asked.unwrap_or(&context.device);
    crate::device::device(name).map_err(|error| SettingError::new("device", error.to_string()))
}

/// Reads the parameters that have these names, as [`read_selected`] does: averaged ones where the file keeps both, unless
/// `chosen` says otherwise. Generators are meant to use the average.
///
/// # Errors
/// As [`read_selected`].
pub fn read_averaged<'k>(
    weights: &Path,
    chosen: Chosen<'_>,
    keys: impl IntoIterator<Item = &'k str>,
) -> Result<Loaded, CheckpointError> {
    let keys: Vec<&str> = keys.into_iter().collect();
    let read =
        |chosen: Chosen<'_>| read_selected(weights, &chosen.of(Selection::by_keys(keys.iter().copied())), |_| true);
    if chosen == Chosen::default() {
        match read(Chosen { ema: Some(true), ..chosen }) {
            Err(CheckpointError::NoAverage { .. }) => {}
            read => return read,
        }
    }
    read(chosen)
}
