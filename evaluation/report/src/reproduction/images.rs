//! Conclusions about images that were made for one model and shown to others, and about attacks on the oracle.

use fmr_core::metrics::{MetricsSettings, Proportion, Ratio, Summary};

use super::models::counted;
use super::pairing::field;
use super::{Finding, Outcome};
use crate::grid::CellOf;
use crate::{Cell, Column, Evidence, Grid, Row};

/// Least clean accuracy of a target that is shown images.
const LEAST_SA: f64 = 0.5;

/// A target on images that were made for a different one.
struct Shown {
    n: usize,
    sa: Proportion,
    pa: Proportion,
    fmr: Ratio,
}

pub(super) fn transfer(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Appendix D, Table 6";
    let conclusion = "Images that were made for one model are hard for others too.";
    let test = "The interval of FMR on images that were made for a different target lies below 100 % for every target that was \
                shown them and is right on half of the originals or more.";
    let mut lines: Vec<(Row, Shown)> = Vec::new();
    for row in rows {
        for view in &row.views {
            let classes = &row.contender.results.plan.classes;
            let figures = Summary::of(&view.records, classes, metrics).overall;
            // A target that was not made for these classes says nothing about the images.
            if figures.sa.value.is_none_or(|sa| sa < LEAST_SA) {
                continue;
            }
            let made_for = format!("{}, {}: {}", row.contender.data, row.experiment, row.contender.model);
            let shown = Shown { n: figures.n, sa: figures.sa, pa: figures.pa, fmr: figures.fmr };
            lines.push((Row::new([made_for, view.judge.name.clone()]).over(shown.n), shown));
        }
    }
    if lines.is_empty() {
        let reason = "No run has shown its images to further targets (`evaluate.also`, or `fmr transfer`).";
        return Finding::untested(place, conclusion, test, reason);
    }
    let below: Vec<bool> =
        lines.iter().map(|(_, shown)| shown.fmr.interval.is_some_and(|interval| interval.hi < 1.0)).collect();
    let columns: Vec<(Column, CellOf<'_, Shown>)> = vec![
        (Column::percent("sa", "SA"), Box::new(|shown: &Shown| Cell::from(&shown.sa))),
        (Column::percent("pa", "PA"), Box::new(|shown| Cell::from(&shown.pa))),
        (Column::percent("fmr", "FMR"), Box::new(|shown| Cell::from(&shown.fmr))),
    ];
    let mut grid = Grid::new("transfer", "").labels(["made for", "shown to"]).tabulate(columns, lines);
    grid.caption.confidence = Some(metrics.confidence);
    let reason = counted(&below, "targets lose accuracy on images that were made for a different one");
    Finding { place, conclusion, test, outcome: Outcome::of(&below), reason, grid: Some(grid) }
}

pub(super) fn attack(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Section 5.3, Appendix L, Table 15";
    let conclusion =
        "Under a targeted attack in pixels, CLIP keeps the true class at least as well as the robust XCiT-L12.";
    let test =
        "In a run of table15, after its last step: the accuracy of CLIP is not below that of XCiT, by their intervals.";
    let of = |word: &str| {
        let named =
            |row: &&Evidence<'_>| row.experiment == "table15" && row.contender.target.to_lowercase().contains(word);
        let budget = |row: &&Evidence<'_>| field(row, "search.budget").and_then(|budget| budget.parse::<usize>().ok());
        rows.iter().filter(named).max_by_key(budget)
    };
    let Some((clip, xcit)) = of("clip").zip(of("xcit")) else {
        let reason = "No run of table15 has both CLIP and XCiT. The weights of XCiT-L12 have to be fetched.";
        return Finding::untested(place, conclusion, test, reason);
    };
    let shares = [clip, xcit].map(|row| {
        let records = &row.contender.results.records;
        let right = records.iter().filter(|record| record.final_prediction == Some(record.label)).count();
        let name = row.contender.model.clone();
        (name, Proportion::of(right, records.len(), metrics.confidence))
    });
    let limit = |at: usize| shares[at].1.interval;
    let holds = limit(0).zip(limit(1)).is_some_and(|(clip, xcit)| clip.hi >= xcit.lo);
    let mut grid = Grid::new("attack", "").labels(["model"]);
    grid.caption.confidence = Some(metrics.confidence);
    grid.columns = vec![Column::percent("right", "right after the attack")];
    grid.rows = shares
        .iter()
        .map(|(name, share)| Row::new([name.as_str()]).over(share.of).with("right", Cell::from(share)))
        .collect();
    let reason = "Accuracies after the attack stand in the table.".to_owned();
    Finding { place, conclusion, test, outcome: Outcome::of(&[holds]), reason, grid: Some(grid) }
}
