//! Do runs show what the paper concludes? Each conclusion is a test of its own, which finds its rows by what they are: rows
//! that differ in their start alone, targets that were trained on moved images, and so on. A conclusion whose rows are not
//! among the runs cannot be tested, and the page says so.

mod images;
mod models;
mod page;
mod pairing;
mod settings;
#[cfg(test)]
mod tests;

use fmr_core::metrics::MetricsSettings;

use crate::{Evidence, Grid};

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The figures show the conclusion.
    Shown,
    /// They do not.
    NotShown,
    /// What the test needs is not among the runs.
    CannotBeTested,
}

/// A conclusion of the paper and what the runs say about it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Where the paper draws it.
    pub place: &'static str,
    /// The conclusion.
    pub conclusion: &'static str,
    /// When it counts as shown.
    pub test: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// The figures; none where it cannot be tested.
    pub grid: Option<Grid>,
}

/// What the runs say about every conclusion.
#[derive(Debug, Clone)]
pub struct Reproduction {
    /// The rows that it rests on: experiment, rows, images, whose models.
    runs: Grid,
    /// One for each conclusion, in the order of the paper.
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// `shown`, `not shown` or `cannot be tested here`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::NotShown => "not shown",
            Self::CannotBeTested => "cannot be tested here",
        }
    }

    /// Shown where all hold; there must be some.
    fn of(holds: &[bool]) -> Self {
        match holds.iter().all(|holds| *holds) {
            true => Self::Shown,
            false => Self::NotShown,
        }
    }
}

impl Reproduction {
    /// Tests every conclusion on the rows of runs.
    pub fn of(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Self {
        let findings = vec![
            models::architecture(rows, metrics),
            models::robust_training(rows),
            settings::generators(rows, metrics),
            images::transfer(rows, metrics),
            settings::fgsm(rows, metrics),
            models::pgd(rows, metrics),
            models::augmentation(rows, metrics),
            models::grey(rows, metrics),
            settings::mask_time(rows, metrics),
            settings::mask_sparsity(rows),
            settings::step_size(rows, metrics),
            settings::classes(rows, metrics),
            images::attack(rows, metrics),
        ];
        Self { runs: page::runs(rows), findings }
    }
}

impl Finding {
    fn untested(place: &'static str, conclusion: &'static str, test: &'static str, reason: &str) -> Self {
        let outcome = Outcome::CannotBeTested;
        Self { place, conclusion, test, outcome, reason: reason.to_owned(), grid: None }
    }
}
