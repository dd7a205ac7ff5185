//! Originals, each beside the images that were made of it for several targets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::Section;
use crate::render::label;
use crate::select::changed;
use crate::side_by_side::{SideBySide, heading, side_by_side};
use crate::{ReportError, Results};

/// The groups of rows that perturb the same images.
pub(super) fn section(results: &Results<'_>, samples: usize) -> Result<Option<Section>, ReportError> {
    let mut parts = Vec::new();
    for group in side_by_side(results, samples) {
        parts.push((label(&group.title).into_owned(), table(results, &group)?));
    }
    let body = html! {
        p.quiet {
            "Under the original stands its class, under each image the class that the target sees in the image that was made \
             for it: " span.right { "right" } " or " span.wrong { "wrong" } ". Images on which most targets change come first."
        }
        @for (title, part) in &parts {
            h3 { (title) }
            (part)
        }
    };
    Ok((!parts.is_empty()).then(|| Section::new("side-by-side", "Side by side", body)))
}

fn table(results: &Results<'_>, group: &SideBySide<'_>) -> Result<Markup, ReportError> {
    let mut lines = Vec::new();
    for at in &group.samples {
        let mut cells = Vec::new();
        for row in &group.rows {
            let record = &row.records[*at];
            let [original, _, last] = results.pngs(row, record.index)?;
            let class = label(&row.plan.class(record.label)).into_owned();
            if cells.is_empty() {
                cells.push(cell(&original, &class, None, false, &format!("original image of {}", record.key)));
            }
            let seen = label(&row.plan.class(record.final_prediction)).into_owned();
            let alt = format!("image of {} made for {}: it sees {seen}", record.key, heading(&row.plan));
            cells.push(cell(&last, &seen, Some(seen == class), changed(record), &alt));
        }
        lines.push(cells);
    }
    Ok(html! {
        div.scroll tabindex="0" role="region" aria-label="Images side by side" {
            table.compare {
                thead { tr {
                    th { "original" }
                    @for row in &group.rows { th { (label(heading(&row.plan))) } }
                } }
                tbody { @for cells in &lines { tr { @for cell in cells { td { (cell) } } } } }
            }
        }
    })
}

fn cell(png: &[u8], caption: &str, right: Option<bool>, changed: bool, alt: &str) -> Markup {
    html! {
        figure {
            img.changed[changed] alt=(label(alt)) src={ "data:image/png;base64," (STANDARD.encode(png)) };
            span.right[right == Some(true)].wrong[right == Some(false)] { (caption) }
        }
    }
}
