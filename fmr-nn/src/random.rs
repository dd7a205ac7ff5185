//! Noise of a seed, the same on every machine and device.

use rand::{Rng, RngExt};

/// So many independent normal values of mean 0 and this standard deviation (Box–Muller).
pub fn normal(random: &mut impl Rng, len: usize, deviation: f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(len + 1);
    while values.len() < len {
        // 1 − u lies in (0, 1].
        let (u, v): (f64, f64) = (random.random(), random.random());
        let radius = (-2.0 * (1.0 - u).ln()).sqrt() * f64::from(deviation);
        let (sin, cos) = (2.0 * std::f64::consts::PI * v).sin_cos();
        values.extend([(radius * cos) as f32, (radius * sin) as f32]);
    }
    values.truncate(len);
    values
}
