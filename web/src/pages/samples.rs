//! The samples of a row, filtered and sorted.

use fmr_core::metrics::Ending;
use fmr_core::shown;
use fmr_report::ending;
use fmr_store::{ImageRole, Outline, RowPlan};
use maud::{Markup, html};

use super::layout::{Crumb, page, pager, verdict};
use crate::app::App;
use crate::error::WebError;
use crate::links::{Links, Picture};
use crate::listing::{self, Filter, Order, Seen, ending_name};

/// A page of the samples of a row.
///
/// # Errors
/// There is no such run or row, or the run cannot be read.
pub(crate) fn samples(app: &App, links: Links, slug: &str, row: usize, filter: &Filter) -> Result<String, WebError> {
    let run = app.run(slug)?;
    let plan = app.plan(&run)?;
    let planned = plan.rows.get(row).ok_or_else(|| WebError::NotFound(format!("row {row} in run {slug:?}")))?;
    let listing = app.listing(&run, row)?;
    let selected = listing.select(filter);
    let (shown_here, pages) = listing::page(&selected, filter);
    let at = filter.page.min(pages);
    let address = |page: usize| links.samples(slug, row, &filter.at(page));
    let body = html! {
        @if links.is_live() { (form(planned, filter, &links.samples(slug, row, &Filter::of(&Default::default())))) }
        p role="status" {
            b { (selected.len()) } " of " (listing.outlines.len()) " images"
            @if listing.outlines.len() < planned.samples { ", " (planned.samples) " in all" }
            "."
        }
        @if selected.is_empty() { p { "No image meets all conditions. Take one of them away." } }
        (pager("Pages", at, pages, &address))
        ul.cards {
            @for position in shown_here {
                li { (card(&listing.outlines[*position], planned, links, slug, row, filter)) }
            }
        }
        (pager("Pages, below the images", at, pages, &address))
    };
    let way = [Crumb::to(slug, links.run(slug)), Crumb::here(&planned.title)];
    Ok(page(links, &planned.title, &way, &body))
}

fn card(outline: &Outline, plan: &RowPlan, links: Links, slug: &str, row: usize, filter: &Filter) -> Markup {
    let record = &outline.record;
    let class = plan.class(record.label);
    let seen = plan.class(record.final_prediction);
    html! {
        a.card href=(links.sample(slug, row, record.index, filter)) {
            span.pair {
                @for role in [ImageRole::Original, ImageRole::Final] {
                    img loading="lazy" decoding="async" width="112" height="112"
                        alt={ (role.name()) " image" } src=(links.image(slug, row, record.index, Picture::Kept(role)));
                }
            }
            b { (shown::text(&class)) }
            " " (verdict(&seen, record.final_prediction == Some(record.label)))
            small {
                (ending(record))
                @if let Some(p) = outline.oracle_true { ", oracle " (format!("{:.0} %", 100.0 * p)) }
            }
            small { (shown::text(&record.key)) }
        }
    }
}

fn form(plan: &RowPlan, filter: &Filter, action: &str) -> Markup {
    html! {
        form.filter method="get" action=(action) {
            label { "Search ended"
                select name="ending" {
                    option value="" { "in any way" }
                    @for ending in Ending::ALL {
                        option value=(ending_name(ending)) selected[filter.ending == Some(ending)] { (ending.name()) }
                    }
                }
            }
            label { "True class"
                select name="class" {
                    option value="" { "any" }
                    @for (class, name) in plan.classes.iter().enumerate() {
                        option value=(class) selected[filter.class == Some(class)] { (shown::text(name)) }
                    }
                }
            }
            label { "Target"
                select name="target" {
                    option value="" { "right or wrong" }
                    @for seen in Seen::ALL {
                        option value=(seen.name()) selected[filter.seen == Some(seen)] { (seen.words()) }
                    }
                }
            }
            fieldset {
                legend { "Oracle's probability of the true class, %" }
                label { "from" input type="number" name="least" min="0" max="100" step="any" value=[filter.least]; }
                label { "to" input type="number" name="most" min="0" max="100" step="any" value=[filter.most]; }
            }
            label { "Sorted by"
                select name="sort" {
                    @for order in Order::ALL {
                        option value=(order.name()) selected[filter.order == order] { (order.words()) }
                    }
                }
            }
            button type="submit" { "Show" }
            a href=(action) { "Show all" }
        }
    }
}
