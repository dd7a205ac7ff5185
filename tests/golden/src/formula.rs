//! Weights and images that a formula gives for their names: cases of full-size models without a weights file
//! (`FORMULA.md` beside the cases).

use std::collections::BTreeMap;

use toml::Value;

use crate::{Case, cells};

/// Shapes and values of parameters by their names.
pub type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// What a case with `kind = "formula"` says about its weights and images.
#[derive(Debug)]
pub struct Formula<'c> {
    case: &'c Case,
    salt: &'c str,
}

/// The range that values are drawn from.
#[derive(Debug, Clone, Copy)]
struct Range {
    center: f64,
    half_width: f64,
}

impl Case {
    /// The formula of the case, if it has one.
    pub fn formula(&self) -> Option<Formula<'_>> {
        let salt = self.text("formula.salt")?;
        Some(Formula { case: self, salt })
    }
}

impl Formula<'_> {
    /// The parameters of the network; integers (counters) are left out.
    ///
    /// # Panics
    /// If the list of keys cannot be read, or the values' checksum is not the case's.
    pub fn weights(&self) -> Weights {
        let mut sum = 0u64;
        let mut weights = Weights::new();
        for row in
            cells(&self.case.path(self.require("formula.keys")), ["key", "shape", "dtype", "center", "half_width"])
        {
            let [key, shape, dtype, center, half_width] = row;
            if dtype != "float32" {
                continue;
            }
            let number = |text: &str| text.parse().unwrap_or_else(|e| panic!("{key}: {text:?}: {e}"));
            let shape = crate::sizes(&shape);
            let range = Range { center: number(&center), half_width: number(&half_width) };
            let values = self.values(&key, shape.iter().product(), range);
            sum = sum.wrapping_add(checksum(&values));
            weights.insert(key, (shape, values));
        }
        assert_eq!(sum, self.sum("formula.weights_sum"), "{}: weights by formula", self.case.name());
        weights
    }

    /// Shape and values of the images in [0, 1].
    ///
    /// # Panics
    /// If the case does not describe them, or their checksum is not the case's.
    pub fn images(&self) -> (Vec<usize>, Vec<f32>) {
        const GRID: usize = 7;
        let shape: Vec<usize> = self.case.numbers("formula.input_shape").into_iter().map(|n| n as usize).collect();
        let [_, c, h, w] = shape[..] else { panic!("{}: images of {shape:?}", self.case.name()) };
        let half = Range { center: 0.5, half_width: 0.5 };
        let mut images = Vec::new();
        for key in self.case.texts("formula.images") {
            let fine = self.values(&key, c * h * w, half);
            let coarse = self.values(&format!("{key}.coarse"), c * GRID * GRID, half);
            images.extend(fine.iter().enumerate().map(|(i, fine)| {
                let (channel, y, x) = (i / (h * w), i / w % h, i % w);
                let coarse = coarse[(channel * GRID + GRID * y / h) * GRID + GRID * x / w];
                ((f64::from(*fine) + f64::from(coarse)) / 2.0) as f32
            }));
        }
        assert_eq!(checksum(&images), self.sum("formula.image_sum"), "{}: images by formula", self.case.name());
        (shape, images)
    }

    /// The images as the network sees them.
    ///
    /// # Panics
    /// As [`Formula::images`].
    pub fn input(&self) -> (Vec<usize>, Vec<f32>) {
        let (shape, images) = self.images();
        let plane = shape[2] * shape[3];
        let (mean, std) = (self.case.numbers("formula.mean"), self.case.numbers("formula.std"));
        let normalise = |(i, v): (usize, &f32)| {
            let channel = i / plane % shape[1];
            ((f64::from(*v) - mean[channel]) / std[channel]) as f32
        };
        let values = images.iter().enumerate().map(normalise).collect();
        (shape, values)
    }

    fn values(&self, key: &str, len: usize, range: Range) -> Vec<f32> {
        let seed = u64::from(fnv1a(&format!("{}{key}", self.salt)));
        (0..len as u64).map(|i| range.at(bits(seed, i))).collect()
    }

    fn require(&self, path: &str) -> &str {
        self.case.text(path).unwrap_or_else(|| panic!("{} has no {path}", self.case.name()))
    }

    fn sum(&self, path: &str) -> u64 {
        let text = self.case.value(path).and_then(Value::as_str).unwrap_or_default();
        let digits = text.trim_start_matches("0x");
        u64::from_str_radix(digits, 16).unwrap_or_else(|e| panic!("{}: {path} = {text:?}: {e}", self.case.name()))
    }
}

impl Range {
    /// The value that stands for 24 bits.
    fn at(self, bits: u32) -> f32 {
        let u = f64::from(bits) / f64::from(1 << 24);
        (self.center + self.half_width * (2.0 * u - 1.0)) as f32
    }
}

/// 32-bit FNV-1a.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

/// The 24 bits of element `i`: the upper ones of SplitMix64.
fn bits(seed: u64, i: u64) -> u32 {
    let z = (seed << 32).wrapping_add(i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as u32
}

/// Sum of the values' bits, each times its place.
fn checksum(values: &[f32]) -> u64 {
    let terms = values.iter().zip(1u64..).map(|(v, i)| u64::from(v.to_bits()).wrapping_mul(i));
    terms.fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked values of the document.
    #[test]
    fn gives_the_worked_values() {
        let value = |text: &str, i: u64, center: f64, half_width: f64| {
            let (seed, range) = (fnv1a(text), Range { center, half_width });
            let bits = bits(seed.into(), i);
            (seed, bits, range.at(bits).to_bits())
        };
        let norm = value("vit_base_patch16_224/blocks.0.norm1.weight", 0, 1.0, 0.3);
        assert_eq!(norm, (0xC3F1_6215, 0x8D_4335, 0x3F83_FA90));
        let kernel = value("resnet50/layer1.0.conv2.weight", 36863, 0.0, 0.002_255);
        assert_eq!(kernel, (0xCED2_1ED4, 0xC0_BB04, 0x3A95_7877));
        assert_eq!(value("cifar_lenet/input.9", 0, 0.5, 0.5), (0x1822_8F05, 0x8D_6097, 0x3F0D_6097));
        assert_eq!(value("cifar_lenet/input.9.coarse", 0, 0.5, 0.5), (0x1B87_11C0, 0xCA_7F4A, 0x3F4A_7F4A));
    }
}
