//! Asking the components: decoding latents, judging and classifying images, scoring logits.

use std::borrow::Cow;

use ndarray::{Array2, Array4, ArrayView4, Axis};

use super::evaluation::{Evaluation, PullBack};
use super::settings::{Clamp, ImageDomain};
use super::{Perturber, SampleBatch};
use crate::preprocess::Picture;
use crate::{ComponentError, Target};

/// Latents to be evaluated.
#[derive(Clone, Copy)]
pub(super) struct Request<'r> {
    /// `[n, d]`.
    pub latents: &'r Array2<f32>,
    /// True classes, one per latent.
    pub labels: &'r [usize],
    /// Target's logits `[n, k]` on the originals.
    pub clean: &'r Array2<f32>,
    /// Whether gradients will be wanted.
    pub track: bool,
}

/// Shapes and counts that a component may get wrong.
pub(super) fn expect_shape(
    component: &str,
    asked: &str,
    found: &[usize],
    wanted: &[usize],
) -> Result<(), ComponentError> {
    if found == wanted {
        return Ok(());
    }
    Err(ComponentError::new(component, asked, format!("it gave shape {found:?} instead of {wanted:?}")))
}

/// A target's logits `[n, k]` on originals: as their files hold them, where the target prepares pictures itself.
///
/// # Errors
/// The target fails, or gives rows of a different number or length.
pub fn logits_of_originals(target: &dyn Target, batch: &SampleBatch) -> Result<Array2<f32>, ComponentError> {
    if !batch.pictures.is_empty()
        && let Some(logits) = target.logits_of_pictures(&batch.pictures)?
    {
        check_logits(target, &logits, batch.len())?;
        return Ok(logits);
    }
    logits(target, batch.images.view())
}

fn logits(target: &dyn Target, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
    let logits = target.logits(images)?;
    check_logits(target, &logits, images.len_of(Axis(0)))?;
    Ok(logits)
}

fn check_logits(target: &dyn Target, logits: &Array2<f32>, n: usize) -> Result<(), ComponentError> {
    let spec = target.spec();
    expect_shape(&format!("target {:?}", spec.name), "logits", logits.shape(), &[n, spec.classes])
}

impl<'a> Perturber<'a> {
    /// Oracle's probabilities `[n, classes]` of images.
    ///
    /// # Errors
    /// The oracle fails, or gives rows of a different number or length.
    pub fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let scores = self.oracle.judge(images)?;
        self.check_scores(&scores, images.len_of(Axis(0)))?;
        Ok(scores)
    }

    /// Oracle's probabilities `[n, classes]` of the originals of some samples, in order: as their files hold them, where the oracle
    /// prepares pictures itself.
    ///
    /// # Errors
    /// As [`Perturber::judge`].
    pub fn judge_originals(&self, batch: &SampleBatch, samples: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let all = samples.len() == batch.len();
        if !batch.pictures.is_empty() {
            let some = || samples.iter().map(|i| batch.pictures[*i].clone()).collect::<Vec<Picture>>();
            let pictures = if all { Cow::Borrowed(&batch.pictures) } else { Cow::Owned(some()) };
            if let Some(scores) = self.oracle.judge_pictures(&pictures)? {
                self.check_scores(&scores, samples.len())?;
                return Ok(scores);
            }
        }
        if all { self.judge(batch.images.view()) } else { self.judge(batch.images.select(Axis(0), samples).view()) }
    }

    fn check_scores(&self, scores: &Array2<f32>, n: usize) -> Result<(), ComponentError> {
        expect_shape(&format!("oracle {:?}", self.oracle.name()), "judge images", scores.shape(), &[n, self.classes])
    }

    /// Target's logits `[n, k]` on the originals: as their files hold them, where the target prepares pictures itself.
    ///
    /// # Errors
    /// The target fails, or gives rows of a different number or length.
    pub fn logits_of_originals(&self, batch: &SampleBatch) -> Result<Array2<f32>, ComponentError> {
        logits_of_originals(self.target, batch)
    }

    /// Target's logits `[n, k]` on images.
    ///
    /// # Errors
    /// As [`Perturber::logits_of_originals`].
    pub fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        logits(self.target, images)
    }

    fn check_logits(&self, logits: &Array2<f32>, n: usize) -> Result<(), ComponentError> {
        check_logits(self.target, logits, n)
    }

    /// Latents `[n, d]` of images.
    pub(super) fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let latents = self.generator.encode(images, labels)?;
        let spec = self.generator.spec();
        let wanted = [labels.len(), spec.latent_len()];
        expect_shape(&format!("generator {:?}", spec.name), "encode images", latents.shape(), &wanted)?;
        Ok(latents)
    }

    /// Images of latents as oracle and target see them, without a pull-back.
    pub(super) fn decode(&self, latents: &Array2<f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let mut images = self.generator.decode(latents.view(), labels)?;
        self.check_images(&images, latents.nrows())?;
        self.clamp(&mut images);
        Ok(images)
    }

    fn check_images(&self, images: &Array4<f32>, n: usize) -> Result<(), ComponentError> {
        let spec = self.generator.spec();
        let [c, h, w] = spec.image;
        expect_shape(&format!("generator {:?}", spec.name), "decode latents", images.shape(), &[n, c, h, w])
    }

    /// Clamps and rounds decoded values as the settings say.
    fn clamp(&self, images: &mut Array4<f32>) {
        if self.search.clamp != Clamp::None {
            // What is not a number stays so, to be found out.
            images.mapv_inplace(|v| v.clamp(0.0, 1.0));
        }
        if self.search.image_domain == ImageDomain::Uint8 {
            images.mapv_inplace(|v| (v * 255.0).round() / 255.0);
        }
    }

    /// Where the clamp of decoded values lets gradients pass (1) and where it does not (0); absent where it always does.
    fn open(&self, images: &Array4<f32>) -> Option<Array4<f32>> {
        let hard = self.search.clamp == Clamp::Hard;
        hard.then(|| images.mapv(|v| f32::from(u8::from((0.0..=1.0).contains(&v)))))
    }

    /// Decodes latents and asks oracle, target and scorer about the images.
    pub(super) fn evaluate(&self, request: Request<'_>) -> Result<Evaluation<'a>, ComponentError> {
        let decode = || self.decode(request.latents, request.labels);
        self.evaluate_with(request, decode, |images| self.judge(images))
    }

    /// As [`Self::evaluate`], with other means of decoding and judging. `decode` is not used where there is to be a
    /// pull-back.
    pub(super) fn evaluate_with(
        &self,
        Request { latents, labels, clean, track }: Request<'_>,
        decode: impl FnOnce() -> Result<Array4<f32>, ComponentError>,
        judge: impl FnOnce(ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>,
    ) -> Result<Evaluation<'a>, ComponentError> {
        if !(track && self.target.spec().differentiable) {
            let images = decode()?;
            let oracle = judge(images.view())?;
            let logits = self.logits(images.view())?;
            let (scores, _) = self.scorer.score(logits.view(), clean.view(), labels)?;
            return Ok(Evaluation::new(&images, &logits, &oracle, &scores, None));
        }
        let (mut images, generator) = self.generator.decode_with_pullback(latents.view(), labels)?;
        self.check_images(&images, labels.len())?;
        let open = self.open(&images);
        self.clamp(&mut images);
        let oracle = judge(images.view())?;
        let (logits, target) = self.target.logits_with_pullback(images.view())?;
        self.check_logits(&logits, labels.len())?;
        let (scores, d_logits) = self.scorer.score(logits.view(), clean.view(), labels)?;
        let pull_back = PullBack { d_logits, target, generator, open, image: self.generator.spec().image };
        Ok(Evaluation::new(&images, &logits, &oracle, &scores, Some(pull_back)))
    }
}
