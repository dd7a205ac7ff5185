//! Settles an update of a sample: the oracle's verdict, what is recorded, and whether the search goes on.

use std::sync::Arc;

use super::rule::norm;
use super::search::Search;
use super::settings::{EarlyExit, OnViolation, Select};
use super::state::{Active, Direction, Kept, Next, Tried};
use super::{Attempt, PerturbError, StepView};
use crate::logits::argmax;
use crate::{Outcome, StepRecord};

impl Search<'_, '_> {
    /// Judges update `t` of a sample.
    pub(super) fn settle(&self, sample: Active, tried: Tried, t: usize) -> Result<Next, PerturbError> {
        if let Some(what) = tried.judged.unsound("the image", tried.proposal.latent.view()) {
            let error = self.context.nonfinite(sample.at, what, t)?;
            let end = sample.fail(t, error, norm(tried.proposal.gradient.view()));
            return Ok(Next::Ended(Box::new(end)));
        }
        Ok(self.settle_sound(sample, tried, t))
    }

    /// As [`Self::settle`], where every number is finite.
    fn settle_sound(&self, mut sample: Active, tried: Tried, t: usize) -> Next {
        let settings = self.context.perturber.search;
        let start = &self.starts[sample.at].judged.answer;
        let accepted = self.context.accepts(sample.at, &tried.judged.answer, start);
        self.observe(&sample, &tried, t, accepted);
        let step = self.record(&sample, &tried, t, accepted);
        sample.steps.push(step);

        let Tried { proposal, judged, quantized, row } = tried;
        let end = |sample: Active, outcome| Next::Ended(Box::new(sample.end(outcome, t)));
        if !accepted {
            let halve = settings.on_violation == OnViolation::Halve && sample.halvings < settings.halvings;
            if !halve || t == self.allowed {
                return end(sample, Outcome::StoppedByOracle);
            }
            sample.halvings += 1;
            sample.direction = Direction::Halved { gradient: proposal.gradient, update: proposal.update * 0.5 };
            return Next::Continue(Box::new(sample));
        }
        sample.direction = match row {
            Some(row) => Direction::PullBack { row },
            None => Direction::Reused(proposal.gradient),
        };
        sample.quantized = quantized;
        sample.latent = proposal.latent;
        sample.score = judged.score;
        if settings.select == Select::Last || judged.score > sample.kept.judged.score {
            sample.kept = Kept { from: Some(t), latent: sample.latent.clone(), judged: Arc::clone(&judged) };
        }
        sample.current = judged;
        let wrong = argmax(sample.current.answer.logits.view()) != self.context.batch.labels[sample.at];
        if settings.early_exit != EarlyExit::Never && wrong {
            end(sample, Outcome::EarlyExit)
        } else if t == self.allowed {
            end(sample, Outcome::BudgetReached)
        } else {
            Next::Continue(Box::new(sample))
        }
    }

    /// Shows an update to the observer.
    fn observe(&self, sample: &Active, tried: &Tried, t: usize, accepted: bool) {
        let Tried { proposal, judged, .. } = tried;
        self.context.perturber.observer.step(&StepView {
            index: self.context.batch.indices[sample.at],
            t,
            latent_before: sample.latent.view(),
            score: sample.score,
            gradient: proposal.gradient.view(),
            attempt: Some(Attempt {
                update: proposal.update.view(),
                latent: proposal.latent.view(),
                image: judged.image.view(),
                oracle: judged.answer.oracle.view(),
                logits: judged.answer.logits.view(),
                accepted,
            }),
        });
    }

    /// What is kept of an update.
    fn record(&self, sample: &Active, tried: &Tried, t: usize, accepted: bool) -> StepRecord {
        let (answer, verdict) = (&tried.judged.answer, self.context.perturber.verdict);
        StepRecord {
            t,
            score: f64::from(sample.score),
            gradient_norm: norm(tried.proposal.gradient.view()),
            oracle_true: verdict.probability(answer.oracle.view(), self.context.batch.labels[sample.at]),
            oracle_class: verdict.class(answer.oracle.view()),
            prediction: Some(argmax(answer.logits.view())),
            accepted,
        }
    }
}
