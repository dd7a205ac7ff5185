//! Flags of labels that do not mean what the target's do: what a wrong order of classes looks like.

use std::collections::BTreeMap;

use super::{Flag, FlagKind, flag, percent, share};
use crate::SampleRecord;
use crate::metrics::Interval;

/// Samples a class below which the answers of a class say nothing.
const SAMPLES_A_CLASS: usize = 3;
/// Share of answers that a permutation of classes must explain.
const EXPLAINED: f64 = 0.6;
/// What it must explain beyond the labels themselves.
const BEYOND_LABELS: f64 = 0.3;
/// Confidence with which a standard accuracy must be worse than guessing.
const WORSE_THAN_GUESSING: f64 = 0.99;

/// Originals with their label and the target's answer.
fn answers(records: &[SampleRecord]) -> impl Iterator<Item = (usize, usize)> {
    records.iter().filter_map(|r| Some((r.label, r.clean_prediction?)))
}

/// Answers that are right once classes change places.
pub(super) fn classes_permuted(records: &[SampleRecord]) -> Option<Flag> {
    let of = answers(records).count();
    let right = answers(records).filter(|(label, answer)| label == answer).count();
    let mut counts: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for (label, answer) in answers(records) {
        *counts.entry(label).or_default().entry(answer).or_default() += 1;
    }
    let classes = counts.len();
    // The commonest answer of each class.
    let commonest: Vec<(usize, usize, usize)> = counts
        .iter()
        .filter_map(|(label, of_label)| {
            let (answer, count) = of_label.iter().max_by_key(|(_, count)| **count)?;
            Some((*label, *answer, *count))
        })
        .collect();
    let mut taken: Vec<usize> = commonest.iter().map(|(_, answer, _)| *answer).collect();
    taken.sort_unstable();
    taken.dedup();
    let explained = commonest.iter().map(|(_, _, count)| count).sum::<usize>();
    let moved: Vec<String> = commonest
        .iter()
        .filter(|(label, answer, _)| label != answer)
        .map(|(label, answer, _)| format!("{label} as {answer}"))
        .collect();
    let raised = classes > 1
        && taken.len() == classes
        && of >= SAMPLES_A_CLASS * classes
        && share(explained, of) >= EXPLAINED
        && share(explained, of) - share(right, of) >= BEYOND_LABELS;
    flag(FlagKind::ClassesPermuted, moved.len(), classes, raised, || {
        format!(
            "The target answers {} of the originals right once classes change places (label {}): the data's classes are \
             most likely in a different order than the target's.",
            percent(explained, of),
            moved.iter().take(5).cloned().collect::<Vec<_>>().join(", label ")
        )
    })
}

/// A standard accuracy below that of guessing.
pub(super) fn below_chance(records: &[SampleRecord], classes: usize) -> Option<Flag> {
    let of = answers(records).count();
    let right = answers(records).filter(|(label, answer)| label == answer).count();
    let chance = 1.0 / classes.max(1) as f64;
    let raised = Interval::wilson(right, of, WORSE_THAN_GUESSING).is_some_and(|interval| interval.hi < chance);
    flag(FlagKind::BelowChance, of - right, of, raised && classes > 1, || {
        format!(
            "The target is right on {right} of {of} originals ({}), less than guessing among {classes} classes would be: \
             its labels, or what it is shown, are not those that it was trained with.",
            percent(right, of)
        )
    })
}

/// Confidence of the interval of a standard accuracy that is held against a published one.
const FAR: f64 = 0.999;
/// Difference that other decoders, other resizing and other subsets explain (0.03: 3 points).
const EXPLAINED_BY_PIPELINE: f64 = 0.03;

/// A standard accuracy whose interval lies more than 3 points from what is published for the target's weights.
pub(super) fn far_from_published(records: &[SampleRecord], published: Option<f64>) -> Option<Flag> {
    let published = published?;
    let of = answers(records).count();
    let right = answers(records).filter(|(label, answer)| label == answer).count();
    let Interval { lo, hi } = Interval::wilson(right, of, FAR)?;
    let below = hi < published - EXPLAINED_BY_PIPELINE;
    let above = lo > published + EXPLAINED_BY_PIPELINE;
    flag(FlagKind::FarFromPublished, of, of, below || above, || {
        let cause = if below {
            "the preprocessing, the order of classes or the images are not those that it was published with"
        } else {
            "images that it was trained on may be among these, or they are easier than those that it was published with"
        };
        format!(
            "The target is right on {right} of {of} originals ({}, 99.9 % interval {:.1} to {:.1} %), far from the {:.1} % that \
             are published for its weights: {cause}.",
            percent(right, of),
            100.0 * lo,
            100.0 * hi,
            100.0 * published
        )
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn records(answers: &[(usize, usize)]) -> Vec<SampleRecord> {
        let one = |(label, answer): &(usize, usize)| SampleRecord {
            label: *label,
            clean_prediction: Some(*answer),
            ..crate::validity::tests::sound(0)
        };
        answers.iter().map(one).collect()
    }

    #[test]
    fn classes_that_changed_places_are_found() {
        let turned: Vec<(usize, usize)> = (0..4).flat_map(|c| vec![(c, (c + 1) % 4); 4]).collect();
        let found = classes_permuted(&records(&turned)).unwrap();
        assert_eq!((found.count, found.of), (4, 4));
        assert!(found.sentence.contains("100.0 %") && found.sentence.contains("label 0 as 1"), "{}", found.sentence);
        let right: Vec<(usize, usize)> = (0..4).flat_map(|c| vec![(c, c); 4]).collect();
        assert_eq!(classes_permuted(&records(&right)), None);
        // One class for everything is no permutation.
        let same: Vec<(usize, usize)> = (0..4).flat_map(|c| vec![(c, 0); 4]).collect();
        assert_eq!(classes_permuted(&records(&same)), None);
    }

    #[test]
    fn an_accuracy_far_from_the_published_one_is_found() {
        let found = |right: usize, of: usize, published: f64| {
            let answers: Vec<(usize, usize)> = (0..of).map(|i| (0, usize::from(i >= right))).collect();
            far_from_published(&records(&answers), Some(published)).map(|flag| flag.sentence)
        };
        let below = found(540, 1000, 0.76).unwrap();
        assert!(below.contains("far from the 76.0 %") && below.contains("preprocessing"), "{below}");
        assert!(found(950, 1000, 0.76).unwrap().contains("trained on"));
        // 70 % of a thousand reach to 74.5 %: within three points.
        assert_eq!(found(700, 1000, 0.76), None);
        // Few images say little.
        assert_eq!(found(5, 10, 0.76), None);
        assert_eq!(found(0, 0, 0.76), None);
        assert!(found(0, 10, 0.76).is_some());
        assert_eq!(far_from_published(&records(&[(0, 1); 100]), None), None);
    }

    #[test]
    fn less_than_guessing_is_found() {
        let wrong: Vec<(usize, usize)> = (0..60).map(|i| (i % 2, (i + 1) % 2)).collect();
        assert_eq!(below_chance(&records(&wrong), 2).unwrap().count, 60);
        let half: Vec<(usize, usize)> = (0..60).map(|i| (i % 2, 0)).collect();
        assert_eq!(below_chance(&records(&half), 2), None);
        assert_eq!(below_chance(&records(&wrong[..2]), 2), None);
    }
}
