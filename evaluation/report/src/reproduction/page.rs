//! The page of conclusions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Finding, Outcome, Reproduction};
use crate::{Cell, Column, Evidence, Grid, Row};

impl Reproduction {
    /// The page as Markdown. `command` is what made it.
    pub fn to_markdown(&self, command: &str) -> String {
        let count = |outcome: Outcome| self.findings.iter().filter(|finding| finding.outcome == outcome).count();
        let [shown, not, untested] = [Outcome::Shown, Outcome::NotShown, Outcome::CannotBeTested].map(count);
        let mut page = format!(
            "# Do the runs show the paper's conclusions?\n\nMade by `{command}` from the runs below; do not edit by hand. Of {} \
             conclusions, {shown} are shown, {not} are not shown, and {untested} cannot be tested with these runs. Small \
             models that this project trained are a different setting than the paper's: what they do not show may hold for \
             the paper's models, and the other way round.\n",
            self.findings.len()
        );
        // Writing to a string cannot fail.
        let _ = write!(page, "\n{}\n{}", self.runs.to_markdown(), self.summary().to_markdown());
        for finding in &self.findings {
            let _ = write!(
                page,
                "\n## {}\n\n{}. *Test*: {}\n\n**{}.** {}\n",
                finding.conclusion.trim_end_matches('.'),
                finding.place,
                finding.test,
                capital(finding.outcome.name()),
                finding.reason
            );
            if let Some(grid) = &finding.grid {
                let _ = write!(page, "\n{}", grid.to_markdown());
            }
        }
        page
    }

    /// Every conclusion with its outcome.
    pub fn summary(&self) -> Grid {
        let line = |finding: &Finding| {
            Row::new([finding.conclusion])
                .with("place", Cell::text(finding.place))
                .with("outcome", Cell::text(finding.outcome.name()))
        };
        let mut grid = Grid::new("conclusions", "Conclusions").labels(["conclusion"]);
        grid.columns = vec![Column::text("place", "in the paper"), Column::text("outcome", "outcome")];
        grid.rows = self.findings.iter().map(line).collect();
        grid
    }
}

/// What the page rests on, a line for each experiment and kind of models.
pub(super) fn runs(rows: &[Evidence<'_>]) -> Grid {
    let mut runs: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for row in rows {
        let known = runs.entry((row.experiment.as_str(), row.world.sentence())).or_default();
        known.0 += 1;
        known.1 += row.contender.results.records.len();
    }
    let mut grid = Grid::new("runs", "Runs").labels(["experiment"]);
    grid.columns = vec![
        Column::count("rows", "rows"),
        Column::count("images", "images").meaning("over all rows"),
        Column::text("world", "models"),
    ];
    grid.rows = runs
        .into_iter()
        .map(|((experiment, world), (rows, images))| {
            Row::new([experiment])
                .with("rows", Cell::count(rows))
                .with("images", Cell::count(images))
                .with("world", Cell::text(world))
        })
        .collect();
    grid
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
