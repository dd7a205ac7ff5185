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
    kept: BTreeMap<usize, Perturbed>,
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
                self.kept.insert(sample.record.index, sample.clone());
            }
            if self.kept.len() > self.samples {
                self.kept.pop_last();
            }
        }
    }

    /// Perturbs the first samples of `records`, all results of the run by index, once more and compares. `samples` makes
    /// the batch of one index. No cache is used: it would hide a generator that encodes differently each time.
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
            for again in perturber.run(&samples(record.index)?)? {
                // A result that was done again since does not stand for the record that is there now.
                let whole = self.kept.get(&record.index).filter(|first| first.record.difference(record).is_none());
                let difference = match whole {
                    Some(first) => first.difference(&again),
                    None => record.difference(&again.record),
                };
                facts.samples += 1;
                facts.whole += usize::from(whole.is_some());
                if let Some(difference) = difference {
                    facts.differing += 1;
                    facts.largest = facts.largest.max(&difference);
                    facts.largest_difference = facts.largest.largest();
                }
            }
        }
        Ok(facts)
    }
}
