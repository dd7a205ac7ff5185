//! The main table, what stands beside it, and the same figures class by class.

use fmr_core::metrics::Figures;

use super::{Entry, Run};
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row};

/// SA, PA, FMR and VR, with the paper's figures.
pub(super) fn main(run: &Run<'_>) -> Grid {
    let printed = |entry: &Entry<'_>, column: &str| {
        let paper = &entry.paper;
        match column {
            "sa" => paper.sa.clone(),
            "pa" => paper.pa.clone(),
            "fmr" => paper.fmr.clone(),
            "vr" => paper.vr.clone(),
            _ => None,
        }
    };
    let columns = columns(run.digits).into_iter().map(|(column, cell)| {
        let id = column.id.clone();
        let of: CellOf<'_, &Entry<'_>> = Box::new(move |entry| {
            let measured = entry.measured.as_ref().map(|m| cell(&m.summary.overall));
            measured.unwrap_or_default().paper(printed(entry, &id))
        });
        (column, of)
    });
    let grid = Grid { caption: run.caption.clone(), ..Grid::new("figures", &run.title) };
    let rows = run.entries.iter().map(|entry| (entry.row(), entry));
    grid.labels(["data", "model"]).tabulate(columns.collect(), rows)
}

/// The four figures of any set of images.
fn columns(digits: usize) -> Vec<(Column, CellOf<'static, Figures>)> {
    let column = |id: &str, meaning: &str| Column::percent(id, &id.to_uppercase()).digits(digits).meaning(meaning);
    vec![
        (column("sa", "standard accuracy, the target's on originals"), Box::new(|f: &Figures| (&f.sa).into())),
        (
            column("pa", "perturbed accuracy, the target's on images that the search produced"),
            Box::new(|f| (&f.pa).into()),
        ),
        (column("fmr", "PA / SA"), Box::new(|f| (&f.fmr).into())),
        (column("vr", "validation rate, the share of images that the search produced"), Box::new(|f| (&f.vr).into())),
    ]
}

/// Accuracies on originals and reconstructions.
pub(super) fn reconstructions(run: &Run<'_>) -> Option<Grid> {
    let columns: Vec<(Column, CellOf<'_, Figures>)> = vec![
        (
            Column::percent("reconstruction-accepted", "rec. accepted"),
            Box::new(|f: &Figures| Cell::from(&f.reconstructed).without_interval()),
        ),
        (
            Column::percent("target-on-reconstruction", "target right on rec."),
            Box::new(|f| Cell::from(&f.reconstruction_accuracy).without_interval()),
        ),
        (
            Column::percent("oracle-on-original", "oracle right on orig."),
            Box::new(|f| Cell::from(&f.oracle_clean).without_interval()),
        ),
        (
            Column::percent("oracle-on-reconstruction", "oracle right on rec."),
            Box::new(|f| Cell::from(&f.oracle_reconstruction).without_interval()),
        ),
    ];
    let rows: Vec<(Row, Figures)> =
        run.measured().map(|(entry, m)| (entry.row_without_flags(), m.summary.overall.clone())).collect();
    let notes = vec!["Shares of all images. orig.: originals; rec.: reconstructions.".to_owned()];
    let grid = Grid { notes, ..Grid::new("reconstructions", "Originals and reconstructions") };
    (!rows.is_empty()).then(|| grid.labels(["data", "model"]).tabulate(columns, rows))
}

/// The four figures of each class.
pub(super) fn classes(run: &Run<'_>) -> Option<Grid> {
    let rows = run.measured().flat_map(|(entry, measured)| {
        let name = entry.name();
        measured.summary.classes.iter().map(move |class| {
            let row = Row::new([name.as_str(), class.name.as_str()]).over(class.figures.n);
            (Row { id: entry.id.clone(), ..row }, class.figures.clone())
        })
    });
    let rows: Vec<(Row, Figures)> = rows.collect();
    let grid = Grid { detail: true, ..Grid::new("classes", "Class by class") };
    (!rows.is_empty()).then(|| grid.labels(["row", "class"]).tabulate(columns(run.digits.min(1)), rows))
}
