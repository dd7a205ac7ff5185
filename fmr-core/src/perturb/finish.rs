//! Finishes the latents that searches end with, for generators that do so ([`crate::Generator::finish`]): finished
//! latents are decoded and judged once more. An image that the oracle refuses does not become final, as in the search.

use std::sync::Arc;

use super::PerturbError;
use super::evaluate::{Request, expect_shape};
use super::originals::Context;
use super::state::{Kept, Searched, stack};
use crate::Outcome;

/// Puts finished latents and images in the place of those that the searches ended with.
pub(super) fn finish(context: Context<'_, '_>, searched: &mut [Searched]) -> Result<(), PerturbError> {
    match finish_together(context, searched) {
        // Alone in its batch the sample is the guilty one: it keeps what it has reached.
        Err(PerturbError::Component(error)) if context.batch.len() == 1 => {
            for Searched { end, .. } in searched {
                (end.outcome, end.error) = (Outcome::ComponentFailed, Some(error.to_string()));
            }
            Ok(())
        }
        other => other,
    }
}

fn finish_together(context: Context<'_, '_>, searched: &mut [Searched]) -> Result<(), PerturbError> {
    let perturber = context.perturber;
    let stands = |i: &usize| searched[*i].end.kept.from.is_some() && !searched[*i].end.outcome.is_failure();
    let open: Vec<usize> = (0..searched.len()).filter(stands).collect();
    if open.is_empty() {
        return Ok(());
    }
    let len = perturber.generator.spec().latent_len();
    let latents = stack(open.iter().map(|i| searched[*i].end.kept.latent.view()), len);
    let (clean, labels) = context.of(&open);
    let Some(finished) = perturber.generator.finish(latents.view(), &labels)? else { return Ok(()) };
    let name = format!("generator {:?}", perturber.generator.spec().name);
    expect_shape(&name, "finish latents", finished.shape(), latents.shape())?;
    let request = Request { latents: &finished, labels: &labels, clean: &clean, track: false };
    let images = perturber.evaluate(request)?.images;
    for ((i, latent), judged) in open.into_iter().zip(finished.outer_iter()).zip(images) {
        let Searched { start, end } = &mut searched[i];
        if let Some(what) = judged.unsound("the image", latent) {
            let error = context.nonfinite(i, &format!("{what} after finishing"), end.ended_at)?;
            (end.outcome, end.error) = (Outcome::Failed, Some(error));
            continue;
        }
        let accepted = context.accepts(i, &judged.answer, &start.judged.answer);
        end.finished = Some(accepted);
        if accepted {
            let finished = Kept { from: end.kept.from, latent: latent.to_owned(), judged: Arc::clone(&judged) };
            end.searched = Some(std::mem::replace(&mut end.kept, finished).latent);
        }
    }
    Ok(())
}
