//! Tables alone, without what is said of a run.

use crate::Report;

impl Report {
    /// Title and grids as text, `width` characters wide: for reports that are not of one run, of whose rows no validity flags
    /// are known.
    pub fn to_tables(&self, width: usize) -> String {
        let mut text = self.title.clone();
        for grid in &self.grids {
            let title = if grid.title == self.title { String::new() } else { format!("\n{}", grid.title) };
            text = format!("{text}{title}\n{}\n", grid.to_text(width).trim_end());
        }
        text
    }
}
