//! The main table, what stands beside it, and the same figures class by class.

use fmr_core::metrics::Figures;
use fmr_experiment::PaperFigures;

use super::{Entry, Run};
use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Row};

/// SA, PA, FMR and VR, with the paper's figures.
pub(super) fn main(run: &Run<'_>) -> Grid {
    let columns = columns(run.digits).into_iter().map(|(column, cell)| {
        let id = column.id.clone();
        let of: CellOf<'_, &Entry<'_>> = Box::new(move |entry| {
            let measured = entry.measured.as_ref().map(|m| cell(&m.summary.overall));
            measured.unwrap_or_default().paper(printed(&entry.paper, &id))
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

/// The four figures of each class. Where they are what the table is about, with the paper's figures and the totals.
pub(super) fn classes(run: &Run<'_>) -> Option<Grid> {
    let mut rows: Vec<(Row, (Figures, PaperFigures))> = Vec::new();
    for (entry, measured) in run.measured() {
        let name = entry.name();
        let row = |class: &str, n: usize| Row { id: entry.id.clone(), ..Row::new([name.as_str(), class]).over(n) };
        for class in &measured.summary.classes {
            let paper = entry.paper.of_class(&class.name).cloned().unwrap_or_default();
            rows.push((row(&class.name, class.figures.n), (class.figures.clone(), paper)));
        }
        if run.class_by_class {
            let overall = &measured.summary.overall;
            rows.push((row(TOTAL, overall.n), (overall.clone(), entry.paper.clone())));
        }
    }
    let digits = if run.class_by_class { run.digits } else { run.digits.min(1) };
    let columns = columns(digits).into_iter().map(|(column, cell)| {
        let id = column.id.clone();
        let of: CellOf<'_, (Figures, PaperFigures)> =
            Box::new(move |(figures, paper)| cell(figures).paper(printed(paper, &id)));
        (column, of)
    });
    let notes = match run.class_by_class {
        true => vec![format!(
            "{TOTAL}: all images as one, not the mean of the classes. A class of which the search produced few images has a \
             PA and an FMR of few images: compare them beside VR."
        )],
        false => Vec::new(),
    };
    let grid = Grid { detail: !run.class_by_class, notes, ..Grid::new("classes", "Class by class") };
    (!rows.is_empty()).then(|| grid.labels(["row", "class"]).tabulate(columns.collect(), rows))
}

/// The row of all classes.
const TOTAL: &str = "all, pooled";

/// The paper's figure of a column.
fn printed(paper: &PaperFigures, column: &str) -> Option<String> {
    match column {
        "sa" => paper.sa.clone(),
        "pa" => paper.pa.clone(),
        "fmr" => paper.fmr.clone(),
        "vr" => paper.vr.clone(),
        _ => None,
    }
}
