//! One sample: what its search did.

use fmr_core::{SampleRecord, shown};
use fmr_data::pixels::png;
use fmr_report::{ending, line_chart};
use fmr_store::{RowPlan, RunStore, SampleShown};
use maud::{Markup, PreEscaped, html};

use super::layout::{Crumb, facts, page, verdict};
use crate::app::{App, row_id};
use crate::error::WebError;
use crate::links::{Links, Picture};
use crate::listing::Filter;

/// How much a difference of images is enlarged.
const GAIN: f32 = 3.0;

/// The page of a sample; `filter` is that of the list that the reader came from.
///
/// # Errors
/// There is no such run, row or finished sample, or the run cannot be read.
pub(crate) fn sample(
    app: &App,
    links: Links,
    slug: &str,
    row: usize,
    index: usize,
    filter: &Filter,
) -> Result<String, WebError> {
    let run = app.run(slug)?;
    let (plan, record, shown) = run.look(|store: &RunStore| {
        let id = row_id(store.plan(), row)?;
        let missing = || WebError::NotFound(format!("finished sample {index} in {id}"));
        let record = store.record(&id, index)?.ok_or_else(missing)?;
        let shown = store.shown(&id, index)?;
        Ok::<_, WebError>((store.plan().rows[row].clone(), record, shown))
    })?;
    let (before, after) = neighbours(app, slug, row, index, filter)?;
    let class = plan.class(record.label);
    let body = html! {
        (turn(links, slug, row, filter, before, after))
        (facts(&facts_of(&record)))
        (strip(&record, &plan, &shown, |picture| links.image(slug, row, index, picture)))
        (curves(&record, &shown))
        (steps(&record, &plan))
    };
    let list = links.samples(slug, row, filter);
    let way = [Crumb::to(slug, links.run(slug)), Crumb::to(&plan.title, list), Crumb::here(&record.key)];
    Ok(page(links, &format!("{class}: {}", record.key), &way, &body))
}

/// Samples before and after one in the list of a filter.
fn neighbours(
    app: &App,
    slug: &str,
    row: usize,
    index: usize,
    filter: &Filter,
) -> Result<(Option<usize>, Option<usize>), WebError> {
    let run = app.run(slug)?;
    let listing = app.listing(&run, row)?;
    let selected = listing.select(filter);
    let index_at = |at: usize| selected.get(at).map(|position| listing.outlines[*position].record.index);
    let Some(at) = (0..selected.len()).find(|at| index_at(*at) == Some(index)) else { return Ok((None, None)) };
    Ok((at.checked_sub(1).and_then(index_at), index_at(at + 1)))
}

fn turn(links: Links, slug: &str, row: usize, filter: &Filter, before: Option<usize>, after: Option<usize>) -> Markup {
    html! {
        nav.pager aria-label="Neighbours in the list" {
            @if let Some(before) = before { a rel="prev" href=(links.sample(slug, row, before, filter)) { "← Previous" } }
            a href=(links.samples(slug, row, filter)) { "Back to the list" }
            @if let Some(after) = after { a rel="next" href=(links.sample(slug, row, after, filter)) { "Next →" } }
        }
    }
}

fn facts_of(record: &SampleRecord) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("search", ending(record)),
        ("accepted updates", record.accepted_updates.to_string()),
        ("score", format!("{:.3} → {:.3}", record.score0, record.final_score)),
        ("largest change of a latent value", format!("{:.4}", record.latent_moved)),
    ];
    facts.extend(record.moved_spreads.map(|moved| ("the same in spreads of its block", format!("{moved:.3}"))));
    if let Some(finished) = record.finished {
        let words = if finished { "accepted" } else { "refused: the image before it stands" };
        facts.push(("finished latent", words.to_owned()));
    }
    facts.extend(record.error.clone().map(|error| ("error", error)));
    facts
}

fn strip(record: &SampleRecord, plan: &RowPlan, shown: &SampleShown, address: impl Fn(Picture) -> String) -> Markup {
    let said = [
        (record.clean_prediction, record.clean_oracle, &shown.original.answer.oracle),
        (record.reconstruction_prediction, record.reconstruction_oracle, &shown.reconstruction.answer.oracle),
        (record.final_prediction, record.final_oracle, &shown.final_image.answer.oracle),
    ];
    let class = plan.class(record.label);
    html! {
        h2 { "Images" }
        div.strip {
            @for (at, picture) in Picture::ALL.into_iter().enumerate() {
                figure {
                    figcaption { (picture.name()) @if picture == Picture::Difference { ", final − original, × " (GAIN) } }
                    img width="224" height="224" alt={ (picture.name()) " image of " (shown::text(&class)) } src=(address(picture));
                    @if let Some((target, oracle, probabilities)) = said.get(at) {
                        span { "target " (verdict(&plan.class(*target), plan.class(*target) == class)) }
                        span {
                            "oracle " (verdict(&plan.class(*oracle), plan.class(*oracle) == class))
                            @if let Some(p) = probabilities.get(record.label) { " " small { (format!("{:.1} %", 100.0 * p)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Scores and the oracle's probabilities of images 0, 1, 2 …, image 0 being the reconstruction.
fn curves(record: &SampleRecord, shown: &SampleShown) -> Markup {
    let mut scores: Vec<f64> = record.steps.iter().map(|step| step.score).collect();
    // The score after the last update is that of the final image where that is its image.
    if record.steps.last().is_some_and(|step| record.final_from == Some(step.t)) {
        scores.push(record.final_score);
    }
    let first = shown.reconstruction.answer.oracle.get(record.label).copied();
    let seen = first.into_iter().chain(record.steps.iter().filter_map(|step| step.oracle_true));
    let seen: Vec<f64> = seen.map(|p| 100.0 * f64::from(p)).collect();
    let norms: Vec<f64> = record.steps.iter().map(|step| step.gradient_norm).collect();
    let finite = |values: &[f64]| values.len() > 1 && values.iter().all(|value| value.is_finite());
    let charts = [
        ("Score of the target", scores, None),
        ("Oracle's probability of the true class, %", seen, Some((0.0, 100.0))),
        ("Norm of the score's gradient", norms, None),
    ];
    html! {
        @if charts.iter().any(|(_, values, _)| finite(values)) {
            h2 { "Course of the search" }
            p.quiet { "The horizontal axis counts updates; 0 is the reconstruction." }
            div.charts {
                @for (name, values, range) in charts.iter().filter(|(_, values, _)| finite(values)) {
                    figure.chart-box {
                        figcaption { (name) }
                        // Made of numbers by the report.
                        (PreEscaped(line_chart(name, values, *range)))
                    }
                }
            }
        }
    }
}

fn steps(record: &SampleRecord, plan: &RowPlan) -> Markup {
    html! {
        @if !record.steps.is_empty() {
            details {
                summary { "The updates as numbers" }
                div.scroll tabindex="0" role="region" aria-label="Updates" {
                    table {
                        thead { tr {
                            th.num scope="col" { "update" }
                            th.num scope="col" { "score before" }
                            th.num scope="col" { "gradient" }
                            th scope="col" { "target sees" }
                            th scope="col" { "oracle sees" }
                            th.num scope="col" { "oracle, true class (%)" }
                            th scope="col" { "oracle's verdict" }
                        } }
                        tbody {
                            @for step in &record.steps {
                                tr {
                                    th.num scope="row" { (step.t) }
                                    td.num { (format!("{:.4}", step.score)) }
                                    td.num { (format!("{:.3e}", step.gradient_norm)) }
                                    td { (shown::text(&plan.class(step.prediction))) }
                                    td { (shown::text(&plan.class(step.oracle_class))) }
                                    td.num { @if let Some(p) = step.oracle_true { (format!("{:.1}", 100.0 * p)) } }
                                    td { @if step.accepted { "accepted" } @else if step.oracle_true.is_some() { "rejected" } @else { "failed" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Final image less original as a PNG file: grey where nothing changed, [`GAIN`] times as strong as it is. `None` where the
/// sample is not finished.
///
/// # Errors
/// The run cannot be read, or its images are of different shapes.
pub(crate) fn difference(store: &RunStore, row: usize, index: usize) -> Result<Option<Vec<u8>>, WebError> {
    let id = row_id(store.plan(), row)?;
    if store.record(&id, index)?.is_none() {
        return Ok(None);
    }
    let images = store.images(&id, index)?;
    let (original, last) = (images.original, images.final_image);
    if original.dim() != last.dim() {
        return Err(WebError::Request("original and final image have different shapes".to_owned()));
    }
    let difference = (&last - &original).mapv(|v| (0.5 + 0.5 * GAIN * v).clamp(0.0, 1.0));
    png(difference.view()).map(Some).map_err(|error| WebError::Request(error.to_string()))
}
