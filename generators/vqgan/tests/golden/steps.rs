//! Trajectories that optimise a latent against a toy classifier, as VQGAN+CLIP does: each is described in a sentence.

use burn::tensor::{Tensor, TensorData};
use fmr_golden::{Report, Sheet};
use fmr_nn::bridge::Traced;
use fmr_nn::device::test_device;
use fmr_vqgan::Autoencoder;

use crate::support::values;
use crate::{clamp_gradient, clamped};

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// Runs every trajectory of a sheet; `image` is in [-1, 1].
pub(crate) fn compare<'s>(net: &Autoencoder, image: &Tensor<4>, sheet: &'s Sheet) -> Report<'s> {
    let mut report = sheet.report();
    let (least, most) = ranges(net);
    report.floats("output.z_min", &least);
    report.floats("output.z_max", &most);
    let names: Vec<&str> = report.open().filter_map(|name| name.strip_prefix("output.")?.strip_suffix(".z")).collect();
    for name in names {
        let text = sheet.text(&format!("runs.{name}")).unwrap_or_else(|| panic!("runs.{name} is not described"));
        let steps = sheet.shape(&format!("output.{name}.z"))[0];
        let seen = if text.contains("encodes the previous image") {
            images(net, image, sheet, text, steps)
        } else {
            latents(net, sheet, text, steps - 1)
        };
        report.floats(&format!("output.{name}.z"), &seen.latents);
        report.floats(&format!("output.{name}.loss"), &seen.losses);
        report.ints(&format!("output.{name}.indices"), &seen.indices);
        report.floats(&format!("output.{name}.image"), &seen.image);
    }
    report
}

#[derive(Default)]
struct Seen {
    latents: Vec<f32>,
    losses: Vec<f32>,
    indices: Vec<i64>,
    image: Vec<f32>,
}

/// Least and largest value of each channel over the codebook.
fn ranges(net: &Autoencoder) -> (Vec<f32>, Vec<f32>) {
    let rows = values(net.codebook.rows());
    let d = net.codebook.rows().dims()[1];
    let fold = |start: f32, f: fn(f32, f32) -> f32| {
        (0..d).map(|c| rows.iter().skip(c).step_by(d).fold(start, |m, v| f(m, *v))).collect()
    };
    (fold(f32::INFINITY, f32::min), fold(f32::NEG_INFINITY, f32::max))
}

/// A latent that moves.
fn latents(net: &Autoencoder, sheet: &Sheet, text: &str, steps: usize) -> Seen {
    let start = text.split("start: ").nth(1).and_then(|rest| rest.split([' ', ';']).next()).unwrap();
    let shape: [usize; 4] = sheet.shape(start).to_vec().try_into().unwrap();
    let mut z: Vec<f64> = sheet.floats(start).iter().map(|v| f64::from(*v)).collect();
    let quantises = text.contains("nearest codes");
    let mask = text.contains("input.mask").then(|| sheet.floats("input.mask"));
    let bounds = text.contains("clamp z to the per-channel codebook").then(|| ranges(net));
    let mut rule = Rule::of(text, z.len());
    let decode = |z: Tensor<4>| if quantises { net.decode(net.codebook.quantize(z)) } else { net.decode(z) };
    let mut seen = Seen::default();
    for step in 0..=steps {
        let here = array(&z, shape);
        seen.latents.extend(z.iter().map(|v| *v as f32));
        seen.indices.extend(net.codebook.indices(&here).into_iter().map(|i| i as i64));
        let (losses, mut gradient) = objective(sheet, here, decode);
        seen.losses.extend(losses);
        if step == steps {
            break;
        }
        if let Some(mask) = mask {
            let per_sample = mask.len();
            gradient.iter_mut().enumerate().for_each(|(i, g)| *g *= f64::from(mask[i % per_sample]));
        }
        rule.step(&mut z, &gradient, shape[0]);
        if let Some((least, most)) = &bounds {
            let channel = |i: usize| i / (shape[2] * shape[3]) % shape[1];
            let clamp = |(i, v): (usize, &mut f64)| *v = v.clamp(least[channel(i)].into(), most[channel(i)].into());
            z.iter_mut().enumerate().for_each(clamp);
        }
    }
    seen
}

/// An image that moves, encoded anew for each step.
fn images(net: &Autoencoder, image: &Tensor<4>, sheet: &Sheet, text: &str, steps: usize) -> Seen {
    let mut image = image.clone();
    let mut seen = Seen::default();
    for _ in 0..steps {
        let z = net.encode(image.clone());
        let shape = z.dims();
        let (losses, gradient) = objective(sheet, z.clone(), |z| net.decode(z));
        seen.losses.extend(losses);
        let mut moved: Vec<f64> = values(z).into_iter().map(f64::from).collect();
        Rule::of(text, moved.len()).step(&mut moved, &gradient, shape[0]);
        seen.latents.extend(moved.iter().map(|v| *v as f32));
        let decoded = net.decode(array(&moved, shape));
        let shape = decoded.dims();
        seen.image = clamped(&values(decoded));
        let signed: Vec<f64> = seen.image.iter().map(|v| f64::from(*v) * 2.0 - 1.0).collect();
        image = array(&signed, shape);
    }
    seen
}

fn array(z: &[f64], shape: [usize; 4]) -> Tensor<4> {
    Tensor::from_data(TensorData::new(z.iter().map(|v| *v as f32).collect(), shape), &test_device())
}

/// Cross-entropy of each sample, and the gradient of minus their sum in the latents.
fn objective(sheet: &Sheet, z: Tensor<4>, decode: impl Fn(Tensor<4>) -> Tensor<4>) -> (Vec<f32>, Vec<f64>) {
    let traced = Traced::new(z, decode);
    let decoded = traced.output();
    let shape = decoded.dims();
    let decoded = values(decoded);
    let (losses, slopes) = classify(sheet, &clamped(&decoded), shape);
    let back = clamp_gradient(&decoded, &slopes);
    let back = Tensor::<4>::from_data(TensorData::new(back, shape), &test_device());
    (losses, values(traced.pull_back(back)).into_iter().map(f64::from).collect())
}

/// The toy: normalised images, averaged over a grid of cells, through one linear layer. Cross-entropies, and the gradient
/// of minus their sum in the images.
fn classify(sheet: &Sheet, images: &[f32], [n, c, h, w]: [usize; 4]) -> (Vec<f32>, Vec<f32>) {
    let (weights, bias, labels) = (sheet.floats("input.W"), sheet.floats("input.b"), sheet.ints("input.label"));
    let inputs = weights.len() / bias.len();
    let grid = (inputs / c).isqrt();
    let (cell_h, cell_w) = (h / grid, w / grid);
    let area = (cell_h * cell_w) as f64;
    // Which input a pixel goes into.
    let input = |i: usize| {
        let (channel, y, x) = (i / (h * w), i / w % h, i % w);
        (channel, (channel * grid + y / cell_h) * grid + x / cell_w)
    };
    let (mut losses, mut slopes) = (Vec::new(), Vec::new());
    for (image, label) in images.chunks_exact(c * h * w).zip(labels.iter().cycle()).take(n) {
        let mut pooled = vec![0.0; inputs];
        for (i, v) in image.iter().enumerate() {
            let (channel, k) = input(i);
            pooled[k] += (f64::from(*v) - MEAN[channel]) / STD[channel] / area;
        }
        let row = |j: usize| weights[j * inputs..][..inputs].iter().map(|w| f64::from(*w));
        let logits: Vec<f64> = (0..bias.len())
            .map(|j| f64::from(bias[j]) + row(j).zip(&pooled).map(|(w, x)| w * x).sum::<f64>())
            .collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|l| (l - most).exp()).sum();
        let label = usize::try_from(*label).unwrap();
        losses.push((sum.ln() + most - logits[label]) as f32);
        let mut d_pooled = vec![0.0; inputs];
        for (j, logit) in logits.iter().enumerate() {
            let d = f64::from(u8::from(j == label)) - (logit - most).exp() / sum;
            d_pooled.iter_mut().zip(row(j)).for_each(|(p, w)| *p += d * w);
        }
        slopes.extend((0..image.len()).map(|i| {
            let (channel, k) = input(i);
            (d_pooled[k] / area / STD[channel]) as f32
        }));
    }
    (losses, slopes)
}

/// A rule that turns gradients of a minimised objective into steps.
struct Rule {
    kind: Kind,
    size: f64,
    t: i32,
    first: Vec<f64>,
    second: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Kind {
    Adam,
    Sign,
    Normalised,
    Raw,
}

impl Rule {
    /// The rule that a sentence describes.
    fn of(text: &str, len: usize) -> Self {
        let number = |after: &str| -> Option<f64> {
            let rest = text.split(after).nth(1)?;
            rest.split([' ', ';']).next()?.parse().ok()
        };
        let (kind, size) = match (number("lr "), number("z -= ")) {
            (Some(size), _) => (Kind::Adam, size),
            (None, Some(size)) if text.contains("sign(g)") => (Kind::Sign, size),
            (None, Some(size)) if text.contains("||g||") => (Kind::Normalised, size),
            (None, Some(size)) => (Kind::Raw, size),
            (None, None) => panic!("no rule is understood in {text:?}"),
        };
        Self { kind, size, t: 0, first: vec![0.0; len], second: vec![0.0; len] }
    }

    fn step(&mut self, z: &mut [f64], gradient: &[f64], samples: usize) {
        const BETAS: [f64; 2] = [0.9, 0.999];
        self.t += 1;
        let per_sample = z.len() / samples;
        let norms: Vec<f64> =
            gradient.chunks_exact(per_sample).map(|g| g.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
        for (i, (z, g)) in z.iter_mut().zip(gradient).enumerate() {
            let step = match self.kind {
                Kind::Sign if *g == 0.0 => 0.0,
                Kind::Sign => g.signum(),
                Kind::Normalised => g / norms[i / per_sample],
                Kind::Raw => *g,
                Kind::Adam => {
                    let (m, v) = (&mut self.first[i], &mut self.second[i]);
                    *m = BETAS[0] * *m + (1.0 - BETAS[0]) * g;
                    *v = BETAS[1] * *v + (1.0 - BETAS[1]) * g * g;
                    let corrected = |v: f64, beta: f64| v / (1.0 - beta.powi(self.t));
                    corrected(*m, BETAS[0]) / (corrected(*v, BETAS[1]).sqrt() + 1e-8)
                }
            };
            *z -= self.size * step;
        }
    }
}
