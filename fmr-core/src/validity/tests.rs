#![expect(clippy::unwrap_used, reason = "tests")]

use ndarray::array;

use super::*;
use crate::metrics::MetricsSettings;
use crate::perturb::{CacheUse, StepUnit};
use crate::{Outcome, StepRecord};

/// A sample against which nothing speaks.
pub(super) fn sound(index: usize) -> SampleRecord {
    let step = StepRecord {
        t: 1,
        score: 0.1,
        gradient_norm: 2.0,
        oracle_true: Some(0.9),
        oracle_class: Some(0),
        prediction: Some(0),
        accepted: true,
    };
    SampleRecord {
        index,
        key: format!("test/{index:05}"),
        label: 0,
        clean_prediction: Some(0),
        clean_oracle: Some(0),
        reconstruction_prediction: Some(0),
        reconstruction_oracle: Some(0),
        reconstruction_accepted: true,
        score0: 0.1,
        final_score: 0.4,
        final_prediction: Some(0),
        final_oracle: Some(0),
        outcome: Outcome::BudgetReached,
        ended_at: 1,
        accepted_updates: 1,
        final_from: Some(1),
        finished: None,
        latent_moved: 0.1,
        moved_spreads: None,
        error: None,
        steps: vec![step],
    }
}

/// Flags of ten samples, of which the first `count` are changed; but for the one that says that ten are few.
fn raised(count: usize, facts: Facts, change: impl Fn(&mut SampleRecord)) -> Vec<Flag> {
    let mut records: Vec<SampleRecord> = (0..10).map(sound).collect();
    records.iter_mut().take(count).for_each(change);
    let names = ["cat".to_owned(), "dog".to_owned()];
    let summary = Summary::of(&records, &names, &MetricsSettings::default());
    let mut flags = flags(&records, &summary, &facts);
    assert_eq!(flags.remove(0).kind, FlagKind::FewSamples);
    flags
}

fn one(count: usize, facts: Facts, change: impl Fn(&mut SampleRecord)) -> (FlagKind, String) {
    let flags = raised(count, facts, change);
    assert_eq!(flags.len(), 1, "{flags:?}");
    (flags[0].kind, format!("{}/{} {}", flags[0].count, flags[0].of, flags[0].sentence))
}

#[test]
fn a_sound_run_raises_nothing() {
    let facts = Facts {
        logits: Some(LogitsFacts { rows: 10, like_probabilities: 3 }),
        repeated: Some(RepeatFacts { samples: 5, whole: 5, ..RepeatFacts::default() }),
        cache: Some(CacheFacts { known: 10, contradicted: 0 }),
        replaced: Some(ReplacedFacts { before: 0, times: 1 }),
        mask: Some(MaskFacts { kept: 3, values: 8, test: Some((60, 80)) }),
        step_size: Some(0.1),
        step_unit: StepUnit::Latent,
        published_accuracy: Some(0.98),
    };
    assert_eq!(raised(0, facts, |_| {}), []);
    let nothing = Summary::of(&[], &[], &MetricsSettings::default());
    assert_eq!(flags(&[], &nothing, &facts), []);
}

#[test]
fn few_samples_are_the_first_flag() {
    let first = |n: usize, change: &dyn Fn(&mut SampleRecord)| {
        let mut records: Vec<SampleRecord> = (0..n).map(sound).collect();
        records.iter_mut().for_each(change);
        let summary = Summary::of(&records, &[], &MetricsSettings::default());
        let flags = flags(&records, &summary, &Facts::default());
        flags.into_iter().next().map(|flag| (flag.kind, flag.sentence))
    };
    let half = |r: &mut SampleRecord| r.final_prediction = Some(r.index % 2);
    let (kind, text) = first(8, &half).unwrap();
    assert_eq!(kind, FlagKind::FewSamples);
    insta::assert_snapshot!(text, @"n = 8: the interval is wide (FMR from 25.0 to 100.0 %), so the figures say little; take more images.");
    // Without a right answer FMR is undefined, and so has no interval.
    let text = first(29, &|r| r.clean_prediction = Some(1)).unwrap().1;
    insta::assert_snapshot!(text, @"n = 29: with fewer than 30 images the figures say little; take more images.");
    assert_eq!(first(30, &|r| r.clean_prediction = Some(1)), None);
    let text = first(80, &half).unwrap().1;
    insta::assert_snapshot!(text, @"n = 80: the interval is wide (FMR from 40.2 to 62.2 %), so the figures say little; take more images.");
    assert_eq!(first(400, &half), None);
}

#[test]
fn gradients() {
    let (kind, text) = one(2, Facts::default(), |r| r.steps[0].gradient_norm = 0.0);
    assert_eq!(kind, FlagKind::ZeroGradients);
    insta::assert_snapshot!(text, @"2/10 The gradient was zero at 2 of 10 updates: the search stood still there, and PA is too high.");
    let (kind, text) = one(1, Facts::default(), |r| r.steps[0].gradient_norm = f64::NAN);
    assert_eq!(kind, FlagKind::NonFiniteGradients);
    insta::assert_snapshot!(text, @"1/10 The gradient was not finite at 1 of 10 updates: the target or the generator overflows.");
}

#[test]
fn failures() {
    let (kind, text) = one(1, Facts::default(), |r| {
        r.outcome = Outcome::Failed;
        r.error = Some("the gradient is not finite".into());
    });
    assert_eq!(kind, FlagKind::FailedSamples);
    insta::assert_snapshot!(text, @"1/10 1 of 10 samples failed and count as not produced (first: test/00000: the gradient is not finite).");
}

#[test]
fn facts_beyond_the_records() {
    let replaced = Some(ReplacedFacts { before: 4, times: 2 });
    let (kind, text) = one(0, Facts { replaced, ..Facts::default() }, |_| {});
    assert_eq!(kind, FlagKind::ReplacedPlugin);
    insta::assert_snapshot!(text, @"4/10 4 of 10 samples were made before a plugin's file was replaced (2 times): they are the earlier file's, which the run keeps the hash of.");
    let largest = crate::Difference { score: 0.25, pixel: 1.0 / 255.0, ..crate::Difference::default() };
    let repeated =
        Some(RepeatFacts { samples: 5, whole: 5, differing: 2, by_batch: 0, largest_difference: 0.25, largest });
    let (kind, text) = one(0, Facts { repeated, ..Facts::default() }, |_| {});
    assert_eq!(kind, FlagKind::NonDeterminism);
    insta::assert_snapshot!(text, @"2/5 2 of 5 samples gave a different result when perturbed again (largest differences: score 2.5e-1, pixel 3.9e-3): a component is not deterministic, and the run cannot be repeated bit for bit.");
    let mut cache = CacheFacts::default();
    [CacheUse::Unknown, CacheUse::Known, CacheUse::Contradicted].into_iter().for_each(|used| cache.add(used));
    let (kind, text) = one(0, Facts { cache: Some(cache), ..Facts::default() }, |_| {});
    assert_eq!(kind, FlagKind::ChangingReconstructions);
    insta::assert_snapshot!(text, @"1/2 1 of 2 latents from the cache were decoded to a different reconstruction than before: the generator is not deterministic, and rows that share the cache are not comparable bit for bit.");
    let mut logits = LogitsFacts::default();
    logits.add(array![0.2_f32, 0.3, 0.5].view());
    logits.add(array![0.0_f32, 0.0, 1.0].view());
    logits.add(array![].view());
    let (kind, text) = one(0, Facts { logits: Some(logits), ..Facts::default() }, |_| {});
    assert_eq!(kind, FlagKind::ProbabilitiesForLogits);
    insta::assert_snapshot!(text, @"2/2 The target's outputs on all 2 final images lie in [0, 1] and sum to 1: they look like probabilities where logits belong, which flattens scores and gradients.");
    logits.add(array![0.2_f32, 0.3, 0.6].view());
    logits.add(array![-0.5_f32, 0.5, 1.0].view());
    assert_eq!(logits, LogitsFacts { rows: 4, like_probabilities: 2 });
    assert_eq!(raised(0, Facts { logits: Some(logits), ..Facts::default() }, |_| {}), []);
}

#[test]
fn reconstructions_and_oracle() {
    let (kind, text) = one(1, Facts::default(), |r| r.reconstruction_prediction = Some(1));
    assert_eq!(kind, FlagKind::ReconstructionFlipsTarget);
    insta::assert_snapshot!(text, @"1/10 The bare reconstruction flips the target's right answer on 1 of 10 images (10.0 %): that loss is the generator's, not the perturbation's (see metrics.sa-on).");
    let (kind, text) = one(1, Facts::default(), |r| r.reconstruction_oracle = Some(1));
    assert_eq!(kind, FlagKind::ReconstructionFlipsOracle);
    insta::assert_snapshot!(text, @"1/10 The bare reconstruction flips the oracle's answer on 1 of 10 images (10.0 %): the generator is not faithful enough for this oracle.");
    let (kind, text) = one(1, Facts::default(), |r| (r.clean_oracle, r.reconstruction_oracle) = (Some(1), Some(1)));
    assert_eq!(kind, FlagKind::OracleWrongOnOriginals);
    insta::assert_snapshot!(text, @r#"1/10 The oracle is wrong on 1 of 10 originals (10.0 %): it refuses images for its own mistakes, and a validation rate of 100 % is out of reach for verdict.rule = "argmax"."#);
}

#[test]
fn searches_that_come_to_nothing() {
    let (kind, text) = one(3, Facts::default(), |r| r.final_score = r.score0);
    assert_eq!(kind, FlagKind::ScoreDoesNotRise);
    insta::assert_snapshot!(text, @"3/10 The score did not rise on 3 of 10 perturbed images (30.0 %): the step size is too large, or the gradient is wrong.");
    let (kind, text) = one(4, Facts { step_size: Some(0.1), ..Facts::default() }, |r| r.latent_moved = 0.009);
    assert_eq!(kind, FlagKind::LatentsHardlyMoved);
    insta::assert_snapshot!(text, @"4/10 4 of 10 perturbed latents hardly moved (less than a tenth of one step): their final images are reconstructions in all but name.");
    // Without a step size only what stood still is known to have hardly moved.
    assert_eq!(raised(4, Facts::default(), |r| r.latent_moved = 0.009), []);
    assert_eq!(one(4, Facts::default(), |r| r.latent_moved = 0.0).0, FlagKind::LatentsHardlyMoved);
}

#[test]
fn low_validation_rate() {
    let (kind, text) = one(2, Facts::default(), |r| {
        (r.outcome, r.accepted_updates, r.final_from) = (Outcome::StoppedByOracle, 0, Some(0));
        (r.label, r.clean_prediction, r.clean_oracle) = (1, Some(1), Some(1));
        (r.reconstruction_prediction, r.reconstruction_oracle) = (Some(1), Some(1));
    });
    assert_eq!(kind, FlagKind::LowValidationRate);
    insta::assert_snapshot!(text, @"2/10 Only 8 of 10 images were produced (80.0 %; worst class: dog, 0 of 2): PA and FMR are those of the images that the oracle let through, which are easier, and so too high.");
}

#[test]
fn flags_are_data() {
    let flags = raised(2, Facts::default(), |r| r.steps[0].gradient_norm = 0.0);
    let text = serde_json::to_string(&flags).unwrap();
    assert!(text.starts_with(r#"[{"kind":"zero-gradients","count":2,"of":10,"sentence":"#), "{text}");
    assert_eq!(serde_json::from_str::<Vec<Flag>>(&text).unwrap(), flags);
}

#[test]
fn masks() {
    let facts = |kept: usize, test: (usize, usize)| Facts {
        mask: Some(MaskFacts { kept, values: 8, test: Some(test) }),
        ..Facts::default()
    };
    let (kind, text) = one(0, facts(0, (31, 62)), |_| {});
    assert_eq!(kind, FlagKind::EmptyMask);
    insta::assert_snapshot!(text, @"10/10 The mask keeps none of 8 values: no latent moved, and PA and FMR are those of bare reconstructions, not of a search. Latents before and after differ too little for its penalty: choose it by sparsity or cross-validation, learn from more images, or take larger steps or more of them.");
    let (kind, text) = one(0, facts(3, (33, 62)), |_| {});
    assert_eq!(kind, FlagKind::MaskOfChance);
    insta::assert_snapshot!(text, @"29/62 The mask's classifier puts 33 of 62 held-out latents on their side (53.2 %), which guessing may do as well: nothing says that the 3 values it keeps are those that the search uses.");
    // Five of ten updates are no more than half.
    let still = |r: &mut SampleRecord| (r.steps[0].score, r.score0) = (r.final_score, 0.0);
    assert_eq!(raised(5, facts(3, (60, 80)), still), []);
    let (kind, text) = one(6, facts(3, (60, 80)), still);
    assert_eq!(kind, FlagKind::MaskStandsStill);
    insta::assert_snapshot!(text, @"6/10 Under the mask 6 of 10 updates (60.0 %) left the score as it was to the last digit: the images are close to reconstructions, and FMR is that of a much milder test.");
    assert_eq!(raised(6, Facts::default(), still), [], "without a mask updates may come to nothing");
    let (_, text) = one(3, facts(3, (60, 80)), |r| r.final_score = r.score0 - 0.01);
    insta::assert_snapshot!(text, @"3/10 The score did not rise on 3 of 10 perturbed images (30.0 %): the mask lets too little move, the step size is too large, or the gradient is wrong.");
}
