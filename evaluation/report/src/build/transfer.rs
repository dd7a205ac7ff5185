//! Images that were made for one target, as others see them (Tables 6, 8, 9 and 10 of the paper).

use fmr_core::SampleRecord;
use fmr_core::metrics::{Indicators, MetricsSettings, Reading, Summary};

use super::{Entry, Measured, Run};
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row};

/// What a target says about a row's images.
struct Shown {
    summary: Summary,
    /// The images that the search produced: whether this target is right on them, and whether the one is that they were made
    /// for.
    right: Vec<[bool; 2]>,
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
            Box::new(|shown| Cell::count(shown.count([true, false]))),
        ),
        (
            Column::count("wrong-alone", "wrong alone")
                .meaning("produced images on which it is wrong and that target is right"),
            Box::new(|shown| Cell::count(shown.count([false, true]))),
        ),
        (
            Column::number("kappa", "κ").digits(2).meaning(
                "Cohen's κ of being right, between both targets: 1 where they err on the same images, 0 by chance",
            ),
            Box::new(|shown| Cell::of(shown.kappa())),
        ),
    ];
    let mut rows: Vec<(Row, Shown)> = Vec::new();
    for (entry, measured) in run.measured().filter(|(entry, _)| !entry.views.is_empty()) {
        let own = (&entry.target, &measured.results.records);
        let all = entry.views.iter().map(|view| (&view.target, &view.records));
        for (target, records) in std::iter::once(own).chain(all) {
            rows.push((label(entry, target), Shown::of(&run.metrics, measured, records)));
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
            right: pairs.filter_map(produced).collect(),
        }
    }

    fn count(&self, pair: [bool; 2]) -> usize {
        self.right.iter().filter(|found| **found == pair).count()
    }

    /// Agreement beyond chance about which images are easy (Geirhos and others, 2020); absent where chance explains all.
    fn kappa(&self) -> Option<f64> {
        let [both, alone, other, none] =
            [[true, true], [true, false], [false, true], [false, false]].map(|pair| self.count(pair) as f64);
        let n = both + alone + other + none;
        let (shown, own) = ((both + alone) / n, (both + other) / n);
        let chance = shown * own + (1.0 - shown) * (1.0 - own);
        (n > 0.0 && chance < 1.0).then(|| ((both + none) / n - chance) / (1.0 - chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kappa_is_agreement_beyond_chance() {
        let shown = |counts: [usize; 4]| {
            let pairs = [[true, true], [true, false], [false, true], [false, false]];
            let right = pairs.into_iter().zip(counts).flat_map(|(pair, n)| vec![pair; n]).collect();
            Shown { summary: Summary::of(&[], &[], &MetricsSettings::default()), right }
        };
        assert_eq!(shown([5, 0, 0, 5]).kappa(), Some(1.0));
        assert_eq!(shown([4, 4, 4, 4]).kappa(), Some(0.0));
        // Cohen's own kind of example: 20, 5, 10, 15 of 50 agree in 70 % of cases, 50 % by chance.
        assert!((shown([20, 5, 10, 15]).kappa().unwrap_or_default() - 0.4).abs() < 1e-12);
        assert_eq!([shown([7, 0, 0, 0]).kappa(), shown([0; 4]).kappa()], [None, None]);
        assert_eq!(shown([20, 5, 10, 15]).count([false, true]), 10);
    }
}
