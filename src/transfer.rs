//! Images that were made for one target and under one oracle, shown to others (Tables 6, 8, 9 and 10 and section 5.1 of the
//! paper): from the images that a run keeps, without a new search.

use fmr_core::perturb::{PerturbError, Perturber, SampleBatch};
use fmr_core::{ComponentError, ImageHash, Oracle, SampleRecord, Target};
use fmr_store::{Judge, RunStore, StoreError};
use ndarray::{Array2, Array4, ArrayView3, Axis, stack};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::prepare::ReadyRow;

/// Somebody who is shown images.
#[derive(Clone, Copy)]
pub(crate) struct Audience<'v> {
    judge: &'v Judge,
    who: Who<'v>,
}

#[derive(Clone, Copy)]
enum Who<'v> {
    Target(&'v dyn Target),
    Oracle(&'v dyn Oracle),
}

/// All who are shown the images of a row.
pub(crate) fn audience(row: &ReadyRow) -> impl Iterator<Item = Audience<'_>> {
    let targets = row.also.iter().map(|viewer| Audience { judge: &viewer.judge, who: Who::Target(&*viewer.target) });
    let oracles = row.further_oracles.iter();
    targets.chain(oracles.map(|further| Audience { judge: &further.judge, who: Who::Oracle(&*further.oracle) }))
}

impl Who<'_> {
    /// Logits or probabilities on originals.
    fn on_originals(self, row: &ReadyRow, batch: &SampleBatch) -> Result<Array2<f32>, ComponentError> {
        match self {
            Self::Target(target) => Perturber { target, ..row.perturber(None) }.logits_of_originals(batch),
            Self::Oracle(oracle) => {
                let all: Vec<usize> = (0..batch.len()).collect();
                Perturber { oracle, ..row.perturber(None) }.judge_originals(batch, &all)
            }
        }
    }

    /// The same on images.
    fn on_images(self, row: &ReadyRow, images: &Array4<f32>) -> Result<Array2<f32>, ComponentError> {
        match self {
            Self::Target(target) => Perturber { target, ..row.perturber(None) }.logits(images.view()),
            Self::Oracle(oracle) => Perturber { oracle, ..row.perturber(None) }.judge(images.view()),
        }
    }
}

/// Shows the row's originals and final images to one of its audience, `batch` at a time. Images that it has seen are not shown
/// again, so that an interrupted run goes on where it stopped.
///
/// # Errors
/// A component fails, the run keeps no exact final images, or the user stops it.
pub(crate) fn show(
    row: &ReadyRow,
    viewer: Audience<'_>,
    batch: usize,
    interrupt: &Interrupt,
    store: &mut RunStore,
) -> Result<(), Error> {
    let records = store.records(&row.plan.id)?;
    for records in records.chunks(batch.max(1)) {
        if interrupt.asked() {
            return Err(Error::Interrupted { dir: store.dir().to_owned() });
        }
        let unseen = unseen(row, viewer.judge, records, store)?;
        let mut answers: Vec<(ImageHash, Vec<f32>)> = Vec::new();
        let mut add = |hashes: Vec<ImageHash>, said: Array2<f32>| {
            answers.extend(hashes.into_iter().zip(said.outer_iter().map(|row| row.to_vec())));
        };
        if !unseen.originals.is_empty() {
            let (indices, hashes): (Vec<usize>, Vec<ImageHash>) = unseen.originals.into_iter().unzip();
            let batch = row.samples.batch(&indices)?;
            add(hashes, viewer.who.on_originals(row, &batch).map_err(PerturbError::from)?);
        }
        if !unseen.finals.is_empty() {
            let (indices, hashes): (Vec<usize>, Vec<ImageHash>) = unseen.finals.into_iter().unzip();
            let images = finals(row, &indices, store)?;
            add(hashes, viewer.who.on_images(row, &images).map_err(PerturbError::from)?);
        }
        store.put_answers(viewer.judge, &row.plan.classes, &answers)?;
    }
    Ok(())
}

/// Images that the judge has not seen, with their samples.
#[derive(Default)]
struct Unseen {
    originals: Vec<(usize, ImageHash)>,
    finals: Vec<(usize, ImageHash)>,
}

fn unseen(row: &ReadyRow, judge: &Judge, records: &[SampleRecord], store: &RunStore) -> Result<Unseen, Error> {
    let mut unseen = Unseen::default();
    for record in records {
        let index = record.index;
        let shown = store.shown(&row.plan.id, index)?;
        let known = |hash: &ImageHash| -> Result<bool, StoreError> {
            Ok(store.answer(judge, &row.plan.classes, hash)?.is_some())
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
