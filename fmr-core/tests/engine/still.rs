//! A generator that quantises: updates that change no code are not evaluated again, and no bit of a result shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fmr_core::perturb::Perturbed;
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentPullBack};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::toy::{Curved, LATENT, Toy};

/// Distance of the codes.
const GRID: f32 = 0.25;

/// Decodes the nearest multiples of [`GRID`], with the gradient passed straight through.
struct Rounded {
    inner: Curved,
    /// Whether it says what decoding sees.
    tells: bool,
    /// Latents that were decoded.
    decoded: Arc<AtomicUsize>,
}

fn rounded(latents: ArrayView2<'_, f32>) -> Array2<f32> {
    latents.mapv(|v| (v / GRID).round() * GRID)
}

impl Generator for Rounded {
    fn spec(&self) -> &GeneratorSpec {
        self.inner.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        self.inner.encode(images, labels)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        self.decoded.fetch_add(latents.nrows(), Ordering::Relaxed);
        self.inner.decode(rounded(latents).view(), labels)
    }

    fn quantized(&self, latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(self.tells.then(|| rounded(latents)))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        self.decoded.fetch_add(latents.nrows(), Ordering::Relaxed);
        self.inner.decode_with_pullback(rounded(latents).view(), labels)
    }
}

/// What a search found, and the number of latents that it decoded.
fn search(
    settings: &str,
    mask: Option<Vec<f32>>,
    target: &dyn Fn(&mut Toy),
    tells: bool,
    batch: usize,
) -> (Vec<Perturbed>, usize) {
    let decoded = Arc::new(AtomicUsize::new(0));
    let mut toy = Toy::new(settings);
    toy.generator = Box::new(Rounded { inner: Curved::new(), tells, decoded: decoded.clone() });
    toy.mask = mask;
    target(&mut toy);
    let samples: Vec<usize> = (0..30).collect();
    let found = samples.chunks(batch).flat_map(|part| toy.perturber().run(&toy.samples(part)).unwrap()).collect();
    (found, decoded.load(Ordering::Relaxed))
}

fn expect_same(a: &[Perturbed], b: &[Perturbed], what: &str) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.record, b.record, "{what}");
        assert_eq!((&a.final_image, &a.final_latent), (&b.final_image, &b.final_latent), "{what}");
        assert_eq!(a.answers, b.answers, "{what}");
    }
}

#[test]
fn updates_that_change_no_code_change_no_result_and_cost_no_decode() {
    let mask = Some(vec![1.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(mask.as_ref().map(Vec::len), Some(LATENT));
    for settings in [
        "budget = 12\nstep-size = 0.04",
        "budget = 12\nstep-size = 0.04\nrule = \"adam\"",
        "budget = 12\nstep-size = 0.06\nrule = \"normalized\"\nselect = \"max-score\"",
        "budget = 14\nstep-size = 0.09\non-violation = \"halve\"\nhalvings = 3",
        "budget = 10\nstep-size = 0.05\nrestarts = 1\nrestart-noise = 0.1",
        "budget = 10\nstep-size = 0.05\nearly-exit = \"misclassified\"",
    ] {
        for mask in [None, mask.clone()] {
            let (plain, all) = search(settings, mask.clone(), &|_| {}, false, 5);
            for batch in [1, 5, 30] {
                let (told, fewer) = search(settings, mask.clone(), &|_| {}, true, batch);
                expect_same(&told, &plain, settings);
                assert!(fewer < all, "{settings}: {fewer} of {all} latents decoded");
            }
        }
    }
}

#[test]
fn what_is_drawn_or_encoded_anew_is_evaluated_anew() {
    let opaque = |toy: &mut Toy| toy.target = crate::toy::opaque(11);
    let estimated = "budget = 4\nstep-size = 0.05";
    let (plain, all) = search(estimated, None, &opaque, false, 5);
    let (told, same) = search(estimated, None, &opaque, true, 5);
    expect_same(&told, &plain, "an estimated gradient");
    assert_eq!(same, all);
    let image = "budget = 4\nstep-size = 0.05\nstate = \"image\"";
    let (plain, all) = search(image, None, &|_| {}, false, 5);
    let (told, same) = search(image, None, &|_| {}, true, 5);
    expect_same(&told, &plain, "image state");
    assert_eq!(same, all);
}
