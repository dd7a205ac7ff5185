//! Each conclusion on synthetic rows that show it, that do not, and that are not there.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::metrics::MetricsSettings;
use fmr_experiment::{PaperFigures, World};

use super::{Outcome, Reproduction};
use crate::compare::Contender;
use crate::toy::store;
use crate::{Evidence, Results, RowResults};

/// The first row of the toy, whose target stands every image with an index below `kept` of five.
fn row(results: &Results<'_>, kept: usize, fields: &[(&str, &str)]) -> RowResults {
    let mut row = results.rows()[0].clone();
    for (field, value) in fields {
        row.plan.fingerprint.insert((*field).to_owned(), (*value).to_owned());
    }
    for record in &mut row.records {
        record.clean_prediction = Some(record.label);
        let other = (record.label + 1) % row.plan.classes.len();
        record.final_prediction = Some(if record.index % 5 < kept { record.label } else { other });
    }
    row
}

fn evidence<'r>(name: &str, row: &'r RowResults) -> Evidence<'r> {
    Evidence {
        experiment: "lab".to_owned(),
        world: World::Small,
        contender: Contender::new(["MNIST", name, name], row, &MetricsSettings::default()),
        paper: PaperFigures::default(),
        views: Vec::new(),
    }
}

fn outcomes(rows: &[Evidence<'_>], place: &str) -> Vec<Outcome> {
    let found = Reproduction::of(rows, &MetricsSettings::default());
    found.findings.iter().filter(|finding| finding.place.contains(place)).map(|finding| finding.outcome).collect()
}

#[test]
fn without_runs_nothing_can_be_tested() {
    let found = Reproduction::of(&[], &MetricsSettings::default());
    assert!(found.findings.iter().all(|finding| finding.outcome == Outcome::CannotBeTested && finding.grid.is_none()));
    let page = found.to_markdown("fmr reproduce");
    assert!(page.contains("0 are shown, 0 are not shown, and 13 cannot be tested"), "{page}");
}

#[test]
fn models_are_compared_by_what_they_are() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let [plain, better] = [row(&results, 1, &[("target.weights", "a")]), row(&results, 5, &[("target.weights", "b")])];
    let same = row(&results, 1, &[("target.weights", "c")]);
    for (name, place, shown) in
        [("Swin", "Table 1", true), ("ResNet18, PGD", "Table 8", false), ("ResNet18, grey", "Table 10", false)]
    {
        let outcome = |variant| {
            let rows = [evidence("ResNet18", &plain), evidence(name, variant)];
            let found = Reproduction::of(&rows, &MetricsSettings::default());
            found.findings.iter().find(|f| f.place.ends_with(place)).unwrap().outcome
        };
        let of = |shown| if shown { Outcome::Shown } else { Outcome::NotShown };
        assert_eq!([outcome(&better), outcome(&same)], [of(shown), of(!shown)], "{name}");
    }
}

#[test]
fn settings_are_compared_on_one_target() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let base = row(&results, 2, &[("search.start.kind", "none"), ("search.step-size", "0.001")]);
    let started = row(&results, 2, &[("search.start.kind", "fgsm"), ("search.step-size", "0.001")]);
    assert_eq!(outcomes(&[evidence("A", &base), evidence("A", &started)], "Table 7"), [Outcome::Shown]);
    let moved = row(&results, 5, &[("search.start.kind", "fgsm"), ("search.step-size", "0.001")]);
    assert_eq!(outcomes(&[evidence("A", &base), evidence("A", &moved)], "Table 7"), [Outcome::NotShown]);
    // A row that differs in two things is no evidence.
    let both = row(&results, 2, &[("search.start.kind", "fgsm"), ("search.step-size", "0.01")]);
    assert_eq!(outcomes(&[evidence("A", &base), evidence("A", &both)], "Table 7"), [Outcome::CannotBeTested]);
    let mut large = row(&results, 2, &[("search.start.kind", "none"), ("search.step-size", "0.1")]);
    for record in &mut large.records {
        record.accepted_updates = 0;
        record.outcome = fmr_core::Outcome::StoppedByOracle;
        record.ended_at = 1;
    }
    let steps = Reproduction::of(&[evidence("A", &base), evidence("A", &large)], &MetricsSettings::default());
    let finding = steps.findings.iter().find(|f| f.conclusion.starts_with("With a small step")).unwrap();
    assert_eq!(finding.outcome, Outcome::Shown, "{}", finding.reason);
}

#[test]
fn rankings_under_two_generators_are_correlated() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let rows = |order: [usize; 4]| -> Vec<RowResults> {
        let row = |(generator, target, kept): (&str, usize, usize)| {
            let weights = target.to_string();
            row(&results, kept, &[("generator.weights", generator), ("target.weights", &weights)])
        };
        let first = (0..4).map(|target| row(("g", target, target + 1)));
        first.chain((0..4).map(|target| row(("h", target, order[target])))).collect()
    };
    let outcome = |rows: &[RowResults]| {
        let all: Vec<_> = rows.iter().map(|row| evidence(&row.plan.fingerprint["target.weights"], row)).collect();
        outcomes(&all, "Table 3")
    };
    // The names of the toy's generators are the same; rows of different ones need different names.
    let named = |mut rows: Vec<RowResults>| {
        for row in &mut rows {
            let generator = row.plan.fingerprint["generator.weights"].clone();
            row.facts.components = Some(fmr_store::ComponentNames { generator, ..Default::default() });
        }
        rows
    };
    assert_eq!(outcome(&named(rows([1, 2, 3, 4]))), [Outcome::Shown]);
    assert_eq!(outcome(&named(rows([4, 3, 2, 1]))), [Outcome::NotShown]);
}
