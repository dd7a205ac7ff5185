//! Rows that did not run, folded into one line that opens.

use maud::{Markup, html};

use crate::render::{label, sentence};
use crate::{Column, Grid, Row};

/// One line, which opens to what the rows lack and to the paper's figures of them.
pub(super) fn rows(grid: &Grid) -> Markup {
    let needs = grid.needs();
    let names: Vec<String> = needs.iter().map(|(need, rows)| format!("{} ({})", need.what, rows.len())).collect();
    html! {
        @if let Some(words) = grid.not_run_sentence() {
            details.missing {
                summary {
                    (words)
                    @if !names.is_empty() { " They lack: " (sentence(&names.join(", "))) "." }
                }
                ol {
                    @for (need, rows) in &needs {
                        li {
                            (sentence(&need.what)) ": " (sentence(&grid.names(rows)))
                            br; span.quiet { "get " } (sentence(&need.get))
                            br; span.quiet { "put " } (sentence(&need.put))
                        }
                    }
                }
                @for (row, reason) in grid.reasons() {
                    p { (label(&row.name())) ": " (sentence(reason)) }
                }
                (printed(grid))
            }
        }
    }
}

/// The paper's figures of these rows.
fn printed(grid: &Grid) -> Markup {
    let rows: Vec<&Row> = grid.not_run().into_iter().filter(|row| row.has_paper()).collect();
    let paper = |row: &Row, column: &Column| row.cells.get(&column.id).and_then(|cell| cell.paper.clone());
    let columns: Vec<&Column> =
        grid.columns.iter().filter(|column| rows.iter().any(|row| paper(row, column).is_some())).collect();
    html! {
        @if !rows.is_empty() {
            p.quiet { "The paper's figures of these rows" }
            div.scroll tabindex="0" role="region" aria-label="The paper's figures of rows that did not run" {
                table {
                    thead {
                        tr {
                            th scope="col" { (label(&grid.labels.join(" · "))) }
                            @for column in &columns { th.num scope="col" { (label(&grid.heading(column))) } }
                        }
                    }
                    tbody {
                        @for row in &rows {
                            tr {
                                th scope="row" { (label(&row.name())) }
                                @for column in &columns {
                                    td.num {
                                        @if let Some(figure) = paper(row, column) { span.paper { (label(&figure)) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
