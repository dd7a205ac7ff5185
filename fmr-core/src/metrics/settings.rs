//! The `metrics` table of an experiment file (`protocol`, open choices 20 to 24).

use serde::{Deserialize, Serialize};

use crate::SettingError;

/// Which images count as successfully produced. A failed sample never does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Produced {
    /// The oracle accepted x̂0 and at least one update. A search that ends before its first update because the target
    /// is wrong on x̂0 already ([`crate::perturb::EarlyExit::MisclassifiedFromStart`]) counts too; a budget of 0 leaves
    /// nothing produced.
    #[default]
    FirstStep,
    /// The oracle accepted x̂0.
    Reconstruction,
    /// The oracle accepted all updates that the budget allows.
    FullBudget,
    /// Every image, refused ones standing with the original.
    All,
}

/// Denominator of PA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaOver {
    /// Produced images.
    #[default]
    Produced,
    /// All images; those not produced count as wrong.
    All,
}

/// Images over which the SA inside FMR is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaOver {
    /// All images.
    #[default]
    All,
    /// Produced images: with PA over them too, the same images stand above and below.
    Produced,
}

/// What SA is measured on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaOn {
    /// Originals.
    #[default]
    Original,
    /// Reconstructions x̂0: separates the generator's damage from the perturbation's.
    Reconstruction,
}

/// Denominator of VR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VrOver {
    /// All images.
    #[default]
    All,
    /// Images whose x̂0 the oracle accepted.
    Reconstructed,
}

/// How the overall figures come from those of the classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Average {
    /// Counts are summed over classes, then divided: the paper's "Total" rows.
    #[default]
    Pooled,
    /// Plain means over the classes for which a figure is defined.
    Macro,
}

/// Settings of the metrics. The defaults are the protocol's recommended readings of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct MetricsSettings {
    /// Which images count as produced.
    pub produced: Produced,
    /// Denominator of PA.
    pub pa_over: PaOver,
    /// Images of the SA inside FMR.
    pub sa_over: SaOver,
    /// What SA is measured on.
    pub sa_on: SaOn,
    /// Denominator of VR.
    pub vr_over: VrOver,
    /// How the overall figures come from those of the classes.
    pub average: Average,
    /// Confidence of the intervals, between 0 and 1.
    pub confidence: f64,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            produced: Produced::default(),
            pa_over: PaOver::default(),
            sa_over: SaOver::default(),
            sa_on: SaOn::default(),
            vr_over: VrOver::default(),
            average: Average::default(),
            confidence: 0.95,
        }
    }
}

impl MetricsSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// A confidence that is not strictly between 0 and 1.
    pub fn check(&self) -> Result<(), SettingError> {
        SettingError::require(
            self.confidence > 0.0 && self.confidence < 1.0,
            "metrics.confidence",
            self.confidence,
            "between 0 and 1, e.g. 0.95",
        )
    }

    /// What stands above and below the line of FMR.
    pub fn fmr_reading(&self) -> super::FmrReading {
        super::FmrReading { pa_over: self.pa_over, sa_over: self.sa_over }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_protocol_s_and_keys_are_kebab_case() {
        let defaults: MetricsSettings = toml::from_str("").unwrap();
        assert_eq!(defaults, MetricsSettings::default());
        let text = r#"
            produced = "full-budget"
            pa-over = "all"
            sa-over = "produced"
            sa-on = "reconstruction"
            vr-over = "reconstructed"
            average = "macro"
            confidence = 0.9
        "#;
        let settings: MetricsSettings = toml::from_str(text).unwrap();
        settings.check().unwrap();
        assert_eq!(toml::from_str::<MetricsSettings>(&toml::to_string(&settings).unwrap()).unwrap(), settings);
    }

    #[test]
    fn unknown_keys_and_values_are_refused() {
        assert!(toml::from_str::<MetricsSettings>("produce = \"all\"").is_err());
        assert!(toml::from_str::<MetricsSettings>("produced = \"some\"").is_err());
        for confidence in ["0.0", "1.0", "nan", "95.0"] {
            let settings: MetricsSettings = toml::from_str(&format!("confidence = {confidence}")).unwrap();
            assert!(settings.check().is_err(), "{confidence}");
        }
    }
}
