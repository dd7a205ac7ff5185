//! What comes of evaluating latents: images, what is said about them, and the pull-back of their scores.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, Array4, ArrayView1, Axis};

use super::Answer;
use super::evaluate::expect_shape;
use crate::logits::all_finite;
use crate::{ComponentError, ImagePullBack, LatentPullBack};

/// One image and what is said about it.
pub(super) struct Judged {
    /// `[c, h, w]`.
    pub image: Array3<f32>,
    pub answer: Answer,
    /// Scorer's value of the target's logits.
    pub score: f32,
}

impl Judged {
    /// What is not finite about the image (called `image` then), its latent and what is said about it.
    pub(super) fn unsound(&self, image: &'static str, latent: ArrayView1<'_, f32>) -> Option<&'static str> {
        let parts = [
            ("the latent", all_finite(latent)),
            (image, all_finite(&self.image)),
            ("a logit", all_finite(&self.answer.logits)),
            ("an oracle probability", all_finite(&self.answer.oracle)),
        ];
        parts.into_iter().find(|(_, sound)| !sound).map(|(what, _)| what)
    }
}

/// A batch of images with what is said about them.
pub(super) struct Evaluation<'a> {
    /// One a latent. An image is final, current and first at once where nothing comes after it, hence shared.
    pub images: Vec<Arc<Judged>>,
    /// Where gradients are wanted and the target has some.
    pub pull_back: Option<PullBack<'a>>,
}

impl<'a> Evaluation<'a> {
    /// The rows of batches.
    pub(super) fn new(
        images: &Array4<f32>,
        logits: &Array2<f32>,
        oracle: &Array2<f32>,
        scores: &Array1<f32>,
        pull_back: Option<PullBack<'a>>,
    ) -> Self {
        let row = |(i, score): (usize, &f32)| {
            let answer = Answer { logits: logits.row(i).to_owned(), oracle: oracle.row(i).to_owned() };
            Arc::new(Judged { image: images.index_axis(Axis(0), i).to_owned(), answer, score: *score })
        };
        Self { images: scores.iter().enumerate().map(row).collect(), pull_back }
    }
}

/// From scores back to latents.
pub(super) struct PullBack<'a> {
    /// d score / d logits `[n, k]`.
    pub d_logits: Array2<f32>,
    pub target: ImagePullBack<'a>,
    pub generator: LatentPullBack<'a>,
    /// Where the clamp lets gradients pass `[n, c, h, w]`; absent: everywhere.
    pub open: Option<Array4<f32>>,
    /// Shape `[c, h, w]` of the images.
    pub image: [usize; 3],
}

impl PullBack<'_> {
    /// Gradients `[n, latent_len]` of the scores in their latents.
    pub(super) fn gradients(self, latent_len: usize) -> Result<Array2<f32>, ComponentError> {
        let (n, [c, h, w]) = (self.d_logits.nrows(), self.image);
        let mut d_images = (self.target)(self.d_logits.view())?;
        expect_shape("target", "pull back", d_images.shape(), &[n, c, h, w])?;
        if let Some(open) = self.open {
            d_images *= &open;
        }
        let gradients = (self.generator)(d_images.view())?;
        expect_shape("generator", "pull back", gradients.shape(), &[n, latent_len])?;
        Ok(gradients)
    }
}
