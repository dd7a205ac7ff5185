//! A figure with its interval on a scale of 0 to 100 %.

use maud::{Markup, html};

use super::at;

const WIDTH: f64 = 110.0;
/// Places of 0 and of 100.
const ENDS: [f64; 2] = [3.0, 98.0];
/// Where everything beyond 100 stands.
const BEYOND: f64 = 105.0;

/// A bar from `low` to `high`, a dot at `value`, and a tick where the paper's figure lies, all in percent. What lies
/// beyond 100 is drawn behind the scale's end: a value as an arrow, the rest of a bar as dots.
pub(in crate::html) fn bar(value: f64, [low, high]: [f64; 2], paper: Option<f64>) -> Markup {
    let words = format!("{value:.1} %, interval {low:.1} to {high:.1} %");
    html! {
        svg.bar viewBox={ "0 0 " (WIDTH) " 12" } role="img" aria-label=(words) {
            line.rail x1=(at(ENDS[0])) x2=(at(ENDS[1])) y1="6" y2="6" {}
            line.rail x1=(at(ENDS[1])) x2=(at(ENDS[1])) y1="3" y2="9" {}
            line.span x1=(at(place(low))) x2=(at(place(high.min(100.0)))) y1="6" y2="6" {}
            @if high > 100.0 { line.span.beyond x1=(at(place(low.max(100.0)))) x2=(at(BEYOND)) y1="6" y2="6" {} }
            @if let Some(paper) = paper {
                line.paper-mark x1=(at(place(paper))) x2=(at(place(paper))) y1="1" y2="11" {}
            }
            @if value > 100.0 {
                path.dot d={ "M" (at(BEYOND - 3.0)) " 2.5L" (at(BEYOND + 3.5)) " 6L" (at(BEYOND - 3.0)) " 9.5Z" } {}
            } @else {
                circle.dot cx=(at(place(value))) cy="6" r="2.6" {}
            }
        }
    }
}

fn place(value: f64) -> f64 {
    if value > 100.0 { BEYOND } else { ENDS[0] + (ENDS[1] - ENDS[0]) * value.max(0.0) / 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_the_scale_stays_in_the_picture() {
        let inside = bar(90.0, [80.0, 97.0], Some(99.1)).into_string();
        assert!(inside.contains("<circle") && !inside.contains("beyond"));
        for (value, low, high) in [(130.5, 104.0, 163.0), (100.0, 61.4, 162.8), (1e9, 0.0, f64::INFINITY)] {
            let drawn = bar(value, [low, high], Some(250.0)).into_string();
            assert!(drawn.contains("beyond"));
            assert_eq!(drawn.contains("<path"), value > 100.0, "{drawn}");
            let numbers = drawn.split('"').filter_map(|part| part.parse::<f64>().ok());
            assert!(numbers.into_iter().all(|place| (0.0..=WIDTH).contains(&place)), "{drawn}");
        }
    }
}
