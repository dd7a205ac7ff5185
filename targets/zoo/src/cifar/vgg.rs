//! VGG (Simonyan & Zisserman, 2015) with batch normalisation.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional as f;
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::family::{Classify, Config};

/// Hyper-parameters of a VGG.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VggConfig {
    /// Channels of the convolutions between one pooling and the next.
    pub stages: Vec<Vec<usize>>,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

impl VggConfig {
    /// The published network of 16 or 19 layers.
    pub(super) fn published(layers: usize) -> Self {
        let last = if layers == 19 { 4 } else { 3 };
        let stages = [(64, 2), (128, 2), (256, last), (512, last), (512, last)];
        Self { stages: stages.map(|(width, depth)| vec![width; depth]).to_vec(), classes: 10, eps: eps() }
    }
}

impl Config for VggConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// A VGG.
#[derive(Module, Debug)]
pub struct Vgg {
    stages: Vec<Vec<ConvNorm>>,
    classifier: Linear,
}

/// Layers that upstream counts for a convolution: itself, its normalisation, its cut.
const COUNTED: usize = 3;

impl Vgg {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &VggConfig) -> Self {
        let (mut layer, mut channels) = (0, 3);
        let mut stages = Vec::new();
        for widths in &c.stages {
            let mut stage = Vec::new();
            for width in widths {
                let names = [layer, layer + 1].map(|layer| format!("features.{layer}"));
                stage.push(unit(b, [&names[0], &names[1]], [channels, *width], 3, 1, true, c.eps));
                channels = *width;
                layer += COUNTED;
            }
            // The pooling counts too.
            layer += 1;
            stages.push(stage);
        }
        Self { stages, classifier: Linear::new(b, "classifier", [channels, c.classes], true) }
    }
}

impl Classify for Vgg {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let (mut x, mut layer) = (x, 0);
        for stage in &self.stages {
            x = stage.iter().fold(x, |x, unit| unit.probed(x, true, probe));
            x = f::max_pool(x, 2, 2, 0);
            layer += COUNTED * stage.len();
            probe.see(format!("features.{layer}"), &x);
            layer += 1;
        }
        probe.see("features", &x);
        self.classifier.forward(pooled(x))
    }

    fn folded(self) -> Self {
        let fold = |stage: Vec<ConvNorm>| stage.into_iter().map(ConvNorm::folded).collect();
        Self { stages: self.stages.into_iter().map(fold).collect(), ..self }
    }
}
