//! Parity of Algorithm 1 and of the metrics with executed reference cases.
//!
//! Cases are found by walking the folder `metrics` below the one that `FMR_GOLDEN` names (default
//! `../shared/golden` beside the workspace). Nothing of a case is in here: names, sizes, settings and tolerances are read
//! from its files. A small excerpt stands in `tests/fixtures/golden` and is compared everywhere.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cases;
mod comparisons;
mod figures;
mod statistics;
mod tally;
mod traces;
mod world;

use cases::{Case, Kind};
use tally::Tally;

/// Compares every case of the wanted kinds below `root`; panics with all differences.
fn compare(root: &cases::Root, wanted: impl Fn(Kind) -> bool) {
    let Some(cases) = root.cases() else {
        fmr_golden::skip("golden", format_args!("{} holds no folder of metric cases", root.path.display()));
        return;
    };
    let mut tally = Tally::default();
    let mut of_another_test = 0;
    for case in cases {
        match case.kind() {
            Some(kind) if wanted(kind) => compare_case(&case, kind, &mut tally),
            Some(_) => of_another_test += 1,
            None => tally.not_understood(&case.dir.display().to_string()),
        }
    }
    tally.report(root.required, of_another_test);
}

fn compare_case(case: &Case, kind: Kind, tally: &mut Tally) {
    tally.begin(&case.name(), case.tolerance());
    match kind {
        Kind::Algorithm1 => traces::compare(case, tally),
        Kind::Counts => figures::counts(case, tally),
        Kind::Samples => figures::samples(case, tally),
        Kind::PaperTable => figures::paper_table(case, tally),
        Kind::Paired => comparisons::paired(case, tally),
        Kind::Ranking => comparisons::ranking(case, tally),
        Kind::SampleSize => statistics::sample_size(case, tally),
        Kind::Pooling => statistics::pooling(case, tally),
    }
}

#[test]
fn golden_algorithm1() {
    compare(&cases::Root::shared(), |kind| kind == Kind::Algorithm1);
}

#[test]
fn golden_metrics() {
    compare(&cases::Root::shared(), |kind| kind != Kind::Algorithm1);
}

#[test]
fn golden_excerpt_algorithm1() {
    compare(&cases::Root::excerpt(), |kind| kind == Kind::Algorithm1);
}

#[test]
fn golden_excerpt_metrics() {
    compare(&cases::Root::excerpt(), |kind| kind != Kind::Algorithm1);
}
