//! What every burn-based component does at its border: errors that name it, checks of what it is given, preparation of
//! images on the host, and one thread a lane.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use fmr_core::preprocess::{Pipeline, Stage};
use fmr_core::{ComponentError, SettingError};

/// Runs a component's work; a panic of a layer below (burn reports its errors so) becomes an error.
///
/// # Errors
/// What `f` returns, or the panic's message.
pub fn guarded<T>(
    component: &str,
    asked: &str,
    f: impl FnOnce() -> Result<T, ComponentError>,
) -> Result<T, ComponentError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "it panicked".to_owned());
        Err(ComponentError::new(component, asked, text))
    })
}

/// The published model that a component's setting `model` names, of those in `table`.
///
/// # Errors
/// If there is none of that name: the error lists those there are.
pub fn find_published<T>(
    model: Option<&str>,
    table: &'static [T],
    name: impl Fn(&T) -> &str,
) -> Result<Option<&'static T>, SettingError> {
    let Some(asked) = model else { return Ok(None) };
    table.iter().find(|entry| name(entry) == asked).map(Some).ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(&name).collect();
        SettingError::new("model", format!("no model {asked:?} is known; there are {}", known.join(", ")))
    })
}

/// Pre-processing that fits images of any size: one pipeline for each shape met.
#[derive(Debug)]
pub struct Preparation {
    make: fn([usize; 3], &Wanted) -> Vec<Stage>,
    wanted: Wanted,
    known: Mutex<HashMap<[usize; 3], Arc<Pipeline>>>,
}

/// What a model wants of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// `[channels, height, width]`.
    pub input: [usize; 3],
    /// Mean subtracted from each channel.
    pub mean: Vec<f32>,
    /// Deviation that each channel is divided by.
    pub std: Vec<f32>,
    /// How images of another size are brought to it.
    pub filter: fmr_core::preprocess::Filter,
}

impl Preparation {
    /// Channels first (grey by the mean of colours, colours by repetition), then size, then normalisation.
    pub fn new(wanted: Wanted) -> Self {
        Self { make: stages, wanted, known: Mutex::default() }
    }

    /// The pipeline for images of that shape.
    ///
    /// # Errors
    /// The shape cannot be prepared.
    pub fn pipeline(&self, component: &str, shape: [usize; 3]) -> Result<Arc<Pipeline>, ComponentError> {
        // The map is only ever added to whole: a panic elsewhere cannot leave it half-written.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = known.get(&shape) {
            return Ok(pipeline.clone());
        }
        let pipeline = Pipeline::new(shape, &(self.make)(shape, &self.wanted))
            .map_err(|e| ComponentError::new(component, "prepare images", e.to_string()))?;
        Ok(known.entry(shape).or_insert(Arc::new(pipeline)).clone())
    }
}

fn stages([c, _, _]: [usize; 3], wanted: &Wanted) -> Vec<Stage> {
    let [channels, h, w] = wanted.input;
    let mut stages = Vec::new();
    if c != channels && channels == 1 {
        stages.push(Stage::channel_mean(c));
    }
    stages.push(Stage::Resize { size: [h, w], filter: wanted.filter, antialias: true });
    if c != channels && c == 1 {
        stages.push(Stage::RepeatChannel { channels });
    }
    stages.push(Stage::Normalise { mean: wanted.mean.clone(), std: wanted.std.clone() });
    stages
}
