//! What images go through before the image tower.

use fmr_core::preprocess::{CropRule, Filter, Fit, Framing};
use fmr_nn::component::{Grey, Wanted};

use crate::model::{MEAN, STD};

/// Preprocessing of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Side of the square that the model takes.
    pub side: usize,
    /// Mean of each channel, of values in [0, 1].
    pub mean: [f32; 3],
    /// Deviation of each channel.
    pub std: [f32; 3],
    /// How values between pixels are found.
    pub filter: Filter,
    /// How sides come to the model's.
    pub fit: Fit,
}

impl Default for Preprocess {
    /// OpenAI's for 224 pixels.
    fn default() -> Self {
        Self::of_side(224)
    }
}

impl Preprocess {
    /// OpenAI's for a model that takes squares of that side: the shorter side fits, the middle is cut out.
    pub fn of_side(side: usize) -> Self {
        let fit = Fit::Crop { shorter: side, rule: CropRule::HalfToEven };
        Self { side, mean: MEAN, std: STD, filter: Filter::Bicubic, fit }
    }

    /// How an image is brought to the square.
    pub fn framing(&self) -> Framing {
        Framing { size: [self.side; 2], fit: self.fit, filter: self.filter }
    }

    /// What the image tower is to be given.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            channels: 3,
            grey: Grey::default(),
            framing: self.framing(),
            mean: self.mean.to_vec(),
            std: self.std.to_vec(),
        }
    }
}
