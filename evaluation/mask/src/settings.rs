//! How a mask is learned: a `[masks.NAME]` table of an experiment file.

use std::path::PathBuf;

use fmr_core::SettingError;
use serde::{Deserialize, Serialize};

use super::{Form, Limits, Model, Standardize, Unit};

/// Which latents stand for the original (label 0) and the perturbed image (label 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latents {
    /// Codebook vectors on both sides; the same as `both-encoder` for a generator that does not quantise.
    #[default]
    BothQuantized,
    /// The continuous latents on both sides: the encoder's output and what the search made of it.
    BothEncoder,
    /// The encoder's output against the quantised final latent, as the paper says. A classifier can then tell the two
    /// by their being quantised or not, which has nothing to do with style.
    Paper,
}

/// What the held-out share is drawn from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Pairs: an image and its perturbed version stay on one side.
    #[default]
    Pairs,
    /// Single rows, which leaks: the other half of a test row's pair may be a train row.
    Rows,
}

/// How the regularisation strength s is read: the factor λ of ‖w‖₁ beside the *sum* of the losses over n train rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Penalty {
    /// λ = n / s, scikit-learn's C = s / n: a meaningful sparsity whatever n is.
    #[default]
    COverN,
    /// λ = s: the formula of section 3.2.1, read literally.
    Lambda,
    /// λ = 1 / s, scikit-learn's C = s: nearly no penalty.
    C,
    /// λ = s n, beside a mean loss: nearly always no weight at all.
    MeanLoss,
    /// λ = s, written as the α = λ / n of scikit-learn's and linfa's Lasso.
    AlphaOverN,
}

impl Penalty {
    /// λ for strength `strength` and `rows` train rows.
    pub fn lambda(self, strength: f64, rows: usize) -> f64 {
        let n = rows as f64;
        match self {
            Self::COverN => n / strength,
            Self::Lambda | Self::AlphaOverN => strength,
            Self::C => 1.0 / strength,
            Self::MeanLoss => strength * n,
        }
    }
}

/// Where the penalty comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choose {
    /// From `penalty` and `strength`.
    #[default]
    Strength,
    /// Found so that the share of zero weights is as near to `sparsity` as it gets.
    Sparsity,
    /// The point of the path with the least held-out loss, over `folds` parts of the train rows.
    CrossValidation,
    /// The sparsest point of the path whose held-out loss is within one standard error of the least.
    OneStandardError,
}

/// A `[masks.NAME]` table of an experiment file: which mask to use, or how to learn one (paper, section 3.2.1,
/// appendix I).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct MaskSettings {
    /// A mask to use. Default: none, or the one that the rest of the table describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What is kept as a whole: a channel or site is kept where any of its dimensions has a weight.
    pub kind: Unit,
    /// Whether to run with a mask that keeps nothing, under which no latent moves.
    pub allow_empty: bool,
    /// Which latents are told apart.
    pub latents: Latents,
    /// The classifier.
    pub model: Model,
    /// What a column of the classifier is: a dimension, or the mean over a channel or a site.
    pub unit: Unit,
    /// What happens to columns first.
    pub standardize: Standardize,
    /// Whether the classifier has an intercept.
    pub intercept: bool,
    /// What the held-out share is drawn from.
    pub split: Split,
    /// Share of pairs or rows held out to score the classifier, between 0 and 1.
    pub test_share: f64,
    /// Seed of the split, the folds and the rows that `max-rows` leaves.
    pub seed: u64,
    /// At most this many rows, two an image; memory is 4 bytes a row and latent value. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<usize>,
    /// How `strength` is read.
    pub penalty: Penalty,
    /// The regularisation strength; 36.36 in the paper.
    pub strength: f64,
    /// Where the penalty comes from.
    pub choose: Choose,
    /// Wanted percentage of zero weights, for `choose = "sparsity"`.
    pub sparsity: f64,
    /// Parts of the train rows, for `choose = "cross-validation"`.
    pub folds: usize,
    /// Penalties on the path to report beside the fit, 0 for none; cross-validation chooses among them, or among 20.
    pub path_points: usize,
    /// The path's last penalty as a share of the first, the smallest at which all weights are zero.
    pub path_end: f64,
    /// Relative duality gap to solve to. A looser fit keeps more columns than the optimum does.
    pub gap: f64,
    /// Most passes over all columns, for each penalty.
    pub max_passes: usize,
}

impl Default for MaskSettings {
    fn default() -> Self {
        Self {
            file: None,
            kind: Unit::Dimension,
            allow_empty: false,
            latents: Latents::default(),
            model: Model::default(),
            unit: Unit::Dimension,
            standardize: Standardize::default(),
            intercept: true,
            split: Split::default(),
            test_share: 0.2,
            seed: 0,
            max_rows: None,
            penalty: Penalty::default(),
            strength: 36.36,
            choose: Choose::default(),
            sparsity: 99.31,
            folds: 5,
            path_points: 0,
            path_end: 0.02,
            gap: 1e-6,
            max_passes: 200,
        }
    }
}

impl MaskSettings {
    /// All keys.
    pub const KEYS: &'static [&'static str] = &[
        "file",
        "kind",
        "allow-empty",
        "latents",
        "model",
        "unit",
        "standardize",
        "intercept",
        "split",
        "test-share",
        "seed",
        "max-rows",
        "penalty",
        "strength",
        "choose",
        "sparsity",
        "folds",
        "path-points",
        "path-end",
        "gap",
        "max-passes",
    ];
    /// Keys that also say something of a mask that is read from a file.
    pub const OF_FILES: &'static [&'static str] = &["file", "kind", "allow-empty"];

    /// Checks ranges, and that the settings go together.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let inside = |v: f64| v > 0.0 && v < 1.0;
        SettingError::require(
            self.strength > 0.0 && self.strength.is_finite(),
            "mask.strength",
            self.strength,
            "a positive number",
        )?;
        SettingError::require(inside(self.test_share), "mask.test-share", self.test_share, "between 0 and 1")?;
        SettingError::require(
            (0.0..=100.0).contains(&self.sparsity),
            "mask.sparsity",
            self.sparsity,
            "a percentage from 0 to 100",
        )?;
        SettingError::require(self.folds >= 2, "mask.folds", self.folds, "at least 2")?;
        SettingError::require(self.path_points != 1, "mask.path-points", self.path_points, "0 or at least 2")?;
        SettingError::require(inside(self.path_end), "mask.path-end", self.path_end, "between 0 and 1")?;
        SettingError::require(inside(self.gap), "mask.gap", self.gap, "between 0 and 1, such as 1e-6")?;
        SettingError::require(self.max_passes > 0, "mask.max-passes", self.max_passes, "at least 1")?;
        let rows = self.max_rows.unwrap_or(usize::MAX);
        SettingError::require(rows >= 4, "mask.max-rows", rows, "at least 4: two pairs")?;
        let fits = self.unit == Unit::Dimension || self.kind == Unit::Dimension || self.kind == self.unit;
        let wanted = format!("\"dimension\" or \"{0}\" where unit is \"{0}\"", self.unit);
        SettingError::require(fits, "mask.kind", format!("\"{}\"", self.kind), &wanted)
    }

    /// What is fitted.
    pub fn form(&self) -> Form {
        Form { model: self.model, standardize: self.standardize, intercept: self.intercept }
    }

    /// When the solver stops.
    pub fn limits(&self) -> Limits {
        Limits { gap: self.gap, passes: self.max_passes }
    }

    /// Unit of the mask: that of the columns where they are coarser than a dimension, else `kind`.
    pub fn mask_unit(&self) -> Unit {
        if self.unit == Unit::Dimension { self.kind } else { self.unit }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn reads_a_table_and_names_what_is_wrong() {
        let settings: MaskSettings =
            toml::from_str("penalty = \"lambda\"\nmodel = \"lasso\"\nunit = \"channel\"\nmax-rows = 800").unwrap();
        settings.check().unwrap();
        assert_eq!(settings, toml::from_str(&toml::to_string(&settings).unwrap()).unwrap());
        assert_eq!((settings.penalty, settings.max_rows), (Penalty::Lambda, Some(800)));
        assert_eq!(settings.mask_unit(), Unit::Channel);

        let error = toml::from_str::<MaskSettings>("strenght = 3").unwrap_err().to_string();
        assert!(error.contains("strenght") && error.contains("strength"), "{error}");
        let check = |text: &str| toml::from_str::<MaskSettings>(text).unwrap().check().unwrap_err().to_string();
        insta::assert_snapshot!(check("strength = 0"), @"mask.strength: is 0, must be a positive number");
        insta::assert_snapshot!(check("unit = \"channel\"\nkind = \"site\""), @r#"mask.kind: is "site", must be "dimension" or "channel" where unit is "channel""#);
        let all = toml::Table::try_from(MaskSettings {
            file: Some("m".into()),
            max_rows: Some(4),
            ..MaskSettings::default()
        });
        let keys: Vec<String> = all.unwrap().keys().cloned().collect();
        assert!(keys.len() == MaskSettings::KEYS.len() && keys.iter().all(|k| MaskSettings::KEYS.contains(&&**k)));
        insta::assert_snapshot!(check("test-share = 1"), @"mask.test-share: is 1, must be between 0 and 1");
    }

    #[test]
    fn readings_of_the_strength() {
        let lambda = |reading: Penalty| reading.lambda(36.36, 320);
        assert!((lambda(Penalty::COverN) - 8.8).abs() < 0.01);
        assert_eq!(lambda(Penalty::Lambda), 36.36);
        assert!((lambda(Penalty::C) - 0.0275).abs() < 1e-4);
        assert_eq!(lambda(Penalty::MeanLoss), 36.36 * 320.0);
    }
}
