//! What generators make of the latents that searches end with ([`crate::Generator::finish`]): those are decoded and
//! judged once more. What the oracle refuses does not become final, as in the search itself.

use ndarray::Axis;

use super::evaluate::expect_shape;
use super::state::{Before, End, First, Kept, stack};
use super::{Answer, PerturbError, Perturber, SampleBatch};
use crate::Outcome;

/// The ends of a search with finished latents and images, where the generator finishes them.
pub(super) fn ends(
    perturber: &Perturber<'_>,
    batch: &SampleBatch,
    before: &Before,
    first: &First,
    mut ends: Vec<End>,
) -> Result<Vec<End>, PerturbError> {
    let open: Vec<usize> =
        (0..ends.len()).filter(|i| ends[*i].kept.from.is_some() && !ends[*i].outcome.is_failure()).collect();
    match finish(perturber, batch, before, first, (&open, &mut ends)) {
        // Alone in its batch the sample is the guilty one: it keeps what it has reached.
        Err(PerturbError::Component(error)) if batch.len() == 1 => {
            for end in &mut ends {
                (end.outcome, end.error) = (Outcome::ComponentFailed, Some(error.to_string()));
            }
        }
        other => other?,
    }
    Ok(ends)
}

/// Finishes the samples at the positions `open`.
fn finish(
    perturber: &Perturber<'_>,
    batch: &SampleBatch,
    before: &Before,
    first: &First,
    (open, ends): (&[usize], &mut [End]),
) -> Result<(), PerturbError> {
    if open.is_empty() {
        return Ok(());
    }
    let Perturber { generator, verdict, .. } = *perturber;
    let len = generator.spec().latent_len();
    let latents = stack(open.iter().map(|i| ends[*i].kept.latent.view()), len);
    let labels: Vec<usize> = open.iter().map(|i| batch.labels[*i]).collect();
    let Some(finished) = generator.finish(latents.view(), &labels)? else { return Ok(()) };
    let name = format!("generator {:?}", generator.spec().name);
    expect_shape(&name, "finish latents", finished.shape(), latents.shape())?;
    let clean = before.clean_logits.select(Axis(0), open);
    let seen = perturber.parts().see(&finished, &labels, &clean, perturber.classes, false)?;
    for (row, i) in open.iter().enumerate() {
        let (end, latent, oracle) = (&mut ends[*i], finished.row(row), seen.oracle.row(row));
        if let Some(what) = seen.unsound(row, latent) {
            let what = format!("{what} after finishing");
            (end.outcome, end.error) =
                (Outcome::Failed, Some(perturber.nonfinite(&batch.keys[*i], &what, end.ended_at)?));
            continue;
        }
        let accepted = verdict.accepts(oracle, labels[row], before.clean_oracle.row(*i), first.oracle.row(*i));
        end.finished = Some(accepted);
        if accepted {
            let finished = Kept {
                from: end.kept.from,
                image: seen.images.index_axis(Axis(0), row).to_owned(),
                latent: latent.to_owned(),
                answer: Answer { logits: seen.logits.row(row).to_owned(), oracle: oracle.to_owned() },
                score: Some(seen.scores[row]),
            };
            end.searched = Some(std::mem::replace(&mut end.kept, finished).latent);
        }
    }
    Ok(())
}
