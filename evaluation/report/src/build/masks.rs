//! How masks were learned (the paper's Table 11) and what they changed (Table 12).

use fmr_core::metrics::{Interval, PairedFmr, aligned};
use fmr_mask::Learning;

use super::{Entry, Run};
use crate::grid::{CellOf, Figure};
use crate::{Cell, Column, Grid, MaskFigures, Row};

/// How masks were learned.
pub(super) fn masks(run: &Run<'_>) -> Option<Grid> {
    let confidence = run.metrics.confidence;
    type Of<'e> = (&'e Entry<'e>, Option<MaskFigures>, bool);
    let of =
        |mask: &Option<MaskFigures>, cell: &dyn Fn(&MaskFigures) -> Cell| mask.as_ref().map(cell).unwrap_or_default();
    let fit = |mask: &Option<MaskFigures>, cell: &dyn Fn(&Learning) -> Cell| {
        mask.as_ref().and_then(|mask| mask.learning.as_ref()).map(cell).unwrap_or_default()
    };
    let printed = |figure: &Option<String>, own: bool| figure.clone().filter(|_| own);
    let columns: Vec<(Column, CellOf<'_, Of<'_>>)> = vec![
        (
            Column::count("kept", "kept").meaning("latent values that may move, of all"),
            Box::new(move |(_, mask, _): &Of<'_>| {
                of(mask, &|m| Figure { value: Some(m.kept as f64), n: Some(m.values), ..Figure::default() }.into())
            }),
        ),
        (
            Column::percent("sparsity", "sparsity")
                .digits(2)
                .meaning("share of the classifier's weights that are exactly zero"),
            Box::new(move |(entry, mask, own)| {
                of(mask, &|m| Cell::of(m.sparsity() / 100.0)).paper(printed(&entry.paper.sparsity, *own))
            }),
        ),
        (
            Column::percent("test", "test")
                .digits(2)
                .meaning("share of held-out latents that the classifier puts on their side"),
            Box::new(move |(entry, mask, own)| {
                let share = |l: &Learning| Cell::share(l.fit.test_right, l.fit.test_rows, confidence);
                fit(mask, &share).paper(printed(&entry.paper.test_score, *own))
            }),
        ),
        (
            Column::percent("train", "train").digits(2).meaning("the same of the latents that it was fitted to"),
            Box::new(move |(_, mask, _)| fit(mask, &|l| Cell::of(l.fit.train_score() / 100.0))),
        ),
        (
            Column::count("pairs", "pairs").meaning(
                "latents before and after the search that it was learned from, of the images perturbed for it",
            ),
            Box::new(move |(_, mask, _)| {
                let pairs = |l: &Learning| Figure { value: Some(l.pairs as f64), n: images(mask), ..Figure::default() };
                fit(mask, &|l| pairs(l).into())
            }),
        ),
        (
            Column::scientific("gap", "gap").meaning("relative duality gap of the fit"),
            Box::new(move |(_, mask, _)| fit(mask, &gap)),
        ),
    ];
    let mut rows: Vec<(Row, Of<'_>)> = Vec::new();
    for entry in &run.entries {
        let mask = entry.measured.as_ref().and_then(|m| m.results.facts.mask.as_ref());
        if mask.is_none() && entry.paper.sparsity.is_none() {
            continue;
        }
        rows.push((entry.plain_row(), (entry, mask.cloned(), true)));
        if let Some(at_strength) = mask.and_then(MaskFigures::at_strength) {
            let mut row = entry.plain_row();
            row.path.push("at its strength".to_owned());
            rows.push((row, (entry, Some(at_strength), false)));
        }
    }
    let variants = rows.iter().any(|(_, (_, _, own))| !own);
    let mut grid = Grid::new("masks", "Masks: which latent values may move").labels(["data", "model"]);
    grid.notes.extend(variants.then(|| AT_STRENGTH.to_owned()));
    (!rows.is_empty()).then(|| grid.tabulate(columns, rows))
}

const AT_STRENGTH: &str = "At its strength: what the same latents give at the mask's `strength`, as its `penalty` reads it, \
     where the penalty was chosen otherwise.";

fn images(mask: &Option<MaskFigures>) -> Option<usize> {
    mask.as_ref().and_then(|mask| mask.images)
}

fn gap(learning: &Learning) -> Cell {
    let cell = Cell::of(learning.fit.optimality.gap);
    if learning.fit.converged {
        return cell;
    }
    cell.remark("The gap is larger than asked for: the mask may keep more than at the optimum.")
}

/// What masks changed: rows with a mask against the same rows without.
pub(super) fn effect(run: &Run<'_>) -> Option<Grid> {
    let digits = run.digits.saturating_sub(1);
    let columns: Vec<(Column, CellOf<'_, Effect>)> = vec![
        (
            Column::points("difference", "difference").digits(digits).meaning("FMR with the mask less FMR without"),
            Box::new(|e: &Effect| number(e.fmr.and_then(|f| f.difference), e.fmr.and_then(|f| f.difference_interval))),
        ),
        (
            Column::number("ratio", "ratio").meaning("FMR with the mask by FMR without"),
            Box::new(|e| number(e.fmr.and_then(|f| f.log_ratio).map(f64::exp), e.fmr.and_then(|f| f.ratio_interval))),
        ),
        (
            Column::number("p", "p").meaning("two-sided, of the logarithm of the ratio"),
            Box::new(|e| Cell::of(e.fmr.and_then(|f| f.p))),
        ),
        (
            Column::percent("saved", "saved").meaning("(old − new) / old of the time"),
            Box::new(|e| Cell::of(e.time.map(|t| t.0 / 100.0)).paper(e.paper_time.map(|t| format!("{:.1}", t.0)))),
        ),
        (
            Column::percent("faster", "faster").meaning("old / new − 1 of the time"),
            Box::new(|e| Cell::of(e.time.map(|t| t.1 / 100.0)).paper(e.paper_time.map(|t| format!("{:.1}", t.1)))),
        ),
    ];
    let rows: Vec<(Row, Effect)> =
        run.entries.iter().filter_map(|entry| Some((entry.plain_row(), of(run, entry)?))).collect();
    let mut grid =
        Grid::new("mask-effect", "With the mask against without it, on the same images").labels(["data", "model"]);
    grid.notes.push("Intervals by the delta method on each image's influences, paired by image.".to_owned());
    (!rows.is_empty()).then(|| grid.tabulate(columns, rows))
}

/// What a mask changed.
struct Effect {
    /// FMR with the mask first, without second.
    fmr: Option<PairedFmr>,
    /// Shares in percent by which time fell.
    time: Option<(f64, f64)>,
    /// The same of the paper's times.
    paper_time: Option<(f64, f64)>,
}

fn of(run: &Run<'_>, entry: &Entry<'_>) -> Option<Effect> {
    let other = &run.entries[entry.without?];
    let seconds = |entry: &Entry<'_>| entry.measured.as_ref().and_then(|m| m.results.facts.seconds);
    let printed = |entry: &Entry<'_>| entry.paper.seconds.as_deref().and_then(|text| text.parse().ok());
    let fmr = paired(run, entry, other);
    (fmr.is_some() || entry.paper.seconds.is_some()).then(|| Effect {
        fmr,
        time: time_saved(seconds(other), seconds(entry)),
        paper_time: time_saved(printed(other), printed(entry)),
    })
}

/// FMR with the mask and without, paired by image. Undefined while one of the two is unfinished, because then they have
/// different images, and under a mask that keeps nothing, because then there was no search to compare.
fn paired(run: &Run<'_>, with: &Entry<'_>, without: &Entry<'_>) -> Option<PairedFmr> {
    let (with, without) = (with.measured.as_ref()?.results, without.measured.as_ref()?.results);
    if with.facts.mask.as_ref().is_some_and(|mask| mask.kept == 0) {
        return None;
    }
    let (a, b) = aligned(&with.records, &without.records, &run.metrics).ok()?;
    PairedFmr::of(&a, &b, run.metrics.fmr_reading(), run.metrics.confidence).ok()
}

fn number(value: Option<f64>, interval: Option<Interval>) -> Cell {
    Figure { value, interval, ..Figure::default() }.into()
}

/// Shares in percent by which time fell: (old − new)/old, and old/new − 1.
fn time_saved(without: Option<f64>, with: Option<f64>) -> Option<(f64, f64)> {
    let (old, new) = (without?, with?);
    (old > 0.0 && new > 0.0).then(|| (100.0 * (old - new) / old, 100.0 * (old / new - 1.0)))
}
