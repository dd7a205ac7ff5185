//! A matrix of shares, darker where they are larger.

use maud::{Markup, html};

use super::at;
use crate::render::label;

/// Size of a field.
const FIELD: [f64; 2] = [58.0, 34.0];
/// Characters of a name that have room.
const NAME: usize = 20;

/// One row of the matrix.
pub(in crate::html) struct HeatRow {
    /// Its name.
    pub name: String,
    /// Its shares in percent, by column; absent where there is none.
    pub values: Vec<Option<f64>>,
}

/// Shares in percent as fields: 100 and more is darkest. A field whose row and column have one name has a frame.
pub(in crate::html) fn heat(columns: &[&str], rows: &[HeatRow], title: &str) -> Markup {
    let short = |name: &str| -> String { label(name).chars().take(NAME).collect() };
    let names = || columns.iter().copied().chain(rows.iter().map(|row| row.name.as_str()));
    let longest = names().map(|name| short(name).chars().count()).max().unwrap_or(0) as f64;
    let (left, top) = (14.0 + 7.0 * longest, 20.0 + 5.2 * longest);
    // The last name leans to the right of its column.
    let lean = (5.2 * longest - FIELD[0] / 2.0).max(10.0);
    let [width, height] = [left + FIELD[0] * columns.len() as f64 + lean, top + FIELD[1] * rows.len() as f64 + 6.0];
    html! {
        svg.confusion.heat viewBox={ "0 0 " (at(width)) " " (at(height)) } width=(at(width)) role="img" aria-label=(label(title)) {
            @for (i, name) in columns.iter().enumerate() {
                @let middle = left + FIELD[0] * (i as f64 + 0.5);
                text.tick transform={ "translate(" (at(middle)) " " (at(top - 8.0)) ") rotate(-45)" } { (short(name)) }
            }
            @for (i, row) in rows.iter().enumerate() {
                @let y = top + FIELD[1] * i as f64;
                text.tick x=(at(left - 8.0)) y=(at(y + FIELD[1] / 2.0 + 4.0)) text-anchor="end" { (short(&row.name)) }
                @for (k, value) in row.values.iter().enumerate() {
                    (field(left + FIELD[0] * k as f64, y, *value, columns.get(k).is_some_and(|name| *name == row.name)))
                }
            }
        }
    }
}

fn field(x: f64, y: f64, value: Option<f64>, own: bool) -> Markup {
    let share = value.unwrap_or(0.0).clamp(0.0, 100.0) / 100.0;
    html! {
        rect.share.own[own] x=(at(x + 1.0)) y=(at(y + 1.0)) width=(at(FIELD[0] - 2.0)) height=(at(FIELD[1] - 2.0))
            fill-opacity=(format!("{:.2}", 0.05 + 0.85 * share)) {}
        text.on-dark[share > 0.55].on-light[share <= 0.55] x=(at(x + FIELD[0] / 2.0)) y=(at(y + FIELD[1] / 2.0 + 4.0))
            text-anchor="middle" { @if let Some(value) = value { (format!("{value:.1}")) } @else { "–" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_beyond_a_hundred_stay_dark_and_names_are_escaped() {
        let row = |name: &str, values| HeatRow { name: name.to_owned(), values };
        let rows = [row("A", vec![Some(130.0), None]), row("<b>", vec![Some(0.0), Some(55.55)])];
        let drawn = heat(&["A", "<b>"], &rows, "a & b").into_string();
        assert_eq!(drawn.matches("<rect").count(), 4);
        assert_eq!(drawn.matches("share own").count(), 2);
        assert!(drawn.contains("130.0") && drawn.contains("0.90") && !drawn.contains("<b>"), "{drawn}");
    }
}
