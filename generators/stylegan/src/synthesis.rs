//! Synthesis: one w a layer to an image.

use std::sync::{Arc, OnceLock};

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use fmr_nn::bridge::beside;
use fmr_nn::functional::{self as f, Filtering, Fir, Reordered};
use fmr_nn::probe::Probe;
use fmr_nn::weights::{Builder, Init};

use crate::config::{LayerConfig, StyleganConfig};
use crate::dense::{Dense, DenseSettings, GAIN, SLOPE};
use crate::filters::Design;
use crate::fourier::FourierInput;
use crate::modulation::{Modulated, WeightSums};

/// One layer: a modulated convolution, and a leaky rectifier between two filters.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    affine: Dense,
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    magnitude: Param<Tensor<1>>,
    filters: Filters,
    #[module(skip)]
    filtering: Arc<Filtering>,
    /// Sums of weights that never change, made when they are first needed.
    #[module(skip)]
    sums: Option<Arc<OnceLock<WeightSums>>>,
    #[module(skip)]
    reordered: Option<Arc<Reordered>>,
    #[module(skip)]
    config: LayerConfig,
}

/// The filters as they are stored. The file counts, not what they would be designed to be.
#[derive(Module, Debug)]
struct Filters {
    up: Option<Param<Tensor<1>>>,
    down: Option<Param<Tensor<1>>>,
    down_radial: Option<Param<Tensor<2>>>,
}

/// The filters of a layer by their design.
fn designs(config: &LayerConfig) -> [Design; 2] {
    let rate = config.tmp_sampling_rate;
    let up = Design {
        taps: config.up_taps,
        cutoff: config.in_cutoff,
        width: 2.0 * config.in_half_width,
        rate,
        radial: false,
    };
    let down = Design {
        taps: config.down_taps,
        cutoff: config.out_cutoff,
        width: 2.0 * config.out_half_width,
        rate,
        radial: config.down_radial,
    };
    [up, down]
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap_or_default()
}

/// A stored filter, or its design where nothing is stored.
fn filter<const D: usize>(b: &mut Builder, name: &str, shape: [usize; D], design: &Fir) -> Param<Tensor<D>> {
    let stored = b.holds(name);
    let param = b.param(name, shape, Init::Zeros);
    if stored {
        return param;
    }
    let (Fir::Separable(taps) | Fir::Full { taps, .. }) = design;
    param.map(|zeros| Tensor::from_data(TensorData::new(taps.clone(), shape), &zeros.device()))
}

impl Layer {
    fn new(b: &mut Builder, config: &LayerConfig, w_dim: usize) -> Self {
        let name = format!("synthesis.{}", config.name);
        let (i, o, k) = (config.in_channels, config.out_channels, config.conv_kernel);
        let settings = DenseSettings::new(w_dim, 1.0, false);
        let affine = Dense::new(b, &format!("{name}.affine"), [w_dim, i], settings, Init::Ones);
        let weight = b.param(&format!("{name}.weight"), [o, i, k, k], Init::Normal(1.0));
        let bias = b.param(&format!("{name}.bias"), [o], Init::Zeros);
        // A measurement, which training does not move along a gradient.
        let magnitude = b.scalar(&format!("{name}.magnitude_ema"), 1.0).set_require_grad(false);
        let [up, down] = designs(config).map(|design| design.fir());
        let up = up.map(|design| filter(b, &format!("{name}.up_filter"), [config.up_taps], &design));
        let taps = config.down_taps;
        let (mut line, mut round) = (None, None);
        match down {
            Some(design @ Fir::Full { .. }) => {
                round = Some(filter(b, &format!("{name}.down_filter"), [taps; 2], &design));
            }
            Some(design) => line = Some(filter(b, &format!("{name}.down_filter"), [taps], &design)),
            None => {}
        }
        let separable = |taps: &Option<Param<Tensor<1>>>| {
            taps.as_ref().map_or_else(Fir::identity, |taps| Fir::Separable(values(taps.val())))
        };
        let down_filter = match &round {
            Some(plane) => Fir::Full { taps: values(plane.val()), columns: taps },
            None => separable(&line),
        };
        let [left, right, above, below] = config.padding;
        let filtering = Filtering {
            up_filter: separable(&up),
            down_filter,
            up: config.up_factor,
            down: config.down_factor,
            pad: [above, below, left, right],
            gain: if config.is_torgb { 1.0 } else { GAIN },
            slope: if config.is_torgb { 1.0 } else { SLOPE },
            clamp: config.conv_clamp.map(|most| most as f32),
        };
        Self {
            affine,
            weight,
            bias,
            magnitude,
            filters: Filters { up, down: line, down_radial: round },
            filtering: Arc::new(filtering),
            sums: b.frozen().then(Arc::default),
            reordered: b.frozen().then(Arc::default),
            config: config.clone(),
        }
    }

    fn forward(&self, x: Tensor<4>, styles: Tensor<2>, probe: &mut Probe<'_>) -> Tensor<4> {
        let name = &self.config.name;
        probe.see(format!("{name}.styles"), &styles);
        let weight = self.weight.val();
        let fresh = OnceLock::new();
        let sums = (!self.config.is_torgb)
            .then(|| self.sums.as_deref().unwrap_or(&fresh).get_or_init(|| WeightSums::new(&weight)));
        let mut gain: Tensor<2> = beside(self.magnitude.val(), &styles).sqrt().recip().unsqueeze();
        if self.config.is_torgb {
            gain = gain / ((self.config.in_channels * self.config.conv_kernel.pow(2)) as f32).sqrt();
        }
        let convolution = Modulated {
            weight: weight.clone(),
            sums,
            gain: Some(gain),
            padding: self.config.conv_kernel - 1,
            reordered: self.reordered.clone(),
        };
        let (y, outputs) = convolution.apply(x, styles);
        let y = f::filtered_leaky_relu(y, outputs, Some(self.bias.val()), &self.filtering);
        probe.see(name, &y);
        y
    }

    /// Whether the stored filters are, bit for bit, those of their design.
    fn as_designed(&self) -> bool {
        let [up, down] = designs(&self.config).map(|design| design.fir().unwrap_or_else(Fir::identity));
        self.filtering.up_filter == up && self.filtering.down_filter == down
    }
}

/// The synthesis network.
#[derive(Module, Debug)]
pub struct Synthesis {
    input: FourierInput,
    layers: Vec<Layer>,
    #[module(skip)]
    output_scale: f64,
    #[module(skip)]
    w_dim: usize,
}

impl Synthesis {
    pub(crate) fn new(b: &mut Builder, config: &StyleganConfig) -> Self {
        let input = FourierInput::new(b, &config.input, config.w_dim);
        let layers = config.layers.iter().map(|layer| Layer::new(b, layer, config.w_dim)).collect();
        Self { input, layers, output_scale: config.output_scale, w_dim: config.w_dim }
    }

    /// Values of a row of w+.
    pub fn w_dim(&self) -> usize {
        self.w_dim
    }

    /// What places the Fourier features `[n, 4]`, and the style of each layer `[n, channels]`, of rows of w+
    /// `[n, rows, w_dim]`: the first is that of the features.
    pub fn styles(&self, ws: Tensor<3>) -> Vec<Tensor<2>> {
        let [n, _, d] = ws.dims();
        let row = |i: usize| ws.clone().narrow(1, i, 1).reshape([n, d]);
        let layers = self.layers.iter().enumerate().map(|(i, layer)| layer.affine.forward(row(i + 1)));
        std::iter::once(self.input.placement(row(0))).chain(layers).collect()
    }

    /// Images `[n, c, h, w]`, nominally in [-1, 1], of styles in the order of [`Synthesis::styles`].
    pub fn from_styles(&self, styles: Vec<Tensor<2>>, probe: &mut Probe<'_>) -> Tensor<4> {
        let mut styles = styles.into_iter();
        let placement = styles.next();
        let Some(placement) = placement else { panic!("synthesis without styles") };
        probe.see("synthesis.input.affine", &placement);
        let mut x = self.input.forward(&placement);
        probe.see("synthesis.input", &x);
        for (layer, styles) in self.layers.iter().zip(styles) {
            x = layer.forward(x, styles, probe);
        }
        if self.output_scale == 1.0 { x } else { x * self.output_scale }
    }

    /// Images of rows of w+ `[n, rows, w_dim]`.
    pub fn forward(&self, ws: Tensor<3>, probe: &mut Probe<'_>) -> Tensor<4> {
        self.from_styles(self.styles(ws), probe)
    }

    /// Puts a different map of the plane `[3, 3]` in the place of the stored one.
    pub fn set_transform(&mut self, transform: Tensor<2>) {
        self.input.set_transform(transform);
    }

    /// The filters of each layer, up and down, by the layer's name.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &Fir, &Fir)> {
        self.layers.iter().map(|layer| {
            let filtering = &layer.filtering;
            (layer.config.name.as_str(), &filtering.up_filter, &filtering.down_filter)
        })
    }

    /// Layers whose stored filters or padding are not those of the plan. The stored ones are used.
    pub fn unplanned(&self) -> Vec<&str> {
        let differs =
            |layer: &&Layer| !layer.as_designed() || layer.config.planned_padding() != Some(layer.config.padding);
        self.layers.iter().filter(differs).map(|layer| layer.config.name.as_str()).collect()
    }
}
