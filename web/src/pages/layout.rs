//! What all pages share.

use fmr_core::shown;
use maud::{DOCTYPE, Markup, html};

use crate::links::Links;

/// A step of the way from the list of runs to a page.
pub(super) struct Crumb {
    pub(super) title: String,
    /// Absent for the page itself.
    pub(super) address: Option<String>,
}

impl Crumb {
    pub(super) fn to(title: &str, address: String) -> Self {
        Self { title: title.to_owned(), address: Some(address) }
    }

    pub(super) fn here(title: &str) -> Self {
        Self { title: title.to_owned(), address: None }
    }
}

/// A page with a title and the way to it.
pub(super) fn page(links: Links, title: &str, way: &[Crumb], body: &Markup) -> String {
    let title = shown::text(title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(links.asset("style.css"));
                @if links.is_live() { script src=(links.asset("live.js")) defer {} }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    nav aria-label="Way to this page" {
                        ol.way {
                            li { a href=(links.home()) { "fmr" } }
                            @for crumb in way {
                                li {
                                    @if let Some(address) = &crumb.address {
                                        a href=(address) { (shown::text(&crumb.title)) }
                                    } @else {
                                        span aria-current="page" { (shown::text(&crumb.title)) }
                                    }
                                }
                            }
                        }
                    }
                }
                main #content {
                    h1 { (title) }
                    (body)
                }
            }
        }
    };
    page.into_string()
}

/// The page of an error.
pub(crate) fn failure(links: Links, status: u16, problem: &str) -> String {
    let title = match status {
        404 => "Not found",
        400..500 => "Refused",
        _ => "This did not work",
    };
    let body = html! {
        p { (shown::text(problem)) "." }
        p { a href=(links.home()) { "To the list of runs" } }
    };
    page(links, title, &[Crumb::here(title)], &body)
}

/// The style sheet.
pub(crate) fn style() -> String {
    format!("{}\n{}", fmr_report::STYLE, include_str!("../../assets/site.css"))
}

/// A figure with its name over it, for short lists of facts.
pub(super) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts { div { dt { (name) } dd { (shown::text(value)) } } }
        }
    }
}

/// What a judge sees, and whether that is right, in a sign and in colour.
pub(super) fn verdict(seen: &str, right: bool) -> Markup {
    html! {
        span.right[right].wrong[!right] {
            span aria-hidden="true" { @if right { "✓ " } @else { "✗ " } }
            (shown::text(seen))
            span.unseen { @if right { " (right)" } @else { " (wrong)" } }
        }
    }
}

/// The pages of a list; no two of a page have one name.
pub(super) fn pager(name: &str, page: usize, pages: usize, address: &dyn Fn(usize) -> String) -> Markup {
    html! {
        @if pages > 1 {
            nav.pager aria-label=(name) {
                @if page > 1 { a rel="prev" href=(address(page - 1)) { "← Previous" } }
                span { "Page " (page) " of " (pages) }
                @if page < pages { a rel="next" href=(address(page + 1)) { "Next →" } }
            }
        }
    }
}
