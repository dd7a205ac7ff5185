//! How far the encodings of some images spread: a unit for steps and movements in which generators can be compared.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::LatentBlock;

/// Standard deviation of a named block of the latent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlockSpread {
    /// Name of the block.
    pub name: String,
    /// Values of the block.
    pub values: usize,
    /// Square root of the mean variance of its values. 0 where all images have the same encoding there.
    pub deviation: f64,
}

/// How far the encodings of some images spread, block by block.
///
/// The variance of a block is the mean of its values' variances over the images: a pattern that all encodings share does
/// not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spread {
    /// Images that were encoded.
    pub images: usize,
    /// The blocks of the latent, in order.
    pub blocks: Vec<BlockSpread>,
}

impl Spread {
    /// The deviation of each latent value's block `[d]`.
    pub fn weights(&self) -> Vec<f32> {
        let block = |b: &BlockSpread| std::iter::repeat_n(b.deviation as f32, b.values);
        self.blocks.iter().flat_map(block).collect()
    }

    /// Whether it is of latents that are laid out like this.
    pub fn fits(&self, layout: &[LatentBlock]) -> bool {
        let ours = self.blocks.iter().map(|b| (b.name.as_str(), b.values));
        ours.eq(layout.iter().map(|b| (b.name.as_str(), b.place().len())))
    }

    /// The largest change of any value in deviations of its block; 0 where nothing moved. Blocks whose encodings are all the
    /// same give no unit and do not count.
    pub fn largest_change(&self, from: ArrayView1<'_, f32>, to: ArrayView1<'_, f32>) -> f64 {
        let mut pairs = from.iter().zip(to);
        let mut largest = 0.0_f64;
        for block in &self.blocks {
            let changes = pairs.by_ref().take(block.values).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
            let change = changes.fold(0.0, f64::max);
            if block.deviation > 0.0 {
                largest = largest.max(change / block.deviation);
            }
        }
        largest
    }
}

/// Sums up encodings one by one (Welford's method, in double precision). The order of the encodings decides the last bits.
#[derive(Debug, Clone)]
pub struct SpreadSum {
    images: usize,
    mean: Vec<f64>,
    /// Sums of squared deviations from the mean.
    squares: Vec<f64>,
}

impl SpreadSum {
    /// Sums of latents with `len` values.
    pub fn new(len: usize) -> Self {
        Self { images: 0, mean: vec![0.0; len], squares: vec![0.0; len] }
    }

    /// Adds an encoding `[d]`. One that is not finite, or of a different length, is passed over.
    pub fn add(&mut self, latent: ArrayView1<'_, f32>) {
        if latent.len() != self.mean.len() || !latent.iter().all(|v| v.is_finite()) {
            return;
        }
        self.images += 1;
        let count = self.images as f64;
        for ((mean, squares), value) in self.mean.iter_mut().zip(&mut self.squares).zip(latent) {
            let value = f64::from(*value);
            let before = value - *mean;
            *mean += before / count;
            *squares += before * (value - *mean);
        }
    }

    /// The spread of the encodings so far, of latents that are laid out like this.
    pub fn finish(&self, layout: &[LatentBlock]) -> Spread {
        let degrees = self.images.saturating_sub(1).max(1) as f64;
        let block = |block: &LatentBlock| {
            let place = block.place();
            let values = place.len();
            let squares: f64 = self.squares.iter().skip(place.start).take(values).sum();
            let deviation = (squares / degrees / values.max(1) as f64).sqrt();
            BlockSpread { name: block.name.clone(), values, deviation }
        };
        Spread { images: self.images, blocks: layout.iter().map(block).collect() }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn layout() -> Vec<LatentBlock> {
        vec![
            LatentBlock { name: "w".to_owned(), shape: vec![2], offset: 0 },
            LatentBlock { name: "z".to_owned(), shape: vec![1, 1], offset: 2 },
        ]
    }

    #[test]
    fn a_block_spreads_as_its_values_do_on_average() {
        let mut sum = SpreadSum::new(3);
        // What all encodings share does not count: the first value is 100 and does not move.
        sum.add(array![100.0, 1.0, 5.0].view());
        sum.add(array![100.0, 3.0, 5.0].view());
        sum.add(array![100.0, f32::NAN, 5.0].view());
        let spread = sum.finish(&layout());
        assert_eq!((spread.images, spread.blocks[0].deviation, spread.blocks[1].deviation), (2, 1.0, 0.0));
        assert_eq!(spread.weights(), [1.0, 1.0, 0.0]);
        assert!(spread.fits(&layout()) && !spread.fits(&layout()[..1]));
    }

    #[test]
    fn changes_are_measured_in_deviations_of_their_blocks() {
        let block = |name: &str, values, deviation| BlockSpread { name: name.to_owned(), values, deviation };
        let spread = Spread { images: 9, blocks: vec![block("w", 2, 0.5), block("z", 1, 4.0)] };
        let change = |to: ndarray::Array1<f32>| spread.largest_change(array![0.0, 0.0, 0.0].view(), to.view());
        assert_eq!(change(array![0.25, -1.0, 4.0]), 2.0);
        assert_eq!(change(array![0.0, 0.0, -2.0]), 0.5);
        assert_eq!(change(array![0.0, 0.0, 0.0]), 0.0);
    }
}
