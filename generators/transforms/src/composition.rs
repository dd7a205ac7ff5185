//! The composition of all transformations on one image, and its gradient in the parameters.

use fmr_core::noise::ImageNoise;

use crate::blur::Kernel;
use crate::geometry::{warp, warp_gradient};
use crate::layout::Parameters;

/// What the composition needs beside parameters and image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Composition {
    pub(crate) shape: [usize; 3],
    pub(crate) kernel: Kernel,
    pub(crate) seed: u64,
}

/// What the gradient needs of the way there.
pub(crate) struct Steps {
    warped: Vec<f32>,
    blurred: Vec<f32>,
    mixed: Vec<f32>,
    coloured: Vec<f32>,
    mean: f64,
}

impl Composition {
    fn sides(&self) -> [usize; 2] {
        [self.shape[1], self.shape[2]]
    }

    /// The transformed image.
    pub(crate) fn forward(&self, p: &Parameters, image: &[f32]) -> (Vec<f32>, Steps) {
        let warped = warp(p, self.shape, image);
        let blurred = self.kernel.blur(&warped, self.sides());
        let share = p.blur as f32;
        let mixed: Vec<f32> = warped.iter().zip(&blurred).map(|(x, b)| x + share * (b - x)).collect();
        let plane = self.shape[1] * self.shape[2];
        let gain = |i: usize| (1.0 + p.colour[i / plane]) as f32;
        let coloured: Vec<f32> = mixed.iter().enumerate().map(|(i, x)| x * gain(i)).collect();
        let mean = coloured.iter().map(|x| f64::from(*x)).sum::<f64>() / coloured.len().max(1) as f64;
        let (contrast, amplitude) = (p.contrast as f32, p.noise as f32);
        let field = self.field(image);
        let contrasted = coloured.iter().map(|x| x + contrast * (x - mean as f32));
        let out = contrasted.zip(field).map(|(x, n)| x + amplitude * n).collect();
        (out, Steps { warped, blurred, mixed, coloured, mean })
    }

    /// Gradient in the parameters, given that in the result.
    pub(crate) fn gradient(&self, p: &Parameters, image: &[f32], steps: &Steps, gradient: &[f32]) -> Parameters {
        let mut slope = Parameters::zeros(self.shape[0]);
        let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
        slope.noise = gradient.iter().zip(self.field(image)).map(|(g, n)| product(*g, n)).sum();
        let mean_gradient = gradient.iter().map(|g| f64::from(*g)).sum::<f64>() / gradient.len().max(1) as f64;
        let deviations = steps.coloured.iter().map(|x| f64::from(*x) - steps.mean);
        slope.contrast = gradient.iter().zip(deviations).map(|(g, x)| f64::from(*g) * x).sum();
        let contrasted = |g: &f32| (f64::from(*g) * (1.0 + p.contrast) - p.contrast * mean_gradient) as f32;
        let mut g: Vec<f32> = gradient.iter().map(contrasted).collect();
        let plane = self.shape[1] * self.shape[2];
        let planes = g.chunks_exact_mut(plane.max(1)).zip(steps.mixed.chunks_exact(plane.max(1)));
        for ((slope, gain), (g, x)) in slope.colour.iter_mut().zip(&p.colour).zip(planes) {
            *slope = g.iter().zip(x).map(|(g, x)| product(*g, *x)).sum();
            g.iter_mut().for_each(|g| *g *= (1.0 + gain) as f32);
        }
        let differences = steps.blurred.iter().zip(&steps.warped).map(|(b, x)| b - x);
        slope.blur = g.iter().zip(differences).map(|(g, d)| product(*g, d)).sum();
        let share = p.blur as f32;
        let spread = self.kernel.transposed(&g, self.sides());
        g.iter_mut().zip(spread).for_each(|(g, s)| *g += share * (s - *g));
        warp_gradient(p, self.shape, image, &g, &mut slope);
        slope
    }

    /// The noise of an image: standard normal, a function of the seed and of the image's values.
    fn field(&self, image: &[f32]) -> impl Iterator<Item = f32> {
        let mut noise = ImageNoise::of(image, self.seed);
        std::iter::repeat_with(move || noise.normal() as f32)
    }
}
