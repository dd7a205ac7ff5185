//! A report as GitHub-flavoured Markdown.

use super::source::{Language, Source};
use crate::grid::Shown;
use crate::report::Validity;
use crate::{Align, Grid, Report, Row};

struct Markdown;

impl Language for Markdown {
    fn escape(c: char, out: &mut String) {
        if matches!(c, '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' | '#' | '~' | '&' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
}

type Md = Source<Markdown>;

impl Report {
    /// The report as Markdown, without its details.
    pub fn to_markdown(&self) -> String {
        let mut out = Md::code("### ");
        out.push(Md::text(&self.title)).add("\n");
        for (at, grid) in self.grids.iter().filter(|grid| !grid.detail).enumerate() {
            if at > 0 {
                out.add("\n#### ").push(Md::text(&grid.title)).add("\n");
            }
            grid.markdown(&mut out);
        }
        self.validity_markdown(&mut out);
        self.needs_markdown(&mut out);
        out.into_string()
    }

    fn validity_markdown(&self, out: &mut Md) {
        match self.validity() {
            Validity::Unknown => {}
            Validity::Sound(words) => {
                out.add("\n#### Validity\n\n").push(Md::text(words)).add("\n");
            }
            Validity::Flagged(rows) => {
                out.add("\n#### Validity\n\n");
                for (row, sentences) in rows {
                    for words in sentences {
                        out.add("- ").push(Md::label(&row.name())).add(": ").push(Md::text(&words)).add("\n");
                    }
                }
            }
        }
    }

    fn needs_markdown(&self, out: &mut Md) {
        for (heading, grid) in self.lacking() {
            out.add("\n#### ").push(Md::text(&heading)).add("\n\n");
            grid.needs_markdown(out);
        }
    }
}

impl Grid {
    fn needs_markdown(&self, out: &mut Md) {
        for (need, rows) in self.needs() {
            out.add("1. ").push(Md::text(&need.what));
            out.add(": ").push(Md::text(&self.names(&rows)));
            out.add("\n   - get: ").push(Md::text(&need.get));
            out.add("\n   - put: ").push(Md::text(&need.put)).add("\n");
        }
        for (row, reason) in self.reasons() {
            out.add("- ").push(Md::label(&row.name())).add(": ").push(Md::text(reason)).add("\n");
        }
        let printed: Vec<&Row> = self.not_run().into_iter().filter(|row| row.has_paper()).collect();
        if !printed.is_empty() {
            out.add("\nThe paper's figures of these rows:\n\n");
            self.head(out, false);
            printed.into_iter().for_each(|row| self.paper_line(out, row, true));
        }
    }
}

impl Grid {
    /// The grid as Markdown, without its title.
    pub fn to_markdown(&self) -> String {
        let mut out = Md::new();
        self.markdown(&mut out);
        out.into_string()
    }

    fn markdown(&self, out: &mut Md) {
        let caption = &self.caption;
        let mut lines: Vec<Md> = caption.worlds.iter().map(|sentence| Md::text(sentence)).collect();
        let fact = |(name, value): &(String, String)| Md::text(&format!("{name} {value}"));
        lines.extend((!caption.facts.is_empty()).then(|| {
            let mut facts = Md::join(caption.facts.iter().map(fact), " · ");
            facts.add(".");
            facts
        }));
        lines.extend(caption.remarks.iter().map(|sentence| Md::text(sentence)));
        lines.extend(self.reading().iter().map(|sentence| Md::text(sentence)));
        lines.extend(self.has_paper().then(|| Md::code("Lines in italics are as the paper prints them.")));
        for line in lines {
            out.add("\n").push(line).add("\n");
        }
        if self.groups().is_empty() {
            return;
        }
        if !out.is_empty() {
            out.add("\n");
        }
        self.head(out, true);
        for row in self.groups().iter().flat_map(|group| &group.rows) {
            let n = self.has_n().then(|| row.n.map_or_else(Md::new, |n| Md::text(&n.to_string())));
            let cells = self.columns.iter().map(|column| cell(&self.show(row, column)));
            line(out, self.path(row).into_iter().chain(n).chain(cells));
            if row.has_paper() {
                self.paper_line(out, row, false);
            }
        }
        let remarks = self
            .remarks()
            .into_iter()
            .enumerate()
            .map(|(at, remark)| Md::text(&format!("({}) {remark}", crate::grid::letter(at))));
        let legend = self.legend().into_iter().map(|(heading, meaning)| Md::text(&format!("{heading}: {meaning}.")));
        let legend = Md::join(legend, " ");
        let notes = self.notes.iter().map(|note| Md::text(note));
        for words in [legend].into_iter().chain(notes).chain(remarks) {
            out.push(words.within("\n", "\n"));
        }
    }

    fn head(&self, out: &mut Md, n: bool) {
        let n = n && self.has_n();
        let headings = self.columns.iter().map(|column| {
            let group = column.group.as_deref().map(|group| Md::text(&format!("{group}: "))).unwrap_or_else(Md::new);
            Md::join([group, Md::text(&self.heading(column))], "")
        });
        let labels = (0..self.depth()).map(|at| self.labels.get(at).map_or_else(Md::new, |label| Md::label(label)));
        line(out, labels.chain(n.then(|| Md::code("n"))).chain(headings));
        let rules = self.columns.iter().map(|column| match column.align {
            Align::Left => Md::code("---"),
            Align::Right => Md::code("--:"),
        });
        line(out, (0..self.depth()).map(|_| Md::code("---")).chain(n.then(|| Md::code("--:"))).chain(rules));
    }

    /// The paper's figures, under a row or, with `named`, as a line of their own.
    fn paper_line(&self, out: &mut Md, row: &Row, named: bool) {
        let mut path = self.path(row);
        if !named {
            path = (0..self.depth()).map(|_| Md::new()).collect();
            if let Some(last) = path.last_mut() {
                *last = Md::code("*paper*");
            }
        }
        let n = (!named && self.has_n()).then(Md::new);
        let cells = self.columns.iter().map(|column| {
            let paper = row.cells.get(&column.id).and_then(|cell| cell.paper.as_deref());
            paper.map_or_else(Md::new, |figure| Md::label(figure).within("*", "*"))
        });
        line(out, path.into_iter().chain(n).chain(cells));
    }

    fn path(&self, row: &Row) -> Vec<Md> {
        (0..self.depth()).map(|at| row.path.get(at).map_or_else(Md::new, |label| Md::label(label))).collect()
    }
}

fn cell(shown: &Shown) -> Md {
    let mut out = Md::label(&shown.value);
    if let Some(interval) = &shown.interval {
        out.add(" [").push(Md::text(interval)).add("]");
    }
    if let Some(of) = shown.of {
        out.push(Md::text(&format!(" of {of}")));
    }
    if let Some(mark) = &shown.mark {
        out.push(Md::text(&format!(" ({mark})")));
    }
    out
}

fn line(out: &mut Md, cells: impl Iterator<Item = Md>) {
    out.add("| ").push(Md::join(cells, " | ")).add(" |\n");
}
