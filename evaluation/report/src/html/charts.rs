//! The charts of all rows, one kind after the other.

use fmr_core::SampleRecord;
use fmr_store::RowPlan;
use maud::{Markup, html};

use super::Section;
use super::svg::{Chart, HeatRow, confusion, heat};
use crate::build::MOST_DRAWN;
use crate::curves::{rise, standing};
use crate::render::{label, sentence};
use crate::select::perturbed;
use crate::{Grid, Report, Results, Row, RowResults};

/// The figures of the report, one kind after the other, each with what a reader must know.
pub(super) fn figures(report: &Report) -> Option<Section> {
    let mut notes: Vec<&str> = Vec::new();
    for note in report.plots.iter().flat_map(|plot| &plot.notes) {
        if !notes.contains(&note.as_str()) {
            notes.push(note);
        }
    }
    let body = html! {
        @for note in notes { p.quiet { (sentence(note)) } }
        div.charts { @for plot in &report.plots { figure.chart-box { (plot.markup()) } } }
    };
    (!report.plots.is_empty()).then(|| Section::new("curves", "Curves", body))
}

/// The matrix of targets made for and shown to, drawn: one heat map a data set and setting.
pub(super) fn heat_maps(grid: &Grid) -> Markup {
    let columns: Vec<&str> = grid.columns.iter().map(|column| column.heading.as_str()).collect();
    let row = |row: &Row| HeatRow {
        name: row.path.last().cloned().unwrap_or_default(),
        values: grid
            .columns
            .iter()
            .map(|column| row.cells.get(&column.id).and_then(crate::Cell::number).map(|share| 100.0 * share))
            .collect(),
    };
    html! {
        div.charts {
            @for group in grid.groups() {
                @let name = group.label.unwrap_or_default();
                figure.chart-box {
                    figcaption { (label(name)) " (FMR, %; made for: down, shown to: across)" }
                    (heat(&columns, &group.rows.iter().map(|of| row(of)).collect::<Vec<_>>(), &format!("{}, {name}", grid.title)))
                }
            }
        }
    }
}

/// The courses of the searches, and what the target sees in perturbed images.
pub(super) fn sections(results: &Results<'_>) -> Vec<Section> {
    let rows: Vec<&RowResults> = results.rows().iter().filter(|row| !row.records.is_empty()).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let course = html! {
        p.quiet { "The horizontal axis counts updates; 0 is the reconstruction." }
        h3 { "Images that stand, in percent" }
        p.quiet { "Neither the oracle nor a failure had ended their search." }
        div.charts { @for row in &rows { (standing_chart(row)) } }
        h3 { "Rise of the score above that of the reconstruction" }
        p.quiet { "Median and middle half of the images whose search was still going." }
        div.charts { @for row in &rows { (rise_chart(row)) } }
    };
    let mut sections = vec![Section::new("course", "Course of the searches", course)];
    let drawn: Vec<(&RowResults, Vec<Vec<usize>>)> = rows.iter().filter_map(|row| Some((*row, counts(row)?))).collect();
    if !drawn.is_empty() {
        let body = html! {
            p.quiet { "Perturbed images: the true class is the row, what the target sees is the column." }
            div.charts {
                @for (row, counts) in &drawn {
                    figure.chart-box {
                        figcaption { (label(&row.plan.title)) }
                        (confusion(&row.plan.classes, counts, &format!("what the target sees, {}", label(&row.plan.title))))
                    }
                }
            }
        };
        sections.push(Section::new("confusion", "What the target sees in perturbed images", body));
    }
    sections
}

fn standing_chart(row: &RowResults) -> Markup {
    let share: Vec<f64> = standing(&row.records).into_iter().map(|share| 100.0 * share).collect();
    let chart = Chart { line: &share, band: None, range: Some((0.0, 100.0)), stairs: true };
    boxed(&row.plan, "Images that stand after each update", &chart)
}

fn rise_chart(row: &RowResults) -> Markup {
    let (median, middle) = rise(&row.records);
    let chart = Chart { line: &median, band: Some(&middle), range: None, stairs: false };
    html! { @if median.len() > 1 { (boxed(&row.plan, "Rise of the score", &chart)) } }
}

fn boxed(plan: &RowPlan, what: &str, chart: &Chart<'_>) -> Markup {
    let title = label(&plan.title);
    html! {
        figure.chart-box {
            figcaption { (title) }
            (chart.draw(&format!("{what}, {title}")))
        }
    }
}

/// Counts of true class against seen class; absent where nothing was perturbed or the classes are too many to draw.
fn counts(row: &RowResults) -> Option<Vec<Vec<usize>>> {
    let classes = row.plan.classes.len();
    let pair = |r: &SampleRecord| Some((r.label, r.final_prediction?));
    let pairs = row.records.iter().filter(|r| perturbed(r)).filter_map(pair);
    let pairs: Vec<(usize, usize)> = pairs.filter(|(a, b)| *a < classes && *b < classes).collect();
    if pairs.is_empty() || classes > MOST_DRAWN {
        return None;
    }
    let mut counts = vec![vec![0; classes]; classes];
    pairs.into_iter().for_each(|(label, seen)| counts[label][seen] += 1);
    Some(counts)
}
