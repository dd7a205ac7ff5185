//! What is known of a learned mask, for files and for people.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Fit, MaskSettings, Optimality};

/// Where a mask comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Origin {
    /// Name of the generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// Hash of the generator's weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_hash: Option<String>,
    /// Name of the data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The experiment file that says what generator and data are, absolute or relative to the mask's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<PathBuf>,
    /// The row of that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
}

/// How a mask was learned, and how well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Learning {
    /// Pairs of latents that there were.
    pub pairs: usize,
    /// Percentage of latent values in which the two latents of a pair differ, on average. Absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differing: Option<f64>,
    /// The fit on the train rows.
    pub fit: FitReport,
    /// The fit at the settings' `strength`, as `penalty` reads it, where the mask's own penalty was chosen otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_strength: Option<FitReport>,
    /// The settings.
    pub settings: MaskSettings,
}

/// One fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FitReport {
    /// λ of ‖w‖₁ beside the sum of the losses.
    pub penalty: f64,
    /// The smallest λ at which every weight is zero.
    pub penalty_max: f64,
    /// Columns of the classifier.
    pub columns: usize,
    /// Columns with a weight that is not exactly zero.
    pub kept: usize,
    /// Rows that were fitted.
    pub train_rows: usize,
    /// Those that the fit puts in their class.
    pub train_right: usize,
    /// Rows that were held out.
    pub test_rows: usize,
    /// Those that the fit puts in their class.
    pub test_right: usize,
    /// Σ loss + λ‖w‖₁.
    pub objective: f64,
    /// Passes of the solver over all columns.
    pub passes: usize,
    /// Whether the gap that the settings ask for was reached.
    pub converged: bool,
    /// How well it is solved.
    pub optimality: Optimality,
}

impl FitReport {
    pub(super) fn new(
        fit: &Fit,
        columns: usize,
        penalty_max: f64,
        train: (usize, usize),
        test: (usize, usize),
    ) -> Self {
        Self {
            penalty: fit.penalty,
            penalty_max,
            columns,
            kept: fit.weights.len(),
            train_rows: train.1,
            train_right: train.0,
            test_rows: test.1,
            test_right: test.0,
            objective: fit.objective,
            passes: fit.passes,
            converged: fit.converged,
            optimality: fit.optimality,
        }
    }

    /// Percentage of weights that are exactly zero, of all columns: Table 11's first column.
    pub fn sparsity(&self) -> f64 {
        percent(self.columns - self.kept, self.columns)
    }

    /// Percentage of held-out rows put in their class: Table 11's second column.
    pub fn test_score(&self) -> f64 {
        percent(self.test_right, self.test_rows)
    }

    /// Percentage of fitted rows put in their class.
    pub fn train_score(&self) -> f64 {
        percent(self.train_right, self.train_rows)
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, columns, train_rows, test_rows, penalty, penalty_max, passes, .. } = self;
        let o = &self.optimality;
        writeln!(f, "sparsity    {:.2} % ({kept} of {columns} columns kept)", self.sparsity())?;
        writeln!(f, "test score  {:.2} % of {test_rows} rows held out", self.test_score())?;
        writeln!(f, "train score {:.2} % of {train_rows} rows", self.train_score())?;
        writeln!(f, "penalty     {penalty:.4} ({:.4} of the largest useful one)", penalty / penalty_max)?;
        write!(f, "duality gap {:.1e} of the objective {:.6}, {passes} passes", o.gap, self.objective)?;
        if !self.converged {
            write!(f, "; NOT as small as asked for, so more columns may be kept than at the optimum")?;
        }
        write!(f, "\noptimality  left out {:.6} (at most 1), kept off by {:.1e}", o.excluded, o.included)
    }
}
