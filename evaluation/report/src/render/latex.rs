//! A report as LaTeX: one `table` a grid, with booktabs.

use super::source::{Language, Source};
use crate::grid::{Shown, letter};
use crate::{Align, Grid, Report, Row};

struct Latex;

impl Language for Latex {
    fn escape(c: char, out: &mut String) {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '%' | '_' => {
                out.push('\\');
                out.push(c);
            }
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("\\textquotedbl{}"),
            // Two of these, or one behind ? or !, are a ligature; brackets and stars behind `\\` are its argument.
            '-' | '`' | '\'' | '?' | '!' | '[' | ']' | '*' => {
                out.push('{');
                out.push(c);
                out.push('}');
            }
            '–' => out.push_str("--"),
            '—' => out.push_str("---"),
            '…' => out.push_str("\\ldots{}"),
            '·' => out.push_str("\\textperiodcentered{}"),
            '×' => out.push_str("$\\times$"),
            '−' => out.push_str("$-$"),
            '≤' => out.push_str("$\\leq$"),
            '≥' => out.push_str("$\\geq$"),
            'η' => out.push_str("$\\eta$"),
            'ε' => out.push_str("$\\epsilon$"),
            'ℓ' => out.push_str("$\\ell$"),
            c => out.push(c),
        }
    }
}

type Tex = Source<Latex>;

impl Report {
    /// The report as LaTeX, without its details. It needs `\usepackage[T1]{fontenc}` and `\usepackage{booktabs}`; names
    /// in scripts that pdfLaTeX does not know need LuaLaTeX or XeLaTeX.
    pub fn to_latex(&self) -> String {
        let mut out = Tex::code("% \\usepackage[T1]{fontenc} \\usepackage{booktabs}\n");
        for grid in self.grids.iter().filter(|grid| !grid.detail) {
            out.add("\n");
            grid.latex(&mut out);
        }
        out.into_string()
    }
}

impl Grid {
    /// The grid as a LaTeX `table`.
    pub fn to_latex(&self) -> String {
        let mut out = Tex::new();
        self.latex(&mut out);
        out.into_string()
    }

    fn latex(&self, out: &mut Tex) {
        out.add("\\begin{table}\n  \\centering\n  \\caption{").push(Tex::text(&self.title)).add("}\n  \\label{tab:");
        // Labels of LaTeX take letters, digits and hyphens only.
        let id: String = self.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        out.push(id.chars().map(plain).fold(Tex::new(), join)).add("}\n  \\begin{tabular}{");
        (0..self.depth()).for_each(|_| _ = out.add("l"));
        out.add(if self.has_n() { "r" } else { "" });
        for column in &self.columns {
            out.add(match column.align {
                Align::Left => "l",
                Align::Right => "r",
            });
        }
        out.add("}\n    \\toprule\n");
        self.latex_groups(out);
        let labels = (0..self.depth()).map(|at| self.labels.get(at).map_or_else(Tex::new, |label| Tex::label(label)));
        let n = self.has_n().then(|| Tex::code("$n$"));
        line(out, labels.chain(n).chain(self.columns.iter().map(|column| Tex::text(&self.heading(column)))));
        out.add("    \\midrule\n");
        for row in &self.rows {
            self.latex_row(out, row);
        }
        out.add("    \\bottomrule\n  \\end{tabular}\n");
        let notes = self.latex_notes();
        out.push(notes.within("  \\par\\smallskip\\footnotesize\n  ", "\n")).add("\\end{table}\n");
    }

    /// Headings over several columns.
    fn latex_groups(&self, out: &mut Tex) {
        if self.columns.iter().all(|column| column.group.is_none()) {
            return;
        }
        let before = self.depth() + usize::from(self.has_n());
        let mut cells: Vec<Tex> = (0..before).map(|_| Tex::new()).collect();
        let mut rules = Tex::new();
        let mut at = 0;
        for part in self.columns.chunk_by(|a, b| a.group == b.group) {
            let (from, to) = (before + at + 1, before + at + part.len());
            at += part.len();
            let Some(group) = &part[0].group else {
                cells.extend(part.iter().map(|_| Tex::new()));
                continue;
            };
            let mut cell = Tex::code("\\multicolumn{");
            cell.push(Tex::text(&part.len().to_string())).add("}{c}{").push(Tex::label(group)).add("}");
            cells.push(cell);
            rules.add("    \\cmidrule(lr){").push(Tex::text(&from.to_string())).add("-");
            rules.push(Tex::text(&to.to_string())).add("}\n");
        }
        line(out, cells.into_iter());
        out.push(rules);
    }

    fn latex_row(&self, out: &mut Tex, row: &Row) {
        let path = (0..self.depth()).map(|at| row.path.get(at).map_or_else(Tex::new, |label| Tex::label(label)));
        let n = self.has_n().then(|| row.n.map_or_else(|| Tex::text("–"), |n| Tex::text(&n.to_string())));
        let cells = self.columns.iter().map(|column| cell(&self.show(row, column)));
        line(out, path.chain(n).chain(cells));
        if !row.has_paper() {
            return;
        }
        let mut path: Vec<Tex> = (0..self.depth()).map(|_| Tex::new()).collect();
        if let Some(last) = path.last_mut() {
            *last = Tex::code("\\textit{paper}");
        }
        let printed = self.columns.iter().map(|column| {
            let paper = row.cells.get(&column.id).and_then(|cell| cell.paper.as_deref());
            paper.map_or_else(Tex::new, |figure| Tex::label(figure).within("\\textit{", "}"))
        });
        line(out, path.into_iter().chain(self.has_n().then(Tex::new)).chain(printed));
    }

    fn latex_notes(&self) -> Tex {
        let caption = &self.caption;
        let mut notes: Vec<Tex> = caption.worlds.iter().map(|words| Tex::text(words)).collect();
        let facts: Vec<String> = caption.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
        notes.push(Tex::text(&facts.join(" · ")).within("", "."));
        notes.extend(caption.remarks.iter().chain(&self.reading()).chain(&self.notes).map(|words| Tex::text(words)));
        notes.extend(
            self.rows.iter().any(Row::has_paper).then(|| Tex::code("Lines in italics are as the paper prints them.")),
        );
        notes.extend(self.legend().into_iter().map(|(heading, meaning)| Tex::text(&format!("{heading}: {meaning}."))));
        let remarks = self.remarks().into_iter().enumerate();
        notes.extend(remarks.map(|(at, remark)| Tex::text(&format!("({}) {remark}", letter(at)))));
        if !self.not_run().is_empty() {
            notes.push(Tex::text("Rows with – in every column did not run."));
        }
        Tex::join(notes.into_iter().filter(|note| !note.is_empty()), "\n  ")
    }
}

fn plain(c: char) -> Tex {
    if c == '-' { Tex::code("-") } else { Tex::text(&c.to_string()) }
}

fn join(mut all: Tex, next: Tex) -> Tex {
    all.push(next);
    all
}

fn cell(shown: &Shown) -> Tex {
    let mut out = match &shown.ends {
        Some([first, last]) => Tex::join([first, last].map(|end| Tex::label(end)), " $\\to$ "),
        None => Tex::label(&shown.value),
    };
    if let Some(interval) = &shown.interval {
        out.add(" {\\scriptsize [").push(Tex::text(interval)).add("]}");
    }
    if let Some(of) = shown.of {
        out.add(" {\\scriptsize of ").push(Tex::text(&of.to_string())).add("}");
    }
    if let Some(mark) = &shown.mark {
        out.add("\\textsuperscript{").push(Tex::label(mark)).add("}");
    }
    out
}

fn line(out: &mut Tex, cells: impl Iterator<Item = Tex>) {
    out.add("    ").push(Tex::join(cells, " & ")).add(" \\\\\n");
}
