//! The components of the loop, with a clock around each kind of work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fmr_core::{ComponentError, Generator, GeneratorSpec, ImagePullBack, LatentPullBack, Oracle, Target, TargetSpec};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Nanoseconds spent in one kind of work, over all threads.
pub(crate) struct Timer(AtomicU64);

impl Timer {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Nanoseconds since the last reset.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn time<T>(&self, f: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = f();
        self.0.fetch_add(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        result
    }
}

pub(crate) static DECODE: Timer = Timer::new();
pub(crate) static QUANTIZE: Timer = Timer::new();
pub(crate) static ORACLE: Timer = Timer::new();
pub(crate) static TARGET: Timer = Timer::new();
pub(crate) static PULL_GENERATOR: Timer = Timer::new();
pub(crate) static PULL_TARGET: Timer = Timer::new();

/// Draws latents instead of encoding, and times the rest.
pub(crate) struct TimedGenerator {
    pub(crate) inner: Box<dyn Generator>,
    pub(crate) spare: bool,
}

impl Generator for TimedGenerator {
    fn spec(&self) -> &GeneratorSpec {
        self.inner.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let mut random = ChaCha8Rng::seed_from_u64(labels.iter().fold(1, |seed, label| seed * 31 + *label as u64));
        // Uniform with the deviation of a standard normal.
        let half = 3_f32.sqrt();
        Ok(Array2::from_shape_simple_fn((images.dim().0, self.spec().latent_len()), || {
            random.random_range(-half..half)
        }))
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        DECODE.time(|| self.inner.decode(latents, labels))
    }

    fn quantized(&self, latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        if self.spare { QUANTIZE.time(|| self.inner.quantized(latents)) } else { Ok(None) }
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let (images, pull_back) = DECODE.time(|| self.inner.decode_with_pullback(latents, labels))?;
        Ok((images, Box::new(|gradient| PULL_GENERATOR.time(|| pull_back(gradient)))))
    }
}

pub(crate) struct TimedOracle(pub(crate) Box<dyn Oracle>);

impl Oracle for TimedOracle {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.0.set_classes(names, templates)
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        ORACLE.time(|| self.0.judge(images))
    }
}

pub(crate) struct TimedTarget(pub(crate) Box<dyn Target>);

impl Target for TimedTarget {
    fn spec(&self) -> &TargetSpec {
        self.0.spec()
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        TARGET.time(|| self.0.logits(images))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (logits, pull_back) = TARGET.time(|| self.0.logits_with_pullback(images))?;
        Ok((logits, Box::new(|gradient| PULL_TARGET.time(|| pull_back(gradient)))))
    }
}
