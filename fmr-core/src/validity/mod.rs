//! Flags that a run raises by itself: signs that its figures do not mean what they seem to (design, section 10).

mod facts;
mod labels;
mod repeat;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use facts::{CacheFacts, Facts, LogitsFacts, MaskFacts, RepeatFacts, ReplacedFacts};
pub use repeat::RepeatCheck;

use crate::SampleRecord;
use crate::metrics::{ClassFigures, Effort, Figures, Interval, Summary};
use crate::perturb::StepUnit;

/// Shares up to this are in the nature of things: a few images are flipped by any reconstruction.
const TOLERATED_SHARE: f64 = 0.05;
/// Below this validation rate FMR speaks of a selection of easy images (the paper's Table 13: "primate").
const LEAST_VALIDATION_RATE: f64 = 0.9;
/// Beyond this share of updates that change nothing a masked search is close to none.
const MOST_UNCHANGED: f64 = 0.5;
/// Confidence with which a classifier must be better than guessing.
const BETTER_THAN_GUESSING: f64 = 0.95;
/// With fewer samples than this every figure is uncertain.
const FEW_SAMPLES: usize = 30;
/// An interval of FMR wider than this tells little (0.2: 20 points).
const WIDE_INTERVAL: f64 = 0.2;
/// A latent that moved less than this share of one step size hardly moved.
const LEAST_MOVE: f64 = 0.1;

/// What a flag is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FlagKind {
    /// Too few samples for what the figures seem to say.
    FewSamples,
    /// Gradients that are zero: the search stands still.
    ZeroGradients,
    /// Gradients that are not finite.
    NonFiniteGradients,
    /// Samples that failed on numbers that are not finite or on a component.
    FailedSamples,
    /// The same sample done twice gave two results.
    NonDeterminism,
    /// The same sample gave one result in a batch and another alone.
    BatchDependence,
    /// The same latent decoded twice gave two reconstructions.
    ChangingReconstructions,
    /// Samples were made with an earlier file of a plugin that was mended since.
    ReplacedPlugin,
    /// The target gives probabilities where logits belong: scores and gradients saturate.
    ProbabilitiesForLogits,
    /// The generator's reconstruction alone flips the target's answer.
    ReconstructionFlipsTarget,
    /// The generator's reconstruction alone flips the oracle's answer.
    ReconstructionFlipsOracle,
    /// The target's answers are right once classes change places.
    ClassesPermuted,
    /// The target is right less often than guessing would be.
    BelowChance,
    /// The target is right far less or far more often than what is published for its weights.
    FarFromPublished,
    /// The oracle is wrong on originals.
    OracleWrongOnOriginals,
    /// Scores that did not rise though updates were accepted.
    ScoreDoesNotRise,
    /// Latents that hardly moved though updates were accepted.
    LatentsHardlyMoved,
    /// A low validation rate, which inflates FMR.
    LowValidationRate,
    /// A mask under which no latent moves.
    EmptyMask,
    /// A mask whose classifier tells latents before from latents after no better than guessing.
    MaskOfChance,
    /// A mask under which most updates change nothing.
    MaskStandsStill,
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Flag {
    /// What it is about.
    pub kind: FlagKind,
    /// Samples (or updates, for gradients) concerned.
    pub count: usize,
    /// Out of how many.
    pub of: usize,
    /// A sentence for people: what was found and what it means.
    pub sentence: String,
}

/// The flags of a run, in the order of [`FlagKind`]; empty where nothing speaks against its figures.
///
/// `summary` is that of the same `records`.
pub fn flags(records: &[SampleRecord], summary: &Summary, facts: &Facts) -> Vec<Flag> {
    let flags = [
        few_samples(summary),
        zero_gradients(records),
        non_finite_gradients(records),
        failed(summary),
        non_determinism(facts),
        batch_dependence(facts),
        changing_reconstructions(facts),
        replaced(facts, summary),
        probabilities(facts),
        target_flips(records),
        oracle_flips(records),
        labels::classes_permuted(records),
        labels::below_chance(records, summary.classes.len()),
        labels::far_from_published(records, facts.published_accuracy),
        oracle_wrong(records, summary),
        score_does_not_rise(records, facts),
        hardly_moved(records, facts),
        low_validation_rate(summary),
        empty_mask(facts, summary),
        mask_of_chance(facts),
        mask_stands_still(records, facts),
    ];
    flags.into_iter().flatten().collect()
}

fn flag(kind: FlagKind, count: usize, of: usize, raised: bool, sentence: impl FnOnce() -> String) -> Option<Flag> {
    (raised && count > 0).then(|| Flag { kind, count, of, sentence: sentence() })
}

fn share(count: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

fn percent(count: usize, of: usize) -> String {
    format!("{:.1} %", 100.0 * share(count, of))
}

fn few_samples(summary: &Summary) -> Option<Flag> {
    let n = summary.overall.n;
    let interval = summary.overall.fmr.interval;
    let wide = interval.is_some_and(|i| i.hi - i.lo > WIDE_INTERVAL);
    flag(FlagKind::FewSamples, n, n, n < FEW_SAMPLES || wide, || match interval {
        Some(Interval { lo, hi }) if wide => format!(
            "n = {n}: the interval is wide (FMR from {:.1} to {:.1} %), so the figures say little; take more images.",
            100.0 * lo,
            100.0 * hi
        ),
        _ => format!("n = {n}: with fewer than {FEW_SAMPLES} images the figures say little; take more images."),
    })
}

fn zero_gradients(records: &[SampleRecord]) -> Option<Flag> {
    let steps = || records.iter().flat_map(|r| &r.steps);
    let (count, of) = (steps().filter(|s| s.gradient_norm == 0.0).count(), steps().count());
    flag(FlagKind::ZeroGradients, count, of, true, || {
        format!("The gradient was zero at {count} of {of} updates: the search stood still there, and PA is too high.")
    })
}

fn non_finite_gradients(records: &[SampleRecord]) -> Option<Flag> {
    let steps = || records.iter().flat_map(|r| &r.steps);
    let (count, of) = (steps().filter(|s| !s.gradient_norm.is_finite()).count(), steps().count());
    flag(FlagKind::NonFiniteGradients, count, of, true, || {
        format!("The gradient was not finite at {count} of {of} updates: the target or the generator overflows.")
    })
}

fn failed(summary: &Summary) -> Option<Flag> {
    let (count, of) = (summary.overall.endings.failed, summary.overall.n);
    let first = summary.failures.first().map_or_else(String::new, |f| format!(" (first: {}: {})", f.key, f.error));
    flag(FlagKind::FailedSamples, count, of, true, || {
        format!("{count} of {of} samples failed and count as not produced{first}.")
    })
}

fn non_determinism(facts: &Facts) -> Option<Flag> {
    let repeated = facts.repeated?;
    let (count, of) = (repeated.differing.saturating_sub(repeated.by_batch), repeated.samples);
    flag(FlagKind::NonDeterminism, count, of, true, || {
        format!(
            "{count} of {of} samples gave a different result when perturbed again (largest differences: {}): a component \
             is not deterministic, and the run cannot be repeated bit for bit.",
            largest_differences(&repeated)
        )
    })
}

fn batch_dependence(facts: &Facts) -> Option<Flag> {
    let repeated = facts.repeated?;
    let (count, of) = (repeated.by_batch, repeated.samples);
    flag(FlagKind::BatchDependence, count, of, true, || {
        format!(
            "{count} of {of} samples gave one result in a batch and another alone, the same each time (largest differences: \
             {}): a component rounds differently with the size of its batch. The run can be repeated bit for bit with the \
             same run.batch and run.lanes only.",
            largest_differences(&repeated)
        )
    })
}

fn largest_differences(repeated: &RepeatFacts) -> String {
    let kinds = repeated.largest.kinds().into_iter().filter(|(_, difference)| *difference > 0.0);
    let kinds: Vec<String> = kinds.map(|(kind, difference)| format!("{kind} {difference:.1e}")).collect();
    if kinds.is_empty() { format!("{:.1e}", repeated.largest_difference) } else { kinds.join(", ") }
}

fn changing_reconstructions(facts: &Facts) -> Option<Flag> {
    let CacheFacts { known, contradicted } = facts.cache?;
    flag(FlagKind::ChangingReconstructions, contradicted, known, true, || {
        format!(
            "{contradicted} of {known} latents from the cache were decoded to a different reconstruction than before: \
             the generator is not deterministic, and rows that share the cache are not comparable bit for bit."
        )
    })
}

fn replaced(facts: &Facts, summary: &Summary) -> Option<Flag> {
    let (ReplacedFacts { before, times }, of) = (facts.replaced?, summary.overall.n);
    flag(FlagKind::ReplacedPlugin, before, of, true, || {
        let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        format!(
            "{before} of {of} samples were made before a plugin's file was replaced ({times}): they are the earlier \
             file's, which the run keeps the hash of."
        )
    })
}

fn probabilities(facts: &Facts) -> Option<Flag> {
    let LogitsFacts { rows, like_probabilities: count } = facts.logits?;
    flag(FlagKind::ProbabilitiesForLogits, count, rows, count == rows, || {
        format!(
            "The target's outputs on all {rows} final images lie in [0, 1] and sum to 1: they look like \
             probabilities where logits belong, which flattens scores and gradients."
        )
    })
}

fn target_flips(records: &[SampleRecord]) -> Option<Flag> {
    let right = || records.iter().filter(|r| r.clean_prediction == Some(r.label));
    let (count, of) = (right().filter(|r| r.reconstruction_prediction != Some(r.label)).count(), right().count());
    flag(FlagKind::ReconstructionFlipsTarget, count, of, share(count, of) > TOLERATED_SHARE, || {
        format!(
            "The bare reconstruction flips the target's right answer on {count} of {of} images ({}): that loss is \
             the generator's, not the perturbation's (see metrics.sa-on).",
            percent(count, of)
        )
    })
}

fn oracle_flips(records: &[SampleRecord]) -> Option<Flag> {
    let made = || records.iter().filter(|r| r.reconstruction_oracle.is_some());
    let (count, of) = (made().filter(|r| r.reconstruction_oracle != r.clean_oracle).count(), made().count());
    flag(FlagKind::ReconstructionFlipsOracle, count, of, share(count, of) > TOLERATED_SHARE, || {
        format!(
            "The bare reconstruction flips the oracle's answer on {count} of {of} images ({}): the generator is not \
             faithful enough for this oracle.",
            percent(count, of)
        )
    })
}

fn oracle_wrong(records: &[SampleRecord], summary: &Summary) -> Option<Flag> {
    // Where a component failed, the oracle is not to blame.
    let judged = records.iter().filter(|r| r.clean_oracle.is_some()).count();
    let (count, of) = (judged.saturating_sub(summary.overall.oracle_clean.hits), judged);
    flag(FlagKind::OracleWrongOnOriginals, count, of, share(count, of) > TOLERATED_SHARE, || {
        format!(
            "The oracle is wrong on {count} of {of} originals ({}): it refuses images for its own mistakes, and a \
             validation rate of 100 % is out of reach for verdict.rule = \"argmax\".",
            percent(count, of)
        )
    })
}

/// Samples with an accepted update that did not fail: those whose search should have come to something.
fn perturbed(records: &[SampleRecord]) -> impl Iterator<Item = &SampleRecord> {
    records.iter().filter(|r| r.accepted_updates > 0 && !r.outcome.is_failure())
}

fn score_does_not_rise(records: &[SampleRecord], facts: &Facts) -> Option<Flag> {
    let count = perturbed(records).filter(|r| r.final_score <= r.score0).count();
    let of = perturbed(records).count();
    flag(FlagKind::ScoreDoesNotRise, count, of, share(count, of) > TOLERATED_SHARE, || {
        format!(
            "The score did not rise on {count} of {of} perturbed images ({}): {}the step size is too large, or the \
             gradient is wrong.",
            percent(count, of),
            if facts.mask.is_some() { "the mask lets too little move, " } else { "" }
        )
    })
}

fn hardly_moved(records: &[SampleRecord], facts: &Facts) -> Option<Flag> {
    let least = LEAST_MOVE * facts.step_size.unwrap_or(0.0);
    let moved = |r: &SampleRecord| match facts.step_unit {
        StepUnit::Latent => r.latent_moved,
        StepUnit::Spread => r.moved_spreads.unwrap_or(r.latent_moved),
    };
    let still = |r: &&SampleRecord| r.latent_moved == 0.0 || moved(r) < least;
    let (count, of) = (perturbed(records).filter(still).count(), perturbed(records).count());
    flag(FlagKind::LatentsHardlyMoved, count, of, true, || {
        format!(
            "{count} of {of} perturbed latents hardly moved (less than a tenth of one step): their final images are \
             reconstructions in all but name."
        )
    })
}

fn low_validation_rate(summary: &Summary) -> Option<Flag> {
    // Where a component failed, the oracle let nothing through or not: those samples have a flag of their own.
    let sound = |figures: &Figures| figures.counts.n - figures.endings.failed;
    let (counts, of) = (&summary.overall.counts, sound(&summary.overall));
    let count = of.saturating_sub(counts.produced);
    let rate = |c: &ClassFigures| share(c.figures.counts.produced, sound(&c.figures));
    let judged = |c: &&ClassFigures| sound(&c.figures) > 0;
    let worst = summary.classes.iter().filter(judged).min_by(|a, b| rate(a).total_cmp(&rate(b)));
    let low = share(counts.produced, of) < LEAST_VALIDATION_RATE;
    flag(FlagKind::LowValidationRate, count, of, low, || {
        let worst = worst.filter(|_| summary.classes.len() > 1).map_or_else(String::new, |c| {
            format!("; worst class: {}, {} of {}", c.name, c.figures.counts.produced, sound(&c.figures))
        });
        format!(
            "Only {} of {of} images were produced ({}{worst}): PA and FMR are those of the images that the oracle let \
             through, which are easier, and so too high.",
            counts.produced,
            percent(counts.produced, of)
        )
    })
}

fn empty_mask(facts: &Facts, summary: &Summary) -> Option<Flag> {
    let (mask, of) = (facts.mask?, summary.overall.n);
    flag(FlagKind::EmptyMask, of, of, mask.kept == 0, || {
        format!(
            "The mask keeps none of {} values: no latent moved, and PA and FMR are those of bare reconstructions, not of a \
             search. Latents before and after differ too little for its penalty: choose it by sparsity or \
             cross-validation, learn from more images, or take larger steps or more of them.",
            mask.values
        )
    })
}

fn mask_of_chance(facts: &Facts) -> Option<Flag> {
    let mask = facts.mask.filter(|mask| mask.kept > 0)?;
    let (right, of) = mask.test?;
    let interval = Interval::wilson(right, of, BETTER_THAN_GUESSING)?;
    flag(FlagKind::MaskOfChance, of - right, of, interval.lo <= 0.5, || {
        format!(
            "The mask's classifier puts {right} of {of} held-out latents on their side ({}), which guessing may do as \
             well: nothing says that the {} values it keeps are those that the search uses.",
            percent(right, of),
            mask.kept
        )
    })
}

fn mask_stands_still(records: &[SampleRecord], facts: &Facts) -> Option<Flag> {
    facts.mask.filter(|mask| mask.kept > 0)?;
    let Effort { updates, unchanged, .. } = Effort::of(records);
    flag(FlagKind::MaskStandsStill, unchanged, updates, share(unchanged, updates) > MOST_UNCHANGED, || {
        format!(
            "Under the mask {unchanged} of {updates} updates ({}) left the score as it was to the last digit: the images \
             are close to reconstructions, and FMR is that of a much milder test.",
            percent(unchanged, updates)
        )
    })
}
