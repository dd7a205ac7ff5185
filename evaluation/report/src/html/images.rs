//! Some images of each row: original, reconstruction and final image, with what was seen in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fmr_core::SampleRecord;
use maud::{Markup, html};

use super::Section;
use crate::render::label;
use crate::select::{changed, select_samples};
use crate::words::ending;
use crate::{ReportError, Results, RowResults};

/// The images of all rows.
pub(super) fn section(results: &Results<'_>, samples: usize) -> Result<Option<Section>, ReportError> {
    let mut parts = Vec::new();
    for row in results.rows().iter().filter(|row| samples > 0 && !row.records.is_empty()) {
        let mut shown = Vec::new();
        for at in select_samples(&row.records, samples) {
            let record = &row.records[at];
            shown.push(sample(record, &results.pngs(row, record.index)?, row));
        }
        parts.push(html! {
            h3 { (label(&row.plan.title)) }
            div.samples { @for sample in &shown { (sample) } }
        });
    }
    let body = html! {
        p.quiet {
            "Images whose prediction changed come first, in turn over the classes. Under each image stands the class that \
             the target sees, and below it the class that the oracle sees: "
            span.right { "right" } " or " span.wrong { "wrong" } "."
        }
        @for part in &parts { (part) }
    };
    Ok((!parts.is_empty()).then(|| Section::new("images", "Images", body)))
}

fn sample(record: &SampleRecord, pngs: &[Vec<u8>; 3], row: &RowResults) -> Markup {
    let plan = &row.plan;
    let class = plan.class(record.label);
    let parts = [
        ("original", &pngs[0], record.clean_prediction, record.clean_oracle),
        ("reconstruction", &pngs[1], record.reconstruction_prediction, record.reconstruction_oracle),
        ("final", &pngs[2], record.final_prediction, record.final_oracle),
    ];
    html! {
        div.sample {
            div.head {
                b { (label(&class)) } " "
                span { (label(&record.key)) } " "
                span.end { (ending(record)) }
            }
            div.three {
                @for (name, png, target, oracle) in parts {
                    @let alt = format!("{name} image of {} ({}): the target sees {}", record.key, class, plan.class(target));
                    figure {
                        figcaption { (name) }
                        img.changed[name == "final" && changed(record)]
                            alt=(label(&alt)) src={ "data:image/png;base64," (STANDARD.encode(png)) };
                        @for seen in [target, oracle] {
                            span.right[plan.class(seen) == class].wrong[plan.class(seen) != class] {
                                (label(&plan.class(seen)))
                            }
                        }
                    }
                }
            }
        }
    }
}
