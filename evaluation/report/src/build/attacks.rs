//! Searches that aim at a class: its loss and the probabilities of the true class and of it (Table 15 of the paper).

use fmr_core::metrics::Interval;
use fmr_experiment::PaperFigures;

use super::{Entry, Run};
use crate::aimed::Aimed;
use crate::grid::CellOf;
use crate::{Cell, Column, Figure, Grid, Row};

/// What a column shows.
struct Shown {
    id: &'static str,
    heading: &'static str,
    meaning: &'static str,
    value: fn(&Aimed) -> f64,
    paper: fn(&PaperFigures) -> Option<String>,
}

const COLUMNS: [Shown; 3] = [
    Shown {
        id: "target-loss",
        heading: "loss of aim",
        meaning: "cross-entropy of the class that is aimed at",
        value: |aimed| aimed.loss,
        paper: |paper| paper.target_loss.clone(),
    },
    Shown {
        id: "p-true",
        heading: "p(true)",
        meaning: "probability of the true class",
        value: |aimed| aimed.p_true,
        paper: |paper| paper.p_true.clone(),
    },
    Shown {
        id: "p-target",
        heading: "p(aim)",
        meaning: "probability of the class that is aimed at",
        value: |aimed| aimed.p_target,
        paper: |paper| paper.p_target.clone(),
    },
];

/// The means over the images of each row whose scorer is targeted.
pub(super) fn attacks(run: &Run<'_>) -> Option<Grid> {
    let confidence = run.metrics.confidence;
    let mean = move |values: Vec<f64>| -> Cell {
        let n = values.len();
        let value = (n > 0).then(|| values.iter().sum::<f64>() / n as f64);
        Figure { value, interval: Interval::of_mean(&values, confidence), ..Figure::default() }.into()
    };
    let mut columns: Vec<(Column, CellOf<'_, &Entry<'_>>)> = Vec::new();
    for shown in COLUMNS {
        let column = Column::number(shown.id, shown.heading).meaning(shown.meaning);
        let cell = move |entry: &&Entry<'_>| {
            mean(entry.aimed.iter().map(shown.value).collect()).paper((shown.paper)(&entry.paper))
        };
        columns.push((column, Box::new(cell)));
    }
    let reached = move |entry: &&Entry<'_>| {
        let hits = entry.aimed.iter().filter(|aimed| aimed.reached).count();
        Cell::share(hits, entry.aimed.len(), confidence)
    };
    let column = Column::percent("reached", "reached").meaning("images that the target takes for the class aimed at");
    columns.push((column, Box::new(reached)));
    let rows: Vec<(Row, &Entry<'_>)> = run
        .entries
        .iter()
        .filter(|entry| !entry.aimed.is_empty())
        .map(|entry| (entry.plain_row().over(entry.aimed.len()), entry))
        .collect();
    let notes = vec![
        "Of final images. Means over the images; below ten of them a mean has no interval.".to_owned(),
        "Losses are natural logarithms.".to_owned(),
    ];
    let grid = Grid { notes, ..Grid::new("attacks", "Aiming at a class") };
    (!rows.is_empty()).then(|| grid.labels(["data", "model"]).tabulate(columns, rows))
}
