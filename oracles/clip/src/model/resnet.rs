//! The residual tower of OpenAI's RN50 family: three-convolution stem, average pools instead of strides, attention
//! pooling at the end.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Pointwise, Window};
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

use super::spread;

const EPS: f32 = 1e-5;

/// Sizes of the tower.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ResNetConfig {
    /// Channels after the stem; the tower ends with 32 times as many.
    pub width: usize,
    /// Blocks of each stage.
    pub layers: [usize; 4],
}

#[derive(Module, Debug)]
struct Bottleneck {
    conv1: ConvNorm,
    conv2: ConvNorm,
    conv3: ConvNorm,
    downsample: Option<ConvNorm>,
    #[module(skip)]
    stride: usize,
    /// Stage from 1, number in it from 0, and whether it is the last there.
    #[module(skip)]
    place: (usize, usize, bool),
}

impl Bottleneck {
    fn new(b: &mut Builder, name: &str, cin: usize, planes: usize, place: (usize, usize, bool)) -> Self {
        // Upstream's shortcut stands where stride or width change, which the first block of a stage always does.
        let (stage, i, _) = place;
        let (stride, shortcut) = (if i == 0 && stage > 1 { 2 } else { 1 }, i == 0);
        let mut unit = |conv: &str, norm: &str, channels, size: usize| {
            let (conv, norm) = (format!("{name}.{conv}"), format!("{name}.{norm}"));
            ConvNorm::new(b, &conv, &norm, channels, size, Window::same(1, size / 2), EPS)
        };
        Self {
            conv1: unit("conv1", "bn1", [cin, planes], 1),
            conv2: unit("conv2", "bn2", [planes, planes], 3),
            conv3: unit("conv3", "bn3", [planes, 4 * planes], 1),
            downsample: shortcut.then(|| unit("downsample.0", "downsample.1", [cin, 4 * planes], 1)),
            stride,
            place,
        }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let y = self.conv2.forward(self.conv1.forward(x.clone(), true), true);
        let y = self.conv3.forward(f::average_pool(y, self.stride), false);
        let shortcut = match &self.downsample {
            Some(conv) => conv.forward(f::average_pool(x, self.stride), false),
            None => x,
        };
        let y = f::pointwise(y + shortcut, Pointwise::Relu);
        if probe.on() {
            let (stage, i, last) = self.place;
            probe.see(format!("visual.layer{stage}_block{i}"), &y);
            if last {
                probe.see(format!("visual.layer{stage}"), &y);
            }
        }
        y
    }

    fn folded(self) -> Self {
        Self {
            conv1: self.conv1.folded(),
            conv2: self.conv2.folded(),
            conv3: self.conv3.folded(),
            downsample: self.downsample.map(ConvNorm::folded),
            ..self
        }
    }
}

/// Stem, four stages, attention pooling.
#[derive(Module, Debug)]
pub(super) struct ModifiedResNet {
    stem: Vec<ConvNorm>,
    blocks: Vec<Bottleneck>,
    positional_embedding: Param<Tensor<2>>,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    c_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl ModifiedResNet {
    pub(super) fn new(b: &mut Builder, c: &ResNetConfig, resolution: usize, embed: usize) -> Self {
        let half = c.width / 2;
        let mut stem = |i: usize, channels, stride| {
            let (conv, norm) = (format!("visual.conv{i}"), format!("visual.bn{i}"));
            ConvNorm::new(b, &conv, &norm, channels, 3, Window::same(stride, 1), EPS)
        };
        let stem = vec![stem(1, [3, half], 2), stem(2, [half, half], 1), stem(3, [half, c.width], 1)];
        let mut blocks = Vec::new();
        let mut cin = c.width;
        for (stage, depth) in c.layers.into_iter().enumerate() {
            let planes = c.width << stage;
            for i in 0..depth {
                let name = format!("visual.layer{}.{i}", stage + 1);
                blocks.push(Bottleneck::new(b, &name, cin, planes, (stage + 1, i, i + 1 == depth)));
                cin = 4 * planes;
            }
        }
        let positions = (resolution / 32).pow(2) + 1;
        let name = |part: &str| format!("visual.attnpool.{part}");
        Self {
            stem,
            blocks,
            positional_embedding: b.param(&name("positional_embedding"), [positions, cin], spread(cin)),
            k_proj: Linear::with_init(b, &name("k_proj"), [cin, cin], true, spread(cin)),
            q_proj: Linear::with_init(b, &name("q_proj"), [cin, cin], true, spread(cin)),
            v_proj: Linear::with_init(b, &name("v_proj"), [cin, cin], true, spread(cin)),
            c_proj: Linear::with_init(b, &name("c_proj"), [cin, embed], true, spread(cin)),
            heads: cin / 64,
        }
    }

    /// Normalised images `[n, 3, r, r]` to embeddings `[n, embed]`.
    pub(super) fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let x = self.stem.iter().fold(x, |x, conv| conv.forward(x, true));
        let x = f::average_pool(x, 2);
        probe.see("visual.stem", &x);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, probe));
        let x: Tensor<3> = x.flatten(2, 3);
        let x = x.swap_dims(1, 2);
        let mean = x.clone().mean_dim(1);
        let tokens = Tensor::cat(vec![mean, x], 1) + self.positional_embedding.val().unsqueeze();
        let query = self.q_proj.forward(tokens.clone().narrow(1, 0, 1));
        let (key, value) = (self.k_proj.forward(tokens.clone()), self.v_proj.forward(tokens));
        let pooled: Tensor<2> = f::attention(query, key, value, self.heads, false).flatten(1, 2);
        self.c_proj.forward(pooled)
    }

    pub(super) fn folded(self) -> Self {
        Self {
            stem: self.stem.into_iter().map(ConvNorm::folded).collect(),
            blocks: self.blocks.into_iter().map(Bottleneck::folded).collect(),
            ..self
        }
    }
}
