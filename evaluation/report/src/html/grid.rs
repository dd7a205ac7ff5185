//! A grid as an HTML table that scrolls inside its own box.

use maud::{Markup, html};

use super::svg;
use crate::grid::{Group, Shown, letter};
use crate::render::{label, sentence};
use crate::{Align, Cell, Column, Grid, Row, Unit, Value};

/// The rows that have figures, with legend and notes.
pub(super) fn table(grid: &Grid) -> Markup {
    let groups = grid.groups();
    let paper = grid.has_paper();
    let reading = grid.reading();
    html! {
        @if !groups.is_empty() {
            @if !reading.is_empty() || paper {
                p.quiet {
                    @for words in &reading { (sentence(words)) " " }
                    @if paper {
                        span.paper { "Figures of the paper look like this" }
                        ", and are ticks in the bars."
                    }
                }
            }
            // A box that scrolls must be reachable by keyboard.
            div.scroll tabindex="0" role="region" aria-label=(label(&grid.title)) {
                table {
                    thead { (group_headings(grid)) (headings(grid)) }
                    @for group in &groups { (body(grid, group)) }
                }
            }
            (notes(grid))
        }
    }
}

fn group_headings(grid: &Grid) -> Markup {
    html! {
        @if grid.columns.iter().any(|column| column.group.is_some()) {
            tr {
                td colspan=(1 + usize::from(grid.has_n())) {}
                @for part in grid.columns.chunk_by(|a, b| a.group == b.group) {
                    th.over colspan=(part.len()) scope="colgroup" {
                        @if let Some(group) = &part[0].group { (label(group)) }
                    }
                }
            }
        }
    }
}

fn headings(grid: &Grid) -> Markup {
    html! {
        tr {
            th scope="col" { (label(&grid.labels.join(" · "))) }
            @if grid.has_n() { th.num scope="col" title="images that the figures are over" { "n" } }
            @for column in &grid.columns {
                th class=[side(column)] scope="col" title=[title(column)] { (label(&grid.heading(column))) }
            }
        }
    }
}

fn side(column: &Column) -> Option<&'static str> {
    (column.align == Align::Right).then_some("num")
}

fn title(column: &Column) -> Option<String> {
    (!column.meaning.is_empty()).then(|| sentence(&column.meaning).into_owned())
}

/// A group of rows. Its label stands in a line of its own over several rows, and over the name of a single one.
fn body(grid: &Grid, group: &Group<'_>) -> Markup {
    let columns = 1 + usize::from(grid.has_n()) + grid.columns.len();
    let own_line = group.label.filter(|_| group.rows.len() > 1);
    let above = group.label.filter(|_| own_line.is_none());
    html! {
        tbody {
            @if let Some(name) = own_line {
                tr.group { th colspan=(columns) scope="rowgroup" { span { (label(name)) } } }
            }
            @for row in &group.rows {
                tr {
                    th scope="row" {
                        @if let Some(name) = above { span.above { (label(name)) } }
                        (name(grid, row))
                    }
                    @if grid.has_n() { td.num { @if let Some(n) = row.n { (n) } } }
                    @for column in &grid.columns { (cell(grid, row, column)) }
                }
            }
        }
    }
}

/// Labels of a row behind its group's.
fn name(grid: &Grid, row: &Row) -> String {
    let from = usize::from(grid.labels.len() > 1).min(row.path.len());
    label(&row.path[from..].join(" · ")).into_owned()
}

fn cell(grid: &Grid, row: &Row, column: &Column) -> Markup {
    let shown = grid.show(row, column);
    let cell = row.cells.get(&column.id);
    let figure = cell.and_then(|cell| cell.figure());
    let counts = figure.and_then(|figure| Some(format!("{} of {}", figure.hits?, figure.n?)));
    let curve = cell.and_then(|cell| match &cell.value {
        Value::Series { values } => Some(svg::curve(values, &label(&grid.heading(column)))),
        _ => None,
    });
    let bar = figure.filter(|_| column.unit == Unit::Percent).and_then(|figure| {
        let (value, interval) = (figure.value?, figure.interval?);
        let paper = shown.paper.as_deref().and_then(|text| text.parse().ok());
        Some(svg::bar(100.0 * value, [100.0 * interval.lo, 100.0 * interval.hi], paper))
    });
    html! {
        td class=[side(column)] title=[counts] {
            @if let Some(curve) = curve {
                (curve)
            } @else if let Some(address) = cell.and_then(address) {
                a href=(address) { (label(address)) }
            } @else {
                (parts(&shown))
            }
            @if let Some(bar) = bar { (bar) }
            @if let Some(paper) = &shown.paper { span.paper title="as the paper prints it" { (label(paper)) } }
        }
    }
}

/// A cell that holds nothing but an address of the web is a link.
fn address(cell: &Cell) -> Option<&str> {
    match &cell.value {
        Value::Text { text } if text.starts_with("https://") || text.starts_with("http://") => Some(text),
        _ => None,
    }
}

fn parts(shown: &Shown) -> Markup {
    html! {
        @if shown.interval.is_some() { b { (label(&shown.value)) } } @else { (label(&shown.value)) }
        @if let Some(mark) = &shown.mark { sup { (mark) } }
        @if shown.interval.is_some() || shown.of.is_some() {
            small {
                @if let Some(interval) = &shown.interval { (interval) }
                @if let Some(of) = shown.of { " of " (of) }
            }
        }
    }
}

fn notes(grid: &Grid) -> Markup {
    let (legend, remarks) = (grid.legend(), grid.remarks());
    html! {
        @if !legend.is_empty() {
            dl.legend {
                @for (heading, meaning) in legend { div { dt { (label(heading)) } dd { (sentence(meaning)) } } }
            }
        }
        @for note in &grid.notes { p.quiet { (sentence(note)) } }
        @for (at, remark) in remarks.into_iter().enumerate() {
            p.quiet { sup { (letter(at)) } " " (sentence(remark)) }
        }
    }
}
