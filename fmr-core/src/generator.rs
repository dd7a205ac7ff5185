use std::ops::Range;

use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::ComponentError;

/// Vector-Jacobian product of a decode: takes d score / d images `[n, c, h, w]`, gives d score / d latents `[n, d]`.
///
/// Row i of the result depends on image i alone. Used at most once; dropping it unused frees what it holds.
pub type LatentPullBack<'a> = Box<dyn FnOnce(ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> + Send + 'a>;

/// A named part of a latent row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LatentBlock {
    /// Name, e.g. `z` for the one block of a VQGAN.
    pub name: String,
    /// Shape, slowest dimension first; `[channels, height, width]` for a feature map.
    pub shape: Vec<usize>,
    /// Index of the block's first value in the row.
    pub offset: usize,
}

impl LatentBlock {
    /// Blocks of these names and shapes, one behind the other from the start of the row.
    pub fn in_order(named: impl IntoIterator<Item = (String, Vec<usize>)>) -> Vec<Self> {
        let mut end = 0;
        let block = |(name, shape): (String, Vec<usize>)| {
            let block = Self { name, shape, offset: end };
            end = block.place().end;
            block
        };
        named.into_iter().map(block).collect()
    }

    /// Where the block lies in a row.
    pub fn place(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// What a generator takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorSpec {
    /// Name for messages and reports.
    pub name: String,
    /// Shape `[channels, height, width]` of the images it encodes and decodes.
    pub image: [usize; 3],
    /// Layout of a latent row; blocks are contiguous and in order.
    pub latent: Vec<LatentBlock>,
}

impl GeneratorSpec {
    /// Number of values of one latent row.
    pub fn latent_len(&self) -> usize {
        self.latent.iter().map(|block| block.place().len()).sum()
    }
}

/// The image model g: maps images to latents and back, the latter differentiably (paper, section 3.2).
///
/// Both directions are pure and deterministic, and each sample's result depends on that sample alone. Images are
/// `[n, c, h, w]` in `[0, 1]` of the shape that [`Generator::spec`] states; labels are class indices, one per image,
/// which unconditional generators ignore.
///
/// # Example
///
/// A generator whose latents are the pixels themselves:
///
/// ```
/// use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentBlock, LatentPullBack};
/// use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
///
/// struct Pixels(GeneratorSpec);
///
/// impl Pixels {
///     fn new(image: [usize; 3]) -> Self {
///         let latent = vec![LatentBlock { name: "pixels".into(), shape: image.to_vec(), offset: 0 }];
///         Self(GeneratorSpec { name: "pixels".into(), image, latent })
///     }
///
///     fn rows(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
///         let shape = (images.dim().0, self.0.latent_len());
///         Array2::from_shape_vec(shape, images.iter().copied().collect())
///             .map_err(|e| ComponentError::new("generator \"pixels\"", "flatten images", e.to_string()))
///     }
/// }
///
/// impl Generator for Pixels {
///     fn spec(&self) -> &GeneratorSpec {
///         &self.0
///     }
///
///     fn encode(&self, images: ArrayView4<'_, f32>, _labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
///         self.rows(images)
///     }
///
///     fn decode(&self, latents: ArrayView2<'_, f32>, _labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
///         let [c, h, w] = self.0.image;
///         Array4::from_shape_vec((latents.nrows(), c, h, w), latents.iter().copied().collect())
///             .map_err(|e| ComponentError::new("generator \"pixels\"", "decode latents", e.to_string()))
///     }
///
///     fn decode_with_pullback<'a>(
///         &'a self,
///         latents: ArrayView2<'_, f32>,
///         labels: &[usize],
///     ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
///         // Decoding copies, so gradients are copied back.
///         let pull_back = |d_images: ArrayView4<'_, f32>| self.rows(d_images);
///         Ok((self.decode(latents, labels)?, Box::new(pull_back)))
///     }
/// }
///
/// let generator = Pixels::new([1, 2, 2]);
/// let images = Array4::from_elem((3, 1, 2, 2), 0.25);
/// let latents = generator.encode(images.view(), &[0; 3])?;
/// assert_eq!(latents.dim(), (3, generator.spec().latent_len()));
/// let (decoded, pull_back) = generator.decode_with_pullback(latents.view(), &[0; 3])?;
/// assert_eq!(decoded, images);
/// assert_eq!(pull_back(images.view())?, latents);
/// # Ok::<(), ComponentError>(())
/// ```
pub trait Generator: Send + Sync {
    /// What this generator takes and gives.
    fn spec(&self) -> &GeneratorSpec;

    /// Latents `[n, d]` of the images.
    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError>;

    /// Images of the latents. Values may leave `[0, 1]`; the engine clamps.
    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError>;

    /// The latents as decoding sees them, one row of any length a sample: codebook vectors, for a generator that replaces
    /// vectors by those nearest to them. Where decoding sees the same of two latents, their images are equal bit for bit,
    /// and so is what the pull-backs give. `None` where decoding sees the latents themselves.
    ///
    /// # Errors
    /// As [`Generator::decode`].
    fn quantized(&self, _latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(None)
    }

    /// Images of the latents, equal to [`Generator::decode`]'s, and the pull-back of that decode.
    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError>;

    /// The latents that become final in the place of those that searches ended with, for a generator that searches
    /// more freely than it draws: a VQGAN that quantises at the end gives the nearest rows of its codebook. Absent where
    /// a search's own latent is final, as with most generators.
    ///
    /// The engine decodes what this gives and asks the oracle once more before it becomes final.
    fn finish(&self, _latents: ArrayView2<'_, f32>, _labels: &[usize]) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(None)
    }
}
