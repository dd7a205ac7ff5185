//! The table as plain text, at most about 110 columns wide.

use std::fmt::{self, Display, Write as _};

use super::blocks::{Block, Under};
use super::{Column, RowState, Table, TableRow};

/// Width that prose is wrapped to.
const WIDTH: usize = 104;
/// Room for a figure and its interval: `100.00 96.3–100.0`.
const VALUE: usize = 6;
const INTERVAL: usize = 10;
/// Room for the names of data set and model together.
const NAMES: usize = 22;

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let columns = Names::of(self);
        self.write_caption(&mut out)?;
        self.write_figures(&mut out, &columns)?;
        for block in self.blocks() {
            write_block(&mut out, &block, &columns)?;
        }
        self.write_flags(&mut out)?;
        self.write_needs(&mut out)?;
        for line in out.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Columns that name a row.
struct Names {
    data: usize,
    model: usize,
    /// Data sets stand on lines of their own, because their names and the models' are too long for one line.
    stacked: bool,
}

impl Names {
    fn of(table: &Table) -> Self {
        let longest = |of: &dyn Fn(&TableRow) -> &str, heading: &str| {
            table.rows.iter().map(|row| width(of(row))).chain([width(heading)]).max().unwrap_or(0)
        };
        let (data, model) = (longest(&|row| &row.data, "data"), longest(&|row| &row.model, "model"));
        let stacked = data + model > NAMES;
        let chosen = table.rows.iter().any(|row| row.mask.figures.as_ref().is_some_and(|f| f.at_strength().is_some()));
        let under = if chosen { Under::AtStrength } else { Under::Paper };
        // In a stack models are indented.
        let model = if stacked { model + 2 } else { model }.max(2 + width(under.label()));
        Self { data, model, stacked }
    }

    fn cells(&self, data: &str, model: &str) -> String {
        if self.stacked {
            return format!("  {}", left(model, self.model));
        }
        format!("  {}  {}", left(data, self.data), left(model, self.model))
    }

    /// What stands before a row's values: its data set only where it is not that of the row `above`.
    fn begin(&self, out: &mut String, row: &TableRow, above: Option<&TableRow>) -> Result<String, fmt::Error> {
        let new = above.is_none_or(|above| above.data != row.data);
        if self.stacked && new {
            writeln!(out, "  {}", row.data)?;
        }
        let indent = if self.stacked { "  " } else { "" };
        Ok(self.cells(if new { &row.data } else { "" }, &format!("{indent}{}", row.model)))
    }
}

impl Table {
    fn write_caption(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}\n", self.title)?;
        write_wrapped(out, &self.world_sentence(), "  ", "  ")?;
        let facts: Vec<String> = self.setting.facts().iter().map(|(name, value)| format!("{name} {value}")).collect();
        let facts = facts.join(" · ");
        if facts.split_inclusive(" ·").all(|fact| width(fact) <= WIDTH / 2) {
            write_pieces(out, facts.split_inclusive(" ·").map(str::trim_start), "  ", "  ")?;
        } else {
            write_wrapped(out, &facts, "  ", "  ")?;
        }
        for remark in &self.setting.remarks {
            write_wrapped(out, remark, "  ", "  ")?;
        }
        let paper = if self.has_paper() { " Lines marked \"paper\" are as the paper prints them." } else { "" };
        let percent = format!("Percent, with {} % intervals.{paper}", self.confidence());
        write_wrapped(out, &percent, "  ", "  ")
    }

    fn write_figures(&self, out: &mut String, names: &Names) -> fmt::Result {
        let needs = self.needs();
        write!(out, "\n{}  {:>6}", names.cells("data", "model"), "n")?;
        for column in Column::ALL {
            write!(out, "  {:>VALUE$} {:INTERVAL$}", column.heading(), "")?;
        }
        writeln!(out)?;
        let mut above: Option<&TableRow> = None;
        for row in &self.rows {
            if above.is_some_and(|above| above.data != row.data) {
                writeln!(out)?;
            }
            let names_of_row = names.begin(out, row, above)?;
            above = Some(row);
            match &row.state {
                RowState::Measured(summary) => {
                    write!(out, "{names_of_row}  {:>6}", summary.overall.n)?;
                    for column in Column::ALL {
                        let (value, interval) = column.of(&summary.overall);
                        let (value, interval) = (self.value(value), self.interval(interval));
                        write!(out, "  {value:>VALUE$} {}", left(&interval, INTERVAL))?;
                    }
                    writeln!(out)?;
                }
                RowState::Missing(missing) => {
                    let first = format!("{names_of_row}  {:>6}  ", "–");
                    let rest = " ".repeat(width(&first));
                    let listed: Vec<String> = missing
                        .iter()
                        .map(|need| {
                            let number = needs.iter().position(|n| *n == need).map_or(0, |at| at + 1);
                            format!("{} [{number}]", need.what)
                        })
                        .collect();
                    write_wrapped(out, &format!("missing here: {}", listed.join(", ")), &first, &rest)?;
                }
            }
            if !row.paper.is_empty() {
                write!(out, "{}  {:>6}", names.cells("", "  paper"), "")?;
                for column in Column::ALL {
                    write!(out, "  {:>VALUE$} {:INTERVAL$}", Self::paper(row, column), "")?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn write_flags(&self, out: &mut String) -> fmt::Result {
        if self.rows.iter().all(|row| row.measured().is_none()) {
            return Ok(());
        }
        writeln!(out, "\nValidity")?;
        let flagged: Vec<&TableRow> = self.rows.iter().filter(|row| !row.flags.is_empty()).collect();
        if flagged.is_empty() {
            return writeln!(out, "  Nothing was found that speaks against these figures.");
        }
        for row in flagged {
            writeln!(out, "  {}", row.name())?;
            for flag in &row.flags {
                write_wrapped(out, &flag.sentence, "    ! ", "      ")?;
            }
        }
        Ok(())
    }

    fn write_needs(&self, out: &mut String) -> fmt::Result {
        let needs = self.needs();
        if needs.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nTo run the missing rows")?;
        for (at, need) in needs.iter().enumerate() {
            let number = format!("  [{}] ", at + 1);
            let indent = " ".repeat(width(&number));
            write_wrapped(out, &need.what, &number, &indent)?;
            write_wrapped(out, &need.get, &format!("{indent}get  "), &format!("{indent}     "))?;
            write_wrapped(out, &need.put, &format!("{indent}put  "), &format!("{indent}     "))?;
        }
        Ok(())
    }
}

/// A small table under the main one, with right-aligned columns as wide as their widest value.
fn write_block(out: &mut String, block: &Block<'_>, names: &Names) -> fmt::Result {
    writeln!(out, "\n{}", block.title)?;
    write!(out, "{}", names.cells("data", "model"))?;
    let columns = block.lines.first().map_or(0, |line| line.values.len());
    let widest = |at: usize| {
        let values = block.lines.iter().filter_map(|line| line.values.get(at));
        values.flat_map(|(heading, value)| [width(heading), width(value)]).max().unwrap_or(0).max(8)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let headings = block.lines.first().into_iter().flat_map(|line| &line.values);
    for ((heading, _), width) in headings.zip(&widths) {
        write!(out, "  {}", right(heading, *width))?;
    }
    writeln!(out)?;
    let mut above = None;
    for line in &block.lines {
        match line.under {
            Some(under) => write!(out, "{}", names.cells("", &format!("  {}", under.label())))?,
            None => {
                let names_of_row = names.begin(out, line.row, above)?;
                write!(out, "{names_of_row}")?;
                above = Some(line.row);
            }
        }
        for ((_, value), width) in line.values.iter().zip(&widths) {
            write!(out, "  {}", right(value, *width))?;
        }
        writeln!(out)?;
    }
    block.legend.map_or(Ok(()), |legend| write_wrapped(out, legend, "  ", "  "))
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Writes words in lines of [`WIDTH`], the first behind `first`, the others behind `rest`.
fn write_wrapped(out: &mut String, text: &str, first: &str, rest: &str) -> fmt::Result {
    write_pieces(out, text.split_whitespace(), first, rest)
}

/// As [`write_wrapped`], of pieces that stay whole.
fn write_pieces<'a>(out: &mut String, pieces: impl Iterator<Item = &'a str>, first: &str, rest: &str) -> fmt::Result {
    let mut line = first.to_owned();
    let mut empty = true;
    for piece in pieces {
        if !empty && width(&line) + 1 + width(piece) > WIDTH {
            writeln!(out, "{line}")?;
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(piece);
        empty = false;
    }
    writeln!(out, "{line}")
}
