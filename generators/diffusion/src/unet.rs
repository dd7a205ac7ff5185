//! The network of ADM and Improved DDPM.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::blocks::Resample;
use fmr_nn::functional::{self as f, Window};
use fmr_nn::layers::{Conv2d, GroupNorm};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::config::UnetConfig;
use crate::trunk::{Entry, NORM, Parts, Trunk, activated};

/// A network that tells the noise in an image.
#[derive(Module, Debug)]
pub struct Unet {
    trunk: Trunk,
    output_blocks: Vec<Entry>,
    norm: GroupNorm,
    conv: Conv2d,
}

impl Unet {
    /// A network with parameters from `b`, keys as in guided-diffusion, of a configuration that
    /// [`UnetConfig::check`] lets pass.
    pub fn new(b: &mut Builder, c: &UnetConfig) -> Self {
        let (trunk, mut skips) = Trunk::new(b, c);
        let mut width = c.last_width();
        let mut output_blocks = Vec::new();
        for (level, (to, attends)) in c.widths.iter().zip(&c.attention).enumerate().rev() {
            for block in 0..=c.blocks {
                let skip = skips.pop().unwrap_or_default();
                let resample = if level > 0 && block == c.blocks { Resample::Up } else { Resample::Same };
                let heads = attends.then(|| c.decoder_heads());
                let parts = Parts { residual: Some([width + skip, *to]), heads, width: *to, resample };
                output_blocks.push(Entry::new(b, c, &format!("output_blocks.{}", output_blocks.len()), parts));
                width = *to;
            }
        }
        let norm = NORM.norm(b, "out.0", width);
        let channels = [width, c.out_channels];
        let conv = Conv2d::with_init(b, "out.2", channels, 3, Window::same(1, 1), true, Init::Zeros);
        Self { trunk, output_blocks, norm, conv }
    }

    /// What the network says of the noisy images `x [n, c, h, w]` at `times`, one per image as the network counts them:
    /// ε `[n, c, h, w]`, and `c` more channels where it learns variances. A class-conditional network is told `classes`,
    /// others pass over them.
    pub fn forward(&self, x: Tensor<4>, times: &[f32], classes: Option<&[usize]>) -> Tensor<4> {
        self.forward_probed(x, times, classes, &mut Probe::off())
    }

    /// As [`Unet::forward`], showing activations by upstream's module names.
    pub fn forward_probed(
        &self,
        x: Tensor<4>,
        times: &[f32],
        classes: Option<&[usize]>,
        probe: &mut Probe<'_>,
    ) -> Tensor<4> {
        let embedding = self.trunk.embed(times, classes, probe);
        let (mut x, mut skips) = self.trunk.forward(x, &embedding, probe);
        for entry in &self.output_blocks {
            let joined = match skips.pop() {
                Some(skip) => f::join_channels(x, skip),
                None => x,
            };
            x = entry.forward(joined, &embedding, probe);
        }
        self.conv.forward(activated(&self.norm, x))
    }
}
