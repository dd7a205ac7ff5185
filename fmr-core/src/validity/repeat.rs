//! The repeat check: some samples are perturbed once more, each alone, and compared to the last bit.

use std::collections::BTreeMap;

use super::RepeatFacts;
use crate::SampleRecord;
use crate::perturb::{PerturbError, Perturbed, Perturber, SampleBatch};

/// Perturbs the first samples of a run a second time, to find components that are not deterministic.
///
/// It keeps the results of those samples as they come, so that images, latents and answers are compared as well. Where a
/// result comes from an earlier process, its record alone is compared.
#[derive(Debug)]
pub struct RepeatCheck {
    samples: usize,
    /// By index; at most `samples`, those with the lowest indices.
    kept: BTreeMap<usize, Kept>,
}

#[derive(Debug)]
struct Kept {
    sample: Perturbed,
    /// Whether it was perturbed in a batch of its own.
    alone: bool,
}

impl RepeatCheck {
    /// A check of the first `samples` samples that do not fail.
    pub fn new(samples: usize) -> Self {
        Self { samples, kept: BTreeMap::new() }
    }

    /// Keeps what is needed of a batch of results, in whatever order batches come.
    pub fn keep(&mut self, batch: &[Perturbed]) {
        for sample in batch.iter().filter(|sample| !sample.record.outcome.is_failure()) {
            let first = self.kept.last_key_value().is_some_and(|(last, _)| sample.record.index < *last);
            if self.kept.len() < self.samples || first {
                let kept = Kept { sample: sample.clone(), alone: batch.len() == 1 };
                self.kept.insert(sample.record.index, kept);
            }
            if self.kept.len() > self.samples {
                self.kept.pop_last();
            }
        }
    }

    /// Perturbs the first samples of `records`, all results of the run by index, once more and compares. `samples` makes
    /// the batch of one index. No cache is used: it would hide a generator that encodes differently each time. A sample
    /// that differs is perturbed alone a third time: two equal results say that the batch made the difference.
    ///
    /// # Errors
    /// As [`Perturber::run`], and those of `samples`.
    pub fn run<E: From<PerturbError>>(
        &self,
        perturber: &Perturber<'_>,
        records: &[SampleRecord],
        samples: impl Fn(usize) -> Result<SampleBatch, E>,
    ) -> Result<RepeatFacts, E> {
        let perturber = Perturber { cache: None, ..*perturber };
        let mut facts = RepeatFacts::default();
        for record in records.iter().filter(|r| !r.outcome.is_failure()).take(self.samples) {
            let batch = samples(record.index)?;
            for again in perturber.run(&batch)? {
                // A result that was done again since does not stand for the record that is there now.
                let kept = self.kept.get(&record.index);
                let whole = kept.filter(|first| first.sample.record.difference(record).is_none());
                let difference = match whole {
                    Some(first) => first.sample.difference(&again),
                    None => record.difference(&again.record),
                };
                facts.samples += 1;
                facts.whole += usize::from(whole.is_some());
                if let Some(difference) = difference {
                    facts.differing += 1;
                    if kept.is_none_or(|first| !first.alone) {
                        let third = perturber.run(&batch)?;
                        let same = third.iter().all(|third| again.difference(third).is_none());
                        facts.by_batch += usize::from(same);
                    }
                    facts.largest = facts.largest.max(&difference);
                    facts.largest_difference = facts.largest.largest();
                }
            }
        }
        Ok(facts)
    }
}
