//! A grid as CSV, for spreadsheets and programs: one line a row, one column for each thing that a cell says.

use crate::{Cell, Column, Grid, ReportError, Row, RowState, Value};

/// What a cell says beside its value.
#[derive(Clone, Copy)]
enum Part {
    Low,
    High,
    N,
    Hits,
    Paper,
    Remark,
}

impl Part {
    const ALL: [Self; 6] = [Self::Low, Self::High, Self::N, Self::Hits, Self::Paper, Self::Remark];

    fn suffix(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::N => "n",
            Self::Hits => "hits",
            Self::Paper => "paper",
            Self::Remark => "remark",
        }
    }

    fn of(self, cell: &Cell, column: &Column) -> Option<String> {
        let figure = cell.figure();
        match self {
            Self::Low => Some(number(figure?.interval?.lo, column)),
            Self::High => Some(number(figure?.interval?.hi, column)),
            Self::N => figure?.n.map(|n| n.to_string()),
            Self::Hits => figure?.hits.map(|hits| hits.to_string()),
            Self::Paper => cell.paper.as_deref().map(words),
            Self::Remark => cell.remark.as_deref().map(words),
        }
    }
}

impl Grid {
    /// The grid as CSV with a line of column names. Numbers are in the unit that the table shows (percent for shares), with
    /// all their digits. A column ID gives `ID`, and where any cell has them `ID_low`, `ID_high`, `ID_n`, `ID_hits`,
    /// `ID_paper` and `ID_remark`. Text that a spreadsheet would take for a formula gets a leading apostrophe.
    ///
    /// # Errors
    /// None that is known of; the writer is fallible.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        let parts: Vec<(&Column, Vec<Part>)> = self.columns.iter().map(|column| (column, self.parts(column))).collect();
        let depth = self.depth();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut head: Vec<String> = (0..depth).map(|at| self.label_name(at)).collect();
        head.push("state".to_owned());
        head.extend(self.has_n().then(|| "n".to_owned()));
        for (column, parts) in &parts {
            head.push(words(&column.id));
            head.extend(parts.iter().map(|part| words(&format!("{}_{}", column.id, part.suffix()))));
        }
        writer.write_record(&head).map_err(ReportError::Csv)?;
        for row in &self.rows {
            let path = (0..depth).map(|at| row.path.get(at).map_or_else(String::new, |label| words(label)));
            let mut line: Vec<String> = path.collect();
            line.push(words(&state(row)));
            if self.has_n() {
                line.push(row.n.map_or_else(String::new, |n| n.to_string()));
            }
            for (column, parts) in &parts {
                let cell = row.cells.get(&column.id);
                line.push(cell.map_or_else(String::new, |cell| value(cell, column)));
                line.extend(parts.iter().map(|part| cell.and_then(|cell| part.of(cell, column)).unwrap_or_default()));
            }
            writer.write_record(&line).map_err(ReportError::Csv)?;
        }
        let bytes = writer.into_inner().map_err(|error| ReportError::Csv(error.into_error().into()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What cells under a column say beside their values.
    fn parts(&self, column: &Column) -> Vec<Part> {
        let cells = || self.rows.iter().filter_map(|row| row.cells.get(&column.id));
        Part::ALL.into_iter().filter(|part| cells().any(|cell| part.of(cell, column).is_some())).collect()
    }

    fn label_name(&self, at: usize) -> String {
        self.labels.get(at).map_or_else(|| format!("variant_{}", at + 1 - self.labels.len()), |label| words(label))
    }
}

fn state(row: &Row) -> String {
    match &row.state {
        RowState::Measured => "measured".to_owned(),
        RowState::Unfinished { done, of } => format!("unfinished: {done} of {of}"),
        RowState::Missing { needs } => {
            let needs: Vec<&str> = needs.iter().map(|need| need.what.as_str()).collect();
            format!("missing: {}", needs.join(", "))
        }
        RowState::CannotRun { reason } => format!("cannot run: {reason}"),
    }
}

fn value(cell: &Cell, column: &Column) -> String {
    match &cell.value {
        Value::Missing => String::new(),
        Value::Figure(figure) => figure.value.map_or_else(String::new, |value| number(value, column)),
        Value::Text { text } => words(text),
        Value::Series { values } => {
            let values = values.iter().map(|value| value.map_or_else(String::new, |value| number(value, column)));
            words(&values.collect::<Vec<_>>().join(";"))
        }
    }
}

/// A number in the unit that is shown, without the noise of binary fractions behind its twelfth digit.
fn number(value: f64, column: &Column) -> String {
    let shown = column.unit.shown(value);
    let short = format!("{shown:.11e}").parse().unwrap_or(shown);
    match short {
        short if !short.is_finite() => String::new(),
        0.0 => "0".to_owned(),
        short if short.abs() < 1e-4 => format!("{short:e}"),
        short => short.to_string(),
    }
}

/// Text that no spreadsheet takes for a formula.
fn words(text: &str) -> String {
    let text = super::sentence(text);
    let formula = text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
    if formula { format!("'{text}") } else { text.into_owned() }
}
