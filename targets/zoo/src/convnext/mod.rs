//! ConvNeXt (Liu et al., 2022): depthwise 7×7 convolutions in blocks that are made like those of transformers.

mod table;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::Window;
use fmr_nn::layers::{Conv2d, LayerNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::transformer::Mlp;
use fmr_nn::weights::{Builder, Init};

use crate::blocks::{PatchEmbed, to_map, to_tokens};
use crate::family::Classify;

pub use table::ConvNeXtConfig;
pub(crate) use table::entries;

/// Side of the depthwise kernels.
const KERNEL: usize = 7;
/// What timm initialises matrices with.
const INIT: Init = Init::Normal(0.02);

/// A depthwise convolution, a normalisation over channels and a perceptron, added to what came in.
#[derive(Module, Debug)]
struct ConvBlock {
    conv_dw: Conv2d,
    norm: LayerNorm,
    mlp: Mlp,
    /// Factor of each channel of what is added; none once it is part of `mlp`.
    gamma: Option<Param<Tensor<1>>>,
    #[module(skip)]
    name: String,
}

impl ConvBlock {
    fn new(b: &mut Builder, name: String, width: usize, eps: f32) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let window = Window::same(1, KERNEL / 2);
        Self {
            conv_dw: Conv2d::depthwise(b, &at("conv_dw"), width, KERNEL, window, true),
            norm: LayerNorm::new(b, &at("norm"), width, eps),
            mlp: Mlp::new(b, &at("mlp"), [width, 4 * width], INIT),
            gamma: Some(b.param(&at("gamma"), [width], Init::Ones)),
            name,
        }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let tokens = to_tokens(self.conv_dw.forward(x.clone()));
        let tokens = self.mlp.forward(self.norm.forward(tokens));
        let tokens = match &self.gamma {
            Some(gamma) => tokens * gamma.val().unsqueeze(),
            None => tokens,
        };
        let x = x + to_map(tokens, [h, w]);
        probe.see(&self.name, &x);
        x
    }

    fn folded(self) -> Self {
        match self.gamma {
            Some(gamma) => Self { mlp: self.mlp.scaled(&gamma.val().without_autodiff()), gamma: None, ..self },
            None => self,
        }
    }
}

/// What makes maps smaller between stages: a normalisation over channels, then 2×2 patches.
#[derive(Module, Debug)]
struct Downsample {
    norm: LayerNorm,
    conv: Conv2d,
}

/// One resolution.
#[derive(Module, Debug)]
struct Stage {
    downsample: Option<Downsample>,
    blocks: Vec<ConvBlock>,
}

/// A ConvNeXt.
#[derive(Module, Debug)]
pub struct ConvNeXt {
    stem: PatchEmbed,
    stages: Vec<Stage>,
    norm: LayerNorm,
    head: Linear,
}

impl ConvNeXt {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &ConvNeXtConfig) -> Self {
        let stem = PatchEmbed::named(b, ["stem.0", "stem.1"], [3, c.widths[0]], c.patch, Some(c.eps));
        let mut stages = Vec::new();
        for (i, (&depth, &width)) in c.depths.iter().zip(&c.widths).enumerate() {
            let downsample = i.checked_sub(1).map(|before| {
                let name = format!("stages.{i}.downsample");
                Downsample {
                    norm: LayerNorm::new(b, &format!("{name}.0"), c.widths[before], c.eps),
                    conv: Conv2d::with_init(
                        b,
                        &format!("{name}.1"),
                        [c.widths[before], width],
                        2,
                        Window::same(2, 0),
                        true,
                        INIT,
                    ),
                }
            });
            let block = |k| ConvBlock::new(b, format!("stages.{i}.blocks.{k}"), width, c.eps);
            stages.push(Stage { downsample, blocks: (0..depth).map(block).collect() });
        }
        let width = c.widths.last().copied().unwrap_or_default();
        let norm = LayerNorm::new(b, "head.norm", width, c.eps);
        let head = Linear::with_init(b, "head.fc", [width, c.classes], true, INIT);
        Self { stem, stages, norm, head }
    }
}

impl Classify for ConvNeXt {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let (tokens, size) = self.stem.forward(x);
        let mut x = to_map(tokens, size);
        probe.see("stem", &x);
        for (i, stage) in self.stages.iter().enumerate() {
            if let Some(Downsample { norm, conv }) = &stage.downsample {
                let [_, _, h, w] = x.dims();
                x = conv.forward(to_map(norm.forward(to_tokens(x)), [h, w]));
                probe.see(format!("stages.{i}.downsample"), &x);
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x, probe));
            probe.see(format!("stages.{i}"), &x);
        }
        let x: Tensor<2> = x.mean_dim(3).mean_dim(2).flatten(1, 3);
        let x = self.norm.forward(x);
        probe.see("head.norm", &x);
        self.head.forward(x)
    }

    fn folded(self) -> Self {
        let stage = |stage: Stage| Stage { blocks: stage.blocks.into_iter().map(ConvBlock::folded).collect(), ..stage };
        Self { stages: self.stages.into_iter().map(stage).collect(), ..self }
    }
}
