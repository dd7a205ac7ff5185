//! The scorer `my-component`: how far the true logit fell, to be replaced by your own.

use fmr_core::registry::MakeContext;
use fmr_core::{ComponentError, Scorer, SettingError};
use ndarray::{Array1, Array2, ArrayView2};

/// The settings of an experiment file's table.
#[derive(Debug, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// Factor of the score.
    weight: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

/// Weighted loss of the true logit since the original.
struct Fall {
    weight: f32,
}

impl Fall {
    fn new(settings: Settings, _: &MakeContext<'_>) -> Result<Self, SettingError> {
        if !settings.weight.is_finite() {
            return Err(SettingError::new("weight", format!("is {}, must be finite", settings.weight)));
        }
        Ok(Self { weight: settings.weight })
    }
}

impl Scorer for Fall {
    fn name(&self) -> &str {
        "my-component"
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        let classes = logits.ncols();
        if let Some(label) = labels.iter().find(|l| **l >= classes) {
            let problem = format!("label {label}, but there are {classes} logits");
            return Err(ComponentError::new("scorer \"my-component\"", "score logits", problem));
        }
        let mut gradients = Array2::zeros(logits.dim());
        let score = |(i, y): (usize, &usize)| {
            gradients[[i, *y]] = -self.weight;
            self.weight * (clean[[i, *y]] - logits[[i, *y]])
        };
        let scores = labels.iter().enumerate().map(score).collect();
        Ok((scores, gradients))
    }
}

fmr_plugins::export! {
    scorer "my-component": Settings => Fall::new,
}

#[cfg(test)]
mod tests {
    #[test]
    fn keeps_the_contract() {
        let library = fmr_plugins::linked!().expect("the plugin's own table is sound");
        let report = fmr_plugins::check::library(&library, &fmr_plugins::check::Options::default());
        println!("{report}");
        assert!(report.passed(), "{report}");
    }
}
