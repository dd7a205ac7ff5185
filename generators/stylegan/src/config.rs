//! Sizes of a generator, as its file states them.

use fmr_checkpoint::shown;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Values of any feature map, filter or parameter beyond which a file is not believed.
const MOST: usize = 1 << 31;
/// Longest side and most channels.
const LARGEST: usize = 1 << 14;
/// Largest factor of sampling, and longest filter.
const LONGEST: usize = 512;
/// Longest round filter, in each direction.
const LONGEST_ROUND: usize = 64;

/// Sizes that make no generator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// A generator of StyleGAN3 or StyleGAN-XL. Names are those of upstream's attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StyleganConfig {
    /// Values of z.
    pub z_dim: usize,
    /// Values of w.
    pub w_dim: usize,
    /// Classes; zero for an unconditional generator.
    pub c_dim: usize,
    /// Side of the images.
    pub img_resolution: usize,
    /// Channels of the images.
    pub img_channels: usize,
    /// Fully connected layers of the mapping.
    pub mapping_layers: usize,
    /// Factor of the mapping's weights and biases.
    pub mapping_lr_multiplier: f64,
    /// How the mapping sees the class. A file whose attributes do not say it has it in the shapes of its tensors.
    #[serde(default)]
    pub embedding: Option<Embedding>,
    /// The Fourier features.
    pub input: InputConfig,
    /// The layers, in the order in which they run.
    pub layers: Vec<LayerConfig>,
    /// What the last layer's output is multiplied by.
    pub output_scale: f64,
}

/// How a mapping sees the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Embedding {
    /// StyleGAN-XL: a row of a table, and a layer from it; means of w are kept by class.
    Table {
        /// Rows of the table, one per class or more.
        rows: usize,
        /// Values of a row.
        width: usize,
        /// Values after the layer.
        projected: usize,
    },
    /// StyleGAN3: a column of weights a class; one mean of w.
    Dense,
}

/// Fourier features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputConfig {
    /// Features.
    pub channels: usize,
    /// Width and height of the canvas.
    pub size: [usize; 2],
    /// Values along the side of the image.
    pub sampling_rate: f64,
    /// Frequency from which on features are damped.
    pub bandwidth: f64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerConfig {
    /// Name, which is part of the parameters' names.
    pub name: String,
    /// Whether it is the last one, which is not demodulated and has no filters.
    pub is_torgb: bool,
    /// Channels that come in.
    pub in_channels: usize,
    /// Channels that go out.
    pub out_channels: usize,
    /// Width and height of what comes in.
    pub in_size: [usize; 2],
    /// Width and height of what goes out.
    pub out_size: [usize; 2],
    /// Side of the convolution's kernel.
    pub conv_kernel: usize,
    /// Bound of the rectifier's output.
    #[serde(default)]
    pub conv_clamp: Option<f64>,
    /// Factor up before the rectifier.
    pub up_factor: usize,
    /// Factor down after it.
    pub down_factor: usize,
    /// Taps of the filter up.
    pub up_taps: usize,
    /// Taps of the filter down, in each direction.
    pub down_taps: usize,
    /// Whether the filter down is round: then it has taps of a plane.
    pub down_radial: bool,
    /// Zeros around the enlarged map: left, right, above, below.
    pub padding: [isize; 4],
    /// Cut-off of the filter up.
    pub in_cutoff: f64,
    /// Cut-off of the filter down.
    pub out_cutoff: f64,
    /// Half the transition band of the filter up.
    pub in_half_width: f64,
    /// Half the transition band of the filter down.
    pub out_half_width: f64,
    /// Sampling rate between the filters.
    pub tmp_sampling_rate: f64,
}

impl StyleganConfig {
    /// Rows of w that synthesis takes: one for the Fourier features, one for each layer.
    pub fn num_ws(&self) -> usize {
        self.layers.len() + 1
    }

    /// Name for messages and reports.
    pub fn name(&self) -> String {
        let rotates = self.layers.first().is_some_and(|layer| layer.conv_kernel == 1);
        let kind = if rotates { "R" } else { "T" };
        let classes = match self.c_dim {
            0 => String::new(),
            n => format!(", {n} classes"),
        };
        format!("StyleGAN3-{kind} {0}×{0}{classes}", self.img_resolution)
    }

    /// Values that the mapping's first layer takes.
    pub(crate) fn mapping_width(&self) -> usize {
        let class = match self.embedding {
            _ if self.c_dim == 0 => 0,
            Some(Embedding::Table { projected, .. }) => projected,
            Some(Embedding::Dense) | None => self.w_dim,
        };
        self.z_dim + class
    }

    /// Checks that the sizes fit together and are of this world.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail = |problem: String| Err(ConfigError(problem));
        let sizes = [
            ("z_dim", self.z_dim),
            ("w_dim", self.w_dim),
            ("img_resolution", self.img_resolution),
            ("img_channels", self.img_channels),
            ("mapping_layers", self.mapping_layers),
            ("input.channels", self.input.channels),
            ("input.size", self.input.size[0].min(self.input.size[1])),
        ];
        if let Some((name, value)) = sizes.iter().find(|(_, value)| !(1..=LARGEST).contains(value)) {
            return fail(format!("{name} is {value}, which is none of 1 to {LARGEST}"));
        }
        if !matches!(self.img_channels, 1 | 3) {
            return fail(format!("images have {} channels, which is neither 1 nor 3", self.img_channels));
        }
        let numbers = [self.input.sampling_rate, self.input.bandwidth, self.output_scale, self.mapping_lr_multiplier];
        if numbers.iter().any(|number| !number.is_finite()) || self.c_dim > MOST {
            return fail("one of its numbers is not finite".to_owned());
        }
        if let Some(Embedding::Table { rows, width, projected }) = self.embedding
            && (rows < self.c_dim || rows > MOST || width > LARGEST || projected > LARGEST)
        {
            return fail(format!("a table of {rows} rows of {width} values is none for {} classes", self.c_dim));
        }
        let (mut channels, mut size) = (self.input.channels, self.input.size);
        for (i, layer) in self.layers.iter().enumerate() {
            layer.check()?;
            if (layer.in_channels, layer.in_size) != (channels, size) {
                return fail(format!(
                    "layer {} takes {} channels of {:?}, and {channels} of {size:?} come to it",
                    layer.shown(),
                    layer.in_channels,
                    layer.in_size
                ));
            }
            if layer.is_torgb != (i + 1 == self.layers.len()) {
                return fail(format!("layer {} stands in the wrong place", layer.shown()));
            }
            if self.layers[..i].iter().any(|other| other.name == layer.name) {
                return fail(format!("two layers have the name {}", layer.shown()));
            }
            (channels, size) = (layer.out_channels, layer.out_size);
        }
        if (channels, size) != (self.img_channels, [self.img_resolution; 2]) || self.layers.is_empty() {
            return fail(format!("its layers end with {channels} channels of {size:?}, which is no image"));
        }
        Ok(())
    }
}

impl LayerConfig {
    fn shown(&self) -> String {
        shown::escaped(&self.name, shown::KEY).to_string()
    }

    /// The padding that makes the output as large as it is, by upstream's rule: left, right, above, below.
    pub fn planned_padding(&self) -> Option<[isize; 4]> {
        let whole = |n: usize| isize::try_from(n).ok();
        let [up, down] = [whole(self.up_factor)?, whole(self.down_factor)?];
        let taps = whole(self.up_taps)?.checked_add(whole(self.down_taps)?)?;
        let mut pads = [0; 4];
        for axis in 0..2 {
            let [input, output] = [whole(self.in_size[axis])?, whole(self.out_size[axis])?];
            let enlarged = (input + whole(self.conv_kernel)? - 1).checked_mul(up)?;
            let total = (output - 1).checked_mul(down)? + 1 - enlarged + taps - 2;
            let low = (total + up).div_euclid(2);
            (pads[2 * axis], pads[2 * axis + 1]) = (low, total - low);
        }
        Some(pads)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let name = self.shown();
        let fail = |problem: String| Err(ConfigError(format!("layer {name}: {problem}")));
        let sizes =
            [self.in_channels, self.out_channels, self.in_size[0], self.in_size[1], self.out_size[0], self.out_size[1]];
        if sizes.iter().any(|size| !(1..=LARGEST).contains(size)) {
            return fail(format!("a size is none of 1 to {LARGEST}"));
        }
        let factors = [self.up_factor, self.down_factor, self.up_taps, self.down_taps, self.conv_kernel];
        if factors.iter().any(|factor| !(1..=LONGEST).contains(factor)) {
            return fail(format!("a factor or filter is none of 1 to {LONGEST} long"));
        }
        if self.down_radial && self.down_taps > LONGEST_ROUND {
            return fail(format!("a round filter of {} taps is longer than {LONGEST_ROUND}", self.down_taps));
        }
        if self.padding.iter().any(|pad| pad.unsigned_abs() > LARGEST) {
            return fail(format!("its padding {:?} is beyond reason", self.padding));
        }
        if self.conv_clamp.is_some_and(|most| most.is_nan() || most <= 0.0) {
            return fail("its clamp is not above zero".to_owned());
        }
        let [w, h] = [0, 1].map(|axis| {
            let enlarged = (self.in_size[axis] + self.conv_kernel - 1) * self.up_factor;
            let padded = enlarged.checked_add_signed(self.padding[2 * axis] + self.padding[2 * axis + 1])?;
            let filtered = padded.checked_sub(self.up_taps + self.down_taps - 1)?;
            Some(filtered / self.down_factor + 1)
        });
        if [w, h] != self.out_size.map(Some) {
            return fail(format!("its padding {:?} does not lead to its size {:?}", self.padding, self.out_size));
        }
        let largest = self.in_channels.max(self.out_channels) * self.up_factor * self.up_factor;
        if largest.saturating_mul(self.in_size[0] * self.in_size[1]) > 64 * MOST {
            return fail("its maps are beyond reason".to_owned());
        }
        let numbers =
            [self.in_cutoff, self.out_cutoff, self.in_half_width, self.out_half_width, self.tmp_sampling_rate];
        if numbers.iter().any(|number| !number.is_finite()) {
            return fail("one of its numbers is not finite".to_owned());
        }
        Ok(())
    }
}
