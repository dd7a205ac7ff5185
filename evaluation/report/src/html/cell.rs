//! One cell's part of the page: charts, classes, images.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fmr_core::SampleRecord;
use fmr_core::metrics::{MetricsSettings, Summary};
use fmr_data::pixels::png;
use fmr_store::{RowPlan, RunStore, SampleImages};

use super::super::sheet::{changed, ending};
use super::super::table::{Table, percent};
use super::super::{Column, ReportError, select_samples};
use super::{escape, plots};

/// The part of `cell`, with at most `samples` samples shown.
pub(super) fn section(store: &RunStore, cell: &RowPlan, table: &Table, samples: usize) -> Result<String, ReportError> {
    let records = store.records(&cell.id)?;
    let mut out = format!("<section><h2 id=\"{}\">{}</h2>", escape(&cell.file_name()), escape(&cell.title));
    let _ = write!(out, "<p class=\"quiet\">{} of {} images are done.</p>", records.len(), cell.samples);
    if records.is_empty() {
        out.push_str("</section>");
        return Ok(out);
    }
    out.push_str(&plots::charts(&records));
    out.push_str(&plots::confusions(cell, &records));
    out.push_str(&classes(&records, cell, table));
    out.push_str("<h3>Images</h3><p class=\"quiet\">Those whose prediction changed first, in turn over the classes. Under each \
                  image: what the target sees, what the oracle sees; <b class=\"right\">right</b>, <b class=\"wrong\">wrong</b>.</p>\
                  <div class=\"samples\">");
    for at in select_samples(&records, samples) {
        let record = &records[at];
        out.push_str(&sample(record, &store.images(&cell.id, record.index)?, cell)?);
    }
    out.push_str("</div></section>");
    Ok(out)
}

/// Figures of each class, folded away.
fn classes(records: &[SampleRecord], cell: &RowPlan, table: &Table) -> String {
    let settings = table.rows.iter().find_map(|row| row.measured()).map(|s| s.settings.clone());
    let summary = Summary::of(records, &cell.classes, &settings.unwrap_or_else(MetricsSettings::default));
    let mut out = String::from("<details><summary>Class by class</summary><table><tr><th>class<th class=\"num\">n");
    for column in Column::ALL {
        let _ = write!(out, "<th class=\"num\">{}", column.heading());
    }
    for class in &summary.classes {
        let _ = write!(out, "<tr><td>{}<td class=\"num\">{}", escape(&class.name), class.figures.n);
        for (value, interval) in Column::ALL.map(|column| column.of(&class.figures)) {
            let interval = interval.map_or_else(String::new, |i| {
                format!(" <small>{}–{}</small>", percent(Some(i.lo), 0), percent(Some(i.hi), 0))
            });
            let _ = write!(out, "<td class=\"num\">{}{interval}", percent(value, 1));
        }
    }
    out.push_str("</table></details>");
    out
}

fn sample(record: &SampleRecord, images: &SampleImages, cell: &RowPlan) -> Result<String, ReportError> {
    let mut out = format!(
        "<div class=\"sample\"><div class=\"head\"><b>{}</b> <span>{}</span> <span class=\"end\">{}</span></div><div class=\"three\">",
        escape(&cell.class(record.label)),
        escape(&record.key),
        ending(record)
    );
    let parts = [
        ("original", &images.original, record.clean_prediction, record.clean_oracle),
        ("reconstruction", &images.reconstruction, record.reconstruction_prediction, record.reconstruction_oracle),
        ("final", &images.final_image, record.final_prediction, record.final_oracle),
    ];
    for (name, image, target, oracle) in parts {
        let data = png(image.view()).map_err(|problem| ReportError::Image {
            cell: cell.id.clone(),
            index: record.index,
            problem,
        })?;
        let seen = |class: Option<usize>| {
            let right = cell.class(class) == cell.class(record.label);
            let mark = if right { "right" } else { "wrong" };
            format!("<span class=\"{mark}\">{}</span>", escape(&cell.class(class)))
        };
        let marked = if name == "final" && changed(record) { " class=\"changed\"" } else { "" };
        let _ = write!(
            out,
            "<figure><figcaption>{name}</figcaption><img{marked} alt=\"{name}\" src=\"data:image/png;base64,{}\">{}{}</figure>",
            STANDARD.encode(data),
            seen(target),
            seen(oracle)
        );
    }
    out.push_str("</div></div>");
    Ok(out)
}
