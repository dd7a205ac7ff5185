//! Two results of a sample are compared in everything that they hold.

use fmr_core::Difference;
use fmr_core::perturb::{CacheUse, Perturbed};

use super::toy::Toy;

/// A sample with accepted steps.
fn sample() -> Perturbed {
    let toy = Toy::new("budget = 4\nstep-size = 0.01");
    let found = toy.perturber().run(&toy.samples(&(0..10).collect::<Vec<_>>())).unwrap();
    found.into_iter().find(|one| one.record.accepted_updates == 4).unwrap()
}

/// The difference that a change makes.
fn changed(change: impl FnOnce(&mut Perturbed)) -> Option<Difference> {
    let before = sample();
    let mut after = before.clone();
    change(&mut after);
    assert_eq!(before.difference(&after), after.difference(&before));
    before.difference(&after)
}

#[test]
fn every_number_counts_and_has_its_kind() {
    assert_eq!(changed(|_| ()), None);
    let by = |change: fn(&mut Perturbed)| changed(change).unwrap();
    let none = Difference::default();
    let near = |found: f64| (found - 0.25).abs() < 1e-6;
    assert!(near(by(|p| p.record.final_score += 0.25).score));
    assert!(near(by(|p| p.record.steps[2].score -= 0.25).score));
    assert!(near(by(|p| p.record.steps[2].gradient_norm += 0.25).gradient_norm));
    assert!(near(by(|p| p.record.latent_moved += 0.25).latent));
    assert!(near(by(|p| p.record.steps[0].oracle_true = p.record.steps[0].oracle_true.map(|v| v + 0.25)).probability));
    assert!(near(by(|p| p.answers.original.oracle[1] += 0.25).probability));
    assert!(near(by(|p| p.answers.reconstruction.logits[1] -= 0.25).logit));
    assert!(near(by(|p| p.answers.final_image.logits[1] -= 0.25).logit));
    assert!(near(by(|p| p.final_latent[3] += 0.25).latent));
    assert!(near(by(|p| p.original[[0, 1, 1]] += 0.25).pixel));
    assert!(near(by(|p| p.reconstruction[[0, 1, 1]] += 0.25).pixel));
    let pixel = by(|p| p.final_image[[0, 1, 1]] += 0.25);
    assert!(near(pixel.pixel) && near(pixel.largest()));
    assert_eq!(Difference { pixel: 0.0, ..pixel }, none, "one kind does not touch another");

    // What is not a number differs by 0.
    assert_eq!(by(|p| p.record.final_prediction = None), none);
    assert_eq!(by(|p| p.record.steps[1].accepted = false), none);
    assert_eq!(by(|p| p.answers = fmr_core::perturb::Answers::default()), none);
    assert_eq!(by(|p| p.record.finished = Some(true)), none);
    assert_eq!(
        by(|p| p.final_latent[0] = if p.final_latent[0] == 0.0 { -0.0 } else { p.final_latent[0] + 1.0 }).pixel,
        0.0
    );
    assert_eq!(changed(|p| p.cached = CacheUse::Known), None);
}

#[test]
fn one_bit_is_seen_and_nan_equals_itself() {
    let bit = changed(|p| p.final_image[[0, 0, 0]] = f32::from_bits(p.final_image[[0, 0, 0]].to_bits() ^ 1)).unwrap();
    assert!(bit.pixel > 0.0 && bit.pixel < 1e-6);
    let mut zero = sample();
    zero.record.score0 = 0.0;
    let mut negative = zero.clone();
    negative.record.score0 = -0.0;
    assert_eq!(zero.difference(&negative), Some(Difference::default()), "zeros of different sign");
    let mut nan = sample();
    nan.record.score0 = f64::NAN;
    nan.answers.original.logits[0] = f32::NAN;
    assert_eq!(nan.difference(&nan.clone()), None);
    assert_eq!(nan.record.difference(&nan.record.clone()), None);
    let found = nan.difference(&sample()).unwrap();
    assert_eq!((found.score, found.logit, found.largest()), (f64::INFINITY, f64::INFINITY, f64::INFINITY));
    // An infinite difference survives being written down.
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Difference>(&text).unwrap(), found);
}

#[test]
fn differences_of_several_samples_are_the_largest_of_each_kind() {
    let a = Difference { score: 1.0, pixel: 0.5, ..Difference::default() };
    let b = Difference { score: 2.0, logit: 0.1, ..Difference::default() };
    assert_eq!(a.max(&b), Difference { score: 2.0, pixel: 0.5, logit: 0.1, ..Difference::default() });
}
