//! What the members of an oracle say by themselves about the images of finished samples.

use std::collections::BTreeMap;

use fmr_core::ImageHash;
use fmr_core::perturb::{PerturbError, Perturbed, Perturber, SampleBatch};
use fmr_store::RunStore;
use ndarray::{Array2, Array4, ArrayView3, Axis, stack};

use crate::error::Error;
use crate::prepare::ReadyRow;

/// Asks each member of the row's oracle about the original, the reconstruction and the final image of every sample of a
/// batch, each image once, and keeps the answers. Asks nobody where the oracle has no members.
///
/// # Errors
/// A member fails, or the store cannot be written.
pub(crate) fn ask(row: &ReadyRow, batch: &[Perturbed], store: &mut RunStore) -> Result<(), Error> {
    let members = row.oracle.members();
    // A component may have failed before there was anything to show.
    let batch: Vec<&Perturbed> = batch.iter().filter(|sample| !sample.record.component_failed()).collect();
    if members.is_empty() || batch.is_empty() {
        return Ok(());
    }
    let indices: Vec<usize> = batch.iter().map(|sample| sample.record.index).collect();
    let originals = row.samples.batch(&indices)?;
    let of_original = |sample: &Perturbed| sample.picture.unwrap_or_else(|| ImageHash::of(sample.original.view()));
    let hashes: Vec<ImageHash> = batch.iter().map(|sample| of_original(sample)).collect();
    let decoded: BTreeMap<ImageHash, ArrayView3<'_, f32>> = batch
        .iter()
        // Where the original stands as the final image, it has been asked about as the original.
        .flat_map(|sample| {
            let last = sample.record.final_from.map(|_| sample.final_image.view());
            std::iter::once(sample.reconstruction.view()).chain(last)
        })
        .map(|image| (ImageHash::of(image), image))
        .collect();
    let views: Vec<ArrayView3<'_, f32>> = decoded.values().copied().collect();
    let images = stack(Axis(0), &views)
        .map_err(|error| Error::Images { row: row.plan.id.clone(), problem: error.to_string() })?;
    let all: Vec<usize> = (0..indices.len()).collect();
    for (place, (name, member)) in members.into_iter().enumerate() {
        let answers = answers(&Perturber { oracle: member, ..row.perturber(None) }, &images, &originals, &all)?;
        let named = hashes.iter().chain(decoded.keys()).copied().zip(answers).collect::<Vec<_>>();
        store.put_answers(&row.plan.member(place, name), &row.plan.classes, &named)?;
    }
    Ok(())
}

/// A member's probabilities on the originals, then on the decoded images.
fn answers(
    perturber: &Perturber<'_>,
    images: &Array4<f32>,
    originals: &SampleBatch,
    all: &[usize],
) -> Result<Vec<Vec<f32>>, Error> {
    let rows = |answers: Array2<f32>| answers.outer_iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    let mut answers = rows(perturber.judge_originals(originals, all).map_err(PerturbError::from)?);
    answers.extend(rows(perturber.judge(images.view()).map_err(PerturbError::from)?));
    Ok(answers)
}
