//! What people say about a row's images.

use fmr_human::{Annotator, Findings};
use fmr_report::{Cell, CellOf, Column, Grid, PeopleSaid, Row, people as people_grid};
use maud::{PreEscaped, html};

use super::layout::{Crumb, facts, page};
use crate::app::{App, experiment};
use crate::error::WebError;
use crate::links::Links;

/// What people say about a row's images: how closely they look, how far they agree, and FMR as they see it.
///
/// # Errors
/// Nobody is asked here, or the run or the verdicts cannot be read.
pub(crate) fn findings(app: &App, slug: &str, row: usize) -> Result<String, WebError> {
    let missing = || WebError::NotFound("round of images here: `fmr serve --people FILE` begins one".to_owned());
    let people = app.people.as_ref().ok_or_else(missing)?;
    let run = app.run(slug)?;
    let plan = app.plan(&run)?;
    let planned = plan.rows.get(row).ok_or_else(|| WebError::NotFound(format!("row {row} in this run")))?;
    let round = people.round(app, slug, row)?;
    let found = Findings::of(&round.round, &people.verdicts(), people.settings.rules)?;
    let listing = app.listing(&run, row)?;
    let records: Vec<_> = listing.outlines.iter().map(|outline| outline.record.clone()).collect();
    let said: Vec<Option<PeopleSaid>> = records.iter().map(|record| round.said(&found, record.index)).collect();
    let experiment = experiment(&run, &plan)?;
    let row_settings = experiment.rows.iter().find(|row| row.id == planned.id);
    let oracle = row_settings.and_then(|row| experiment.oracles.get(&row.oracle));
    let oracle = oracle.map_or_else(|| "oracle".to_owned(), |table| table.label.clone());
    let judged = found.votes.iter().filter(|votes| **votes > 0).count();
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let agreement = found
        .agreement
        .map_or_else(|| "–".to_owned(), |(share, n)| format!("{:.1} % of pairs, on {n} images", 100.0 * share));
    let body = html! {
        (facts(&[
            ("images judged", format!("{judged} of {}", found.votes.len())),
            ("people agree", agreement),
            ("Fleiss' κ", share(found.fleiss)),
            ("Gwet's AC1", share(found.ac1)),
        ]))
        p.quiet { "κ is low where nearly all answers are the same, however far people agree; AC1 is not." }
        @if said.iter().flatten().any(|said| said.last.is_some()) {
            h2 { "FMR as people see it" }
            p.quiet {
                "Over the samples of the round whose final image was judged, and those that the search did not produce. An image \
                 counts under people where most of them see its true class."
            }
            // Made of escaped text by the report.
            (PreEscaped(people_grid(&oracle, &experiment.metrics, &records, &said).to_html()))
        }
        @if found.annotators.is_empty() {
            p { "Nobody has judged yet." }
        } @else {
            h2 { "People" }
            (PreEscaped(annotators(&found.annotators, experiment.metrics.confidence).to_html()))
            p.quiet {
                "Verdicts count of people who get at least " (format!("{:.0}", 100.0 * people.settings.rules.least_accuracy))
                " % of the controls right, once they judged " (people.settings.rules.least_controls) ". Controls are originals."
            }
        }
        @if !found.pairs.is_empty() {
            h2 { "Agreement of two" }
            (PreEscaped(pairs(&found).to_html()))
        }
    };
    let way = [Crumb::to(slug, Links::Live.run(slug)), Crumb::here("what people say")];
    Ok(page(Links::Live, &format!("People on {}", planned.title), &way, &body))
}

fn annotators(all: &[Annotator], confidence: f64) -> Grid {
    let columns: Vec<(Column, CellOf<'_, &Annotator>)> = vec![
        (Column::count("judged", "images"), Box::new(|who| Cell::count(who.judged))),
        (
            Column::percent("controls", "controls right")
                .meaning("share of originals in which the true class was seen"),
            Box::new(move |who| Cell::share(who.right, who.controls, confidence)),
        ),
        (
            Column::seconds("seconds", "median time").meaning("that an image was looked at"),
            Box::new(|who| Cell::of(who.seconds)),
        ),
        (
            Column::text("counts", "counts"),
            Box::new(|who| Cell::text(if who.counts { "yes" } else { "no: too few controls right" })),
        ),
    ];
    let rows = all.iter().map(|who| (Row::new([who.name.as_str()]), who));
    let mut grid = Grid::new("annotators", "People").labels(["who"]).tabulate(columns, rows);
    grid.caption.confidence = Some(confidence);
    grid
}

fn pairs(found: &Findings) -> Grid {
    let columns: Vec<(Column, CellOf<'_, Option<f64>>)> = vec![(
        Column::number("kappa", "Cohen's κ").digits(2).meaning("1 where both always agree, 0 by chance"),
        Box::new(|kappa: &Option<f64>| Cell::of(*kappa)),
    )];
    let rows = found.pairs.iter().map(|(a, b, kappa, n)| (Row::new([format!("{a} and {b}")]).over(*n), *kappa));
    Grid::new("pairs", "Agreement of two").labels(["who"]).tabulate(columns, rows)
}
