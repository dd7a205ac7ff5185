//! Fourier features on a canvas, moved and turned as w says.

use std::f32::consts::PI;
use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use fmr_nn::bridge::beside;
use fmr_nn::functional::{self as f, Rectify, Reordered, Window};
use fmr_nn::weights::{Builder, Init};

use crate::config::InputConfig;
use crate::dense::{Dense, DenseSettings};

/// Waves on a plane, before anything is mixed.
#[derive(Debug, Clone)]
pub struct Waves {
    /// Frequencies `[channels, 2]`: along x, along y.
    pub freqs: Tensor<2>,
    /// Phases `[channels]`, in turns.
    pub phases: Tensor<1>,
    /// Map of the plane `[3, 3]`, from where a pixel lies to where its value is taken.
    pub transform: Tensor<2>,
}

impl Waves {
    /// The features `[n, channels, height, width]`, each moved and turned by `t [n, 4]`: cosine and sine of the turn, and
    /// the shift, all over the length of the first two.
    pub fn features(&self, t: &Tensor<2>, canvas: &InputConfig) -> Tensor<4> {
        let [n, _] = t.dims();
        let part = |i: usize| t.clone().narrow(1, i, 1);
        let [cos, sin] = [part(0), part(1)];
        let length = (cos.clone() * cos.clone() + sin.clone() * sin.clone()).sqrt();
        let [cos, sin, x, y] = [cos, sin, part(2), part(3)].map(|v| v / length.clone());
        // The turn after the shift, without the row that is always (0, 0, 1).
        let to_x = sin.clone() * y.clone() - cos.clone() * x.clone();
        let to_y = -(sin.clone() * x + cos.clone() * y);
        let turned = Tensor::cat(vec![cos.clone(), -sin.clone(), to_x, sin, cos, to_y], 1).reshape([2 * n, 3]);
        // The last row of the product is never needed.
        let map = f::linear(turned, self.transform.clone(), None).reshape([n, 2, 3]);
        let freqs = self.freqs.clone().swap_dims(0, 1);
        let column = |j: usize| f::linear(map.clone().narrow(2, j, 1).reshape([n, 2]), freqs.clone(), None);
        let [along_x, along_y, shift] = [column(0), column(1), column(2)];
        let phase = shift.clone() + beside(self.phases.clone(), &shift).unsqueeze();

        let [w, h] = canvas.size;
        let (rate, bandwidth) = (canvas.sampling_rate as f32, canvas.bandwidth as f32);
        let frequency = (along_x.clone() * along_x.clone() + along_y.clone() * along_y.clone()).sqrt();
        let kept = (frequency - bandwidth) / (rate / 2.0 - bandwidth);
        let amplitude = (kept * -1.0 + 1.0).clamp(0.0, 1.0);

        let channels = phase.dims()[1];
        let of_channel = |v: Tensor<2>| v.reshape([n, channels, 1, 1]);
        let axis = |side: usize, shape: [usize; 4]| {
            let place = |i: usize| (i as f32 + 0.5 - side as f32 / 2.0) / rate;
            let places = TensorData::new((0..side).map(place).collect::<Vec<_>>(), shape);
            beside(Tensor::<4>::from_data(places, &t.device().inner()), &phase)
        };
        let turns = of_channel(along_x) * axis(w, [1, 1, 1, w])
            + of_channel(along_y) * axis(h, [1, 1, h, 1])
            + of_channel(phase.clone());
        (turns * (2.0 * PI)).sin() * of_channel(amplitude)
    }
}

/// Mixes the channels of features `[n, c, h, w]` by `weight [out, c, 1, 1]`, over √c.
pub fn mixed(features: Tensor<4>, weight: Tensor<4>, reordered: Option<Arc<Reordered>>) -> Tensor<4> {
    let channels = features.dims()[1] as f32;
    f::conv2d(features / channels.sqrt(), weight, None, Window::same(1, 0), Rectify::None, reordered)
}

/// The first layer of synthesis.
#[derive(Module, Debug)]
pub(crate) struct FourierInput {
    affine: Dense,
    weight: Param<Tensor<4>>,
    freqs: Param<Tensor<2>>,
    phases: Param<Tensor<1>>,
    transform: Param<Tensor<2>>,
    #[module(skip)]
    config: InputConfig,
    #[module(skip)]
    reordered: Option<Arc<Reordered>>,
}

impl FourierInput {
    pub(crate) fn new(b: &mut Builder, config: &InputConfig, w_dim: usize) -> Self {
        let (c, name) = (config.channels, "synthesis.input");
        let [placed, turned] = ["affine.bias", "transform"].map(|part| b.holds(&format!("{name}.{part}")));
        let settings = DenseSettings::new(w_dim, 1.0, false);
        let mut affine = Dense::new(b, "synthesis.input.affine", [w_dim, 4], settings, Init::Zeros);
        if !placed {
            // Neither turned nor shifted.
            affine = affine.with_bias([1.0, 0.0, 0.0, 0.0]);
        }
        let weight = b.reshaped(&format!("{name}.weight"), &[c, c], [c, c, 1, 1], Init::Normal(1.0));
        let freqs = b.param(&format!("{name}.freqs"), [c, 2], Init::Uniform(config.bandwidth as f32));
        let phases = b.param(&format!("{name}.phases"), [c], Init::Uniform(0.5));
        let mut transform = b.param(&format!("{name}.transform"), [3, 3], Init::Zeros);
        if !turned {
            transform = transform.map(|zeros| Tensor::eye(3, &zeros.device()));
        }
        let reordered = b.frozen().then(Arc::default);
        Self { affine, weight, freqs, phases, transform, config: config.clone(), reordered }
    }

    /// The four numbers that place the features, of `w [n, w_dim]`.
    pub(crate) fn placement(&self, w: Tensor<2>) -> Tensor<2> {
        self.affine.forward(w)
    }

    pub(crate) fn forward(&self, t: &Tensor<2>) -> Tensor<4> {
        let waves = Waves { freqs: self.freqs.val(), phases: self.phases.val(), transform: self.transform.val() };
        mixed(waves.features(t, &self.config), self.weight.val(), self.reordered.clone())
    }

    pub(crate) fn set_transform(&mut self, transform: Tensor<2>) {
        self.transform = Param::initialized(self.transform.id, transform);
    }
}
