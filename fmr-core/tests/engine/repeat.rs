//! The repeat check finds a component that gives different results, in whatever it shows.

use std::sync::atomic::{AtomicUsize, Ordering};

use fmr_core::perturb::{MemoryCache, PerturbError, Perturbed, Perturber, SampleBatch};
use fmr_core::validity::{RepeatCheck, RepeatFacts};
use fmr_core::{ComponentError, ImagePullBack, SampleRecord, Target, TargetSpec};
use ndarray::{Array2, ArrayView4};

use super::toy::{CLASSES, Network, Toy};

/// A target whose every call gives slightly larger logits than the call before; no decision changes.
struct Drifting {
    inner: Network,
    calls: AtomicUsize,
}

impl Drifting {
    fn drift(&self, logits: Array2<f32>) -> Array2<f32> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        logits.mapv(|v| v * (1.0 + 1e-6 * calls as f32))
    }
}

impl Target for Drifting {
    fn spec(&self) -> &TargetSpec {
        &self.inner.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(self.drift(self.inner.logits(images)?))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (logits, back) = self.inner.logits_with_pullback(images)?;
        Ok((self.drift(logits), back))
    }
}

/// Runs samples in two batches and checks `most` of them; `keeps` says whether whole results are at hand.
fn check(toy: &Toy, perturber: &Perturber<'_>, most: usize, keeps: bool) -> (RepeatFacts, Vec<Perturbed>) {
    let mut check = RepeatCheck::new(most);
    let mut found = Vec::new();
    // Later batches may come first.
    for part in [8..16, 0..8] {
        let batch = perturber.run(&toy.samples(&part.collect::<Vec<_>>())).unwrap();
        if keeps {
            check.keep(&batch);
        }
        found.extend(batch);
    }
    found.sort_by_key(|one| one.record.index);
    let records: Vec<SampleRecord> = found.iter().map(|one| one.record.clone()).collect();
    let samples = |index: usize| -> Result<SampleBatch, PerturbError> { Ok(toy.samples(&[index])) };
    (check.run(perturber, &records, samples).unwrap(), found)
}

#[test]
fn a_deterministic_run_repeats_itself() {
    let toy = Toy::new("budget = 4\nstep-size = 0.05");
    let cache = MemoryCache::new(1 << 20);
    let perturber = Perturber { cache: Some(&cache), ..toy.perturber() };
    for (keeps, whole) in [(true, 5), (false, 0)] {
        let (facts, _) = check(&toy, &perturber, 5, keeps);
        assert_eq!(facts, RepeatFacts { samples: 5, whole, ..RepeatFacts::default() });
    }
    assert_eq!(check(&toy, &perturber, 0, true).0, RepeatFacts::default());
}

#[test]
fn what_only_answers_show_is_found_where_whole_results_are_kept() {
    let toy = Toy::new("budget = 0");
    let target = Drifting { inner: Network::new(11), calls: AtomicUsize::new(0) };
    let perturber = Perturber { target: &target, ..toy.perturber() };
    let (facts, found) = check(&toy, &perturber, 4, true);
    assert!(found[0].answers.original.logits.len() == CLASSES);
    assert_eq!((facts.samples, facts.whole, facts.differing), (4, 4, 4));
    assert!(facts.largest.logit > 0.0 && facts.largest.logit < 1e-3);
    assert_eq!((facts.largest.pixel, facts.largest.probability), (0.0, 0.0));
    assert_eq!(facts.largest_difference, facts.largest.largest());
    let (facts, _) = check(&toy, &perturber, 4, false);
    assert_eq!((facts.samples, facts.whole, facts.largest.logit), (4, 0, 0.0));
}

/// A target whose logits depend on the number of images, as sums in a different order do.
struct Rounding(Network);

impl Target for Rounding {
    fn spec(&self) -> &TargetSpec {
        &self.0.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let scale = if images.dim().0 == 1 { 1.0 + 1e-6 } else { 1.0 };
        Ok(self.0.logits(images)? * scale)
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (_, back) = self.0.logits_with_pullback(images)?;
        Ok((self.logits(images)?, back))
    }
}

#[test]
fn rounding_between_batch_sizes_is_not_taken_for_chance() {
    let toy = Toy::new("budget = 0");
    let target = Rounding(Network::new(11));
    let perturber = Perturber { target: &target, ..toy.perturber() };
    let (facts, _) = check(&toy, &perturber, 4, true);
    assert_eq!((facts.samples, facts.differing, facts.by_batch), (4, 4, 4));
    let drifting = Drifting { inner: Network::new(11), calls: AtomicUsize::new(0) };
    let perturber = Perturber { target: &drifting, ..toy.perturber() };
    assert_eq!(check(&toy, &perturber, 4, true).0.by_batch, 0);
}

#[test]
fn facts_of_earlier_versions_can_be_read() {
    let text = r#"{"samples":5,"differing":1,"largest-difference":0.5}"#;
    let facts: RepeatFacts = serde_json::from_str(text).unwrap();
    assert_eq!((facts.whole, facts.largest_difference, facts.largest.pixel), (0, 0.5, 0.0));
    assert_eq!(serde_json::from_str::<RepeatFacts>(&serde_json::to_string(&facts).unwrap()).unwrap(), facts);
}
