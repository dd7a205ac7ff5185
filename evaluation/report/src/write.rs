//! The files of a report in a run's folder.

use std::path::Path;

use crate::sheet::comparison;
use crate::side_by_side::side_by_side;
use crate::{Page, Report, ReportError, Results, SheetOptions, contact_sheet};

/// A report and what became of its files.
#[derive(Debug)]
pub struct Written {
    /// The report.
    pub report: Report,
    /// Files that could not be made or written. The others are there.
    pub problems: Vec<ReportError>,
}

/// Writes a report into `dir`: the tables (`table.txt`, `table.md`, `table.tex`, `table.json`, the main one as
/// `table.csv` and every other as `tables/ID.csv`), the figures (`figures/ID.svg` and
/// `figures/ID.png`), the page (`report.html`) and a contact sheet for each row
/// (`sheet-ROW.png`), with at most `samples` samples of each row; where rows perturb the same images, one sheet more with
/// the final images of all of them (`side-by-side-DATA.png`). A file that cannot be written costs no other.
pub fn write(dir: &Path, report: Report, results: &Results<'_>, samples: usize) -> Written {
    let mut files = Files { dir, problems: Vec::new() };
    files.put("table.txt", Ok(report.to_string()));
    files.put("table.json", report.to_json());
    files.put("table.md", Ok(report.to_markdown()));
    files.put("table.tex", Ok(report.to_latex()));
    for (at, grid) in report.grids.iter().enumerate() {
        let name = if at == 0 { "table.csv".to_owned() } else { format!("tables/{}.csv", grid.id) };
        files.put(&name, grid.to_csv());
    }
    for plot in &report.plots {
        files.put(&format!("figures/{}.svg", plot.id), Ok(plot.to_svg()));
        files.put(&format!("figures/{}.png", plot.id), plot.to_png());
    }
    files.put("report.html", Page { report: &report, results, samples }.html());
    let options = SheetOptions { samples, subtitle: report.subtitle() };
    for row in results.rows() {
        files.put(&format!("sheet-{}.png", row.plan.file_name()), contact_sheet(results, row, &options));
    }
    for group in side_by_side(results, samples) {
        let name = format!("side-by-side-{}.png", fmr_files::safe_name(&group.title));
        files.put(&name, comparison(results, &group, &report.title));
    }
    Written { problems: files.problems, report }
}

struct Files<'d> {
    dir: &'d Path,
    problems: Vec<ReportError>,
}

impl Files<'_> {
    fn put(&mut self, name: &str, content: Result<impl AsRef<[u8]>, ReportError>) {
        let path = self.dir.join(name);
        let written = content
            .and_then(|content| replace(&path, content.as_ref()).map_err(|source| ReportError::Write { path, source }));
        self.problems.extend(written.err());
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    fmr_files::replace(path, bytes)
}
