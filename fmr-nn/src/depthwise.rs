//! Depthwise convolution as an operation on tensors.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::functional::{Rectify, Window};
use crate::kernels::buffers;
use crate::kernels::conv::{ConvShape, bias_gradient};
use crate::kernels::depthwise::{forward, input_gradient, weight_gradient};
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

#[derive(Debug)]
struct Depthwise {
    /// Shape of the input, so that a backward that needs no weight gradient need not keep its values.
    input: [usize; 4],
    window: Window,
    rectify: Rectify,
    bias: bool,
}

impl Depthwise {
    fn shape(&self, w: &[usize]) -> ConvShape {
        let [_, channels, height, width] = self.input;
        assert!(w.len() == 4 && channels == w[0] && w[1] == 1, "depthwise convolution of {:?} with {w:?}", self.input);
        let Window { stride, pad } = self.window;
        ConvShape { cin: 1, cout: 1, input: [height, width], kernel: [w[2], w[3]], stride, pad }
    }
}

impl HostOp for Depthwise {
    fn forward(&self, [x, w, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let s = self.shape(w.shape);
        let [h, wd] = s.output();
        let mut y = buffers::take(x.shape[0] * x.shape[1] * h * wd);
        forward(&s, x.shape[1], x.data, w.data, self.bias.then_some(b.data), self.rectify, &mut y);
        (y, vec![x.shape[0], x.shape[1], h, wd])
    }

    fn saves(&self, needs: [bool; 3]) -> Saved {
        Saved { inputs: [needs[1], true, false], output: self.rectify != Rectify::None && needs.contains(&true) }
    }

    fn backward(&self, [x, w, _]: [Host<'_>; 3], y: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(w.shape);
        let [_, channels, ..] = self.input;
        self.rectify.pull_back(y.data, dy.data, |dy| {
            let dx = needs[0].then(|| {
                let mut dx = buffers::take(self.input.iter().product());
                input_gradient(&s, channels, dy, w.data, &mut dx);
                dx
            });
            let dw = needs[1].then(|| {
                let mut dw = vec![0.0; w.data.len()];
                weight_gradient(&s, channels, x.data, dy, &mut dw);
                dw
            });
            let db = (self.bias && needs[2]).then(|| {
                let mut db = vec![0.0; channels];
                bias_gradient(channels, s.output().iter().product(), dy, &mut db);
                db
            });
            [dx, dw, db]
        })
    }
}

/// Cross-correlation of each channel of `x [n, c, h, w]` with its own kernel of `weight [c, 1, kh, kw]`, plus
/// `bias [c]`, cut off as `rectify` says.
pub fn depthwise_conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
    rectify: Rectify,
) -> Tensor<4> {
    if !is_host(&x.device()) {
        let channels = x.dims()[1];
        return standard::conv2d(x, weight, bias, window, channels, rectify);
    }
    let op = Depthwise { input: x.dims(), window, rectify, bias: bias.is_some() };
    apply(x, Some(weight), bias, Arc::new(op))
}
