//! Two rows on the same images: which of them falls where the other stands.

use std::collections::BTreeMap;

use fmr_core::metrics::{Indicators, McNemar, PairedFmr, Reading, cohens_kappa};
use fmr_core::{SampleRecord, shown};
use fmr_report::{Cell, CellOf, Column, Figure, Grid, Row};
use fmr_store::{ImageRole, RowPlan};
use maud::{Markup, PreEscaped, html};

use super::layout::{Crumb, page, pager, verdict};
use crate::app::{App, experiment};
use crate::error::WebError;
use crate::links::{Links, Picture};
use crate::listing::{self, Filter, Listing};
use crate::query::Query;
use crate::runs::Run;

/// A row that can be compared.
struct Side {
    slug: String,
    row: usize,
    plan: RowPlan,
    listing: std::sync::Arc<Listing>,
    metrics: fmr_core::metrics::MetricsSettings,
}

/// A row of a run as an address names it: `RUN:NUMBER`.
fn name(slug: &str, row: usize) -> String {
    format!("{slug}:{row}")
}

fn side(app: &App, name: &str) -> Result<Side, WebError> {
    let refuse = || WebError::Request(format!("{name:?} names no row; choose one of the list"));
    let (slug, row) = name.rsplit_once(':').ok_or_else(refuse)?;
    let row: usize = row.parse().map_err(|_| refuse())?;
    let run = app.run(slug)?;
    let plan = app.plan(&run)?;
    let planned = plan.rows.get(row).cloned().ok_or_else(refuse)?;
    let metrics = experiment(&run, &plan)?.metrics;
    let listing = app.listing(&run, row)?;
    Ok(Side { slug: slug.to_owned(), row, plan: planned, listing, metrics })
}

/// The comparison of the rows that the query names `a` and `b`; a form to choose them where it names none.
///
/// # Errors
/// There are no such rows, they share no images, or a run cannot be read.
pub(crate) fn compare(app: &App, links: Links, query: &Query) -> Result<String, WebError> {
    let choices = choices(app)?;
    let form = form(&choices, query, &links.compare(&Query::default()));
    let (Some(a), Some(b)) = (query.get("a"), query.get("b")) else {
        return Ok(page(links, "Compare two rows", &[Crumb::here("compare")], &form));
    };
    let (a, b) = (side(app, a)?, side(app, b)?);
    let pairs = pairs(&a, &b);
    let title = format!("{} and {}", a.plan.title, b.plan.title);
    let body = html! {
        (form)
        @if pairs.is_empty() {
            p { "The two rows have no finished image in common. Choose rows of one data set." }
        } @else {
            (figures(&a, &b, &pairs)?)
            (discordant(links, query, &a, &b, &pairs))
        }
    };
    Ok(page(links, &title, &[Crumb::here("compare")], &body))
}

/// All rows of all runs that can be read: name and title.
fn choices(app: &App) -> Result<Vec<(String, String)>, WebError> {
    let of = |run: &std::sync::Arc<Run>| {
        let Ok(plan) = app.plan(run) else { return Vec::new() };
        let rows = plan.rows.iter().enumerate();
        rows.map(|(number, row)| (name(&run.slug, number), format!("{}: {}", run.slug, row.title))).collect()
    };
    Ok(app.runs.list().iter().flat_map(of).collect())
}

fn form(choices: &[(String, String)], query: &Query, action: &str) -> Markup {
    html! {
        form.filter method="get" action=(action) {
            @for (field, words) in [("a", "First"), ("b", "Second")] {
                label { (words)
                    select name=(field) {
                        @for (name, title) in choices {
                            option value=(name) selected[query.get(field) == Some(name)] { (shown::text(title)) }
                        }
                    }
                }
            }
            button type="submit" { "Compare" }
        }
    }
}

/// Finished samples of both rows, by the names of the images.
fn pairs<'s>(a: &'s Side, b: &'s Side) -> Vec<[&'s SampleRecord; 2]> {
    let by_key: BTreeMap<&str, &SampleRecord> =
        b.listing.outlines.iter().map(|outline| (outline.record.key.as_str(), &outline.record)).collect();
    let of_a = a.listing.outlines.iter().map(|outline| &outline.record);
    of_a.filter_map(|record| Some([record, *by_key.get(record.key.as_str())?])).collect()
}

fn figures(a: &Side, b: &Side, pairs: &[[&SampleRecord; 2]]) -> Result<Markup, WebError> {
    let confidence = a.metrics.confidence;
    let indicators = |side: &Side, at: usize| -> Vec<Indicators> {
        let records: Vec<SampleRecord> = pairs.iter().map(|pair| pair[at].clone()).collect();
        let reading = Reading::new(&side.metrics, &records);
        records.iter().map(|record| reading.indicators(record)).collect()
    };
    let (first, second) = (indicators(a, 0), indicators(b, 1));
    let paired = PairedFmr::of(&first, &second, a.metrics.fmr_reading(), confidence)
        .map_err(|error| WebError::Request(error.to_string()))?;
    let both: Vec<(bool, bool)> = first
        .iter()
        .zip(&second)
        .filter(|(a, b)| a.produced && b.produced)
        .map(|(a, b)| (a.final_correct, b.final_correct))
        .collect();
    let count = |wanted: (bool, bool)| both.iter().filter(|pair| **pair == wanted).count();
    let test = McNemar::of(count((true, true)), count((true, false)), count((false, true)), count((false, false)));
    let difference = Figure { value: paired.difference, interval: paired.difference_interval, ..Figure::default() };
    let columns: Vec<(Column, CellOf<'_, (Cell, Cell)>)> = vec![
        (
            Column::percent("fmr", "FMR").meaning("PA / SA on the images that both rows have"),
            Box::new(|cells| cells.0.clone()),
        ),
        (
            Column::points("difference", "difference").meaning("first less second, with a paired interval"),
            Box::new(|cells| cells.1.clone()),
        ),
    ];
    let rows = [
        (Row::new([a.plan.title.as_str()]).over(first.len()), (Cell::from(&paired.first), difference.into())),
        (Row::new([b.plan.title.as_str()]).over(second.len()), (Cell::from(&paired.second), Cell::missing())),
    ];
    let mut grid = Grid::new("compared", "FMR of both").labels(["row"]).tabulate(columns, rows);
    grid.caption.confidence = Some(confidence);
    let kappa = cohens_kappa(both.iter().copied());
    grid.notes.push(format!(
        "Of {} images that both searches produced, both targets are right on {} final images and wrong on {}. The first alone \
         is right on {}, the second alone on {}: exact p of McNemar's test {:.3}{}.",
        both.len(),
        test.both,
        test.neither,
        test.only_first,
        test.only_second,
        test.exact_p,
        kappa.map_or_else(String::new, |kappa| format!(", κ {kappa:.2}"))
    ));
    // Made of escaped text by the report.
    Ok(html! { h2 { "Figures" } (PreEscaped(grid.to_html())) })
}

/// Images on which one target is right and the other wrong, side by side.
fn discordant(links: Links, query: &Query, a: &Side, b: &Side, pairs: &[[&SampleRecord; 2]]) -> Markup {
    let right = |record: &SampleRecord| record.final_prediction == Some(record.label);
    let apart: Vec<usize> = (0..pairs.len()).filter(|at| right(pairs[*at][0]) != right(pairs[*at][1])).collect();
    let filter = Filter::of(query);
    let (here, pages) = listing::page(&apart, &filter);
    let at = filter.page.min(pages);
    let plain = Filter::of(&Query::default());
    let address = |page: usize| {
        let kept = query.0.iter().filter(|(name, _)| name != "page").cloned().collect();
        links.compare(&Query(kept).with("page", page))
    };
    html! {
        h2 { "Images that tell them apart" }
        p role="status" { b { (apart.len()) } " of " (pairs.len()) " images." }
        (pager("Pages", at, pages, &address))
        ul.cards.wide {
            @for position in here {
                @let pair = pairs[*position];
                li {
                    b { (shown::text(&a.plan.class(pair[0].label))) } " " small { (shown::text(&pair[0].key)) }
                    div.strip {
                        figure {
                            figcaption { "original" }
                            img loading="lazy" width="112" height="112" alt="original image"
                                src=(links.image(&a.slug, a.row, pair[0].index, Picture::Kept(ImageRole::Original)));
                        }
                        @for (side, record) in [(a, pair[0]), (b, pair[1])] {
                            figure {
                                figcaption { (shown::text(&side.plan.title)) }
                                a href=(links.sample(&side.slug, side.row, record.index, &plain)) {
                                    img loading="lazy" width="112" height="112" alt={ "final image of " (shown::text(&side.plan.title)) }
                                        src=(links.image(&side.slug, side.row, record.index, Picture::Kept(ImageRole::Final)));
                                }
                                (verdict(&side.plan.class(record.final_prediction), right(record)))
                            }
                        }
                    }
                }
            }
        }
        (pager("Pages, below the images", at, pages, &address))
    }
}
