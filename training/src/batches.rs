//! Seeded shuffling and batching. Everything a batch holds follows from (seed, epoch, position), so that a resumed run
//! sees what an uninterrupted one would have seen.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::augment::Augment;

/// Images of one size as bytes, with labels.
#[derive(Debug, Clone)]
pub(crate) struct Pixels {
    /// `[n, c, h, w]`, row-major.
    pub bytes: Vec<u8>,
    /// Size of one image.
    pub shape: [usize; 3],
    /// One class index an image.
    pub labels: Vec<usize>,
}

impl Pixels {
    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Image `i` in [0, 1].
    pub(crate) fn image(&self, i: usize, into: &mut [f32]) {
        let size = into.len();
        let bytes = &self.bytes[i * size..][..size];
        into.iter_mut().zip(bytes).for_each(|(v, b)| *v = f32::from(*b) / 255.0);
    }
}

/// The order of an epoch.
pub(crate) fn order(seed: u64, epoch: usize, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng(seed, epoch, u64::MAX));
    order
}

/// Generator of one position of one epoch.
pub(crate) fn rng(seed: u64, epoch: usize, position: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[16..24].copy_from_slice(&position.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Augmented images of the given items, in [0, 1], and their labels.
pub(crate) fn batch(
    data: &Pixels,
    augment: &Augment,
    seed: u64,
    epoch: usize,
    items: &[usize],
) -> (Vec<f32>, Vec<usize>) {
    let size: usize = data.shape.iter().product();
    let mut images = vec![0.0; items.len() * size];
    fmr_nn::kernels::parallel::for_parts(&mut images, size, |at, part| {
        for (k, image) in part.chunks_exact_mut(size).enumerate() {
            let item = items[at / size + k];
            data.image(item, image);
            augment.apply(image, data.shape, &mut rng(seed, epoch, item as u64));
        }
    });
    (images, items.iter().map(|i| data.labels[*i]).collect())
}
