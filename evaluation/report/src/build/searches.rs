//! How the searches ended, what they cost, what they changed, and what failed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use fmr_core::SampleRecord;
use fmr_core::metrics::Ending;
use fmr_core::perturb::Spread;

use super::{Entry, Measured, Run};
use crate::curves::standing;
use crate::grid::CellOf;
use crate::select::perturbed;
use crate::{Cell, Column, Grid, Row};

type Pair<'p> = (&'p Entry<'p>, &'p Measured<'p>);

/// The count of every ending.
pub(super) fn endings(run: &Run<'_>) -> Option<Grid> {
    let mut columns: Vec<(Column, CellOf<'_, Pair<'_>>)> = Vec::new();
    for ending in Ending::ALL {
        let column = Column::count(&key(ending), ending.name()).meaning(ending.meaning());
        columns.push((column, Box::new(move |(_, m): &Pair<'_>| count(m, ending))));
    }
    columns.push((
        Column::number("mean-updates", "mean updates")
            .digits(1)
            .meaning("accepted ones, over images whose reconstruction was accepted"),
        Box::new(|(_, m)| Cell::of(m.summary.overall.accepted_updates.value)),
    ));
    columns.push((
        Column::number("standing", "course").meaning("share of images still in the search after 0, 1, 2 … updates"),
        Box::new(|(_, m)| Cell::series(standing(&m.results.records))),
    ));
    let rows: Vec<(Row, Pair<'_>)> = run.measured().map(|(entry, m)| (entry.plain_row(), (entry, m))).collect();
    let grid =
        Grid { notes: vec!["Counts are of images.".to_owned()], ..Grid::new("endings", "How the searches ended") };
    (!rows.is_empty()).then(|| grid.labels(["data", "model"]).tabulate(columns, rows))
}

/// Samples that ended in a way; of those that failed, how many did because a component failed.
fn count(measured: &Measured<'_>, ending: Ending) -> Cell {
    let endings = &measured.summary.overall.endings;
    let cell = Cell::count(endings.count(ending));
    match (ending, endings.component_failed) {
        (Ending::Failed, failed @ 1..) => {
            cell.remark(format!("A component failed on {failed} of these {} images.", endings.failed))
        }
        _ => cell,
    }
}

/// Its name as a key.
fn key(ending: Ending) -> String {
    ending.name().replace(' ', "-")
}

/// Updates and time: Table 12. A detail where no row has a mask.
pub(super) fn cost(run: &Run<'_>) -> Option<Grid> {
    let mask = |m: &Measured<'_>| m.results.facts.mask.as_ref().and_then(|mask| mask.seconds);
    let of = |entry: &&Entry<'_>, cell: &dyn Fn(&Measured<'_>) -> Cell| {
        entry.measured.as_ref().map(cell).unwrap_or_default()
    };
    let columns: Vec<(Column, CellOf<'_, &Entry<'_>>)> = vec![
        (
            Column::count("updates", "updates").meaning("all updates that were tried"),
            Box::new(move |e: &&Entry<'_>| of(e, &|m| Cell::count(m.effort.updates))),
        ),
        (
            Column::count("rejected", "rejected").meaning("those that the oracle rejected"),
            Box::new(move |e| of(e, &|m| Cell::count(m.effort.refused))),
        ),
        (
            Column::count("unchanged", "unchanged")
                .meaning("accepted updates after which the score is the same to the last digit"),
            Box::new(move |e| of(e, &|m| Cell::count(m.effort.unchanged))),
        ),
        (
            Column::seconds("seconds", "time")
                .meaning("wall time of the row on this machine, without that of learning its mask"),
            Box::new(move |e| of(e, &|m| Cell::of(m.results.facts.seconds)).paper(e.paper.seconds.clone())),
        ),
        (
            Column::milliseconds("each", "each update").meaning("time by the number of updates"),
            Box::new(move |e| {
                of(e, &|m| Cell::of(m.results.facts.seconds.map(|s| 1000.0 * s / m.effort.updates as f64)))
            }),
        ),
        (
            Column::seconds("learning", "learning").meaning("time that learning the mask took"),
            Box::new(move |e| of(e, &|m| Cell::of(mask(m)))),
        ),
    ];
    let rows = run.entries.iter().filter(|entry| entry.measured.is_some() || entry.paper.seconds.is_some());
    let rows: Vec<(Row, &Entry<'_>)> = rows.map(|entry| (entry.plain_row(), entry)).collect();
    let masked = |entry: &Entry<'_>| {
        entry.paper.seconds.is_some() || entry.measured.as_ref().is_some_and(|m| m.results.facts.mask.is_some())
    };
    let detail = !run.entries.iter().any(masked);
    let grid = Grid { detail, ..Grid::new("cost", "What the searches cost") };
    (!rows.is_empty()).then(|| grid.labels(["data", "model"]).tabulate(columns, rows))
}

/// How far latents moved, in their own unit and in that in which generators can be compared.
pub(super) fn movement(run: &Run<'_>) -> Option<Grid> {
    type Spreading<'p> = (&'p Measured<'p>, &'p Spread);
    let median = |m: &Measured<'_>, of: &dyn Fn(&SampleRecord) -> Option<f64>| {
        let mut values: Vec<f64> = m.results.records.iter().filter(|record| perturbed(record)).filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        Cell::of(values.get(values.len() / 2).copied())
    };
    let deviations = |spread: &Spread| spread.blocks.iter().map(|block| block.deviation).collect::<Vec<_>>();
    let columns: Vec<(Column, CellOf<'_, Spreading<'_>>)> = vec![
        (
            Column::number("moved", "moved")
                .digits(4)
                .meaning("median over images of the largest change of a latent value"),
            Box::new(move |(m, _): &Spreading<'_>| median(m, &|record| Some(record.latent_moved))),
        ),
        (
            Column::number("moved-spreads", "in spreads")
                .digits(4)
                .meaning("the same, in spreads of the value's block"),
            Box::new(move |(m, _)| median(m, &|record| record.moved_spreads)),
        ),
        (
            Column::number("least-spread", "least spread")
                .digits(4)
                .meaning("standard deviation, over the encodings of some images, of the block that spreads least"),
            Box::new(move |(_, spread)| Cell::of(deviations(spread).into_iter().reduce(f64::min))),
        ),
        (
            Column::number("largest-spread", "largest spread").digits(4).meaning("of the block that spreads most"),
            Box::new(move |(_, spread)| Cell::of(deviations(spread).into_iter().reduce(f64::max))),
        ),
        (
            Column::count("spread-images", "images").meaning("images whose encodings say so"),
            Box::new(|(_, spread)| Cell::count(spread.images)),
        ),
    ];
    let rows: Vec<(Row, Spreading<'_>)> = run
        .measured()
        .filter_map(|(entry, m)| Some((entry.plain_row(), (m, m.results.facts.spread.as_ref()?))))
        .collect();
    let grid = Grid { detail: true, ..Grid::new("movement", "How far latents moved") };
    (!rows.is_empty()).then(|| grid.labels(["data", "model"]).tabulate(columns, rows))
}

/// Confusions are listed for more classes than this; for fewer a page draws them all.
pub(crate) const MOST_DRAWN: usize = 16;
/// Most confusions that are listed of a row.
const MOST_LISTED: usize = 12;

/// The most frequent confusions in perturbed images, where there are too many classes to draw them all.
pub(super) fn confusions(run: &Run<'_>) -> Option<Grid> {
    let mut rows: Vec<(Row, usize)> = Vec::new();
    for (entry, measured) in run.measured() {
        let plan = &measured.results.plan;
        if plan.classes.len() <= MOST_DRAWN {
            continue;
        }
        let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for record in measured.results.records.iter().filter(|record| perturbed(record)) {
            if let Some(seen) = record.final_prediction.filter(|seen| *seen != record.label) {
                *counts.entry((record.label, seen)).or_default() += 1;
            }
        }
        let mut most: Vec<_> = counts.into_iter().collect();
        most.sort_by_key(|(pair, count)| (Reverse(*count), *pair));
        rows.extend(most.into_iter().take(MOST_LISTED).map(|((label, seen), count)| {
            let name = entry.name();
            (Row { id: entry.id.clone(), ..Row::new([name, plan.class(label), plan.class(seen)]) }, count)
        }));
    }
    let columns: Vec<(Column, CellOf<'_, usize>)> =
        vec![(Column::count("images", "images"), Box::new(|count: &usize| Cell::count(*count)))];
    let grid = Grid { detail: true, ..Grid::new("confusions", "Most frequent confusions in perturbed images") };
    (!rows.is_empty()).then(|| grid.labels(["row", "class", "target sees"]).tabulate(columns, rows))
}

/// Every sample that failed.
pub(super) fn failures(run: &Run<'_>) -> Option<Grid> {
    let columns: Vec<(Column, CellOf<'_, (usize, String)>)> = vec![
        (
            Column::count("at", "update").meaning("the update at which it failed, 0 before the first"),
            Box::new(|(at, _): &(usize, String)| Cell::count(*at)),
        ),
        (Column::text("error", "error"), Box::new(|(_, error)| Cell::text(error.clone()))),
    ];
    let rows = run.measured().flat_map(|(entry, measured)| {
        let name = entry.name();
        let failures = measured.summary.failures.iter();
        failures.map(move |failure| {
            let row = Row::new([name.as_str(), failure.key.as_str()]);
            (Row { id: entry.id.clone(), ..row }, (failure.at, failure.error.clone()))
        })
    });
    let rows: Vec<_> = rows.collect();
    let grid = Grid { detail: true, ..Grid::new("failures", "Samples that failed") };
    (!rows.is_empty()).then(|| grid.labels(["row", "sample"]).tabulate(columns, rows))
}
