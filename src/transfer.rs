//! Images that were made for one target, shown to others (Tables 6, 8, 9 and 10 of the paper): from the images that a run
//! keeps, without a new search.

use fmr_core::perturb::{PerturbError, Perturber};
use fmr_core::{ImageHash, SampleRecord};
use fmr_store::{RunStore, StoreError};
use ndarray::{Array2, Array4, ArrayView3, Axis, stack};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::prepare::{ReadyRow, Viewer};

/// Shows the row's originals and final images to its further targets, `batch` at a time. Images that a target has seen are
/// not shown again, so that an interrupted run goes on where it stopped.
///
/// # Errors
/// A target fails, the run keeps no exact final images, or the user stops it.
pub(crate) fn show(
    row: &ReadyRow,
    viewer: &Viewer,
    batch: usize,
    interrupt: &Interrupt,
    store: &mut RunStore,
) -> Result<(), Error> {
    let records = store.records(&row.plan.id)?;
    let perturber = Perturber { target: &*viewer.target, ..row.perturber(None) };
    for records in records.chunks(batch.max(1)) {
        if interrupt.asked() {
            return Err(Error::Interrupted { dir: store.dir().to_owned() });
        }
        let unseen = unseen(row, viewer, records, store)?;
        let mut answers: Vec<(ImageHash, Vec<f32>)> = Vec::new();
        let mut add = |hashes: Vec<ImageHash>, logits: Array2<f32>| {
            answers.extend(hashes.into_iter().zip(logits.outer_iter().map(|row| row.to_vec())));
        };
        if !unseen.originals.is_empty() {
            let (indices, hashes): (Vec<usize>, Vec<ImageHash>) = unseen.originals.into_iter().unzip();
            add(hashes, perturber.logits_of_originals(&row.samples.batch(&indices)?).map_err(PerturbError::from)?);
        }
        if !unseen.finals.is_empty() {
            let (indices, hashes): (Vec<usize>, Vec<ImageHash>) = unseen.finals.into_iter().unzip();
            add(hashes, perturber.logits(finals(row, &indices, store)?.view()).map_err(PerturbError::from)?);
        }
        store.put_answers(&viewer.judge, &row.plan.classes, &answers)?;
    }
    Ok(())
}

/// Images that a target has not seen, with their samples.
#[derive(Default)]
struct Unseen {
    originals: Vec<(usize, ImageHash)>,
    finals: Vec<(usize, ImageHash)>,
}

fn unseen(row: &ReadyRow, viewer: &Viewer, records: &[SampleRecord], store: &RunStore) -> Result<Unseen, Error> {
    let mut unseen = Unseen::default();
    for record in records {
        let index = record.index;
        let shown = store.shown(&row.plan.id, index)?;
        let known = |hash: &ImageHash| -> Result<bool, StoreError> {
            Ok(store.answer(&viewer.judge, &row.plan.classes, hash)?.is_some())
        };
        let (original, last) = (shown.original.judged, &shown.final_image);
        if !known(&original)? {
            unseen.originals.push((index, original));
        }
        // Where the original is final, it has been asked about.
        if record.final_from.is_some() && !known(&last.judged)? {
            if last.image != last.judged {
                return Err(Error::RoundedFinals { row: row.plan.id.clone() });
            }
            unseen.finals.push((index, last.judged));
        }
    }
    Ok(unseen)
}

/// Final images `[n, c, h, w]` as the run keeps them.
fn finals(row: &ReadyRow, indices: &[usize], store: &RunStore) -> Result<Array4<f32>, Error> {
    let images = indices.iter().map(|index| store.images(&row.plan.id, *index)).collect::<Result<Vec<_>, _>>()?;
    let views: Vec<ArrayView3<'_, f32>> = images.iter().map(|images| images.final_image.view()).collect();
    // All images of a row have one shape.
    stack(Axis(0), &views).map_err(|error| Error::Images { row: row.plan.id.clone(), problem: error.to_string() })
}
