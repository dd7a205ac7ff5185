//! One self-contained HTML page of a run, to be opened from disk: no script, nothing loaded.

mod cell;
mod plots;
mod svg;

use std::fmt::Write as _;

use fmr_experiment::World;
use fmr_store::{RowPlan, RunStore};

use super::blocks::Block;
use super::{Column, ReportError, RowState, Table, TableRow};

const STYLE: &str = include_str!("style.css");

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The run.
    pub store: &'a RunStore,
    /// Its table.
    pub table: &'a Table,
    /// Most samples shown of each cell.
    pub samples: usize,
}

/// The page.
///
/// # Errors
/// The run cannot be read, or an image is neither grey nor RGB.
pub fn html(page: &Page<'_>) -> Result<String, ReportError> {
    let Page { store, table, samples } = *page;
    let title = escape(&table.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>\n{STYLE}</style></head><body><main>\n<h1>{title}</h1>"
    );
    out.push_str(&caption(table));
    out.push_str(&figures(table));
    table.blocks().iter().for_each(|part| out.push_str(&block(part)));
    out.push_str(&flags(table));
    out.push_str(&needs(table));
    for cell in &store.plan().rows {
        out.push('\n');
        out.push_str(&cell::section(store, cell, table, samples)?);
    }
    out.push_str(&record(store));
    out.push_str("</main></body></html>\n");
    Ok(out)
}

/// Text that HTML takes for text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn caption(table: &Table) -> String {
    let setting = &table.setting;
    let paper = table.worlds().iter().all(|(world, _)| *world == World::Paper);
    let badge = if paper { "full" } else { "small" };
    let mut out = format!("<p class=\"world {badge}\">{}</p><dl class=\"facts\">", escape(&table.world_sentence()));
    for (name, value) in setting.facts() {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str("</dl>");
    for remark in &setting.remarks {
        let _ = write!(out, "<p>{}</p>", escape(remark));
    }
    out
}

fn figures(table: &Table) -> String {
    let paper = if table.has_paper() {
        " <span class=\"paper\">Figures of the paper are set like this</span>, and as a tick in the bars."
    } else {
        ""
    };
    let mut out = format!(
        "<table class=\"figures\"><caption>Percent, with {} % intervals.{paper}</caption>\
         <tr><th>data<th>model<th class=\"num\">n",
        table.confidence()
    );
    for column in Column::ALL {
        let _ = write!(out, "<th class=\"num\">{}", column.heading());
    }
    let needs = table.needs();
    for row in &table.rows {
        let _ = write!(out, "\n<tr><td>{}<td>{}", escape(&row.data), escape(&row.model));
        match &row.state {
            RowState::Measured(summary) => {
                let _ = write!(out, "<td class=\"num\">{}", summary.overall.n);
                for column in Column::ALL {
                    let (value, interval) = column.of(&summary.overall);
                    let paper = row.paper.get(&column);
                    let _ = write!(out, "<td class=\"num\"><b>{}</b>", table.value(value));
                    if let (Some(value), Some(i)) = (value, interval) {
                        let bar = svg::interval_bar(100.0 * value, 100.0 * i.lo, 100.0 * i.hi, paper.copied());
                        let _ = write!(out, "<small>{}</small>{bar}", table.interval(interval));
                    }
                    if paper.is_some() {
                        let _ = write!(out, "<span class=\"paper\">{}</span>", Table::paper(row, column));
                    }
                }
            }
            RowState::Missing(missing) => {
                let listed: Vec<String> = missing
                    .iter()
                    .map(|need| {
                        let number = needs.iter().position(|n| *n == need).map_or(0, |at| at + 1);
                        format!("{} [{number}]", escape(&need.what))
                    })
                    .collect();
                let _ = write!(
                    out,
                    "<td class=\"num\">–<td class=\"missing\" colspan=\"4\">missing here: {}",
                    listed.join(", ")
                );
                out.push_str(&paper_line(row));
            }
        }
    }
    out.push_str("</table>");
    out
}

/// The paper's figures of a row that did not run.
fn paper_line(row: &TableRow) -> String {
    let figures: Vec<String> = Column::ALL
        .iter()
        .filter(|column| row.paper.contains_key(column))
        .map(|column| format!("{} {}", column.heading(), Table::paper(row, *column)))
        .collect();
    if figures.is_empty() {
        return String::new();
    }
    format!("<span class=\"paper\">{}</span>", figures.join(" · "))
}

fn block(block: &Block<'_>) -> String {
    let mut out = format!("\n<table><caption>{}</caption><tr><th>data<th>model", block.title);
    for (heading, _) in block.lines.first().into_iter().flat_map(|line| &line.values) {
        let _ = write!(out, "<th class=\"num\">{heading}");
    }
    for line in &block.lines {
        match line.under {
            Some(under) => {
                let _ = write!(out, "<tr><td><td><span class=\"paper\">{}</span>", under.label());
            }
            None => {
                let _ = write!(out, "<tr><td>{}<td>{}", escape(&line.row.data), escape(&line.row.model));
            }
        }
        for (_, value) in &line.values {
            let shown =
                if line.under.is_some() { format!("<span class=\"paper\">{value}</span>") } else { value.clone() };
            let _ = write!(out, "<td class=\"num\">{shown}");
        }
    }
    out.push_str("</table>");
    if let Some(legend) = block.legend {
        let _ = write!(out, "<p class=\"quiet\">{}</p>", escape(legend));
    }
    out
}

fn flags(table: &Table) -> String {
    if table.rows.iter().all(|row| row.measured().is_none()) {
        return String::new();
    }
    let mut out = String::from("\n<h2>Validity</h2>");
    if table.rows.iter().all(|row| row.flags.is_empty()) {
        out.push_str("<p>Nothing was found that speaks against these figures.</p>");
        return out;
    }
    for row in table.rows.iter().filter(|row| !row.flags.is_empty()) {
        let _ = write!(out, "<h3>{}</h3><ul>", escape(&row.name()));
        row.flags.iter().for_each(|flag| out.push_str(&format!("<li>{}", escape(&flag.sentence))));
        out.push_str("</ul>");
    }
    out
}

fn needs(table: &Table) -> String {
    let needs = table.needs();
    if needs.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n<h2>To run the missing rows</h2><ol>");
    for need in needs {
        let (what, get, put) = (escape(&need.what), escape(&need.get), escape(&need.put));
        let _ = write!(
            out,
            "<li>{what}<br><span class=\"quiet\">get</span> {get}<br><span class=\"quiet\">put</span> {put}"
        );
    }
    out.push_str("</ol>");
    out
}

/// What the run was: settings, versions, hashes.
fn record(store: &RunStore) -> String {
    let plan = store.plan();
    let mut out = format!(
        "\n<section><h2>Record</h2><details><summary>Experiment file, every default written out</summary><pre>{}</pre></details>",
        escape(&plan.experiment)
    );
    out.push_str("<details><summary>Versions</summary><table>");
    for (name, version) in &plan.versions {
        let _ = write!(out, "<tr><td>{}<td>{}", escape(name), escape(version));
    }
    out.push_str("</table></details>");
    plan.rows.iter().for_each(|cell| out.push_str(&fingerprint(cell)));
    out.push_str("</section>");
    out
}

fn fingerprint(cell: &RowPlan) -> String {
    let mut out = format!("<details><summary>Fingerprint of {}</summary><table class=\"prints\">", escape(&cell.title));
    for (field, value) in &cell.fingerprint {
        let _ = write!(out, "<tr><td>{}<td><code>{}</code>", escape(field), escape(value));
    }
    out.push_str("</table></details>");
    out
}

#[cfg(test)]
mod tests;
