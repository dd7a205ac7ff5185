//! The list of runs.

use fmr_store::RunStore;
use maud::html;

use super::layout::page;
use crate::app::{App, RowProgress, counts};
use crate::error::WebError;
use crate::links::Links;
use crate::query::Query;
use fmr_core::shown;

/// What the list says of a run.
struct Entry {
    slug: String,
    title: String,
    rows: Vec<RowProgress>,
}

/// The list of runs.
pub(crate) fn home(app: &App, links: Links) -> String {
    let mut unreadable = Vec::new();
    let mut entries = Vec::new();
    for run in app.runs.list() {
        let entry = run.look(|store: &RunStore| {
            let title = crate::app::experiment(&run, store.plan()).map(|experiment| experiment.title);
            let title = title.unwrap_or_else(|_| store.plan().name.clone());
            Ok::<_, WebError>(Entry { slug: run.slug.clone(), title, rows: counts(store)? })
        });
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => unreadable.push(format!("{}: {error}", run.slug)),
        }
    }
    let body = html! {
        @if entries.is_empty() {
            p { "There are no runs here yet. " code { "fmr run EXPERIMENT.toml" } " begins one; reload this page then." }
        } @else {
            p.quiet { "Choose a run to see its tables, or a row to see its images." }
            ul.runs {
                @for entry in &entries { li { (of(entry, links)) } }
            }
            @if links.is_live() && entries.iter().map(|entry| entry.rows.len()).sum::<usize>() > 1 {
                p { a href=(links.compare(&Query::default())) { "Compare two rows" } }
            }
        }
        @if !unreadable.is_empty() {
            h2 { "Not readable" }
            ul { @for problem in &unreadable { li { (shown::text(problem)) } } }
        }
    };
    page(links, "Runs", &[], &body)
}

fn of(entry: &Entry, links: Links) -> maud::Markup {
    let (done, of) = entry.rows.iter().fold((0, 0), |(done, of), row| (done + row.done, of + row.of));
    html! {
        h2 { a href=(links.run(&entry.slug)) { (shown::text(&entry.slug)) } }
        p {
            (shown::text(&entry.title)) " "
            @if done < of { span.state { "unfinished: " (done) " of " (of) " images" } }
            @else { span.state { (of) " images" } }
        }
        ul.rows {
            @for (number, row) in entry.rows.iter().enumerate() {
                li {
                    a href=(links.samples(&entry.slug, number, &crate::listing::Filter::of(&Query::default()))) { (shown::text(&row.title)) }
                    @if row.done < row.of { span.state { " " (row.done) " of " (row.of) } }
                }
            }
        }
    }
}
