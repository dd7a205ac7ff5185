//! Decoding latents and asking oracle, target and scorer about the images.

use ndarray::{Array1, Array2, Array4, ArrayView1, ArrayView4, Axis};

use super::search::{Clamp, ImageDomain, Search};
use crate::logits::all_finite;
use crate::{ComponentError, Generator, ImagePullBack, LatentPullBack, Oracle, Scorer, Target};

/// The components of a search.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub generator: &'a dyn Generator,
    pub oracle: &'a dyn Oracle,
    pub target: &'a dyn Target,
    pub scorer: &'a dyn Scorer,
    pub search: &'a Search,
}

/// What is known of a batch of images, and the way back to their latents.
pub(super) struct Seen<'a> {
    pub images: Array4<f32>,
    pub oracle: Array2<f32>,
    pub logits: Array2<f32>,
    pub scores: Array1<f32>,
    pub way_back: Option<WayBack<'a>>,
}

/// From scores to the latents of some of the images.
pub(super) struct WayBack<'a> {
    d_logits: Array2<f32>,
    target: ImagePullBack<'a>,
    generator: LatentPullBack<'a>,
    /// Where the clamp lets gradients pass.
    open: Option<Array4<f32>>,
    /// Rows of the images that it leads back from; absent: from all, in order.
    rows: Option<Vec<usize>>,
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

impl<'a> Parts<'a> {
    pub(super) fn judge(&self, images: ArrayView4<'_, f32>, classes: usize) -> Result<Array2<f32>, ComponentError> {
        let scores = self.oracle.judge(images)?;
        let name = format!("oracle {:?}", self.oracle.name());
        expect_shape(&name, "judge images", scores.shape(), &[images.len_of(Axis(0)), classes])?;
        Ok(scores)
    }

    pub(super) fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let logits = self.target.logits(images)?;
        self.check_logits(&logits, images.len_of(Axis(0)))?;
        Ok(logits)
    }

    fn check_logits(&self, logits: &Array2<f32>, n: usize) -> Result<(), ComponentError> {
        let spec = self.target.spec();
        expect_shape(&format!("target {:?}", spec.name), "logits", logits.shape(), &[n, spec.classes])
    }

    /// Clamps and rounds decoded values as the settings say; second, where the clamp's derivative is not zero.
    fn finish(&self, mut images: Array4<f32>, track: bool) -> (Array4<f32>, Option<Array4<f32>>) {
        let hard = self.search.clamp == Clamp::Hard;
        let open = (hard && track).then(|| images.mapv(|v| f32::from(u8::from((0.0..=1.0).contains(&v)))));
        if self.search.clamp != Clamp::None {
            // What is not a number stays so, to be found out.
            images.mapv_inplace(|v| v.clamp(0.0, 1.0));
        }
        if self.search.image_domain == ImageDomain::Uint8 {
            images.mapv_inplace(|v| (v * 255.0).round() / 255.0);
        }
        (images, open)
    }

    /// Images of latents as everyone sees them, without a way back.
    pub(super) fn decode(&self, latents: &Array2<f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let images = self.generator.decode(latents.view(), labels)?;
        self.check_images(&images, latents.nrows())?;
        Ok(self.finish(images, false).0)
    }

    fn check_images(&self, images: &Array4<f32>, n: usize) -> Result<(), ComponentError> {
        let spec = self.generator.spec();
        let [c, h, w] = spec.image;
        expect_shape(&format!("generator {:?}", spec.name), "decode latents", images.shape(), &[n, c, h, w])
    }

    /// Decodes latents and asks everyone; with the way back where `track`.
    pub(super) fn see(
        &self,
        latents: &Array2<f32>,
        labels: &[usize],
        clean: &Array2<f32>,
        classes: usize,
        track: bool,
    ) -> Result<Seen<'a>, ComponentError> {
        let decode = || self.decode(latents, labels);
        self.see_with(latents, labels, clean, track, decode, |images| self.judge(images, classes))
    }

    /// As [`Self::see`], with other means of decoding and judging. Where there is a way back, `decode` is not used.
    pub(super) fn see_with(
        &self,
        latents: &Array2<f32>,
        labels: &[usize],
        clean: &Array2<f32>,
        track: bool,
        decode: impl FnOnce() -> Result<Array4<f32>, ComponentError>,
        judge: impl FnOnce(ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError>,
    ) -> Result<Seen<'a>, ComponentError> {
        let n = latents.nrows();
        if !(track && self.target.spec().differentiable) {
            let images = decode()?;
            let oracle = judge(images.view())?;
            let logits = self.logits(images.view())?;
            let (scores, _) = self.scorer.score(logits.view(), clean.view(), labels)?;
            return Ok(Seen { images, oracle, logits, scores, way_back: None });
        }
        let (images, generator) = self.generator.decode_with_pullback(latents.view(), labels)?;
        self.check_images(&images, n)?;
        let (images, open) = self.finish(images, true);
        let oracle = judge(images.view())?;
        let (logits, target) = self.target.logits_with_pullback(images.view())?;
        self.check_logits(&logits, n)?;
        let (scores, d_logits) = self.scorer.score(logits.view(), clean.view(), labels)?;
        let way_back = Some(WayBack { d_logits, target, generator, open, rows: None });
        Ok(Seen { images, oracle, logits, scores, way_back })
    }
}

impl<'a> Seen<'a> {
    /// The way back, of an evaluation that becomes those rows of a larger one.
    pub(super) fn way_back_at(self, rows: Vec<usize>) -> Option<WayBack<'a>> {
        self.way_back.map(|back| WayBack { rows: Some(rows), ..back })
    }

    /// What is not finite about the image of this row and what everyone says of it.
    pub(super) fn unsound(&self, row: usize, latent: ArrayView1<'_, f32>) -> Option<&'static str> {
        let parts = [
            ("the latent", all_finite(latent)),
            ("the image", all_finite(self.images.index_axis(Axis(0), row).iter())),
            ("a logit", all_finite(self.logits.row(row))),
            ("an oracle probability", all_finite(self.oracle.row(row))),
        ];
        parts.into_iter().find(|(_, sound)| !sound).map(|(what, _)| what)
    }

    /// Gradient of each sample's score in its latent, zero where no way leads back; absent where none was asked for.
    pub(super) fn gradient(&mut self, latent_len: usize) -> Result<Option<Array2<f32>>, ComponentError> {
        let Some(back) = self.way_back.take() else { return Ok(None) };
        let (n, (_, c, h, w)) = (back.d_logits.nrows(), self.images.dim());
        let mut d_images = (back.target)(back.d_logits.view())?;
        expect_shape("target", "pull back", d_images.shape(), &[n, c, h, w])?;
        if let Some(open) = back.open {
            d_images *= &open;
        }
        let gradient = (back.generator)(d_images.view())?;
        expect_shape("generator", "pull back", gradient.shape(), &[n, latent_len])?;
        let Some(rows) = back.rows else { return Ok(Some(gradient)) };
        let mut all = Array2::zeros((self.scores.len(), latent_len));
        for (row, gradient) in rows.into_iter().zip(gradient.outer_iter()) {
            all.row_mut(row).assign(&gradient);
        }
        Ok(Some(all))
    }
}
