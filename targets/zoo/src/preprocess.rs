//! What a classifier's authors do to an image before their network sees it.

use fmr_core::preprocess::{CropRule, Filter, Fit, Framing, Picture};
use fmr_nn::component::{Grey, Wanted};
use serde::{Deserialize, Serialize};

/// How a picture becomes as large as the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resize {
    /// The shorter side to `shorter`, the longer one in proportion; then the middle is cut out.
    Crop {
        /// Length of the shorter side before the cut.
        shorter: usize,
        /// How values between pixels are found.
        filter: Filter,
    },
    /// Both sides to the input's, aspect ratio not kept.
    Squash {
        /// How values between pixels are found.
        filter: Filter,
    },
}

/// Input of a network: size, resampling and normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Preprocess {
    /// `[channels, height, width]`.
    pub input: [usize; 3],
    /// How colours become grey, for an input of one channel.
    #[serde(default)]
    pub grey: Grey,
    /// How a picture becomes as large.
    pub resize: Resize,
    /// Mean subtracted from each channel of an image in [0, 1].
    pub mean: [f32; 3],
    /// Deviation that each channel is divided by afterwards.
    pub std: [f32; 3],
}

impl Preprocess {
    /// torchvision's for the 1000 classes: shorter side bilinearly to `shorter`, the middle, ImageNet's constants.
    pub fn imagenet(side: usize, shorter: usize) -> Self {
        Self::imagenet_by(side, shorter, Filter::Bilinear)
    }

    /// As [`Preprocess::imagenet`] with a filter of choice.
    pub fn imagenet_by(side: usize, shorter: usize, filter: Filter) -> Self {
        Self {
            input: [3, side, side],
            grey: Grey::default(),
            resize: Resize::Crop { shorter, filter },
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }

    /// CIFAR-10 at its own size with its own constants.
    pub fn cifar() -> Self {
        Self {
            input: [3, 32, 32],
            grey: Grey::default(),
            resize: Resize::Squash { filter: Filter::Bilinear },
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.2470, 0.2435, 0.2616],
        }
    }

    /// CIFAR-10 at its own size in grey, by the weights of ITU-R 601, with the grey's own constants.
    pub fn cifar_grey() -> Self {
        let (mean, std) = (0.4809, 0.2392);
        Self { input: [1, 32, 32], grey: Grey::Luma, mean: [mean; 3], std: [std; 3], ..Self::cifar() }
    }

    /// pytorch-cifar's: at CIFAR-10's own size, with the constants of that project. Its deviations are not those of the
    /// pixels (0.2470, 0.2435, 0.2616), but the mean over images of each image's deviation; its weights need them.
    pub fn pytorch_cifar() -> Self {
        Self { std: [0.2023, 0.1994, 0.2010], ..Self::cifar() }
    }

    /// What a network is to be given.
    pub fn wanted(&self) -> Wanted {
        let [channels, h, w] = self.input;
        let (fit, filter) = match self.resize {
            Resize::Crop { shorter, filter } => (Fit::Crop { shorter, rule: CropRule::HalfToEven }, filter),
            Resize::Squash { filter } => (Fit::Squash, filter),
        };
        let constants = channels.min(3);
        Wanted {
            channels,
            grey: self.grey,
            framing: Framing { size: [h, w], fit, filter },
            mean: self.mean[..constants].to_vec(),
            std: self.std[..constants].to_vec(),
        }
    }

    /// A picture from a file at the input's size, in bytes as the authors' evaluation has them.
    pub fn picture(&self, picture: &Picture) -> Picture {
        self.wanted().framing.picture(picture)
    }
}

/// Deviations from a registered model's [`Preprocess`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PreprocessSettings {
    /// `[channels, height, width]`.
    pub input: Option<[usize; 3]>,
    /// How colours become grey: `"mean"` or `"luma"`.
    pub grey: Option<Grey>,
    /// How a picture becomes as large.
    pub resize: Option<Resize>,
    /// Mean of each channel.
    pub mean: Option<[f32; 3]>,
    /// Deviation of each channel.
    pub std: Option<[f32; 3]>,
}

impl PreprocessSettings {
    /// `base` with what is set here. An input of a different size comes with a crop that fits it.
    pub fn over(&self, base: &Preprocess) -> Preprocess {
        let input = self.input.unwrap_or(base.input);
        let fitting = match base.resize {
            Resize::Crop { filter, .. } if input != base.input => {
                Resize::Crop { shorter: input[1].min(input[2]), filter }
            }
            resize => resize,
        };
        Preprocess {
            input,
            grey: self.grey.unwrap_or(base.grey),
            resize: self.resize.unwrap_or(fitting),
            mean: self.mean.unwrap_or(base.mean),
            std: self.std.unwrap_or(base.std),
        }
    }
}
