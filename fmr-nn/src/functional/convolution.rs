//! Convolution, and the orders in which its kernels read weights.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;

use crate::device::is_host;
use crate::kernels::conv::{self, ConvShape, Rectify, Weights};
use crate::kernels::winograd::{self, Tile};
use crate::kernels::{bfloat16, buffers};
use crate::ops::{Host, HostOp, Saved, apply};
use crate::standard;

/// Stride and zero padding of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Step, the same in both directions.
    pub stride: usize,
    /// Zeros before the first row, before the first column, after the last row, after the last column.
    pub pad: [usize; 4],
}

impl Window {
    /// The same padding on all sides.
    pub fn same(stride: usize, pad: usize) -> Self {
        Self { stride, pad: [pad; 4] }
    }
}

/// The weights of a convolution in the orders that its kernels read, each made when it is first needed. A layer whose
/// weights never change keeps them.
#[derive(Debug, Default)]
pub struct Reordered {
    ahead: Orders,
    /// For the input gradient.
    back: Orders,
}

/// One layer may see images of several sizes, and the kernel depends on the size.
#[derive(Debug, Default)]
struct Orders {
    direct: OnceLock<Weights<'static>>,
    two: OnceLock<winograd::Weights>,
    four: OnceLock<winograd::Weights>,
}

impl Orders {
    fn filtered<'w>(&self, s: &ConvShape, tile: Tile, weight: impl FnOnce() -> Cow<'w, [f32]>) -> &winograd::Weights {
        let order = match tile {
            Tile::Two => &self.two,
            Tile::Four => &self.four,
        };
        order.get_or_init(|| winograd::Weights::new(s, tile, &weight()))
    }
}

impl Reordered {
    fn forward(&self, s: &ConvShape, images: usize, x: &[f32], w: &[f32], b: Option<&[f32]>, cut: Rectify) -> Vec<f32> {
        let [h, wd] = s.output();
        let mut y = buffers::take(images * s.cout * h * wd);
        if let Some(tile) = tile(s) {
            let weights = self.ahead.filtered(s, tile, || w.into());
            winograd::forward(s, images, x, weights, b, cut, &mut y);
        } else {
            let in_place = Weights::in_place(s, w, false);
            let weights = in_place.as_ref().unwrap_or_else(|| self.ahead.direct.get_or_init(|| Weights::ahead(s, w)));
            conv::forward(s, images, x, weights, b, cut, &mut y);
        }
        y
    }

    fn input_gradient(&self, s: &ConvShape, images: usize, dy: &[f32], w: &[f32]) -> Vec<f32> {
        let mut dx = buffers::take(images * s.cin * s.input[0] * s.input[1]);
        let convolution = conv::is_a_convolution(s).then(|| s.transposed());
        if let Some((t, tile)) = convolution.and_then(|t| Some((t, tile(&t)?))) {
            let weights = self.back.filtered(&t, tile, || conv::flip_weight(s, w).into());
            winograd::forward(&t, images, dy, weights, None, Rectify::None, &mut dx);
        } else {
            let in_place = Weights::in_place(s, w, true);
            let weights = in_place.as_ref().unwrap_or_else(|| self.back.direct.get_or_init(|| Weights::back(s, w)));
            conv::input_gradient(s, images, dy, weights, &mut dx);
        }
        dx
    }
}

/// The tile of a convolution by minimal filtering. Training with rounded operands has products that are faster still.
fn tile(s: &ConvShape) -> Option<Tile> {
    winograd::tile(s).filter(|_| !bfloat16::enabled())
}

#[derive(Debug)]
struct Conv2d {
    /// Shape of the input, so that a backward that needs no weight gradient need not keep its values.
    input: [usize; 4],
    window: Window,
    rectify: Rectify,
    bias: bool,
    reordered: Option<Arc<Reordered>>,
}

impl Conv2d {
    fn shape(&self, w: &[usize]) -> ConvShape {
        let [_, cin, height, width] = self.input;
        assert!(w.len() == 4 && cin == w[1], "convolution of {:?} with weights {w:?}", self.input);
        ConvShape {
            cin,
            cout: w[0],
            input: [height, width],
            kernel: [w[2], w[3]],
            stride: self.window.stride,
            pad: self.window.pad,
        }
    }

    fn with_reordered<R>(&self, f: impl FnOnce(&Reordered) -> R) -> R {
        match &self.reordered {
            Some(kept) => f(kept),
            None => f(&Reordered::default()),
        }
    }
}

impl HostOp for Conv2d {
    fn forward(&self, [x, w, b]: [Host<'_>; 3]) -> (Vec<f32>, Vec<usize>) {
        let s = self.shape(w.shape);
        let [h, wd] = s.output();
        let bias = self.bias.then_some(b.data);
        let y = self.with_reordered(|r| r.forward(&s, x.shape[0], x.data, w.data, bias, self.rectify));
        (y, vec![x.shape[0], s.cout, h, wd])
    }

    fn saves(&self, needs: [bool; 3]) -> Saved {
        Saved { inputs: [needs[1], true, false], output: self.rectify != Rectify::None && needs.contains(&true) }
    }

    fn backward(&self, [x, w, _]: [Host<'_>; 3], y: Host<'_>, dy: Host<'_>, needs: [bool; 3]) -> [Option<Vec<f32>>; 3] {
        let s = self.shape(w.shape);
        let [n, ..] = self.input;
        self.rectify.pull_back(y.data, dy.data, |dy| {
            let dx = needs[0].then(|| self.with_reordered(|r| r.input_gradient(&s, n, dy, w.data)));
            let dw = needs[1].then(|| {
                let mut dw = vec![0.0; w.data.len()];
                conv::weight_gradient(&s, n, x.data, dy, &mut dw);
                dw
            });
            let db = (self.bias && needs[2]).then(|| {
                let [h, wd] = s.output();
                let mut db = vec![0.0; s.cout];
                conv::bias_gradient(s.cout, h * wd, dy, &mut db);
                db
            });
            [dx, dw, db]
        })
    }
}

/// Cross-correlation of `x [n, c, h, w]` with `weight [o, c, kh, kw]`, plus `bias [o]`, cut off as `rectify` says.
///
/// `reordered` is the layer's own if its weights never change.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
    rectify: impl Into<Rectify>,
    reordered: Option<Arc<Reordered>>,
) -> Tensor<4> {
    let rectify = rectify.into();
    if !is_host(&x.device()) {
        return standard::conv2d(x, weight, bias, window, 1, rectify);
    }
    let op = Conv2d { input: x.dims(), window, rectify, bias: bias.is_some(), reordered };
    apply(x, Some(weight), bias, Arc::new(op))
}
