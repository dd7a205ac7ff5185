//! Images that were made for one target, as others see them (Tables 6, 8, 9 and 10 of the paper).

use fmr_core::SampleRecord;
use fmr_core::metrics::{Agreement, Figures, Indicators, MetricsSettings, Reading, Summary};
use fmr_experiment::PaperFigures;

use super::{Entry, Measured, Run};
use crate::compare::{agreement, names};
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row, RowResults, RowState};

/// What a target says about a row's images.
struct Shown {
    summary: Summary,
    /// The images that the search produced: whether this target is right on them, and whether the one is that they were made
    /// for.
    right: Agreement,
    /// It is the target that they were made for.
    own: bool,
}

/// What a row of the table is made of.
struct Seen<'r> {
    /// Absent where the target has not seen the images.
    shown: Option<Shown>,
    paper: &'r PaperFigures,
}

/// SA, PA and FMR of every target on images that were made for one of them. The shown target's PA is over the images that the
/// search produced, its SA over all originals (protocol, item 31).
pub(super) fn transfer(run: &Run<'_>) -> Option<Grid> {
    let figure = |of: fn(&Figures) -> Cell, printed: fn(&PaperFigures) -> &Option<String>| -> CellOf<'_, Seen<'_>> {
        Box::new(move |seen| {
            let measured = seen.shown.as_ref().map(|shown| of(&shown.summary.overall));
            measured.unwrap_or_default().paper(printed(seen.paper).clone())
        })
    };
    let count = |of: fn(&Agreement) -> usize| -> CellOf<'_, Seen<'_>> {
        Box::new(move |seen| Cell::count(seen.shown.as_ref().map(|shown| of(&shown.right))))
    };
    let columns: Vec<(Column, CellOf<'_, Seen<'_>>)> = vec![
        (
            Column::percent("sa", "SA")
                .digits(run.digits)
                .meaning("accuracy on originals of the target that is shown them"),
            figure(|of| (&of.sa).into(), |paper| &paper.sa),
        ),
        (
            Column::percent("pa", "PA")
                .digits(run.digits)
                .meaning("its accuracy on images that were made for the other"),
            figure(|of| (&of.pa).into(), |paper| &paper.pa),
        ),
        (
            Column::percent("fmr", "FMR").digits(run.digits).meaning("PA / SA"),
            figure(|of| (&of.fmr).into(), |paper| &paper.fmr),
        ),
        (
            Column::count("right-alone", "right alone")
                .meaning("produced images on which it is right and the target that they were made for is wrong"),
            count(|right| right.only_first),
        ),
        (
            Column::count("wrong-alone", "wrong alone")
                .meaning("produced images on which it is wrong and that target is right"),
            count(|right| right.only_second),
        ),
        (
            Column::number("kappa", "κ").digits(2).meaning(
                "Cohen's κ of being right, between both targets: 1 where they err on the same images, 0 by chance",
            ),
            // A target agrees with itself.
            Box::new(|seen| {
                let other = seen.shown.as_ref().filter(|shown| !shown.own);
                other.map(|shown| agreement(&shown.right)).unwrap_or_default()
            }),
        ),
    ];
    let mut rows: Vec<(Row, Seen<'_>)> = Vec::new();
    for entry in run.entries.iter().filter(|entry| !entry.onlookers.is_empty()) {
        let own = entry.measured.as_ref().map(|measured| &*measured.results.records);
        let seen = |target: &str, state: &RowState, paper, records: Option<&[SampleRecord]>, own: bool| {
            let of = |records: &[SampleRecord]| {
                let measured = entry.measured.as_ref()?;
                Some(Shown { own, ..Shown::of(&run.metrics, measured, records) })
            };
            let row = Row { id: entry.id.clone(), state: state.clone(), ..Row::new([&entry.name(), target]) };
            (Row { n: records.map(<[_]>::len), ..row }, Seen { shown: records.and_then(of), paper })
        };
        rows.extend(own.map(|own| seen(&entry.target, &entry.state, &entry.paper, Some(own), true)));
        rows.extend(
            entry.onlookers.iter().map(|other| seen(&other.target, &other.state, &other.paper, other.records, false)),
        );
    }
    let measured = rows.iter().any(|(row, _)| row.state.has_figures());
    let notes = vec![format!(
        "Intervals hold {:.0} % confidence. Images are made once, for the target in the first column.",
        100.0 * run.metrics.confidence
    )];
    let grid = Grid { notes, ..Grid::new("transfer", "Images made for one target, shown to others") };
    measured.then(|| grid.labels(["made for", "shown to"]).tabulate(columns, rows))
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
    let shown: Vec<(&Entry<'_>, &Measured<'_>)> =
        run.measured().filter(|(entry, _)| entry.seen_by().next().is_some()).collect();
    let settings: Vec<(&str, &RowResults)> =
        shown.iter().map(|(entry, measured)| (entry.data.as_str(), measured.results)).collect();
    let mut targets: Vec<&str> = Vec::new();
    let own = shown.iter().map(|(entry, _)| entry.target.as_str());
    let others = shown.iter().flat_map(|(entry, _)| entry.seen_by().map(|(target, _)| target));
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
        let own = (entry.target.as_str(), measured.results.records.as_slice());
        let all = std::iter::once(own).chain(entry.seen_by());
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
