//! Updates that leave the image as it was.
//!
//! A quantising generator decodes codebook vectors. An update that changes none of them gives the same image bit for bit,
//! and with it the same verdict, logits, score and gradient: nothing of that is computed again. A sparse mask makes such
//! updates frequent.

use ndarray::{Array1, Array2, Array4, ArrayView1, Axis};

use super::Perturber;
use super::evaluate::Seen;
use super::search::State;
use super::state::Active;
use crate::ComponentError;

/// What everyone said of a sample's last accepted image; its score and the image itself stand beside.
pub(super) struct Known {
    /// The latent as decoding saw it.
    quantized: Array1<f32>,
    oracle: Array1<f32>,
    logits: Array1<f32>,
}

impl Known {
    /// What row `row` of an evaluation says of latents of which decoding saw `quantized`.
    pub(super) fn of(
        quantized: &Array2<f32>,
        row: usize,
        oracle: ArrayView1<'_, f32>,
        logits: ArrayView1<'_, f32>,
    ) -> Self {
        Self { quantized: quantized.row(row).to_owned(), oracle: oracle.to_owned(), logits: logits.to_owned() }
    }
}

/// Latents as decoding sees them, where that can spare an evaluation.
///
/// # Errors
/// The generator fails.
pub(super) fn quantized(p: &Perturber<'_>, latents: &Array2<f32>) -> Result<Option<Array2<f32>>, ComponentError> {
    // In image state latents are encoded anew, and an estimated gradient is drawn anew at every update.
    if p.search.state == State::Image || !p.target.spec().differentiable {
        return Ok(None);
    }
    p.generator.quantized(latents.view())
}

/// Of which active samples decoding sees what it saw of the last accepted image.
pub(super) fn still(active: &[Active], quantized: Option<&Array2<f32>>) -> Vec<bool> {
    let Some(quantized) = quantized else { return vec![false; active.len()] };
    let same = |(a, now): (&Active, ArrayView1<'_, f32>)| a.known.as_ref().is_some_and(|known| known.quantized == now);
    active.iter().zip(quantized.outer_iter()).map(same).collect()
}

/// An evaluation of all active samples, from one of those that are not `still`.
pub(super) fn assemble<'a>(active: &[Active], still: &[bool], fresh: Option<Seen<'a>>) -> Option<Seen<'a>> {
    let first = active.first()?;
    let known = first.known.as_ref()?;
    let (n, (c, h, w)) = (active.len(), first.image.dim());
    let mut images = Array4::zeros((n, c, h, w));
    let mut oracle = Array2::zeros((n, known.oracle.len()));
    let mut logits = Array2::zeros((n, known.logits.len()));
    let mut scores = Array1::zeros(n);
    let mut rows = Vec::new();
    for (i, a) in active.iter().enumerate() {
        let (mut image, mut o, mut l) = (images.index_axis_mut(Axis(0), i), oracle.row_mut(i), logits.row_mut(i));
        match (&fresh, &a.known, still[i]) {
            (_, Some(known), true) => {
                image.assign(&a.image);
                o.assign(&known.oracle);
                l.assign(&known.logits);
                scores[i] = a.score;
            }
            (Some(seen), ..) => {
                let row = rows.len();
                image.assign(&seen.images.index_axis(Axis(0), row));
                o.assign(&seen.oracle.row(row));
                l.assign(&seen.logits.row(row));
                scores[i] = seen.scores[row];
                rows.push(i);
            }
            (None, ..) => return None,
        }
    }
    let way_back = fresh.and_then(|seen| seen.way_back_at(rows));
    Some(Seen { images, oracle, logits, scores, way_back })
}
