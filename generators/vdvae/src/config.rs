//! Hyper-parameters of an Efficient-VDVAE by upstream's names, and the sizes that follow from them.

use serde::{Deserialize, Serialize};

/// How a network's second statistic stands for a standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Softplus with the sharpness β: ln(1 + e^(βs)) / β.
    Std,
    /// e^(βs).
    Logstd,
}

/// Sides of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kernel {
    /// The same height and width.
    Square(usize),
    /// Height and width.
    Sides([usize; 2]),
}

impl Kernel {
    /// Height and width.
    pub fn sides(self) -> [usize; 2] {
        match self {
            Self::Square(side) => [side; 2],
            Self::Sides(sides) => sides,
        }
    }
}

/// Hyper-parameters by upstream's names. Lists have one entry a level: `up_…` from the image to the deepest level,
/// `down_…` from the deepest level to the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdvaeConfig {
    /// `binarized_mnist` has a Bernoulli output; everything else a mixture of logistics.
    pub dataset_source: String,
    /// Side of the images that the network sees.
    pub target_res: usize,
    /// Channels of the images.
    pub channels: usize,
    /// Bits of a colour, 1 to 8.
    pub num_bits: f64,
    /// In training: whether the last convolution of a residual cell starts out small.
    #[serde(default = "yes")]
    pub stable_init: bool,
    /// In training: whether prior networks start out as zeros.
    #[serde(default)]
    pub initialize_prior_weights_as_zero: bool,
    /// Whether the outer convolutions of a cell are 1×1.
    pub use_1x1_conv: bool,
    /// Second statistic of the latents.
    pub distribution_base: Base,
    /// Second statistic of the output's logistics.
    pub output_distribution_base: Base,
    /// β of the latents.
    pub gradient_smoothing_beta: f32,
    /// β of the output.
    pub output_gradient_smoothing_beta: f32,
    /// Whether posteriors are relative to priors.
    #[serde(default)]
    pub use_residual_distribution: bool,
    /// Channels after the first convolution.
    pub input_conv_filters: usize,
    /// Kernel of the first convolution.
    pub input_kernel_size: Kernel,
    /// By how much a level's end shrinks the image.
    pub up_strides: Vec<usize>,
    /// Blocks before the one that gives the level's skip.
    pub up_n_blocks_per_res: Vec<usize>,
    /// Cells of a block.
    pub up_n_blocks: Vec<usize>,
    /// Inner convolutions of a cell.
    pub up_n_layers: Vec<usize>,
    /// Channels after a level.
    pub up_filters: Vec<usize>,
    /// Channels inside a cell as a share of those around it.
    pub up_mid_filters_ratio: Vec<f64>,
    /// Kernels of a cell.
    pub up_kernel_size: Vec<Kernel>,
    /// Channels of a level's skip.
    pub up_skip_filters: Vec<usize>,
    /// By how much a level's start enlarges the stream; `up_strides` backwards.
    pub down_strides: Vec<usize>,
    /// Latent layers after the first of a level.
    pub down_n_blocks_per_res: Vec<usize>,
    /// Cells of a latent layer.
    pub down_n_blocks: Vec<usize>,
    /// Inner convolutions of a cell.
    pub down_n_layers: Vec<usize>,
    /// Channels of a level.
    pub down_filters: Vec<usize>,
    /// Channels inside a cell as a share of those around it.
    pub down_mid_filters_ratio: Vec<f64>,
    /// Kernels of a cell.
    pub down_kernel_size: Vec<Kernel>,
    /// Channels of a latent ("variates").
    pub down_latent_variates: Vec<usize>,
    /// Kernel of the last convolution.
    pub output_kernel_size: Kernel,
    /// Components of the output's mixture.
    pub num_output_mixtures: usize,
    /// Least value of the output's second statistic.
    pub min_mol_logscale: f64,
    /// Share of the variates that masked modes keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variate_masks_quantile: Option<f64>,
}

fn yes() -> bool {
    true
}

/// A latent of the hierarchy, in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatentSite {
    /// Decoder level, deepest first.
    pub level: usize,
    /// Shape `[variates, side, side]`.
    pub shape: [usize; 3],
}

/// Limits far beyond every published model. A file may claim any size; these keep what is built small.
const MOST_LEVELS: usize = 512;
const MOST_BLOCKS: usize = 4096;
const MOST_CHANNELS: usize = 1 << 14;
const MOST_KERNEL: usize = 63;
const MOST_SIDE: usize = 1 << 13;

impl VdvaeConfig {
    /// Whether pixels are drawn black or white.
    pub fn is_bernoulli(&self) -> bool {
        self.dataset_source == "binarized_mnist"
    }

    /// Side of the deepest latent.
    pub fn deepest_side(&self) -> usize {
        let shrinking = self.down_strides.iter().fold(1_usize, |a, s| a.saturating_mul(*s));
        self.target_res / shrinking.max(1)
    }

    /// Channels of the network's output.
    pub fn output_channels(&self) -> usize {
        if self.is_bernoulli() { 1 } else { self.num_output_mixtures * (3 * self.channels + 1) }
    }

    /// Number of latent layers.
    pub fn latent_layers(&self) -> usize {
        self.down_strides.len() + self.down_n_blocks_per_res.iter().sum::<usize>()
    }

    /// The latents in the order of execution, deepest first.
    pub fn latents(&self) -> Vec<LatentSite> {
        let mut side = self.deepest_side();
        let mut sites = Vec::new();
        for (level, stride) in self.down_strides.iter().enumerate() {
            side *= stride;
            let site = LatentSite { level, shape: [self.down_latent_variates[level], side, side] };
            sites.extend(std::iter::repeat_n(site, 1 + self.down_n_blocks_per_res[level]));
        }
        sites
    }

    /// Scale of the initial weights of a residual cell's last convolution.
    pub(crate) fn init_scale(&self) -> f32 {
        if self.stable_init { (1.0 / self.latent_layers() as f32).sqrt() } else { 1.0 }
    }

    /// Side of the pictures: what counts of a Bernoulli model's output is MNIST's 28 × 28 of 32 × 32.
    pub fn picture_side(&self) -> usize {
        if self.is_bernoulli() { self.target_res.min(MNIST.1).saturating_sub(MNIST.0) } else { self.target_res }
    }

    /// A short name, e.g. `vdvae-imagenet-64`.
    pub fn name(&self) -> String {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let source: String = self.dataset_source.chars().filter(|c| known(*c)).take(40).collect();
        format!("vdvae-{source}-{}", self.target_res)
    }

    /// What makes no model of these hyper-parameters.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_lists()?;
        let n = self.up_strides.len();
        let sizes = [&self.up_filters, &self.up_skip_filters, &self.down_filters, &self.down_latent_variates];
        let sizes = sizes.into_iter().flatten().chain([&self.input_conv_filters]);
        if let Some(bad) = sizes.into_iter().find(|size| !(1..=MOST_CHANNELS).contains(*size)) {
            return Err(ConfigError::Size { what: "channels", size: *bad, most: MOST_CHANNELS });
        }
        let kernels = self.up_kernel_size.iter().chain(&self.down_kernel_size);
        let kernels = kernels.chain([&self.input_kernel_size, &self.output_kernel_size]).flat_map(|k| k.sides());
        if let Some(bad) = { kernels }.find(|side| !(1..=MOST_KERNEL).contains(side)) {
            return Err(ConfigError::Size { what: "a kernel's side", size: bad, most: MOST_KERNEL });
        }
        let counts = [&self.up_n_blocks_per_res, &self.up_n_blocks, &self.up_n_layers];
        let counts = counts.into_iter().chain([&self.down_n_blocks_per_res, &self.down_n_blocks, &self.down_n_layers]);
        for list in counts {
            let total = list.iter().fold(0, |sum: usize, count| sum.saturating_add(*count));
            if total > MOST_BLOCKS {
                return Err(ConfigError::Size { what: "blocks", size: total, most: MOST_BLOCKS });
            }
        }
        if !(1..=MOST_SIDE).contains(&self.target_res) {
            return Err(ConfigError::Size { what: "target_res", size: self.target_res, most: MOST_SIDE });
        }
        if self.up_strides.contains(&0) || !self.up_strides.iter().rev().eq(&self.down_strides) {
            return Err(ConfigError::Strides);
        }
        let shrinking = self.up_strides.iter().fold(1_usize, |a, s| a.saturating_mul(*s));
        if !self.target_res.is_multiple_of(shrinking) {
            return Err(ConfigError::Indivisible { side: self.target_res, shrinking });
        }
        for (i, [before, after]) in self.up_widths().enumerate() {
            // What leaves the last level is not used.
            if self.up_strides[i] == 1 && before != after && i + 1 < n {
                return Err(ConfigError::Width { list: "up_filters", level: i, before, after });
            }
        }
        for (i, [before, after]) in self.down_widths().enumerate() {
            if self.down_strides[i] == 1 && before != after {
                return Err(ConfigError::Width { list: "down_filters", level: i, before, after });
            }
            let skip = self.up_skip_filters[n - 1 - i];
            if skip != after {
                return Err(ConfigError::Skip { level: i, skip, width: after });
            }
        }
        self.check_cells()?;
        self.check_output()
    }

    fn check_lists(&self) -> Result<(), ConfigError> {
        let n = self.up_strides.len();
        if !(1..=MOST_LEVELS).contains(&n) {
            return Err(ConfigError::Size { what: "levels", size: n, most: MOST_LEVELS });
        }
        let lengths = [
            ("up_n_blocks_per_res", self.up_n_blocks_per_res.len()),
            ("up_n_blocks", self.up_n_blocks.len()),
            ("up_n_layers", self.up_n_layers.len()),
            ("up_filters", self.up_filters.len()),
            ("up_mid_filters_ratio", self.up_mid_filters_ratio.len()),
            ("up_kernel_size", self.up_kernel_size.len()),
            ("up_skip_filters", self.up_skip_filters.len()),
            ("down_strides", self.down_strides.len()),
            ("down_n_blocks_per_res", self.down_n_blocks_per_res.len()),
            ("down_n_blocks", self.down_n_blocks.len()),
            ("down_n_layers", self.down_n_layers.len()),
            ("down_filters", self.down_filters.len()),
            ("down_mid_filters_ratio", self.down_mid_filters_ratio.len()),
            ("down_kernel_size", self.down_kernel_size.len()),
            ("down_latent_variates", self.down_latent_variates.len()),
        ];
        match lengths.into_iter().find(|(_, length)| *length != n) {
            Some((list, length)) => Err(ConfigError::Length { list, length, levels: n }),
            None => Ok(()),
        }
    }

    /// Widths before and after each encoder level.
    pub(crate) fn up_widths(&self) -> impl Iterator<Item = [usize; 2]> {
        let before = [&self.input_conv_filters].into_iter().chain(&self.up_filters);
        before.zip(&self.up_filters).map(|(before, after)| [*before, *after])
    }

    /// Widths before each decoder level and in it.
    pub(crate) fn down_widths(&self) -> impl Iterator<Item = [usize; 2]> {
        let before = self.down_filters.iter().take(1).chain(&self.down_filters);
        before.zip(&self.down_filters).map(|(before, after)| [*before, *after])
    }

    /// A cell without channels inside computes nothing.
    fn check_cells(&self) -> Result<(), ConfigError> {
        let up = self.up_widths().zip(&self.up_mid_filters_ratio).map(|([width, _], ratio)| (width, *ratio));
        let down = self.down_widths().zip(&self.down_mid_filters_ratio);
        // Posteriors see the stream and a skip of its width, and have half the ratio.
        let down = down.flat_map(|([_, width], ratio)| [(width, *ratio), (2 * width, *ratio * 0.5)]);
        for (width, ratio) in up.chain(down) {
            if !ratio.is_finite() || !(1..=MOST_CHANNELS).contains(&truncated(width, ratio)) {
                return Err(ConfigError::Ratio { width, ratio });
            }
        }
        Ok(())
    }

    fn check_output(&self) -> Result<(), ConfigError> {
        if self.is_bernoulli() {
            if self.channels != 1 || self.picture_side() == 0 {
                return Err(ConfigError::Picture { channels: self.channels, side: self.target_res });
            }
        } else {
            if self.channels != 3 {
                return Err(ConfigError::Colours(self.channels));
            }
            if !(1..=1024).contains(&self.num_output_mixtures) {
                let size = self.num_output_mixtures;
                return Err(ConfigError::Size { what: "num_output_mixtures", size, most: 1024 });
            }
        }
        if !(1.0..=8.0).contains(&self.num_bits) || self.num_bits.fract() != 0.0 {
            return Err(ConfigError::Value { what: "num_bits", value: self.num_bits, wanted: "1 to 8" });
        }
        for (what, beta) in [
            ("gradient_smoothing_beta", self.gradient_smoothing_beta),
            ("output_gradient_smoothing_beta", self.output_gradient_smoothing_beta),
        ] {
            if !(beta.is_finite() && beta > 0.0) {
                return Err(ConfigError::Value { what, value: beta.into(), wanted: "positive" });
            }
        }
        if self.min_mol_logscale.is_nan() {
            return Err(ConfigError::Value { what: "min_mol_logscale", value: f64::NAN, wanted: "a number" });
        }
        match self.variate_masks_quantile {
            Some(value) if !(0.0..=1.0).contains(&value) => {
                Err(ConfigError::Value { what: "variate_masks_quantile", value, wanted: "0 to 1" })
            }
            _ => Ok(()),
        }
    }
}

/// First and last row and column of a padded MNIST picture that count, the latter exclusive.
pub(crate) const MNIST: (usize, usize) = (2, 30);

/// A share of channels, cut off as Python's `int` does.
pub(crate) fn truncated(channels: usize, ratio: f64) -> usize {
    // A cast of a float cuts off, and is zero below zero.
    (channels as f64 * ratio) as usize
}

/// Hyper-parameters of which no model can be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A list of a different length than the others.
    #[error("{list} has {length} entries, up_strides {levels}; every list has one entry a level")]
    Length {
        /// The list.
        list: &'static str,
        /// Its length.
        length: usize,
        /// Entries of `up_strides`.
        levels: usize,
    },
    /// Zero, or far beyond every published model.
    #[error("{what}: {size} is not within 1 to {most}")]
    Size {
        /// What it is a number of.
        what: &'static str,
        /// The number.
        size: usize,
        /// The largest that is built.
        most: usize,
    },
    /// Encoder and decoder do not mirror each other.
    #[error("down_strides must be up_strides backwards, and no stride 0")]
    Strides,
    /// A side that the strides do not divide.
    #[error("target_res {side} is no multiple of {shrinking}, the product of the strides")]
    Indivisible {
        /// `target_res`.
        side: usize,
        /// Product of the strides.
        shrinking: usize,
    },
    /// A width that changes where nothing can change it.
    #[error("{list} goes from {before} to {after} at level {level}, where the stride is 1")]
    Width {
        /// `up_filters` or `down_filters`.
        list: &'static str,
        /// Index of the level.
        level: usize,
        /// Width before the level.
        before: usize,
        /// Width that the list says.
        after: usize,
    },
    /// A skip that does not fit the decoder's level.
    #[error("decoder level {level} is {width} channels wide, its skip {skip}")]
    Skip {
        /// Index of the decoder's level.
        level: usize,
        /// Channels of the skip.
        skip: usize,
        /// Channels of the level.
        width: usize,
    },
    /// A ratio that leaves a cell no channels.
    #[error("a ratio of {ratio} leaves no sensible number of the {width} channels inside a cell")]
    Ratio {
        /// Channels around the cell.
        width: usize,
        /// The ratio.
        ratio: f64,
    },
    /// A Bernoulli model of other pictures than upstream's.
    #[error("a Bernoulli model has 1 channel and a side above 2, not {channels} and {side}")]
    Picture {
        /// `channels`.
        channels: usize,
        /// `target_res`.
        side: usize,
    },
    /// A mixture of logistics whose colours upstream does not define.
    #[error("a mixture of logistics has 3 channels, not {0}")]
    Colours(usize),
    /// A number that means nothing.
    #[error("{what} is {value} instead of {wanted}")]
    Value {
        /// The hyper-parameter.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What would be right.
        wanted: &'static str,
    },
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn config() -> VdvaeConfig {
        crate::hparams::parse(include_str!("../tests/excerpt/hparams.cfg")).unwrap()
    }

    #[test]
    fn latents_follow_strides() {
        let shapes: Vec<[usize; 3]> = config().latents().iter().map(|l| l.shape).collect();
        assert_eq!(shapes, [[2, 1, 1], [2, 4, 4], [2, 8, 8], [2, 16, 16], [2, 16, 16], [2, 32, 32]]);
        assert_eq!((config().picture_side(), config().output_channels()), (28, 1));
    }

    #[test]
    fn what_makes_no_model_is_refused() {
        let refused = |change: fn(&mut VdvaeConfig)| {
            let mut config = config();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(matches!(refused(|c| c.up_filters.truncate(2)), ConfigError::Length { list: "up_filters", .. }));
        assert!(matches!(refused(|c| c.down_strides[0] = 2), ConfigError::Strides));
        assert!(matches!(refused(|c| c.target_res = 33), ConfigError::Indivisible { .. }));
        assert!(matches!(refused(|c| c.up_filters[1] = 7), ConfigError::Width { level: 1, .. }));
        assert!(matches!(refused(|c| c.up_skip_filters[0] = 5), ConfigError::Skip { .. }));
        assert!(matches!(refused(|c| c.down_mid_filters_ratio[3] = 0.01), ConfigError::Ratio { .. }));
        assert!(matches!(refused(|c| c.up_n_blocks[0] = usize::MAX), ConfigError::Size { .. }));
        assert!(matches!(refused(|c| c.num_bits = 2.5), ConfigError::Value { .. }));
        assert!(matches!(refused(|c| c.channels = 3), ConfigError::Picture { .. }));
        assert!(matches!(refused(|c| c.dataset_source = "x".into()), ConfigError::Colours(1)));
    }
}
