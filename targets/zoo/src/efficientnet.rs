//! EfficientNet-lite (Tan & Le, 2019, and TensorFlow's lite variants of 2020): inverted bottlenecks without
//! squeeze-and-excitation, ReLU6 throughout.

mod config;

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::functional::{Rectify, Window};
use fmr_nn::layers::{ConvNorm, Linear};
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

use crate::family::Classify;

pub use config::{EfficientNetConfig, EfficientNetLayout, Padding, StageConfig};
pub(crate) use config::{LITE, entries};

/// 1×1 to more channels, a depthwise convolution, 1×1 back; the input is added where shapes allow.
#[derive(Module, Debug)]
struct Bottleneck {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    project: ConvNorm,
    #[module(skip)]
    skip: bool,
    #[module(skip)]
    name: String,
}

impl Bottleneck {
    fn new(
        b: &mut Builder,
        name: String,
        c: &EfficientNetConfig,
        s: &StageConfig,
        size: [usize; 2],
        skip: bool,
    ) -> Self {
        let wide = s.input * s.expansion;
        let names = c.layout.unit_names(&name, s.expansion != 1);
        let mut names = names.iter().map(|[conv, norm]| (conv.as_str(), norm.as_str()));
        let mut next = || names.next().unwrap_or_default();
        let expand = (s.expansion != 1).then(|| {
            let (conv, norm) = next();
            c.layout.unit(ConvNorm::new(b, conv, norm, [s.input, wide], 1, Window::same(1, 0), c.eps))
        });
        let (conv, norm) = next();
        let window = c.padding.window(s.kernel, s.stride, size);
        let depthwise = c.layout.unit(ConvNorm::depthwise(b, conv, norm, wide, s.kernel, window, c.eps));
        let (conv, norm) = next();
        let project = ConvNorm::new(b, conv, norm, [wide, s.output], 1, Window::same(1, 0), c.eps);
        Self { expand, depthwise, project, skip, name }
    }

    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<4> {
        let wide = match &self.expand {
            Some(expand) => expand.probed(x.clone(), Rectify::Relu6, probe),
            None => x.clone(),
        };
        let y = self.depthwise.probed(wide, Rectify::Relu6, probe);
        let y = self.project.probed(y, Rectify::None, probe);
        let y = if self.skip { y + x } else { y };
        probe.see(&self.name, &y);
        y
    }

    fn folded(self) -> Self {
        Self {
            expand: self.expand.map(ConvNorm::folded),
            depthwise: self.depthwise.folded(),
            project: self.project.folded(),
            ..self
        }
    }
}

/// An EfficientNet-lite.
#[derive(Module, Debug)]
pub struct EfficientNet {
    stem: ConvNorm,
    stages: Vec<Vec<Bottleneck>>,
    head: ConvNorm,
    classifier: Linear,
    /// Upstream's name of the global average.
    #[module(skip)]
    pool: &'static str,
    /// And of the last layer.
    #[module(skip)]
    last: &'static str,
}

impl EfficientNet {
    /// A network of that configuration.
    pub(crate) fn new(b: &mut Builder, c: &EfficientNetConfig) -> Self {
        let [stem, head] = c.layout.ends();
        let mut size = c.image;
        let window = c.padding.window(3, 2, size);
        let stem = c.layout.unit(ConvNorm::new(b, stem[0], stem[1], [3, c.stem_width()], 3, window, c.eps));
        size = size.map(|n| n.div_ceil(2));
        let (mut stages, mut count) = (Vec::new(), 0);
        let mut width = c.stem_width();
        for (i, stage) in c.scaled_stages().into_iter().enumerate() {
            let mut blocks = Vec::new();
            for k in 0..stage.repeats {
                let name = c.layout.block_name(i, k, count);
                let first = k == 0;
                let block = StageConfig {
                    input: if first { stage.input } else { stage.output },
                    stride: if first { stage.stride } else { 1 },
                    ..stage
                };
                let same_shape = block.stride == 1 && block.input == block.output;
                let skip = same_shape && (!first || c.layout.first_blocks_skip());
                blocks.push(Bottleneck::new(b, name, c, &block, size, skip));
                size = size.map(|n| n.div_ceil(block.stride));
                count += 1;
            }
            stages.push(blocks);
            width = stage.output;
        }
        let head = ConvNorm::new(b, head[0], head[1], [width, c.head_width()], 1, Window::same(1, 0), c.eps);
        let head = c.layout.unit(head);
        let classifier = Linear::new(b, c.layout.classifier(), [c.head_width(), c.classes], true);
        Self { stem, stages, head, classifier, pool: c.layout.pool(), last: c.layout.classifier() }
    }
}

impl Classify for EfficientNet {
    fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Tensor<2> {
        let x = self.stem.probed(x, Rectify::Relu6, probe);
        let x = self.stages.iter().enumerate().fold(x, |x, (i, blocks)| {
            let x = blocks.iter().fold(x, |x, block| block.forward(x, probe));
            probe.see(format!("blocks.{i}"), &x);
            x
        });
        let x = self.head.probed(x, Rectify::Relu6, probe).mean_dim(3).mean_dim(2);
        probe.see(self.pool, &x);
        let logits = self.classifier.forward(x.flatten(1, 3));
        probe.see(self.last, &logits);
        logits
    }

    fn folded(self) -> Self {
        let fold = |blocks: Vec<Bottleneck>| blocks.into_iter().map(Bottleneck::folded).collect();
        Self {
            stem: self.stem.folded(),
            stages: self.stages.into_iter().map(fold).collect(),
            head: self.head.folded(),
            ..self
        }
    }
}
