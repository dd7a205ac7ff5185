//! The images of a data set as the batches that are perturbed.

use std::collections::BTreeMap;
use std::sync::Arc;

use fmr_core::perturb::SampleBatch;
use fmr_core::preprocess::{Filter, Picture, Pipeline, PipelineError, Stage};
use ndarray::{Array3, Array4, Axis};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{DataError, Dataset};

/// How images of other sizes are brought to `resolution` (protocol, item 26).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeKind {
    /// The shorter side to `resolution`, then the centre.
    #[default]
    Crop,
    /// Both sides to `resolution`.
    Squash,
}

/// Images that cannot be perturbed together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// The data set is empty.
    #[error("there are no images")]
    Empty,
    /// Generators take images of one size.
    #[error("images differ in size; name a `resolution` for all")]
    Sizes,
    /// An image cannot be brought to the resolution.
    #[error(transparent)]
    Resize(#[from] PipelineError),
}

/// A data set whose images are all brought to one shape.
#[derive(Debug, Clone)]
pub struct Samples {
    data: Arc<Dataset>,
    image: [usize; 3],
    /// One for each size in the data set; none where all have the wanted one.
    pipelines: BTreeMap<[usize; 3], Arc<Pipeline>>,
    seed: u64,
}

impl Samples {
    /// The images of `data`, brought to squares of side `resolution` where one is given; `seed` is the run's.
    ///
    /// # Errors
    /// There are no images, or they differ in size and there is no resolution.
    pub fn new(
        data: Arc<Dataset>,
        resolution: Option<usize>,
        resize: ResizeKind,
        seed: u64,
    ) -> Result<Self, SamplesError> {
        let mut samples = Self { data, image: [0; 3], pipelines: BTreeMap::new(), seed };
        let data = &samples.data;
        if data.is_empty() {
            return Err(SamplesError::Empty);
        }
        let Some(side) = resolution else {
            let [_, h, w] = data.common_shape().ok_or(SamplesError::Sizes)?;
            samples.image = [3, h, w];
            return Ok(samples);
        };
        samples.image = [3, side, side];
        for i in 0..data.len() {
            let [_, h, w] = data.shape(i);
            let shape = [3, h, w];
            if shape != samples.image && !samples.pipelines.contains_key(&shape) {
                let pipeline = Pipeline::new(shape, &stages(side, resize))?;
                samples.pipelines.insert(shape, Arc::new(pipeline));
            }
        }
        Ok(samples)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// `[channels, height, width]` of all images.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }

    /// The data set.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The samples at those positions.
    ///
    /// # Errors
    /// An image's file cannot be read any more, or has changed.
    pub fn batch(&self, positions: &[usize]) -> Result<SampleBatch, DataError> {
        let [c, h, w] = self.image;
        let mut images = Array4::zeros((positions.len(), c, h, w));
        let mut pictures = Vec::with_capacity(positions.len());
        for (mut out, i) in images.outer_iter_mut().zip(positions) {
            let picture = Picture { shape: self.data.shape(*i), bytes: self.data.bytes(*i)?.into_owned() }.coloured();
            let [_, height, width] = picture.shape;
            let mut values = picture.values();
            let colour = Array3::from_shape_simple_fn(picture.shape, || values.next().unwrap_or(0.0));
            drop(values);
            pictures.push(picture);
            match self.pipelines.get(&[3, height, width]) {
                // Resampling with a cubic filter overshoots.
                Some(pipeline) => out.assign(
                    &pipeline
                        .forward(colour.view().insert_axis(Axis(0)))
                        .index_axis(Axis(0), 0)
                        .mapv(|v| v.clamp(0.0, 1.0)),
                ),
                None => out.assign(&colour),
            }
        }
        Ok(SampleBatch {
            images,
            pictures,
            labels: positions.iter().map(|i| self.data.label(*i)).collect(),
            indices: positions.to_vec(),
            keys: positions.iter().map(|i| self.data.key(*i).to_owned()).collect(),
            seeds: positions.iter().map(|i| self.seed_of(self.data.key(*i))).collect(),
        })
    }

    /// A sample's seed depends on its name and the run's seed, so that no subset or order changes it.
    fn seed_of(&self, key: &str) -> u64 {
        let digest = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(key).finalize();
        digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }
}

fn stages(side: usize, resize: ResizeKind) -> Vec<Stage> {
    let filter = Filter::Bilinear;
    match resize {
        ResizeKind::Squash => vec![Stage::Resize { size: [side, side], filter, antialias: true }],
        ResizeKind::Crop => {
            vec![Stage::ResizeShorter { size: side, filter, antialias: true }, Stage::CentreCrop { size: [side, side] }]
        }
    }
}
