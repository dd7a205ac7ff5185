//! The plan of layers: cut-offs, sampling rates, sizes and channels, as upstream computes them.

use crate::config::{Embedding, InputConfig, LayerConfig, StyleganConfig};

/// What upstream's trainer is told of a synthesis network.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Channels at a cut-off of half a value a pixel; halved as cut-offs double.
    pub channel_base: f64,
    /// Most channels.
    pub channel_max: usize,
    /// Values around the canvas.
    pub margin_size: usize,
    /// Cut-off of the first layer.
    pub first_cutoff: f64,
    /// Stop band of the first layer.
    pub first_stopband: f64,
    /// Stop band of the last layers, over the cut-off.
    pub last_stopband_rel: f64,
    /// Critically sampled layers before the last.
    pub num_critical: usize,
    /// Taps of a filter, over its factor.
    pub filter_size: usize,
    /// Factor up between filters.
    pub lrelu_upsampling: usize,
    /// Whether the network rotates with its input (R): kernels of one value and round filters.
    pub rotates: bool,
    /// Bound of rectifiers.
    pub conv_clamp: f64,
}

impl Default for Plan {
    /// StyleGAN-XL for ImageNet.
    fn default() -> Self {
        Self {
            channel_base: 65536.0,
            channel_max: 1024,
            margin_size: 10,
            first_cutoff: 2.0,
            first_stopband: 2.0_f64.powf(2.1),
            last_stopband_rel: 2.0_f64.powf(0.3),
            num_critical: 2,
            filter_size: 6,
            lrelu_upsampling: 2,
            rotates: false,
            conv_clamp: 256.0,
        }
    }
}

/// What lies between two layers.
#[derive(Debug, Clone, Copy)]
struct Joint {
    cutoff: f64,
    half_width: f64,
    rate: f64,
    size: usize,
    channels: usize,
}

/// A progression of joints.
struct Course {
    /// Layers, without the last one to colours.
    layers: usize,
    resolution: usize,
    cutoff: f64,
    stopband: f64,
    /// Rate and channels of the first joint, where something stands before it.
    start: Option<(f64, usize)>,
}

impl Plan {
    /// A stem: a generator that stands alone, of so many layers besides the last one to colours.
    pub fn stem(&self, resolution: usize, num_layers: usize, image_channels: usize) -> (InputConfig, Vec<LayerConfig>) {
        let course = Course {
            layers: num_layers,
            resolution,
            cutoff: self.first_cutoff,
            stopband: self.first_stopband,
            start: None,
        };
        let joints = self.joints(&course, image_channels);
        let first = joints[0];
        let input = InputConfig {
            channels: first.channels,
            size: [first.size; 2],
            sampling_rate: first.rate,
            bandwidth: first.cutoff,
        };
        (input, self.layers(&joints, num_layers, 0))
    }

    /// Puts a head of so many layers, to a higher resolution, in the place of the critically sampled ones. The numbers of
    /// its names pass over one, as upstream's do.
    pub fn head(&self, layers: &mut Vec<LayerConfig>, resolution: usize, head_layers: usize, image_channels: usize) {
        let kept = layers.len().saturating_sub(self.num_critical + 1);
        layers.truncate(kept);
        let Some(last) = layers.last() else { return };
        let course = Course {
            layers: head_layers,
            resolution,
            cutoff: last.out_cutoff,
            stopband: last.out_half_width + last.out_cutoff,
            start: Some((last.tmp_sampling_rate / last.down_factor as f64, last.out_channels)),
        };
        let joints = self.joints(&course, image_channels);
        layers.extend(self.layers(&joints, head_layers, kept + 1));
    }

    fn joints(&self, course: &Course, image_channels: usize) -> Vec<Joint> {
        let n = course.layers;
        let resolution = course.resolution as f64;
        let last_cutoff = resolution / 2.0;
        let last_stopband = last_cutoff * self.last_stopband_rel;
        let joint = |i: usize| {
            let exponent = (i as f64 / n.saturating_sub(self.num_critical).max(1) as f64).min(1.0);
            let cutoff = course.cutoff * (last_cutoff / course.cutoff).powf(exponent);
            let stopband = course.stopband * (last_stopband / course.stopband).powf(exponent);
            let mut rate = (stopband * 2.0).min(resolution).log2().ceil().exp2();
            let mut channels =
                (self.channel_base / 2.0 / cutoff).min(self.channel_max as f64).round_ties_even() as usize;
            if let (0, Some(start)) = (i, course.start) {
                (rate, channels) = start;
            }
            let half_width = stopband.max(rate / 2.0) - cutoff;
            let size = if i + 2 > n { course.resolution } else { rate as usize + 2 * self.margin_size };
            Joint { cutoff, half_width, rate, size, channels: if i == n { image_channels } else { channels } }
        };
        (0..=n).map(joint).collect()
    }

    fn layers(&self, joints: &[Joint], n: usize, first_number: usize) -> Vec<LayerConfig> {
        let layer = |i: usize| {
            let (from, to) = (joints[i.saturating_sub(1)], joints[i]);
            let is_torgb = i == n;
            let critical = i + self.num_critical >= n;
            let tmp = from.rate.max(to.rate) * if is_torgb { 1.0 } else { self.lrelu_upsampling as f64 };
            let [up, down] = [from.rate, to.rate].map(|rate| (tmp / rate).round_ties_even() as usize);
            let taps = |factor: usize| if factor > 1 && !is_torgb { self.filter_size * factor } else { 1 };
            let mut layer = LayerConfig {
                name: format!("L{}_{}_{}", first_number + i, to.size, to.channels),
                is_torgb,
                in_channels: from.channels,
                out_channels: to.channels,
                in_size: [from.size; 2],
                out_size: [to.size; 2],
                conv_kernel: if is_torgb || self.rotates { 1 } else { 3 },
                conv_clamp: Some(self.conv_clamp),
                up_factor: up,
                down_factor: down,
                up_taps: taps(up),
                down_taps: taps(down),
                down_radial: self.rotates && !critical,
                padding: [0; 4],
                in_cutoff: from.cutoff,
                out_cutoff: to.cutoff,
                in_half_width: from.half_width,
                out_half_width: to.half_width,
                tmp_sampling_rate: tmp,
            };
            layer.padding = layer.planned_padding().unwrap_or_default();
            layer
        };
        (0..=n).map(layer).collect()
    }

    /// StyleGAN-XL for ImageNet at a power of two from 16 on: a stem of ten layers at 16, and a head of seven for each
    /// doubling, of five for the last one to 1024.
    pub fn imagenet(resolution: usize) -> StyleganConfig {
        let plan = Self::default();
        let (input, mut layers) = plan.stem(16, 10, 3);
        let mut side = 16;
        while side < resolution {
            side *= 2;
            plan.head(&mut layers, side, if side == 1024 { 5 } else { 7 }, 3);
        }
        StyleganConfig {
            z_dim: 64,
            w_dim: 512,
            c_dim: 1000,
            img_resolution: side,
            img_channels: 3,
            mapping_layers: 2,
            mapping_lr_multiplier: 0.01,
            embedding: Some(Embedding::Table { rows: 1000, width: 320, projected: 64 }),
            input,
            layers,
            output_scale: 0.25,
        }
    }
}
