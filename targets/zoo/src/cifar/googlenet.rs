//! GoogLeNet (Szegedy et al., 2015) with batch normalisation, and two 3×3 convolutions for each 5×5.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional as f;
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use serde::{Deserialize, Serialize};

use super::{eps, pooled, unit};
use crate::family::{Classify, Config};

/// Hyper-parameters of a GoogLeNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GoogLeNetConfig {
    /// Channels of the first convolution.
    pub stem: usize,
    /// Cells of each resolution; maps become smaller between them.
    pub stages: Vec<Vec<InceptionConfig>>,
    /// Number of logits.
    pub classes: usize,
    /// Added to the variance by the normalisations.
    #[serde(default = "eps")]
    pub eps: f32,
}

/// Channels of a cell's four branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InceptionConfig {
    /// Of the 1×1 convolution.
    pub one: usize,
    /// Of a 1×1 and the 3×3 convolution after it.
    pub three: [usize; 2],
    /// Of a 1×1 convolution and of each of the two 3×3 after it.
    pub five: [usize; 2],
    /// Of the 1×1 convolution after the pooling.
    pub pool: usize,
}

impl InceptionConfig {
    fn output(&self) -> usize {
        self.one + self.three[1] + self.five[1] + self.pool
    }
}

impl GoogLeNetConfig {
    /// The published network.
    pub(super) fn published() -> Self {
        const CELLS: [&[[usize; 6]]; 3] = [
            &[[64, 96, 128, 16, 32, 32], [128, 128, 192, 32, 96, 64]],
            &[
                [192, 96, 208, 16, 48, 64],
                [160, 112, 224, 24, 64, 64],
                [128, 128, 256, 24, 64, 64],
                [112, 144, 288, 32, 64, 64],
                [256, 160, 320, 32, 128, 128],
            ],
            &[[256, 160, 320, 32, 128, 128], [384, 192, 384, 48, 128, 128]],
        ];
        let cell = |&[one, a, b, c, d, pool]: &[usize; 6]| InceptionConfig { one, three: [a, b], five: [c, d], pool };
        let stages = CELLS.map(|cells| cells.iter().map(cell).collect()).to_vec();
        Self { stem: 192, stages, classes: 10, eps: eps() }
    }
}

impl Config for GoogLeNetConfig {
    fn classes(&mut self) -> &mut usize {
        &mut self.classes
    }
}

/// Four branches side by side: 1×1, 3×3, 5×5, pooling.
#[derive(Module, Debug)]
struct Inception {
    branches: Vec<Vec<ConvNorm>>,
    #[module(skip)]
    name: String,
}

impl Inception {
    fn new(b: &mut Builder, name: String, input: usize, c: &InceptionConfig, eps: f32) -> Self {
        // Layers of a branch: place of the convolution among them, its channels, its size.
        let mut branch = |number: usize, layers: &[(usize, usize, usize)]| {
            let mut channels = input;
            let layer = |&(place, width, size): &(usize, usize, usize)| {
                let names = [place, place + 1].map(|place| format!("{name}.b{number}.{place}"));
                let shape = [std::mem::replace(&mut channels, width), width];
                unit(b, [&names[0], &names[1]], shape, size, 1, true, eps)
            };
            layers.iter().map(layer).collect()
        };
        let branches = vec![
            branch(1, &[(0, c.one, 1)]),
            branch(2, &[(0, c.three[0], 1), (3, c.three[1], 3)]),
            branch(3, &[(0, c.five[0], 1), (3, c.five[1], 3), (6, c.five[1], 3)]),
            branch(4, &[(1, c.pool, 1)]),
        ];
        Self { branches, name }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let mut results = Vec::new();
        for (i, branch) in self.branches.iter().enumerate() {
            let start = if i == 3 { f::max_pool(x.clone(), 3, 1, 1) } else { x.clone() };
            results.push(branch.iter().fold(start, |x, unit| unit.probed(x, true, probe)));
        }
        let x = Tensor::cat(results, 1);
        probe.see(&self.name, &x);
        x
    }

    fn folded(self) -> Self {
        let fold = |branch: Vec<ConvNorm>| branch.into_iter().map(ConvNorm::folded).collect();
        Self { branches: self.branches.into_iter().map(fold).collect(), ..self }
    }
}

/// A GoogLeNet.
#[derive(Module, Debug)]
pub struct GoogLeNet {
    stem: ConvNorm,
    stages: Vec<Vec<Inception>>,
    linear: Linear,
}

impl GoogLeNet {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &GoogLeNetConfig) -> Self {
        let stem = unit(b, ["pre_layers.0", "pre_layers.1"], [3, c.stem], 3, 1, true, c.eps);
        let mut channels = c.stem;
        let mut stages = Vec::new();
        // Upstream counts the resolutions from 3, as the paper does, and the cells by letters.
        for (level, cells) in (3..).zip(&c.stages) {
            let mut stage = Vec::new();
            for (letter, cell) in ('a'..='z').zip(cells) {
                stage.push(Inception::new(b, format!("{letter}{level}"), channels, cell, c.eps));
                channels = cell.output();
            }
            stages.push(stage);
        }
        Self { stem, stages, linear: Linear::new(b, "linear", [channels, c.classes], true) }
    }
}

impl Classify for GoogLeNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let mut x = self.stem.probed(x, true, probe);
        probe.see("pre_layers", &x);
        for (i, stage) in self.stages.iter().enumerate() {
            if i > 0 {
                x = f::max_pool(x, 3, 2, 1);
            }
            x = stage.iter().fold(x, |x, cell| cell.forward(x, probe));
        }
        self.linear.forward(pooled(x))
    }

    fn folded(self) -> Self {
        let fold = |stage: Vec<Inception>| stage.into_iter().map(Inception::folded).collect();
        Self { stem: self.stem.folded(), stages: self.stages.into_iter().map(fold).collect(), ..self }
    }
}
