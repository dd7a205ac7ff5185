//! Resampling along one axis as a sparse linear map: each output is a weighted sum of a few inputs.

use serde::{Deserialize, Serialize};

/// How values between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// The pixel whose cell the centre falls into.
    Nearest,
    /// Triangle filter.
    Bilinear,
    /// Keys' cubic: a = −½ with antialias, −¾ without, as PyTorch has them.
    Bicubic,
    /// Mean over the cells that an output covers (adaptive average pooling).
    Area,
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Area => "area",
        })
    }
}

/// Sparse rows of a resampling matrix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taps {
    rows: Vec<(usize, Vec<f32>)>,
    from: usize,
}

fn cubic(t: f64, a: f64) -> f64 {
    let t = t.abs();
    if t < 1.0 {
        ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        (((t - 5.0) * t + 8.0) * t - 4.0) * a
    } else {
        0.0
    }
}

impl Taps {
    /// The map from `from` to `to` pixels.
    pub(super) fn new(filter: Filter, antialias: bool, from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let rows = (0..to)
            .map(|i| match (filter, antialias) {
                (Filter::Nearest, _) => (((i as f64) * scale) as usize, vec![1.0]),
                (Filter::Area, _) => {
                    let (first, last) = (i * from / to, ((i + 1) * from).div_ceil(to));
                    (first, vec![1.0 / (last - first) as f32; last - first])
                }
                (_, true) => antialiased(filter, from, to, i),
                (Filter::Bilinear, false) => {
                    let centre = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
                    let first = (centre as usize).min(from - 1);
                    let t = (centre - first as f64) as f32;
                    if first + 1 < from { (first, vec![1.0 - t, t]) } else { (first, vec![1.0]) }
                }
                (Filter::Bicubic, false) => replicated_cubic(from, scale, i),
            })
            .collect();
        Self { rows, from }
    }

    /// Number of outputs.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of inputs.
    pub(super) fn from(&self) -> usize {
        self.from
    }

    /// First input and weights of each output.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.rows.iter().map(|(first, weights)| (*first, weights.as_slice()))
    }
}

fn antialiased(filter: Filter, from: usize, to: usize, i: usize) -> (usize, Vec<f32>) {
    let (first, weights) = antialiased_weights(filter, from, to, i);
    (first, weights.into_iter().map(|w| w as f32).collect())
}

/// Pillow's filter: widened by the scale when shrinking, cut off at the border, weights normalised.
pub(super) fn antialiased_weights(filter: Filter, from: usize, to: usize, i: usize) -> (usize, Vec<f64>) {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = stretch
        * match filter {
            Filter::Bicubic => 2.0,
            Filter::Bilinear => 1.0,
            Filter::Nearest | Filter::Area => 0.5,
        };
    let centre = (i as f64 + 0.5) * scale;
    let first = (centre - support + 0.5).max(0.0) as usize;
    let last = ((centre + support + 0.5) as usize).min(from).max(first + 1);
    let weights: Vec<f64> = (first..last)
        .map(|j| {
            let t = (j as f64 - centre + 0.5) / stretch;
            match filter {
                Filter::Bicubic => cubic(t, -0.5),
                Filter::Bilinear => (1.0 - t.abs()).max(0.0),
                Filter::Nearest | Filter::Area => f64::from(u8::from(-0.5 < t && t <= 0.5)),
            }
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    (first, weights.into_iter().map(|w| w / sum).collect())
}

/// PyTorch's bicubic without antialias: four taps, those outside the image moved onto its border.
fn replicated_cubic(from: usize, scale: f64, i: usize) -> (usize, Vec<f32>) {
    let centre = (i as f64 + 0.5) * scale - 0.5;
    let base = centre.floor();
    let t = centre - base;
    let clamp = |offset: i64| (base as i64 + offset).clamp(0, from as i64 - 1) as usize;
    let first = clamp(-1);
    let mut weights = vec![0.0_f64; clamp(2) - first + 1];
    for offset in -1..=2 {
        weights[clamp(offset) - first] += cubic(t - offset as f64, -0.75);
    }
    (first, weights.into_iter().map(|w| w as f32).collect())
}
