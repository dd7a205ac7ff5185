//! The table as GitHub-flavoured Markdown.

use std::fmt::Write as _;

use super::blocks::Block;
use super::{Column, RowState, Table};

impl Table {
    /// The table as Markdown, with all that stands under it.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("### {}\n\n", escape(&self.title));
        self.caption(&mut out);
        self.figures(&mut out);
        for part in self.blocks() {
            block(&mut out, &part);
        }
        self.flags(&mut out);
        self.needs_list(&mut out);
        out
    }

    fn caption(&self, out: &mut String) {
        let facts: Vec<String> =
            self.setting.facts().iter().map(|(name, value)| format!("{name} {}", escape(value))).collect();
        out.push_str(&format!("{}\n{}.\n", self.world_sentence(), facts.join(" · ")));
        for remark in &self.setting.remarks {
            out.push_str(&format!("{}\n", escape(remark)));
        }
        out.push_str(&format!("Percent, with {} % intervals in brackets", self.confidence()));
        out.push_str(if self.has_paper() { "; lines in italics are as the paper prints them.\n\n" } else { ".\n\n" });
    }

    fn figures(&self, out: &mut String) {
        out.push_str("| data | model | n | SA | PA | FMR | VR |\n| --- | --- | --: | --: | --: | --: | --: |\n");
        let needs = self.needs();
        for row in &self.rows {
            let (data, model) = (escape(&row.data), escape(&row.model));
            match &row.state {
                RowState::Measured(summary) => {
                    let cells = Column::ALL.map(|column| {
                        let (value, interval) = column.of(&summary.overall);
                        match self.interval(interval) {
                            interval if interval.is_empty() => self.value(value),
                            interval => format!("{} [{interval}]", self.value(value)),
                        }
                    });
                    line(out, &[&[data, model, summary.overall.n.to_string()][..], &cells].concat());
                }
                RowState::Missing(missing) => {
                    let numbers: Vec<String> = missing
                        .iter()
                        .filter_map(|need| needs.iter().position(|n| *n == need))
                        .map(|at| format!("({})", at + 1))
                        .collect();
                    let mut cells = vec![data, model, "–".to_owned(), format!("missing here {}", numbers.join(" "))];
                    cells.resize(7, String::new());
                    line(out, &cells);
                }
            }
            if !row.paper.is_empty() {
                let mut cells = vec![String::new(), "*paper*".to_owned(), String::new()];
                cells.extend(Column::ALL.map(|column| format!("*{}*", Self::paper(row, column))));
                line(out, &cells);
            }
        }
    }

    fn flags(&self, out: &mut String) {
        if self.rows.iter().all(|row| row.measured().is_none()) {
            return;
        }
        out.push_str("\n#### Validity\n\n");
        if self.rows.iter().all(|row| row.flags.is_empty()) {
            out.push_str("Nothing was found that speaks against these figures.\n");
        }
        for row in &self.rows {
            for flag in &row.flags {
                out.push_str(&format!("- {}: {}\n", escape(&row.name()), escape(&flag.sentence)));
            }
        }
    }

    fn needs_list(&self, out: &mut String) {
        let needs = self.needs();
        if needs.is_empty() {
            return;
        }
        out.push_str("\n#### To run the missing rows\n\n");
        for (at, need) in needs.iter().enumerate() {
            let (what, get, put) = (escape(&need.what), escape(&need.get), escape(&need.put));
            out.push_str(&format!("{}. {what}\n   - get: {get}\n   - put: {put}\n", at + 1));
        }
    }
}

fn block(out: &mut String, block: &Block<'_>) {
    let headings = block.lines.first().map(|line| line.values.iter().map(|(heading, _)| escape(heading)).collect());
    let headings: Vec<String> = headings.unwrap_or_default();
    let _ = write!(out, "\n#### {}\n\n| data | model |", block.title);
    headings.iter().for_each(|heading| out.push_str(&format!(" {heading} |")));
    let _ = writeln!(out, "\n| --- | --- |{}", " --: |".repeat(headings.len()));
    for part in &block.lines {
        let mut cells = match part.under {
            Some(under) => vec![String::new(), format!("*{}*", under.label())],
            None => vec![escape(&part.row.data), escape(&part.row.model)],
        };
        let shown = |value: &String| {
            if part.under.is_some() && !value.is_empty() { format!("*{value}*") } else { value.clone() }
        };
        cells.extend(part.values.iter().map(|(_, value)| shown(value)));
        line(out, &cells);
    }
    if let Some(legend) = block.legend {
        out.push_str(&format!("\n{}\n", escape(legend)));
    }
}

fn line(out: &mut String, cells: &[String]) {
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// Text that Markdown takes for text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '#') {
            out.push('\\');
        }
        out.push(if c == '\n' { ' ' } else { c });
    }
    out
}
