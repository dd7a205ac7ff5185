//! The top-down network: a chain of latent layers from the deepest level to the image.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use fmr_nn::bridge::beside;
use fmr_nn::functional as f;
use fmr_nn::layers::Conv2d;
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::cell::{Cell, CellSizes, conv, halves, leaky, projection};
use crate::config::{Kernel, VdvaeConfig};
use crate::gaussian::{Gaussian, Statistics};

/// The way into a level of higher resolution.
#[derive(Module, Debug)]
struct Unpool {
    conv: Conv2d,
    scale_bias: Param<Tensor<4>>,
    #[module(skip)]
    factor: usize,
}

impl Unpool {
    fn forward(&self, y: Tensor<4>) -> Tensor<4> {
        let y = f::upsample(leaky(self.conv.forward(y)), self.factor);
        let bias = beside(self.scale_bias.val(), &y);
        y + bias
    }
}

/// One latent of the hierarchy, and what is computed around it.
#[derive(Module, Debug)]
struct LatentLayer {
    unpool: Option<Unpool>,
    prior_net: Cell,
    posterior_net: Cell,
    prior_layer: Conv2d,
    posterior_layer: Conv2d,
    z_projection: Conv2d,
    cells: Vec<Cell>,
    #[module(skip)]
    level: usize,
}

impl LatentLayer {
    /// The layer under `name`; the first of its level where `first`.
    fn new(
        b: &mut Builder,
        name: &str,
        config: &VdvaeConfig,
        level: usize,
        first: Option<([usize; 2], usize)>,
    ) -> Self {
        let width = config.down_filters[level];
        let unpool = first.map(|(channels, side)| Unpool {
            conv: projection(b, &format!("{name}.unpool.ops.0"), channels),
            scale_bias: b.param(&format!("{name}.unpool.scale_bias"), [1, width, side, side], Init::Zeros),
            factor: config.down_strides[level],
        });
        let ratio = config.down_mid_filters_ratio[level];
        let cell = CellSizes {
            width,
            ratio,
            output_ratio: 1.0,
            layers: config.down_n_layers[level],
            kernel: config.down_kernel_size[level],
            one_by_one: config.use_1x1_conv,
            init_scale: config.init_scale(),
        };
        let cells = (0..config.down_n_blocks[level]).map(|c| Cell::new(b, &format!("{name}.residual_block.{c}"), cell));
        let cells = cells.collect();
        let posterior = CellSizes { width: 2 * width, ratio: ratio * 0.5, output_ratio: 0.5, init_scale: 1.0, ..cell };
        let prior_scale = if config.initialize_prior_weights_as_zero { 0.0 } else { 1.0 };
        let prior = CellSizes { output_ratio: 2.0, init_scale: prior_scale, ..cell };
        let variates = config.down_latent_variates[level];
        let z_scale = (1.0 / config.latent_layers() as f32).sqrt();
        let z_projection = format!("{name}.z_projection");
        Self {
            unpool,
            posterior_net: Cell::new(b, &format!("{name}.posterior_net.0"), posterior),
            prior_net: Cell::new(b, &format!("{name}.prior_net.0"), prior),
            prior_layer: projection(b, &format!("{name}.prior_layer.projection"), [width, 2 * variates]),
            posterior_layer: projection(b, &format!("{name}.posterior_layer.projection"), [width, 2 * variates]),
            z_projection: conv(b, &z_projection, [variates, width], Kernel::Square(1), z_scale),
            cells,
            level,
        }
    }

    /// The stream at this layer's resolution.
    fn enter(&self, y: Tensor<4>) -> Tensor<4> {
        match &self.unpool {
            Some(unpool) => unpool.forward(y),
            None => y,
        }
    }

    /// What is added to the stream, and the prior.
    fn prior(&self, y: Tensor<4>, statistics: Statistics) -> (Tensor<4>, Gaussian) {
        let [added, features] = halves(self.prior_net.forward(y));
        (added, statistics.gaussian(self.prior_layer.forward(features), None))
    }

    fn posterior(&self, y: Tensor<4>, skip: Tensor<4>, prior: &Gaussian, statistics: Statistics) -> Gaussian {
        let features = self.posterior_net.forward(Tensor::cat(vec![y, skip], 1));
        statistics.gaussian(self.posterior_layer.forward(features), Some(prior))
    }

    /// The stream that leaves the layer, with its latent chosen.
    fn leave(&self, y: Tensor<4>, added: Tensor<4>, z: Tensor<4>) -> Tensor<4> {
        let y = y + added + self.z_projection.forward(z);
        self.cells.iter().fold(y, |y, cell| cell.residual(y))
    }
}

/// What is known where a latent is chosen.
#[derive(Debug)]
pub struct Choice<'c> {
    /// Index of the latent layer, deepest first.
    pub layer: usize,
    /// Index of its decoder level.
    pub level: usize,
    /// The prior given the latents chosen before.
    pub prior: &'c Gaussian,
    /// The posterior given the image too; absent where there is no image.
    pub posterior: Option<&'c Gaussian>,
}

/// The top-down network.
#[derive(Module, Debug)]
pub struct Decoder {
    trainable_h: Param<Tensor<4>>,
    layers: Vec<LatentLayer>,
    output_conv: Conv2d,
    #[module(skip)]
    statistics: Statistics,
}

impl Decoder {
    pub(crate) fn new(b: &mut Builder, config: &VdvaeConfig) -> Self {
        let mut side = config.deepest_side();
        let start = [1, config.down_filters[0], side, side];
        let bound = (3.0 / (start[1] * side * side) as f32).sqrt();
        let trainable_h = b.param("top_down.trainable_h", start, Init::Uniform(bound));
        let mut layers = Vec::with_capacity(config.latent_layers());
        for (i, channels) in config.down_widths().enumerate() {
            side *= config.down_strides[i];
            let first = (config.down_strides[i] > 1).then_some((channels, side));
            layers.push(LatentLayer::new(b, &format!("top_down.levels_down_upsample.{i}"), config, i, first));
            let further = (0..config.down_n_blocks_per_res[i]).map(|j| format!("top_down.levels_down.{i}.{j}"));
            layers.extend(further.map(|name| LatentLayer::new(b, &name, config, i, None)));
        }
        let last = config.down_filters.last().copied().unwrap_or_default();
        let output = [last, config.output_channels()];
        let output_conv = conv(b, "top_down.output_conv", output, config.output_kernel_size, 1.0);
        let statistics = Statistics {
            base: config.distribution_base,
            beta: config.gradient_smoothing_beta,
            residual: config.use_residual_distribution,
        };
        // Weights that never change let decoding skip what only priors need.
        if b.frozen() {
            layers.iter_mut().for_each(|layer| layer.prior_net.keep_first());
        }
        Self { trainable_h, layers, output_conv, statistics }
    }

    /// The stream that enters the deepest layer, on the device of `like`.
    fn start<const D: usize>(&self, n: usize, like: &Tensor<D>) -> Tensor<4> {
        let start = self.trainable_h.val();
        let [_, c, h, w] = start.dims();
        beside(start, like).expand([n, c, h, w])
    }

    /// Latents, one per layer, to the parameters of the output's distribution. No prior is computed.
    pub fn decode(&self, latents: Vec<Tensor<4>>) -> Tensor<4> {
        let Some(n) = latents.first().map(|z| z.dims()[0]) else { return self.trainable_h.val() };
        let start = self.start(n, &latents[0]);
        let stream = self.layers.iter().zip(latents).fold(start, |y, (layer, z)| {
            let y = layer.enter(y);
            let added = layer.prior_net.first(y.clone());
            layer.leave(y, added, z)
        });
        self.output_conv.forward(stream)
    }

    /// Skips of the encoder to the parameters of the output's distribution; `choose` says each latent.
    pub fn reconstruct(
        &self,
        skips: &[Tensor<4>],
        mut choose: impl FnMut(Choice<'_>) -> Tensor<4>,
        probe: &mut Probe<'_>,
    ) -> Tensor<4> {
        let Some(skip) = skips.first() else { return self.trainable_h.val() };
        let mut y = self.start(skip.dims()[0], skip);
        for (i, layer) in self.layers.iter().enumerate() {
            y = layer.enter(y);
            let (added, prior) = layer.prior(y.clone(), self.statistics);
            let posterior = layer.posterior(y.clone(), skips[layer.level].clone(), &prior, self.statistics);
            let z = choose(Choice { layer: i, level: layer.level, prior: &prior, posterior: Some(&posterior) });
            y = layer.leave(y, added, z);
            probe.see(format!("y.{i:02}"), &y);
        }
        self.output_conv.forward(y)
    }

    /// `n` draws without an image; `choose` says each latent from its prior.
    pub fn generate(&self, n: usize, mut choose: impl FnMut(Choice<'_>) -> Tensor<4>) -> Tensor<4> {
        let mut y = self.start(n, &self.trainable_h.val());
        for (i, layer) in self.layers.iter().enumerate() {
            y = layer.enter(y);
            let (added, prior) = layer.prior(y.clone(), self.statistics);
            let z = choose(Choice { layer: i, level: layer.level, prior: &prior, posterior: None });
            y = layer.leave(y, added, z);
        }
        self.output_conv.forward(y)
    }
}
