//! What the golden traces do not touch: failures of components, halving, restarts, the estimator, the identity.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fmr_core::metrics::{Average, MetricsSettings, Produced, Summary};
use fmr_core::perturb::{Observer, PerturbError, Perturbed, StepView, Workers};
use fmr_core::{Outcome, SampleRecord};
use ndarray::Array1;
use proptest::prelude::*;

use super::toy::{CLASSES, Curved, Identity, Toy, opaque};

fn run(toy: &Toy, samples: &[usize]) -> Vec<Perturbed> {
    toy.perturber().run(&toy.samples(samples)).unwrap()
}

fn records(toy: &Toy, samples: &[usize]) -> Vec<SampleRecord> {
    run(toy, samples).into_iter().map(|p| p.record).collect()
}

fn all() -> Vec<usize> {
    (0..40).collect()
}

#[test]
fn a_component_that_fails_fails_only_the_guilty() {
    let search = "budget = 10\nstep-size = 0.1";
    let sound = records(&Toy::new(search), &all());
    let toy = Toy { generator: Box::new(Curved::failing_above(1.2)), ..Toy::new(search) };
    let found = records(&toy, &all());
    let failed: Vec<&SampleRecord> = found.iter().filter(|r| r.component_failed()).collect();
    assert!(failed.len() > 1 && failed.len() < found.len(), "{} failed", failed.len());
    assert!(failed.iter().all(|r| r.error.as_ref().unwrap().contains("a latent is too large")));
    for (a, b) in found.iter().zip(&sound).filter(|(a, _)| !a.component_failed()) {
        assert_eq!(a, b);
    }
    // What failed later keeps what it had reached.
    let (late, before) = found.iter().zip(&sound).find(|(a, _)| a.component_failed() && a.ended_at > 1).unwrap();
    assert_eq!(late.clean_prediction, before.clean_prediction);
    assert_eq!(late.steps[..], before.steps[..late.steps.len()]);
    assert_eq!(late.final_from, Some(late.accepted_updates));
    // Of what failed before the search, no class is known, and none counts as right.
    let early: Vec<SampleRecord> = failed.into_iter().filter(|r| r.ended_at == 0).cloned().collect();
    assert!(!early.is_empty() && early.iter().all(|r| (r.clean_prediction, r.final_oracle) == (None, None)));
    let figures = Summary::of(&early, &[], &MetricsSettings::default()).overall;
    assert_eq!((figures.sa.hits, figures.counts.produced, figures.oracle_clean.hits), (0, 0, 0));
    assert_eq!((figures.sa.of, figures.endings.failed), (early.len(), early.len()));
}

#[test]
fn halving_goes_on_with_half_the_step() {
    let stop = records(&Toy::new("budget = 12\nstep-size = 0.4"), &all());
    let halve = records(&Toy::new("budget = 12\nstep-size = 0.4\non-violation = \"halve\"\nhalvings = 2"), &all());
    let mut went_on = 0;
    for (a, b) in stop.iter().zip(&halve) {
        assert!(b.accepted_updates >= a.accepted_updates);
        assert!(b.steps.iter().filter(|s| !s.accepted).count() <= 3);
        if a.outcome == Outcome::StoppedByOracle && b.steps.len() > a.ended_at {
            went_on += 1;
            let (refused, again) = (&b.steps[a.ended_at - 1], &b.steps[a.ended_at]);
            assert!(!refused.accepted);
            assert_eq!((refused.score, refused.gradient_norm), (again.score, again.gradient_norm));
        }
    }
    assert!(went_on > 3, "{went_on}");
}

#[test]
fn restarts_never_lower_the_score_and_leave_the_reconstruction() {
    let once = run(&Toy::new("budget = 5\nstep-size = 0.05"), &all());
    let more = run(&Toy::new("budget = 5\nstep-size = 0.05\nrestarts = 4\nrestart-noise = 0.3"), &all());
    let mut higher = 0;
    for (a, b) in once.iter().zip(&more) {
        let (a, b, same) = (&a.record, &b.record, a.reconstruction == b.reconstruction);
        assert!(same && a.score0 == b.score0 && a.reconstruction_oracle == b.reconstruction_oracle);
        if a.outcome == Outcome::ReconstructionRejected {
            assert_eq!(a, b);
        } else {
            assert!(b.final_score >= a.final_score);
            higher += usize::from(b.final_score > a.final_score);
        }
    }
    assert!(higher > 3, "{higher}");
}

#[test]
fn of_equal_scores_the_earliest_is_final() {
    let mut toy = Toy::new("budget = 4\nselect = \"max-score\"");
    toy.mask = Some(vec![0.0; 5]);
    for record in records(&toy, &all()).iter().filter(|r| r.outcome == Outcome::BudgetReached) {
        assert_eq!((record.final_from, record.accepted_updates, record.latent_moved), (Some(0), 4, 0.0));
    }
}

/// Keeps the first gradient of each sample.
#[derive(Default, Clone)]
struct FirstGradients(Arc<Mutex<Vec<Array1<f32>>>>);

impl Observer for FirstGradients {
    fn step(&self, view: &StepView<'_>) {
        if view.t == 1 {
            self.0.lock().unwrap().push(view.gradient.to_owned());
        }
    }
}

#[test]
fn the_estimator_finds_the_gradient() {
    let search = "budget = 1\nstep-size = 0.05\nestimator = { samples = 400, sigma = 0.001 }";
    let gradients = |target| {
        let kept = FirstGradients::default();
        let toy = Toy { target, observer: Box::new(kept.clone()), ..Toy::new(search) };
        run(&toy, &[0, 1, 2, 3]);
        let kept = kept.0.lock().unwrap();
        kept.clone()
    };
    let (exact, estimated) = (gradients(super::toy::Network::new(11)), gradients(opaque(11)));
    assert_eq!(exact.len(), estimated.len());
    for (a, b) in exact.iter().zip(&estimated) {
        let cosine = a.dot(b) / (a.dot(a) * b.dot(b)).sqrt();
        assert!(cosine > 0.97, "{cosine}: {a} {b}");
    }
}

/// Lets some iterations pass, then says stop.
struct Impatient(AtomicUsize);

impl Observer for Impatient {
    fn keep_going(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < 3
    }
}

#[test]
fn the_observer_ends_the_run() {
    let toy = Toy { observer: Box::new(Impatient(AtomicUsize::new(0))), ..Toy::new("budget = 9\nstep-size = 0.001") };
    assert!(matches!(toy.perturber().run(&toy.samples(&[0, 1])), Err(PerturbError::Cancelled)));
}

#[test]
fn what_a_component_was_told_to_give_up_is_no_failure() {
    let search = "budget = 10\nstep-size = 0.1";
    let sound = records(&Toy::new(search), &all());
    let told = Arc::new(AtomicBool::new(false));
    let toy = Toy { generator: Box::new(Curved::cancelled_above(1.2, &told)), ..Toy::new(search) };
    // Alone and in a batch, from the start and in the midst of a search.
    assert!(matches!(toy.perturber().run(&toy.samples(&all())), Err(PerturbError::Cancelled)));
    let whole = |i: &usize| toy.perturber().run(&toy.samples(&[*i])).is_ok();
    let unharmed = all().iter().take_while(|i| whole(i)).count();
    assert!(unharmed > 0 && unharmed < all().len(), "{unharmed}");

    // A run that is to end hands over what is finished; one that is to go on must not lose a batch unnoticed.
    told.store(false, Ordering::Relaxed);
    let run = |go_on: &(dyn Fn() -> bool + Sync)| {
        let mut found = Vec::new();
        let workers = Workers { threads: 1, batch: 1, enter: &|| {}, go_on, tick: &|| {} };
        let result = workers.run::<PerturbError>(&toy.perturber(), &all(), &|p| Ok(toy.samples(p)), |some| {
            found.extend(some.into_iter().map(|p| p.record));
            Ok(())
        });
        (result, found)
    };
    let (result, found) = run(&|| !told.load(Ordering::Relaxed));
    assert!(result.is_ok());
    assert_eq!(found, sound[..unharmed]);
    assert!(matches!(run(&|| true).0, Err(PerturbError::Cancelled)));
}

#[test]
fn a_number_that_is_not_finite_fails_its_sample_or_the_run() {
    let mut toy = Toy::new("budget = 3\nstep-size = 3e38\nrule = \"gradient\"");
    let found = records(&toy, &all());
    assert!(
        found.iter().any(|r| r.outcome == Outcome::Failed && r.error.as_deref() == Some("the latent is not finite")),
        "{found:?}"
    );
    toy.search.on_nonfinite = fmr_core::perturb::OnNonfinite::AbortRun;
    let error = toy.perturber().run(&toy.samples(&all())).unwrap_err();
    assert!(matches!(error, PerturbError::NonFinite { .. }), "{error}");
}

#[test]
fn inconsistent_batches_are_refused() {
    let toy = Toy::new("budget = 1");
    let mut batch = toy.samples(&[0, 1]);
    batch.seeds.pop();
    assert!(matches!(toy.perturber().run(&batch), Err(PerturbError::Batch(_))));
    let masked = Toy { mask: Some(vec![1.0; 3]), ..Toy::new("budget = 1") };
    let error = masked.perturber().run(&masked.samples(&[0])).unwrap_err();
    assert_eq!(error.to_string(), "a batch of samples is inconsistent: the mask has 3 values, a latent 5");
    assert!(toy.perturber().run(&toy.samples(&[])).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_identity_without_budget_loses_nothing(first in 0usize..10_000, n in 1usize..40) {
        let toy = Toy { generator: Box::new(Identity::new()), ..Toy::new("budget = 0") };
        let samples: Vec<usize> = (first..first + n).collect();
        let found = records(&toy, &samples);
        // Refused ones stand with the original, so over all images PA is SA; over those let through both are.
        for (produced, average) in [(Produced::All, Average::Pooled), (Produced::All, Average::Macro)] {
            let settings = MetricsSettings { produced, average, ..MetricsSettings::default() };
            let summary = Summary::of(&found, &[], &settings);
            prop_assert_eq!(summary.overall.pa.value, summary.overall.sa.value);
            let expected = (summary.overall.sa.value != Some(0.0)).then_some(1.0);
            if average == Average::Pooled {
                prop_assert_eq!(summary.overall.fmr.value, expected);
            }
        }
        let settings = MetricsSettings {
            produced: Produced::Reconstruction,
            sa_over: fmr_core::metrics::SaOver::Produced,
            ..MetricsSettings::default()
        };
        let overall = Summary::of(&found, &[], &settings).overall;
        prop_assert_eq!(overall.pa.value, overall.sa.value);
    }

    #[test]
    fn summaries_add_up(first in 0usize..10_000, n in 1usize..60, class in 0..CLASSES) {
        let toy = Toy::new("budget = 4\nstep-size = 0.2");
        let found = records(&toy, &(first..first + n).collect::<Vec<_>>());
        let pooled = MetricsSettings::default();
        let averaged = MetricsSettings { average: Average::Macro, ..MetricsSettings::default() };
        let summary = Summary::of(&found, &[], &pooled);
        prop_assert_eq!(summary.overall.endings.total(), n);
        prop_assert_eq!(summary.classes.iter().map(|c| c.figures.n).sum::<usize>(), n);
        let refused: usize = summary.overall.endings.refused_at.iter().sum();
        prop_assert_eq!(refused, found.iter().filter(|r| matches!(r.outcome, Outcome::ReconstructionRejected | Outcome::StoppedByOracle)).count());
        // Macro figures of one class are its pooled ones.
        let one: Vec<SampleRecord> = found.into_iter().filter(|r| r.label == class).collect();
        let (a, b) = (Summary::of(&one, &[], &pooled).overall, Summary::of(&one, &[], &averaged).overall);
        prop_assert_eq!((a.sa, a.pa, a.vr, a.accepted_updates), (b.sa, b.pa, b.vr, b.accepted_updates));
        prop_assert_eq!((a.fmr.value, a.fmr.interval), (b.fmr.value, b.fmr.interval));
        // A summary survives being written down.
        let text = serde_json::to_string(&summary).unwrap();
        prop_assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
