//! From records to summaries.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Outcome, SampleRecord};

const BUDGET: usize = 4;

/// A sample of class `label` that ended like this after some accepted updates; right everywhere.
fn record(index: usize, label: usize, outcome: Outcome, accepted: usize) -> SampleRecord {
    let ended_at = match outcome {
        Outcome::ReconstructionRejected => 0,
        Outcome::StoppedByOracle | Outcome::Failed | Outcome::ComponentFailed => accepted + 1,
        Outcome::BudgetReached | Outcome::EarlyExit => accepted,
    };
    let refused = outcome == Outcome::ReconstructionRejected;
    SampleRecord {
        index,
        key: format!("test/{index}"),
        label,
        clean_prediction: Some(label),
        clean_oracle: Some(label),
        reconstruction_prediction: Some(label),
        reconstruction_oracle: Some(if refused { label + 1 } else { label }),
        reconstruction_accepted: !refused,
        score0: 0.0,
        final_score: 1.0,
        final_prediction: Some(label),
        final_oracle: Some(label),
        outcome,
        ended_at,
        accepted_updates: accepted,
        final_from: (!refused).then_some(accepted),
        finished: None,
        latent_moved: 0.1,
        moved_spreads: None,
        error: (outcome == Outcome::Failed).then(|| "the gradient is not finite".to_owned()),
        steps: Vec::new(),
    }
}

/// One sample of every ending, and one more class.
fn records() -> Vec<SampleRecord> {
    vec![
        record(0, 0, Outcome::ReconstructionRejected, 0),
        record(1, 0, Outcome::StoppedByOracle, 0),
        record(2, 0, Outcome::StoppedByOracle, 2),
        record(3, 0, Outcome::BudgetReached, BUDGET),
        record(4, 0, Outcome::Failed, 3),
        SampleRecord { final_prediction: Some(9), ..record(5, 1, Outcome::EarlyExit, 0) },
        SampleRecord { final_prediction: Some(9), ..record(6, 1, Outcome::EarlyExit, 2) },
        SampleRecord { final_prediction: Some(9), ..record(7, 1, Outcome::EarlyExit, BUDGET) },
    ]
}

fn summary(settings: &str) -> Summary {
    let settings: MetricsSettings = toml::from_str(settings).unwrap();
    Summary::of(&records(), &["cat".to_owned(), "dog".to_owned()], &settings)
}

#[test]
fn every_ending_is_counted_and_failures_are_listed() {
    let summary = summary("");
    let endings = &summary.overall.endings;
    let expected = Endings {
        reconstruction_rejected: 1,
        stopped_at_first: 1,
        stopped_later: 1,
        budget_reached: 1,
        early_exit: 3,
        failed: 1,
        component_failed: 0,
        refused_at: vec![1, 1, 0, 1],
    };
    assert_eq!(*endings, expected);
    assert_eq!(
        (endings.total(), endings.share_refused_at(3), endings.share_refused_at(9)),
        (8, Some(0.125), Some(0.0))
    );
    let failure = Failure { key: "test/4".into(), at: 4, error: "the gradient is not finite".into() };
    assert_eq!(summary.failures, [failure]);
    assert_eq!(summary.overall.accepted_updates, Mean::of(15, 7));
    let names: Vec<(usize, &str, usize)> =
        summary.classes.iter().map(|c| (c.class, c.name.as_str(), c.figures.n)).collect();
    assert_eq!(names, [(0, "cat", 5), (1, "dog", 3)]);
}

#[test]
fn each_rule_of_what_is_produced() {
    let produced = |rule: &str| summary(&format!("produced = \"{rule}\"")).overall.counts.produced;
    assert_eq!(produced("first-step"), 5, "an exit before the first update counts, a failure does not");
    assert_eq!(produced("reconstruction"), 6);
    assert_eq!(produced("full-budget"), 2, "an exit after the last update has had them all");
    assert_eq!(produced("all"), 7);
}

#[test]
fn denominators_are_keys() {
    let figures = |settings: &str| summary(settings).overall;
    let of = |p: &Proportion| (p.hits, p.of);
    let default = figures("");
    assert_eq!((of(&default.sa), of(&default.pa), of(&default.vr)), ((8, 8), (2, 5), (5, 8)));
    assert_eq!(default.fmr.value, Some(0.4));
    assert_eq!(of(&figures("pa-over = \"all\"").pa), (2, 8));
    assert_eq!(of(&figures("sa-over = \"produced\"").sa), (5, 5));
    assert_eq!(of(&figures("vr-over = \"reconstructed\"").vr), (5, 7));
    assert_eq!(of(&default.reconstructed), (7, 8));
    assert_eq!(of(&default.oracle_reconstruction), (7, 8));
}

#[test]
fn sa_on_reconstructions_looks_at_them() {
    let mut records = records();
    records[0].reconstruction_prediction = Some(5);
    let settings: MetricsSettings = toml::from_str("sa-on = \"reconstruction\"").unwrap();
    let figures = Summary::of(&records, &[], &settings).overall;
    assert_eq!((figures.sa.hits, figures.reconstruction_accuracy.hits), (7, 7));
}

#[test]
fn macro_figures_are_means_over_classes() {
    let macros = summary("average = \"macro\"").overall;
    // Of class 0 two of two produced ones survive, of class 1 none of three.
    assert_eq!((macros.pa.value, macros.pa.hits, macros.pa.of), (Some(0.5), 2, 5));
    assert_eq!((macros.fmr.value, macros.fmr.method), (Some(0.5), IntervalMethod::Classes));
    let interval = macros.fmr.interval.unwrap();
    assert!(interval.lo < 0.5 && 0.5 < interval.hi);
}

#[test]
fn to_the_oracle_equal_names_are_one_class() {
    let seen = SampleRecord { clean_oracle: Some(0), ..record(0, 2, Outcome::BudgetReached, BUDGET) };
    let names = ["missile", "cat", "missile"].map(str::to_owned);
    let figures = Summary::of(&[seen], &names, &MetricsSettings::default()).overall;
    assert_eq!((figures.oracle_clean.hits, figures.sa.hits), (1, 1));
}

#[test]
fn nothing_gives_undefined_figures() {
    let figures = Summary::of(&[], &[], &MetricsSettings::default()).overall;
    assert_eq!(
        (figures.sa.value, figures.pa.value, figures.vr.value, figures.fmr),
        (None, None, None, Ratio::UNDEFINED)
    );
    let averaged = MetricsSettings { average: Average::Macro, ..MetricsSettings::default() };
    let figures = Summary::of(&[], &[], &averaged).overall;
    assert_eq!((figures.sa.value, figures.fmr), (None, Ratio::UNDEFINED));
}

#[test]
fn runs_are_aligned_by_the_names_of_samples() {
    let (one, mut two) = (records(), records());
    two.reverse();
    let settings = MetricsSettings::default();
    let (a, b) = aligned(&one, &two, &settings).unwrap();
    assert_eq!(a, b);
    two.pop();
    let error = aligned(&one, &two, &settings).unwrap_err();
    insta::assert_snapshot!(error, @"sample test/0 is on one side only: a comparison needs the same images on both");
}

#[test]
fn a_summary_is_written_in_kebab_case() {
    let text = serde_json::to_string(&summary("")).unwrap();
    for key in [
        "\"produced-correct\":2",
        "\"accepted-updates\":{\"sum\":15",
        "\"refused-at\":[1,1,0,1]",
        "\"interval\":{\"lo\":",
    ] {
        assert!(text.contains(key), "{key} in {text}");
    }
}
