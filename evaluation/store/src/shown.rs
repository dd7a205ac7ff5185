//! The three images of a sample, and what the row's target and oracle answered about each.

use fmr_core::ImageHash;
use fmr_core::perturb::{Answer, Answers, Perturbed};
use ndarray::{Array1, Array3};
use rusqlite::{Connection, Transaction, params};

use super::Keep;
use super::answers::RowJudges;
use super::images::{self, Inserted};
use super::value::{Sql, get_hash, get_vector, to_i64, unreadable, vector};

/// The images of one sample, `[c, h, w]` in [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct SampleImages {
    /// What the data set holds, rounded to 8 bits.
    pub original: Array3<f32>,
    /// x̂0, rounded to 8 bits.
    pub reconstruction: Array3<f32>,
    /// The final image; exact where the run keeps exact finals.
    pub final_image: Array3<f32>,
}

/// One image of a sample and what was said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Names what target and oracle saw: the image's pixels, or for an original those of its picture
    /// ([`ImageHash::of_picture`]). Their answers have this name.
    pub judged: ImageHash,
    /// Names the pixels that the run keeps: the same, or rounded to 8 bits.
    pub image: ImageHash,
    /// What target and oracle said, to the last bit.
    pub answer: Answer,
}

/// The three images of a sample and what was said about them.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleShown {
    /// The original.
    pub original: Shown,
    /// x̂0.
    pub reconstruction: Shown,
    /// The final image.
    pub final_image: Shown,
}

impl SampleShown {
    /// What was said about the three images.
    pub fn answers(&self) -> Answers {
        let [original, reconstruction, final_image] =
            [&self.original, &self.reconstruction, &self.final_image].map(|shown| shown.answer.clone());
        Answers { original, reconstruction, final_image }
    }
}

/// The images of a sample, as the column `role` names them.
pub(super) const ORIGINAL: &str = "original";
pub(super) const RECONSTRUCTION: &str = "reconstruction";
pub(super) const FINAL: &str = "final";

/// Adds the images of a batch and the answers about them.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    row: usize,
    batch: &[Perturbed],
    judges: &RowJudges,
    keep: Keep,
) -> Sql<()> {
    let mut shown = transaction.prepare_cached(
        "INSERT INTO shown (row, idx, role, judged, image, target, oracle, logits, probabilities)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut latent = transaction.prepare_cached("INSERT INTO latents (row, idx, latent) VALUES (?, ?, ?)")?;
    let row = to_i64(row)?;
    for sample in batch {
        let index = to_i64(sample.record.index)?;
        let Answers { original, reconstruction, final_image } = &sample.answers;
        for (role, image, answer, exact) in [
            (ORIGINAL, &sample.original, original, false),
            (RECONSTRUCTION, &sample.reconstruction, reconstruction, false),
            (FINAL, &sample.final_image, final_image, keep.exact_finals),
        ] {
            let Inserted { judged, kept } = images::insert(transaction, image.view(), exact)?;
            let is_original = role == ORIGINAL || role == FINAL && sample.record.final_from.is_none();
            let judged = sample.picture.filter(|_| is_original).unwrap_or(judged);
            shown.execute(params![
                row,
                index,
                role,
                judged.bytes(),
                kept.bytes(),
                judges.target,
                judges.oracle,
                vector(&answer.logits),
                vector(&answer.oracle)
            ])?;
        }
        if keep.latents {
            latent.execute((row, index, vector(&sample.final_latent)))?;
        }
    }
    Ok(())
}

/// What was shown of a sample; `None` where it is not finished.
pub(super) fn read(database: &Connection, row: usize, index: usize) -> Sql<Option<SampleShown>> {
    let mut statement = database
        .prepare_cached("SELECT role, judged, image, logits, probabilities FROM shown WHERE row = ? AND idx = ?")?;
    let found = statement.query_map((to_i64(row)?, to_i64(index)?), |row| {
        let answer = Answer { logits: Array1::from(get_vector(row, 3)?), oracle: Array1::from(get_vector(row, 4)?) };
        Ok((row.get::<_, String>(0)?, Shown { judged: get_hash(row, 1)?, image: get_hash(row, 2)?, answer }))
    })?;
    let mut found = found.collect::<Sql<Vec<_>>>()?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut take = |role: &str| {
        let at = found.iter().position(|(name, _)| name == role);
        at.map(|at| found.swap_remove(at).1).ok_or_else(|| unreadable(0, format!("sample {index} lacks an image")))
    };
    let (original, reconstruction, final_image) = (take(ORIGINAL)?, take(RECONSTRUCTION)?, take(FINAL)?);
    Ok(Some(SampleShown { original, reconstruction, final_image }))
}

/// The latent of a sample's final image, where the run keeps it.
pub(super) fn latent(database: &Connection, row: usize, index: usize) -> Sql<Option<Array1<f32>>> {
    let mut statement = database.prepare_cached("SELECT latent FROM latents WHERE row = ? AND idx = ?")?;
    let mut found = statement.query_map((to_i64(row)?, to_i64(index)?), |row| get_vector(row, 0))?;
    found.next().transpose().map(|latent| latent.map(Array1::from))
}
