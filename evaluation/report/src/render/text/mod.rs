//! A report as plain text that fits a terminal.

mod columns;
mod lines;
mod stacked;
mod wrap;

use std::fmt::{self, Display};

use self::columns::Sheet;
use self::lines::Lines;
use self::wrap::Writer;
use super::{label, sentence};
use crate::report::Validity;
use crate::{Grid, Report};

/// Width of text that goes to a file, and the most that prose takes, in columns of a terminal.
pub const WIDTH: usize = 104;
/// No table is narrower.
const LEAST: usize = 24;
/// Up to this width a table that does not fit is stacked; beyond, its columns are parted.
const NARROW: usize = 80;

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns of the terminal. Tables use all of them, prose at most [`WIDTH`].
    pub width: usize,
    /// Whether grids of details are printed too.
    pub details: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { width: WIDTH, details: false }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(&TextOptions::default()))
    }
}

impl Report {
    /// The report as text. Tables that are too wide have their groups on lines of their own; where that does not help,
    /// their columns are parted or, in a narrow terminal, stacked.
    pub fn to_text(&self, options: &TextOptions) -> String {
        let mut out = Writer::new(options.width.max(LEAST));
        out.wrapped(&sentence(&self.title), "", "");
        for (at, grid) in self.grids.iter().filter(|grid| options.details || !grid.detail).enumerate() {
            out.line("");
            if at > 0 {
                out.wrapped(&sentence(&grid.title), "", "");
            }
            grid.write_text(&mut out);
            if at == 0 {
                self.write_not_run(&mut out);
            }
        }
        self.write_validity(&mut out);
        self.write_needs(&mut out);
        out.finish()
    }

    fn write_not_run(&self, out: &mut Writer) {
        if let Some(sentence) = self.not_run() {
            out.line("");
            out.wrapped(&format!("{sentence} What to get for them is listed below."), "  ", "  ");
        }
    }

    fn write_validity(&self, out: &mut Writer) {
        match self.validity() {
            Validity::Unknown => {}
            Validity::Sound(words) => {
                out.line("\nValidity");
                out.wrapped(words, "  ", "  ");
            }
            Validity::Flagged(rows) => {
                out.line("\nValidity");
                for (row, sentences) in rows {
                    out.wrapped(&label(&row.name()), "  ", "  ");
                    for words in &sentences {
                        out.wrapped(&sentence(words), "    ! ", "      ");
                    }
                }
            }
        }
    }

    fn write_needs(&self, out: &mut Writer) {
        for (heading, grid) in self.lacking() {
            out.line("");
            out.wrapped(&sentence(&heading), "", "");
            grid.write_needs(out);
        }
    }
}

impl Grid {
    /// What its rows lack that did not run, and the paper's figures of them.
    fn write_needs(&self, out: &mut Writer) {
        for (at, (need, rows)) in self.needs().iter().enumerate() {
            let number = format!("  [{}] ", at + 1);
            let indent = " ".repeat(number.len());
            out.wrapped(&format!("{}: {}", sentence(&need.what), sentence(&self.names(rows))), &number, &indent);
            for (name, text) in [("get  ", &need.get), ("put  ", &need.put)] {
                out.wrapped(&sentence(text), &format!("{indent}{name}"), &format!("{indent}     "));
            }
        }
        for (row, reason) in self.reasons() {
            out.wrapped(&format!("{}: {}", label(&row.name()), sentence(reason)), "  ", "    ");
        }
        let lines = Lines::of_paper(self);
        if !lines.is_empty() {
            out.line("");
            out.wrapped("The paper's figures of these rows", "  ", "  ");
            lines.write(out);
        }
    }
}

impl Grid {
    /// The grid as text, without its title.
    pub fn to_text(&self, width: usize) -> String {
        let mut out = Writer::new(width.max(LEAST));
        self.write_text(&mut out);
        out.finish()
    }

    fn write_text(&self, out: &mut Writer) {
        let before = out.len();
        self.write_caption(out);
        let lines = Lines::of(self);
        if !lines.is_empty() {
            if out.len() > before {
                out.line("");
            }
            lines.write(out);
        }
        self.write_notes(out);
    }

    fn write_caption(&self, out: &mut Writer) {
        let caption = &self.caption;
        for words in &caption.worlds {
            out.wrapped(&sentence(words), "  ", "  ");
        }
        out.facts(&caption.facts);
        for words in &caption.remarks {
            out.wrapped(&sentence(words), "  ", "  ");
        }
        if caption.facts.is_empty() && caption.worlds.is_empty() {
            return;
        }
        out.wrapped(&self.reading_text().join(" "), "  ", "  ");
    }

    fn reading_text(&self) -> Vec<String> {
        let mut words = self.reading();
        words.extend(self.has_paper().then(|| "Figures marked \"paper\" are as the paper prints them.".to_owned()));
        words
    }

    fn write_notes(&self, out: &mut Writer) {
        for (at, remark) in self.remarks().into_iter().enumerate() {
            out.wrapped(&sentence(remark), &format!("  ({}) ", crate::grid::letter(at)), "      ");
        }
        if self.groups().is_empty() {
            return;
        }
        let mut legend: Vec<String> = self
            .legend()
            .into_iter()
            .map(|(heading, meaning)| format!("{}: {}.", label(heading), sentence(meaning)))
            .collect();
        if self.caption.facts.is_empty() && self.caption.worlds.is_empty() {
            legend.extend(self.reading_text());
        }
        out.wrapped(&legend.join(" "), "  ", "  ");
        for note in &self.notes {
            out.wrapped(&sentence(note), "  ", "  ");
        }
    }
}

impl Lines {
    /// Writes the lines in the first layout that fits.
    fn write(&self, out: &mut Writer) {
        let width = out.width();
        let layouts = [Sheet::beside(self), Sheet::under(self)];
        match layouts.into_iter().find(|sheet| sheet.width() <= width) {
            Some(sheet) => sheet.write(out),
            None if width > NARROW => Sheet::under(self).parts(width).iter().for_each(|part| part.write(out)),
            None => {
                stacked::write(self, out);
                out.line("");
            }
        }
    }
}
