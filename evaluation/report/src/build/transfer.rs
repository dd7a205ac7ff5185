//! Images that were made for one target, as others see them (Tables 6, 8, 9 and 10 of the paper).

use fmr_core::SampleRecord;
use fmr_core::metrics::{Agreement, Indicators, MetricsSettings, Reading, Summary};

use super::{Entry, Measured, Run};
use crate::compare::{agreement, names};
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row, RowResults};

/// What a target says about a row's images.
struct Shown {
    summary: Summary,
    /// The images that the search produced: whether this target is right on them, and whether the one is that they were made
    /// for.
    right: Agreement,
    /// It is the target that they were made for.
    own: bool,
}

/// SA, PA and FMR of every target on images that were made for one of them. The shown target's PA is over the images that the
/// search produced, its SA over all originals (protocol, item 31).
pub(super) fn transfer(run: &Run<'_>) -> Option<Grid> {
    let confidence = run.metrics.confidence;
    let columns: Vec<(Column, CellOf<'_, Shown>)> = vec![
        (
            Column::percent("sa", "SA")
                .digits(run.digits)
                .meaning("accuracy on originals of the target that is shown them"),
            Box::new(|shown: &Shown| (&shown.summary.overall.sa).into()),
        ),
        (
            Column::percent("pa", "PA")
                .digits(run.digits)
                .meaning("its accuracy on images that were made for the other"),
            Box::new(|shown| (&shown.summary.overall.pa).into()),
        ),
        (
            Column::percent("fmr", "FMR").digits(run.digits).meaning("PA / SA"),
            Box::new(|shown| (&shown.summary.overall.fmr).into()),
        ),
        (
            Column::count("right-alone", "right alone")
                .meaning("produced images on which it is right and the target that they were made for is wrong"),
            Box::new(|shown| Cell::count(shown.right.only_first)),
        ),
        (
            Column::count("wrong-alone", "wrong alone")
                .meaning("produced images on which it is wrong and that target is right"),
            Box::new(|shown| Cell::count(shown.right.only_second)),
        ),
        (
            Column::number("kappa", "κ").digits(2).meaning(
                "Cohen's κ of being right, between both targets: 1 where they err on the same images, 0 by chance",
            ),
            // A target agrees with itself.
            Box::new(|shown| if shown.own { Cell::missing() } else { agreement(&shown.right) }),
        ),
    ];
    let mut rows: Vec<(Row, Shown)> = Vec::new();
    for (entry, measured) in run.measured().filter(|(entry, _)| !entry.views.is_empty()) {
        let own = (&entry.target, &measured.results.records);
        let all = entry.views.iter().map(|(target, view)| (target, &view.records));
        for (at, (target, records)) in std::iter::once(own).chain(all).enumerate() {
            rows.push((label(entry, target), Shown { own: at == 0, ..Shown::of(&run.metrics, measured, records) }));
        }
    }
    let notes = vec![format!(
        "Intervals hold {:.0} % confidence. Images are made once, for the target in the first column.",
        100.0 * confidence
    )];
    let grid = Grid { notes, ..Grid::new("transfer", "Images made for one target, shown to others") };
    (!rows.is_empty()).then(|| grid.labels(["made for", "shown to"]).tabulate(columns, rows))
}

fn label(entry: &Entry<'_>, shown: &str) -> Row {
    Row { id: entry.id.clone(), ..Row::new([entry.name().as_str(), shown]) }
}

impl Shown {
    fn of(metrics: &MetricsSettings, measured: &Measured<'_>, records: &[SampleRecord]) -> Self {
        let own = &measured.results.records;
        let reading = Reading::new(metrics, own);
        let pairs = records.iter().zip(own).map(|(a, b)| [a, b].map(|record| reading.indicators(record)));
        let produced = |pair: [Indicators; 2]| pair[1].produced.then(|| pair.map(|of| of.final_correct));
        Self {
            summary: Summary::of(records, &measured.results.plan.classes, metrics),
            right: Agreement::of_pairs(pairs.filter_map(produced), metrics.confidence),
            own: false,
        }
    }
}

/// Identifier of the grid that a page draws as a heat map.
pub(crate) const MATRIX: &str = "transfer-matrix";

/// FMR by the target that images were made for and the one that is shown them. Rows of one setting and data set stand together.
pub(super) fn matrix(run: &Run<'_>) -> Option<Grid> {
    let shown: Vec<(&Entry<'_>, &Measured<'_>)> = run.measured().filter(|(entry, _)| !entry.views.is_empty()).collect();
    let settings: Vec<(&str, &RowResults)> =
        shown.iter().map(|(entry, measured)| (entry.data.as_str(), measured.results)).collect();
    let mut targets: Vec<&str> = Vec::new();
    let own = shown.iter().map(|(entry, _)| entry.target.as_str());
    let others = shown.iter().flat_map(|(entry, _)| entry.views.iter().map(|(target, _)| target.as_str()));
    for target in own.chain(others) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let mut grid = Grid::new(MATRIX, "FMR by the target made for (down) and the target shown to (across)");
    grid = grid.labels(["data", "made for"]);
    let column = |(at, target): (usize, &&str)| Column::percent(&format!("shown-{}", at + 1), target).digits(1);
    grid.columns = targets.iter().enumerate().map(column).collect();
    for ((entry, measured), setting) in shown.iter().zip(names(&settings)) {
        let own = (entry.target.as_str(), &measured.results.records);
        let all = std::iter::once(own).chain(entry.views.iter().map(|(target, view)| (target.as_str(), &view.records)));
        let mut row = Row { id: entry.id.clone(), ..Row::new([setting.as_str(), &entry.target]) };
        row = row.over(measured.summary.overall.n);
        for (target, records) in all {
            let Some(at) = targets.iter().position(|name| *name == target) else { continue };
            let summary = Summary::of(records, &measured.results.plan.classes, &run.metrics);
            row = row.with(&format!("shown-{}", at + 1), (&summary.overall.fmr).into());
        }
        grid.rows.push(row);
    }
    grid.notes = vec!["PA of the target shown to, over the images that the search produced, by its own SA.".to_owned()];
    (!grid.rows.is_empty()).then_some(grid)
}
