//! The bottom-up network: from an image to one activation a level.

use burn::module::Module;
use burn::tensor::Tensor;
use fmr_nn::layers::Conv2d;
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;

use crate::cell::{Cell, CellSizes, conv, leaky, pooling, projection};
use crate::config::VdvaeConfig;

#[derive(Module, Debug)]
struct Level {
    /// Cells of the blocks before the skip and of the block that gives it, in order.
    cells: Vec<Cell>,
    skip_projection: Conv2d,
    pool: Option<Conv2d>,
}

/// The bottom-up network.
#[derive(Module, Debug)]
pub struct Encoder {
    input_conv: Conv2d,
    levels: Vec<Level>,
}

impl Encoder {
    pub(crate) fn new(b: &mut Builder, config: &VdvaeConfig) -> Self {
        let input = [config.channels, config.input_conv_filters];
        let input_conv = conv(b, "bottom_up.input_conv", input, config.input_kernel_size, 1.0);
        let init_scale = config.init_scale();
        let level = |(i, [width, after]): (usize, [usize; 2])| {
            let sizes = CellSizes {
                width,
                ratio: config.up_mid_filters_ratio[i],
                output_ratio: 1.0,
                layers: config.up_n_layers[i],
                kernel: config.up_kernel_size[i],
                one_by_one: config.use_1x1_conv,
                init_scale,
            };
            let last = format!("bottom_up.levels_up_downsample.{i}");
            let blocks = (0..config.up_n_blocks_per_res[i]).map(|j| format!("bottom_up.levels_up.{i}.{j}"));
            let blocks: Vec<String> = blocks.chain([last.clone()]).collect();
            let cells = blocks.iter().flat_map(|block| (0..config.up_n_blocks[i]).map(move |c| (block, c)));
            let cells = cells.map(|(block, c)| Cell::new(b, &format!("{block}.residual_block.{c}"), sizes)).collect();
            let skip_projection = projection(b, &format!("{last}.skip_projection"), [width, config.up_skip_filters[i]]);
            let stride = config.up_strides[i];
            let pool = (stride > 1).then(|| pooling(b, &format!("{last}.pool.ops.0"), [width, after], stride));
            Level { cells, skip_projection, pool }
        };
        let levels = config.up_widths().enumerate().map(level).collect();
        Self { input_conv, levels }
    }

    /// Images in the model's range to the decoder's skips, deepest first.
    pub fn forward(&self, x: Tensor<4>, probe: &mut Probe<'_>) -> Vec<Tensor<4>> {
        let mut x = self.input_conv.forward(x);
        probe.see("enc.input_conv", &x);
        let mut skips = Vec::with_capacity(self.levels.len());
        for (i, level) in self.levels.iter().enumerate() {
            x = level.cells.iter().fold(x, |x, cell| cell.residual(x));
            skips.push(level.skip_projection.forward(x.clone()));
            // Nobody but a viewer sees what leaves the last level.
            let last = i + 1 == self.levels.len();
            if let Some(pool) = level.pool.as_ref().filter(|_| !last || probe.on()) {
                x = leaky(pool.forward(x));
            }
            probe.see(format!("enc.level.{i:02}"), &x);
        }
        skips.reverse();
        skips.iter().enumerate().for_each(|(i, skip)| probe.see(format!("skip.{i:02}"), skip));
        skips
    }
}
