//! What every burn-based component does at its border: errors that name it, checks of what it is given, preparation of
//! images on the host, and one thread a lane.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use fmr_core::preprocess::{Framing, Picture, Pipeline, Stage};
use fmr_core::{ComponentError, SettingError};
use ndarray::{Array4, Axis};
use serde::{Deserialize, Serialize};

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
    table
        .iter()
        .find(|entry| name(entry) == asked)
        .map(Some)
        .ok_or_else(|| SettingError::unknown_name("model", "model", asked, table.iter().map(&name)))
}

/// Pre-processing of one model, for images of any size: differentiable for images that a generator made, byte for byte
/// as its authors' for pictures from files.
#[derive(Debug)]
pub struct Preparation {
    wanted: Wanted,
    known: Mutex<HashMap<Pixels, Arc<Pipeline>>>,
}

/// Which pixels a pipeline takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pixels {
    /// Images `[channels, height, width]`.
    Images([usize; 3]),
    /// Pictures of so many channels that have the model's size already.
    Framed(usize),
}

/// How colours become grey for a model of one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grey {
    /// By the mean of the channels.
    #[default]
    Mean,
    /// By the luma of RGB (ITU-R 601), in bytes as Pillow where pictures come from files.
    Luma,
}

/// What a model wants of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Channels: one or three.
    pub channels: usize,
    /// How colours become grey, for one channel.
    pub grey: Grey,
    /// Size, and how images are brought to it.
    pub framing: Framing,
    /// Mean subtracted from each channel.
    pub mean: Vec<f32>,
    /// Deviation that each channel is divided by.
    pub std: Vec<f32>,
}

impl Wanted {
    /// Channels first (grey from colours, colours by repetition), then size, then normalisation.
    fn stages(&self, pixels: Pixels) -> Vec<Stage> {
        let (c, framing) = match pixels {
            Pixels::Images([c, h, w]) => (c, self.framing.stages([h, w])),
            Pixels::Framed(c) => (c, Vec::new()),
        };
        let grey = (c != self.channels && self.channels == 1).then(|| match (self.grey, c) {
            (Grey::Luma, 3) => Stage::luma(),
            _ => Stage::channel_mean(c),
        });
        let colour = (c != self.channels && c == 1).then_some(Stage::RepeatChannel { channels: self.channels });
        let normalise = Stage::Normalise { mean: self.mean.clone(), std: self.std.clone() };
        grey.into_iter().chain(framing).chain(colour).chain([normalise]).collect()
    }
}

/// What is done, as reports say it.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[f32]| match values {
            [first, rest @ ..] if rest.iter().all(|v| v == first) => first.to_string(),
            values => values.iter().map(f32::to_string).collect::<Vec<_>>().join(", "),
        };
        let grey = match (self.channels, self.grey) {
            (1, Grey::Mean) => "grey, ",
            (1, Grey::Luma) => "grey by luma, ",
            _ => "",
        };
        write!(f, "{grey}{}, mean {}, deviation {}", self.framing, list(&self.mean), list(&self.std))
    }
}

impl Preparation {
    /// Preparation as a model wants it.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, known: Mutex::default() }
    }

    /// What the model wants.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The pipeline for images of that shape.
    ///
    /// # Errors
    /// The shape cannot be prepared.
    pub fn pipeline(&self, component: &str, shape: [usize; 3]) -> Result<Arc<Pipeline>, ComponentError> {
        self.of(component, Pixels::Images(shape))
    }

    /// The model's input `[n, channels, height, width]` for pictures as their files hold them.
    ///
    /// # Errors
    /// A picture's channels cannot be brought to the model's.
    pub fn pictures(&self, component: &str, pictures: &[Picture]) -> Result<Array4<f32>, ComponentError> {
        let [h, w] = self.wanted.framing.size;
        let mut input = Array4::zeros((pictures.len(), self.wanted.channels, h, w));
        for (picture, mut out) in pictures.iter().zip(input.axis_chunks_iter_mut(Axis(0), 1)) {
            let grey = (self.wanted.channels == 1 && self.wanted.grey == Grey::Luma).then(|| picture.clone().grey());
            let picture = grey.as_ref().unwrap_or(picture);
            let channels = picture.shape[0];
            let framed = self.wanted.framing.picture(picture).values().collect();
            let framed = Array4::from_shape_vec((1, channels, h, w), framed)
                .map_err(|e| ComponentError::new(component, "prepare pictures", e.to_string()))?;
            out.assign(&self.of(component, Pixels::Framed(channels))?.forward(framed.view()));
        }
        Ok(input)
    }

    fn of(&self, component: &str, pixels: Pixels) -> Result<Arc<Pipeline>, ComponentError> {
        // The map is only ever added to whole: a panic elsewhere cannot leave it half-written.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = known.get(&pixels) {
            return Ok(pipeline.clone());
        }
        let shape = match pixels {
            Pixels::Images(shape) => shape,
            Pixels::Framed(channels) => [channels, self.wanted.framing.size[0], self.wanted.framing.size[1]],
        };
        let pipeline = Pipeline::new(shape, &self.wanted.stages(pixels))
            .map_err(|e| ComponentError::new(component, "prepare images", e.to_string()))?;
        Ok(known.entry(pixels).or_insert(Arc::new(pipeline)).clone())
    }
}
