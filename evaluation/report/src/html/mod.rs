//! One self-contained HTML page of a run, to be opened from disk: no script, nothing loaded.
//!
//! All markup comes from `maud`, which escapes every text; names from files are made printable before.

mod charts;
mod grid;
mod images;
mod missing;
mod side_by_side;
mod svg;
#[cfg(test)]
mod tests;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::build::MATRIX;
use crate::render::{label, sentence};
use crate::report::Validity;
use crate::{Grid, Report, ReportError, Results};

/// The style sheet of the page.
pub const STYLE: &str = include_str!("style.css");

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The report.
    pub report: &'a Report,
    /// The results that it is of.
    pub results: &'a Results<'a>,
    /// Most samples shown of each row.
    pub samples: usize,
}

/// A part of the page.
struct Section {
    id: String,
    title: String,
    body: Markup,
}

impl Section {
    fn new(id: &str, title: &str, body: Markup) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), body }
    }
}

impl Page<'_> {
    /// The page as text.
    ///
    /// # Errors
    /// The images of the run cannot be read, or one is neither grey nor RGB.
    pub fn html(&self) -> Result<String, ReportError> {
        let title = label(&self.report.title);
        let sections = self.sections()?;
        let intro = html! { @if let Some(grid) = self.report.grids.first() { (caption(grid)) } };
        Ok(document(&title, &intro, &sections))
    }

    /// What stands below the title, as a piece of HTML for a page with [`STYLE`]: caption, contents and sections.
    ///
    /// # Errors
    /// As [`Page::html`].
    pub fn body(&self) -> Result<String, ReportError> {
        let sections = self.sections()?;
        let body = html! {
            @if let Some(grid) = self.report.grids.first() { (caption(grid)) }
            (contents(&sections))
            (rest(&sections))
        };
        Ok(body.into_string())
    }

    fn sections(&self) -> Result<Vec<Section>, ReportError> {
        let mut sections = Vec::new();
        for (at, grid) in self.report.grids.iter().enumerate().filter(|(_, grid)| !grid.detail) {
            let title = if at == 0 { "Figures" } else { &grid.title };
            let body = html! {
                (grid::table(grid))
                @if grid.id == MATRIX { (charts::heat_maps(grid)) }
                (missing::rows(grid))
            };
            sections.push(Section::new(&grid.id, title, body));
            if at == 0 {
                sections.extend(validity(self.report));
            }
        }
        sections.extend(charts::figures(self.report));
        sections.extend(charts::sections(self.results));
        sections.extend(side_by_side::section(self.results, self.samples)?);
        sections.extend(images::section(self.results, self.samples)?);
        sections.push(Section::new("details", "Details", self.details()));
        Ok(sections)
    }

    /// Grids of details and the experiment file, folded.
    fn details(&self) -> Markup {
        html! {
            @for grid in self.report.grids.iter().filter(|grid| grid.detail) {
                details id=(grid.id) {
                    summary { (sentence(&grid.title)) }
                    (grid::table(grid))
                }
            }
            details id="experiment" {
                summary { "Experiment file, with every default written out" }
                pre { (printable_lines(&self.results.plan().experiment)) }
            }
        }
    }
}

impl Report {
    /// The grids alone as a page: for reports that are not of one run.
    pub fn to_page(&self) -> String {
        let section = |grid: &Grid| Section::new(&grid.id, &grid.title, html! { (caption(grid)) (grid::table(grid)) });
        let sections: Vec<Section> = self.grids.iter().map(section).collect();
        document(&label(&self.title), &html! {}, &sections)
    }
}

/// A whole page.
fn document(title: &str, intro: &Markup, sections: &[Section]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                // A literal of this program; a style sheet knows no entities.
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (title) }
                        (intro)
                        (contents(sections))
                    }
                    (rest(sections))
                }
            }
        }
    };
    page.into_string()
}

impl Grid {
    /// The grid as a piece of HTML without title and style.
    pub fn to_html(&self) -> String {
        grid::table(self).into_string()
    }
}

/// A line over updates 0, 1, 2 …, as a piece of HTML; `name` describes it. `range` fixes the smallest and the largest value.
pub fn line_chart(name: &str, values: &[f64], range: Option<(f64, f64)>) -> String {
    svg::Chart { line: values, band: None, range, stairs: false }.draw(&label(name)).into_string()
}

/// Whose models, which settings, and what else a reader must know.
fn caption(grid: &Grid) -> Markup {
    let caption = &grid.caption;
    html! {
        @for world in &caption.worlds {
            p.world.full[caption.paper_setting] { (sentence(world)) }
        }
        @if !caption.facts.is_empty() {
            dl.facts {
                @for (name, value) in &caption.facts {
                    div { dt { (label(name)) } dd { (sentence(value)) } }
                }
            }
        }
        @for remark in &caption.remarks { p { (sentence(remark)) } }
    }
}

fn rest(sections: &[Section]) -> Markup {
    html! {
        @for section in sections {
            section id=(section.id) {
                h2 { (label(&section.title)) }
                (section.body)
            }
        }
    }
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                @for section in sections {
                    li { a href={ "#" (section.id) } { (label(&section.title)) } }
                }
            }
        }
    }
}

fn validity(report: &Report) -> Option<Section> {
    let body = match report.validity() {
        Validity::Unknown => return None,
        Validity::Sound(words) => html! { p { (words) } },
        Validity::Flagged(rows) => html! {
            @for (row, sentences) in rows {
                h3 { (label(&row.name())) }
                ul.flags { @for words in &sentences { li { (sentence(words)) } } }
            }
        },
    };
    Some(Section::new("validity", "Validity", body))
}

/// A text of many lines: every line printable, none cut into another.
fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| sentence(&line.replace('\t', "    ")).into_owned()).collect();
    lines.join("\n")
}
