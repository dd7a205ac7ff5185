//! Static benchmarks (appendix O of the paper): perturbed images as files that any program can evaluate a classifier on.
//!
//! [`export`] writes the images that a run made for one target, and asks oracle and target again about the 8-bit files.
//! [`score`] evaluates further targets on such a folder. A figure on a static benchmark is no FMR: the images were not made
//! for the target that is scored.

mod export;
mod readme;
mod score;

use std::path::Path;

use fmr_core::perturb::SampleBatch;
use fmr_core::preprocess::Picture;
use fmr_data::pixels::{PixelError, from_png, to_u8};
use ndarray::{Array3, Array4, Axis, stack};

pub use export::{Exported, Options, export};
pub use fmr_benchmark::{Benchmark, BenchmarkError, Card, Licence, Purpose, Recheck, Sample};
pub use score::{Entrant, named, published, score};

use crate::error::Error;

/// Images that are read and shown together.
const TOGETHER: usize = 32;

/// The images of PNG files as a batch that models are shown: in bytes where they prepare pictures themselves.
fn batch(files: &[Vec<u8>], shape: [usize; 3], labels: &[usize]) -> Result<SampleBatch, PixelError> {
    let images = files.iter().map(|file| from_png(file, shape)).collect::<Result<Vec<Array3<f32>>, _>>()?;
    let picture = |image: &Array3<f32>| Picture { shape, bytes: image.iter().map(|value| to_u8(*value)).collect() };
    let pictures = images.iter().map(|image| picture(image).coloured()).collect();
    let views: Vec<_> = images.iter().map(|image| image.view()).collect();
    let [c, h, w] = shape;
    // All have the shape that was asked for; without images there is nothing to stack.
    let images = stack(Axis(0), &views).unwrap_or_else(|_| Array4::zeros((0, c, h, w)));
    Ok(SampleBatch {
        images,
        pictures,
        labels: labels.to_vec(),
        indices: (0..labels.len()).collect(),
        keys: vec![String::new(); labels.len()],
        seeds: vec![0; labels.len()],
    })
}

/// An error about a file of a benchmark.
fn damaged(path: &Path, problem: &PixelError) -> Error {
    BenchmarkError::Format { path: path.to_owned(), problem: problem.to_string() }.into()
}
