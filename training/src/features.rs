//! The perceptual loss: feature maps of a trained classifier, each channel vector scaled to unit length as in LPIPS
//! (Zhang et al., 2018).

use std::path::Path;

use burn::tensor::{Device, Tensor};
use fmr_zoo::{Entry, Network};

use crate::recipe::{NetworkRecipe, TrainError};
use crate::sources::judge;

/// A classifier whose feature maps are compared.
pub(crate) struct Features {
    entry: &'static Entry,
    network: Network,
    device: Device,
}

impl Features {
    /// Loads the classifier.
    ///
    /// # Errors
    /// A model that is not registered or weights that are a different model's.
    pub(crate) fn load(base: &Path, recipe: &NetworkRecipe, device: &Device) -> Result<Self, TrainError> {
        let (entry, network) = judge(base, recipe, device)?;
        Ok(Self { entry, network, device: device.clone() })
    }

    /// Mean squared difference of unit-length feature vectors, summed over the maps, of images in [-1, 1]: `x` is constant,
    /// `y` is on a tape. Zero for networks that have no pyramid of features.
    pub(crate) fn distance(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
        let Network::ResNet(net) = &self.network else {
            return Tensor::from_inner(Tensor::zeros([1], &self.device));
        };
        let channel = |v: [f32; 3]| Tensor::<1>::from_floats(v, &self.device).reshape([1, 3, 1, 1]);
        let (mean, std) = (channel(self.entry.preprocess.mean), channel(self.entry.preprocess.std));
        let unit = |t: Tensor<4>| {
            let norm = (t.clone() * t.clone()).sum_dim(1).add_scalar(1e-8).sqrt();
            t / norm
        };
        let wanted = net.pyramid((((x + 1.0) / 2.0) - mean.clone()) / std.clone());
        let (mean, std) = (Tensor::from_inner(mean), Tensor::from_inner(std));
        let found = net.pyramid(((y + 1.0) / 2.0 - mean) / std);
        let mut total = Tensor::from_inner(Tensor::zeros([1], &self.device));
        for (a, b) in wanted.into_iter().zip(found) {
            let difference = Tensor::from_inner(unit(a)) - unit(b);
            let [n, _, h, w] = difference.dims();
            total = total + (difference.clone() * difference).sum() / (n * h * w) as f32;
        }
        total
    }
}
