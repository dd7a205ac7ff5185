//! Counts of true class against seen class.

use maud::{Markup, html};

use super::at;
use crate::render::label;

/// Side of a square.
const SIDE: f64 = 34.0;
/// Characters of a class name that have room.
const NAME: usize = 14;

/// Counts of true class (rows) against predicted class (columns), darker where there are more of a row.
pub(in crate::html) fn confusion(classes: &[String], counts: &[Vec<usize>], name: &str) -> Markup {
    let names: Vec<String> = classes.iter().map(|class| label(class).chars().take(NAME).collect()).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64;
    let (left, top) = (14.0 + 7.0 * longest, 20.0 + 5.2 * longest);
    let side = SIDE * classes.len() as f64;
    let size = [left + side + 40.0, top + side + 6.0].map(|v| format!("{v:.0}"));
    html! {
        svg.confusion viewBox={ "0 0 " (size[0]) " " (size[1]) } width=(size[0]) role="img" aria-label=(name) {
            @for (i, name) in names.iter().enumerate() {
                @let middle = SIDE * (i as f64 + 0.5);
                text.tick x=(at(left - 8.0)) y=(at(top + middle + 4.0)) text-anchor="end" { (name) }
                text.tick transform={ "translate(" (at(left + middle)) " " (at(top - 8.0)) ") rotate(-45)" } { (name) }
            }
            @for (row, counts) in counts.iter().enumerate() {
                @for (column, count) in counts.iter().enumerate() {
                    (square([left + SIDE * column as f64, top + SIDE * row as f64], row == column, *count, counts))
                }
            }
        }
    }
}

fn square([x, y]: [f64; 2], kept: bool, count: usize, row: &[usize]) -> Markup {
    let share = count as f64 / row.iter().sum::<usize>().max(1) as f64;
    let opacity = if count == 0 { 0.04 } else { 0.12 + 0.78 * share };
    html! {
        rect.kept[kept].lost[!kept] x=(at(x)) y=(at(y)) width=(at(SIDE - 2.0)) height=(at(SIDE - 2.0))
            fill-opacity={ (format!("{opacity:.2}")) } {}
        @if count > 0 {
            text.on-dark[share > 0.55].on-light[share <= 0.55]
                x=(at(x + SIDE / 2.0 - 1.0)) y=(at(y + SIDE / 2.0 + 3.5)) text-anchor="middle" { (count) }
        }
    }
}
