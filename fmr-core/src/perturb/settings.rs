//! Settings of the search: every key of `search` that the protocol's section 4 lists.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{GeneratorSpec, SettingError};

/// What the budget counts (`protocol`, open choice 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetCounts {
    /// Updates after the reconstruction.
    #[default]
    Updates,
    /// Generations, of which the reconstruction is the first: one update fewer.
    Generations,
}

/// What is carried from update to update (open choice 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The latent itself.
    #[default]
    Latent,
    /// The last accepted image, encoded anew before every update but the first.
    Image,
}

/// How a gradient becomes an update (open choice 3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// η · sign(γ), with sign(0) = 0.
    #[default]
    Sign,
    /// Adam with learning rate η, β = (0.9, 0.999), ε = 1e-8 outside the root, bias-corrected, ascending.
    Adam,
    /// η · γ / ‖γ‖₂; no move where the norm is 0.
    Normalized,
    /// η · γ.
    Gradient,
}

/// What a step of size 1 is: the unit of every latent value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepUnit {
    /// The latent's own values, as in the paper. The same step moves latents of one generator far and those of a different one
    /// not at all.
    #[default]
    Latent,
    /// The standard deviation of each named block of the latent over the encodings of some images
    /// ([`Spread`](super::Spread)): steps of different generators can be compared.
    Spread,
}

/// Distance that a projection measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// The largest absolute difference of any value.
    #[default]
    Linf,
    /// The Euclidean distance.
    L2,
}

/// Centre of a projection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Around {
    /// The latent that the search of the sample starts from.
    #[default]
    Start,
}

/// A ball that no latent of a search leaves. With a generator whose latents are pixels, the sign rule and a verdict that
/// lets everything stand, the search is projected gradient descent (PGD).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Projection {
    /// Distance that is bounded.
    #[serde(default)]
    pub norm: Norm,
    /// The bound, in the unit of [`SearchSettings::step_unit`].
    pub radius: f64,
    /// Centre of the ball.
    #[serde(default)]
    pub around: Around,
    /// Least and greatest value of a latent, in the latent's own unit: `[0.0, 1.0]` keeps pixels what files can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<[f32; 2]>,
}

/// What follows when the oracle refuses an image (open choice 6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnViolation {
    /// Go back one iterate and stop.
    #[default]
    Stop,
    /// Go back one iterate and halve the step, at most `halvings` times a sample; the refused attempt has used up one
    /// of the budget's updates, so that the cost stays bounded by the budget, and later steps stay halved.
    Halve,
}

/// Which image is final (open choice 7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// The last accepted one.
    #[default]
    Last,
    /// The accepted one of highest score, the reconstruction included; the earliest wins a tie.
    MaxScore,
}

/// When the search ends before the budget (open choice 8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyExit {
    /// Never.
    #[default]
    Never,
    /// After an accepted update whose image the target gets wrong.
    Misclassified,
    /// The same, but also before the first update where the target gets the reconstruction wrong.
    MisclassifiedFromStart,
}

/// Treatment of decoded values outside `[0, 1]` (open choice 9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clamp {
    /// Clamped, with the clamp's own derivative: none outside `[0, 1]`.
    #[default]
    Hard,
    /// Clamped, with the derivative of the identity.
    StraightThrough,
    /// Left alone.
    None,
}

/// The values that images can take before oracle and target see them (open choice 10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageDomain {
    /// Any.
    #[default]
    Float,
    /// Multiples of 1/255, as in a saved file; the rounding has the derivative of the identity.
    Uint8,
}

/// What follows a score, gradient, latent or image that is not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnNonfinite {
    /// The sample fails; its last accepted image stands, and it never counts as produced.
    #[default]
    Fail,
    /// The whole run ends with an error.
    AbortRun,
}

/// What is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// The original.
    #[default]
    None,
    /// The original after one step of FGSM against the target (open choice 30; the paper's Table 7).
    Fgsm,
}

/// Units of the FGSM step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartUnits {
    /// Pixel values in `[0, 1]`.
    #[default]
    Pixel,
    /// Pixel values divided by [`Start::deviation`], as normalised networks see them.
    Normalized,
}

/// The images on which standard accuracy is measured when the search starts from other ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartSaOn {
    /// The images that the search starts from.
    #[default]
    Start,
    /// The originals.
    Original,
}

/// The image that is encoded in the original's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Start {
    /// Kind of start.
    pub kind: StartKind,
    /// Size of the FGSM step: x + ε · sign(d cross-entropy / d x), clipped to `[0, 1]`.
    pub epsilon: f64,
    /// Units of `epsilon`.
    pub units: StartUnits,
    /// Deviation of each channel (or one for all) by which normalised units divide; ImageNet's by default.
    pub deviation: Vec<f64>,
    /// Where [`crate::SampleRecord::clean_prediction`] comes from. The oracle's clean class is always the original's.
    pub sa_on: StartSaOn,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            kind: StartKind::None,
            epsilon: 0.003,
            units: StartUnits::Pixel,
            deviation: vec![0.229, 0.224, 0.225],
            sa_on: StartSaOn::Start,
        }
    }
}

/// The gradient-free estimator, used for targets without a gradient: antithetic random directions in latent space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Estimator {
    /// Random directions a gradient; each costs two decodes and two forwards of the target.
    pub samples: usize,
    /// Length of a probing step in every latent dimension.
    pub sigma: f64,
}

impl Default for Estimator {
    fn default() -> Self {
        Self { samples: 32, sigma: 0.01 }
    }
}

/// Images whose encodings say how far latents spread, unless an experiment says how many.
const SPREAD_SAMPLES: usize = 64;

/// Settings of Algorithm 1. The defaults are the protocol's recommended readings of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct SearchSettings {
    /// B, the paper's computation budget. The engine accepts 0, which evaluates reconstructions only.
    pub budget: usize,
    /// What `budget` counts.
    pub budget_counts: BudgetCounts,
    /// What is carried from update to update.
    pub state: State,
    /// η.
    pub step_size: f64,
    /// The unit of η.
    pub step_unit: StepUnit,
    /// Images, the row's first, whose encodings say how far latents spread. 64 unless given where `step-unit` is
    /// `"spread"`; otherwise none, and reports say how far latents moved in their own unit alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_samples: Option<usize>,
    /// Named blocks of the latent that stay as the generator encoded them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frozen_blocks: Vec<String>,
    /// A ball around its start that no latent leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
    /// How a gradient becomes an update.
    pub rule: Rule,
    /// What follows when the oracle refuses an image.
    pub on_violation: OnViolation,
    /// Halvings allowed to a sample under [`OnViolation::Halve`].
    pub halvings: usize,
    /// Which image is final.
    pub select: Select,
    /// When the search ends before the budget.
    pub early_exit: EarlyExit,
    /// Treatment of decoded values outside `[0, 1]`.
    pub clamp: Clamp,
    /// The values that images can take.
    pub image_domain: ImageDomain,
    /// What follows a number that is not finite.
    pub on_nonfinite: OnNonfinite,
    /// Additional searches from noisy latents, of which the one with the highest final score is kept (open choice 12).
    pub restarts: usize,
    /// Half width of the uniform noise on the latent of a restart, seeded by sample and restart.
    pub restart_noise: f64,
    /// The image that is encoded.
    pub start: Start,
    /// The gradient-free estimator.
    pub estimator: Estimator,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            budget: 50,
            budget_counts: BudgetCounts::Updates,
            state: State::Latent,
            step_size: 0.001,
            step_unit: StepUnit::Latent,
            spread_samples: None,
            frozen_blocks: Vec::new(),
            projection: None,
            rule: Rule::Sign,
            on_violation: OnViolation::Stop,
            halvings: 4,
            select: Select::Last,
            early_exit: EarlyExit::Never,
            clamp: Clamp::Hard,
            image_domain: ImageDomain::Float,
            on_nonfinite: OnNonfinite::Fail,
            restarts: 0,
            restart_noise: 0.01,
            start: Start::default(),
            estimator: Estimator::default(),
        }
    }
}

impl SearchSettings {
    /// Number of updates that the budget allows.
    pub fn updates_allowed(&self) -> usize {
        match self.budget_counts {
            BudgetCounts::Updates => self.budget,
            BudgetCounts::Generations => self.budget.saturating_sub(1),
        }
    }

    /// Places in a latent row of the blocks that are frozen.
    ///
    /// # Errors
    /// The generator has no block of a name, or none would be left to move.
    pub fn frozen(&self, spec: &GeneratorSpec) -> Result<Vec<Range<usize>>, SettingError> {
        let place = |name: &String| {
            let block = spec.latent.iter().find(|block| block.name == *name).ok_or_else(|| {
                let known = spec.latent.iter().map(|block| block.name.as_str());
                SettingError::unknown_name("search.frozen-blocks", "block of the latent", name, known)
            })?;
            Ok(block.place())
        };
        let frozen = self.frozen_blocks.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let all = !spec.latent.is_empty() && spec.latent.iter().all(|block| self.frozen_blocks.contains(&block.name));
        SettingError::require(
            !all,
            "search.frozen-blocks",
            format!("{:?}", self.frozen_blocks),
            "some of the blocks, not all",
        )?;
        Ok(frozen)
    }

    /// Images whose encodings say how far latents spread; 0 where nobody asks.
    pub fn images_for_spread(&self) -> usize {
        let default = if self.step_unit == StepUnit::Spread { SPREAD_SAMPLES } else { 0 };
        self.spread_samples.unwrap_or(default)
    }

    /// Checks that every value lies in its range. The first that does not is the error.
    pub fn check(&self) -> Result<(), SettingError> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        SettingError::require(positive(self.step_size), "search.step-size", self.step_size, "a positive number")?;
        let least = if self.step_unit == StepUnit::Spread { 2 } else { 0 };
        SettingError::require(
            self.images_for_spread() >= least,
            "search.spread-samples",
            self.images_for_spread(),
            "at least 2 where search.step-unit is \"spread\"",
        )?;
        if let Some(Projection { radius, within, .. }) = self.projection {
            SettingError::require(positive(radius), "search.projection.radius", radius, "a positive number")?;
            SettingError::require(
                within.is_none_or(|[least, most]| least < most && least.is_finite() && most.is_finite()),
                "search.projection.within",
                format!("{:?}", within.unwrap_or_default()),
                "two numbers, the lesser first",
            )?;
        }
        SettingError::require(
            self.on_violation == OnViolation::Stop || (1..=64).contains(&self.halvings),
            "search.halvings",
            self.halvings,
            "from 1 to 64 where search.on-violation is \"halve\"",
        )?;
        SettingError::require(
            !(self.clamp == Clamp::None && self.image_domain == ImageDomain::Uint8),
            "search.clamp",
            "\"none\"",
            "\"hard\" or \"straight-through\" where search.image-domain is \"uint8\": eight bits hold nothing outside [0, 1]",
        )?;
        SettingError::require(self.restarts <= 1000, "search.restarts", self.restarts, "at most 1000")?;
        SettingError::require(
            self.restarts == 0 || positive(self.restart_noise),
            "search.restart-noise",
            self.restart_noise,
            "a positive number where search.restarts is not 0: without noise every restart repeats the first search",
        )?;
        if self.start.kind == StartKind::Fgsm {
            SettingError::require(
                self.start.epsilon.is_finite() && (0.0..=1.0).contains(&self.start.epsilon),
                "search.start.epsilon",
                self.start.epsilon,
                "from 0 to 1",
            )?;
            SettingError::require(
                !self.start.deviation.is_empty() && self.start.deviation.iter().all(|&d| positive(d)),
                "search.start.deviation",
                format!("{:?}", self.start.deviation),
                "one positive number a channel, or one for all",
            )?;
        }
        SettingError::require(
            (1..=100_000).contains(&self.estimator.samples),
            "search.estimator.samples",
            self.estimator.samples,
            "from 1 to 100000",
        )?;
        SettingError::require(
            positive(self.estimator.sigma),
            "search.estimator.sigma",
            self.estimator.sigma,
            "a positive number",
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_are_the_protocol_s() {
        let search: SearchSettings = toml::from_str("").unwrap();
        assert_eq!(search, SearchSettings::default());
        assert_eq!((search.budget, search.step_size), (50, 0.001));
        search.check().unwrap();
    }

    #[test]
    fn every_key_is_kebab_case_and_round_trips() {
        let text = r#"
            budget = 7
            budget-counts = "generations"
            state = "image"
            step-size = 0.1
            rule = "adam"
            on-violation = "halve"
            halvings = 3
            select = "max-score"
            early-exit = "misclassified-from-start"
            clamp = "straight-through"
            image-domain = "uint8"
            on-nonfinite = "abort-run"
            restarts = 2
            restart-noise = 0.5
            start = { kind = "fgsm", epsilon = 0.01, units = "normalized", deviation = [0.5], sa-on = "original" }
            estimator = { samples = 4, sigma = 0.5 }
        "#;
        let search: SearchSettings = toml::from_str(text).unwrap();
        search.check().unwrap();
        assert_eq!(search.updates_allowed(), 6);
        let again: SearchSettings = toml::from_str(&toml::to_string(&search).unwrap()).unwrap();
        assert_eq!(search, again);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        assert!(toml::from_str::<SearchSettings>("step_size = 1").is_err());
        assert!(toml::from_str::<SearchSettings>("[start]\nkind = \"fgsm\"\neps = 1").is_err());
        let error = |text: &str| toml::from_str::<SearchSettings>(text).unwrap().check().unwrap_err().to_string();
        insta::assert_snapshot!(error("step-size = -1.0"), @"search.step-size: is -1, must be a positive number");
        insta::assert_snapshot!(error("restarts = 2\nrestart-noise = 0.0"), @"search.restart-noise: is 0, must be a positive number where search.restarts is not 0: without noise every restart repeats the first search");
        insta::assert_snapshot!(error("estimator.samples = 0"), @"search.estimator.samples: is 0, must be from 1 to 100000");
        assert!(error("clamp = \"none\"\nimage-domain = \"uint8\"").contains("eight bits"));
        assert!(error("on-violation = \"halve\"\nhalvings = 0").contains("search.halvings"));
    }
}
