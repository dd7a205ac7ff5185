//! The image itself as the latent.

use fmr_core::corruption::MOST_SEVERE;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentBlock, LatentPullBack, SettingError};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::corruption::{Corrupted, CorruptionSettings};

/// Registers the generators of kind `pixels` and `corruption`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Generator, PixelsSettings>("pixels");
    registry.add::<dyn Generator, CorruptionSettings>("corruption");
}

/// How the latent is divided into named blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blocks {
    /// One block, `image`.
    #[default]
    Image,
    /// One a channel: `red`, `green` and `blue`, or `grey`; otherwise `channel-0` and so on.
    Channels,
}

/// A generator of kind `pixels`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PixelsSettings {
    /// Named blocks of the latent, which `search.frozen-blocks` and masks refer to.
    pub blocks: Blocks,
}

impl Recipe<dyn Generator> for PixelsSettings {
    fn check(&self, _: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        Ok(Vec::new())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        Ok(Box::new(Pixels::new(context.image, self.blocks)?))
    }
}

impl Recipe<dyn Generator> for CorruptionSettings {
    fn check(&self, _: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        self.expect_severity()?;
        Ok(Vec::new())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Generator>, MakeError> {
        self.expect_severity()?;
        let pixels = Pixels::new(context.image, Blocks::Image)?;
        let seed = self.seed.unwrap_or(context.seed);
        Ok(Box::new(Corrupted { pixels, corruption: self.corruption, severity: self.severity, seed }))
    }
}

impl CorruptionSettings {
    fn expect_severity(&self) -> Result<(), SettingError> {
        if (1..=MOST_SEVERE).contains(&self.severity) {
            return Ok(());
        }
        Err(SettingError::new("severity", format!("is {}, must be from 1 to {MOST_SEVERE}", self.severity)))
    }
}

/// The identity: a latent is the image, value by value. Values outside [0, 1] are left to `search.clamp` and to
/// `search.projection`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    pub(crate) spec: GeneratorSpec,
}

impl Pixels {
    /// For images of that shape.
    ///
    /// # Errors
    /// Images without values.
    pub fn new(image: [usize; 3], blocks: Blocks) -> Result<Self, ComponentError> {
        if image.contains(&0) {
            let problem = format!("images of shape {image:?} are empty");
            return Err(ComponentError::new("generator \"pixels\"", "make it", problem));
        }
        let [c, h, w] = image;
        let channel = |i: usize| match (c, i) {
            (1, _) => "grey".to_owned(),
            (3, 0) => "red".to_owned(),
            (3, 1) => "green".to_owned(),
            (3, _) => "blue".to_owned(),
            _ => format!("channel-{i}"),
        };
        let named: Vec<_> = match blocks {
            Blocks::Image => vec![("image".to_owned(), image.to_vec())],
            Blocks::Channels => (0..c).map(|i| (channel(i), vec![h, w])).collect(),
        };
        Ok(Self { spec: GeneratorSpec { name: "pixels".to_owned(), image, latent: LatentBlock::in_order(named) } })
    }

    fn error(&self, asked: &str, problem: String) -> ComponentError {
        ComponentError::new(format!("generator {:?}", self.spec.name), asked, problem)
    }

    /// Images as rows.
    pub(crate) fn rows(&self, asked: &str, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let [c, h, w] = self.spec.image;
        if images.shape()[1..] != self.spec.image {
            let problem = format!("the images are {:?} instead of {c}×{h}×{w}", &images.shape()[1..]);
            return Err(self.error(asked, problem));
        }
        let n = images.shape()[0];
        let values: Vec<f32> = images.iter().copied().collect();
        Array2::from_shape_vec((n, c * h * w), values).map_err(|e| self.error(asked, e.to_string()))
    }
}

impl Generator for Pixels {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        self.rows("encode", images)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let [c, h, w] = self.spec.image;
        if latents.ncols() != c * h * w {
            let problem = format!("a latent has {} values instead of {}", latents.ncols(), c * h * w);
            return Err(self.error("decode", problem));
        }
        let values: Vec<f32> = latents.iter().copied().collect();
        Array4::from_shape_vec((latents.nrows(), c, h, w), values).map_err(|e| self.error("decode", e.to_string()))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let images = self.decode(latents, labels)?;
        let n = images.shape()[0];
        let pull_back: LatentPullBack<'a> = Box::new(move |gradient: ArrayView4<'_, f32>| {
            let rows = self.rows("pull back", gradient)?;
            if rows.nrows() != n {
                return Err(self.error("pull back", format!("{} gradients for {n} latents", rows.nrows())));
            }
            Ok(rows)
        });
        Ok((images, pull_back))
    }
}
