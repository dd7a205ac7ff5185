//! Builds a sample's record from how its search ended.

use ndarray::{Array1, Array3, Axis};

use super::evaluation::Judged;
use super::originals::Context;
use super::state::Searched;
use super::{Answer, Answers, CacheUse, Perturbed, SampleBatch};
use crate::logits::prediction;
use crate::{ComponentError, Outcome, SampleRecord};

/// The outcome of sample `i`.
pub(super) fn of(context: Context<'_, '_>, i: usize, Searched { start, end }: Searched) -> Perturbed {
    let Context { perturber, batch, originals, .. } = context;
    let predicted = |answer: &Answer| prediction(answer.logits.view());
    let oracle_class =
        |answer: &Answer| prediction(answer.oracle.view()).and_then(|_| perturber.verdict.class(answer.oracle.view()));
    let moved = |(a, b): (&f32, &f32)| f64::from((a - b).abs());
    let searched = end.searched.as_ref().unwrap_or(&end.kept.latent);
    let latent_moved = match end.kept.from {
        Some(_) => searched.iter().zip(originals.z0.row(i)).map(moved).fold(0.0, f64::max),
        None => 0.0,
    };
    let moved_spreads = perturber.spread.map(|spread| match end.kept.from {
        Some(_) => spread.largest_change(originals.z0.row(i), searched.view()),
        None => 0.0,
    });
    let (reconstruction, last) = (&start.judged, &end.kept.judged);
    let original = originals.answer(i);
    let record = SampleRecord {
        index: batch.indices[i],
        key: batch.keys[i].clone(),
        label: batch.labels[i],
        clean_prediction: prediction(originals.sa_logits.row(i)),
        clean_oracle: oracle_class(&original),
        reconstruction_prediction: predicted(&reconstruction.answer),
        reconstruction_oracle: oracle_class(&reconstruction.answer),
        reconstruction_accepted: start.accepted,
        score0: f64::from(reconstruction.score),
        final_score: f64::from(last.score),
        final_prediction: predicted(&last.answer),
        final_oracle: oracle_class(&last.answer),
        outcome: end.outcome,
        ended_at: end.ended_at,
        accepted_updates: end.steps.iter().filter(|s| s.accepted).count(),
        final_from: end.kept.from,
        finished: end.finished,
        latent_moved,
        moved_spreads,
        error: end.error,
        steps: end.steps,
    };
    let parts = |judged: &Judged| (judged.image.clone(), judged.answer.clone());
    let ((reconstruction, reconstruction_answer), (final_image, final_answer)) = (parts(reconstruction), parts(last));
    Perturbed {
        record,
        original: batch.images.index_axis(Axis(0), i).to_owned(),
        picture: batch.picture(i),
        reconstruction,
        final_image,
        answers: Answers { original, reconstruction: reconstruction_answer, final_image: final_answer },
        cached: start.cached,
        first_latent: originals.z0.row(i).to_owned(),
        final_latent: end.kept.latent,
    }
}

/// The better of two searches of one sample, `new` being a restart. What is said about the reconstruction stays that of
/// the first search: x̂0 is the image of the latent without noise.
pub(super) fn better(old: Perturbed, new: Perturbed) -> Perturbed {
    let stands = |r: &SampleRecord| !r.outcome.is_failure() && r.final_from.is_some();
    let (first, again) = (&old.record, &new.record);
    // A refused reconstruction ends a sample, whatever noise would make of it.
    let wins =
        first.reconstruction_accepted && stands(again) && (!stands(first) || again.final_score > first.final_score);
    if !wins {
        return old;
    }
    let record = SampleRecord {
        reconstruction_prediction: first.reconstruction_prediction,
        reconstruction_oracle: first.reconstruction_oracle,
        reconstruction_accepted: first.reconstruction_accepted,
        score0: first.score0,
        ..new.record
    };
    let answers = Answers { reconstruction: old.answers.reconstruction, ..new.answers };
    Perturbed { record, reconstruction: old.reconstruction, answers, cached: old.cached, ..new }
}

/// The outcome of the one sample of a batch, on which a component failed before its search began: no class is known.
pub(super) fn failed(batch: &SampleBatch, error: &ComponentError) -> Perturbed {
    let original: Array3<f32> = batch.images.index_axis(Axis(0), 0).to_owned();
    Perturbed {
        record: SampleRecord {
            index: batch.indices[0],
            key: batch.keys[0].clone(),
            label: batch.labels[0],
            clean_prediction: None,
            clean_oracle: None,
            reconstruction_prediction: None,
            reconstruction_oracle: None,
            reconstruction_accepted: false,
            score0: 0.0,
            final_score: 0.0,
            final_prediction: None,
            final_oracle: None,
            outcome: Outcome::ComponentFailed,
            ended_at: 0,
            accepted_updates: 0,
            final_from: None,
            finished: None,
            latent_moved: 0.0,
            moved_spreads: None,
            error: Some(error.to_string()),
            steps: Vec::new(),
        },
        reconstruction: original.clone(),
        final_image: original.clone(),
        original,
        picture: batch.picture(0),
        answers: Answers::default(),
        cached: CacheUse::default(),
        first_latent: Array1::zeros(0),
        final_latent: Array1::zeros(0),
    }
}
