//! The tables of a run.

use maud::{PreEscaped, html};

use super::annotate::ways;
use super::layout::{Crumb, page};
use crate::app::{App, counts};
use crate::error::WebError;
use crate::links::Links;
use crate::listing::{Filter, Order, Seen};
use crate::query::Query;
use fmr_core::shown;

/// The tables and charts of a run, and the ways to its images.
///
/// # Errors
/// There is no such run, or it cannot be read.
pub(crate) fn run(app: &App, links: Links, slug: &str) -> Result<String, WebError> {
    let run = app.run(slug)?;
    let rows = run.look(counts)?;
    let tables = app.tables(&run)?;
    let under_way = rows.iter().any(|row| row.done < row.of);
    let all = Filter::of(&Query::default());
    let worst = Filter { seen: Some(Seen::Fooled), order: Order::Rise, ..all.clone() };
    let body = html! {
        section aria-label="Images" {
            ul.rows data-events=[(links.is_live() && under_way).then(|| links.events(slug))] {
                @for (number, row) in rows.iter().enumerate() {
                    li {
                        b { (shown::text(&row.title)) } ": "
                        a href=(links.samples(slug, number, &all)) { "all images" }
                        @if links.is_live() { ", " a href=(links.samples(slug, number, &worst)) { "worst first" } (ways(app, slug, number)) }
                        " "
                        span.state data-row=(number) { @if row.done < row.of { (row.done) " of " (row.of) " images" } }
                        @if row.done < row.of {
                            " " progress data-bar=(number) aria-label={ "images of " (shown::text(&row.title)) } value=(row.done) max=(row.of) {}
                        }
                    }
                }
            }
            @if links.is_live() && under_way {
                p role="status" #status { "This run is not finished, or under way. The counts above follow it." }
            }
        }
        // Made of escaped text by the report.
        (PreEscaped(&tables.body))
    };
    Ok(page(links, &tables.title, &[Crumb::here(slug)], &body))
}
