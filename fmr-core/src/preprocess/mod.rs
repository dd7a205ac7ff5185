//! Image pre-processing as a pipeline of affine stages with exact pull-backs.
//!
//! A component declares what its model wants ([`Stage`]s); a [`Pipeline`] fixes them for one image shape. Row i of a
//! result depends on image i alone. The 8-bit path for files, which rounds like Pillow, is no pipeline, for rounding
//! has no derivative: see [`Picture`].

mod framing;
mod pictures;
mod taps;

use ndarray::{Array4, ArrayView4};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use framing::{CropRule, Fit, Framing};
pub use pictures::Picture;
pub use taps::Filter;
use taps::Taps;

/// One affine step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stage {
    /// Both sides to the given size, aspect ratio not kept.
    Resize {
        /// `[height, width]` of the result.
        size: [usize; 2],
        /// How values between pixels are found.
        filter: Filter,
        /// Whether the filter widens when shrinking.
        antialias: bool,
    },
    /// Shorter side to the given size, longer side in proportion, rounded down.
    ResizeShorter {
        /// Length of the shorter side.
        size: usize,
        /// How values between pixels are found.
        filter: Filter,
        /// Whether the filter widens when shrinking.
        antialias: bool,
    },
    /// The middle `[height, width]`; offsets round half to even, as torchvision's.
    CentreCrop {
        /// `[height, width]` of the result.
        size: [usize; 2],
    },
    /// The rectangle whose first pixel is the image's pixel at `corner`; zero where that is outside the image.
    Window {
        /// `[row, column]` in the image; negative before it.
        corner: [isize; 2],
        /// `[height, width]` of the result.
        size: [usize; 2],
    },
    /// Zeros at top, left, bottom, right.
    Pad {
        /// Rows or columns added on each side.
        by: [usize; 4],
    },
    /// One channel repeated.
    RepeatChannel {
        /// Channels of the result.
        channels: usize,
    },
    /// Channels weighted and summed to one.
    MixChannels {
        /// One weight a channel.
        weights: Vec<f32>,
    },
    /// `(x − mean) / std` for each channel.
    Normalise {
        /// One mean a channel.
        mean: Vec<f32>,
        /// One deviation a channel.
        std: Vec<f32>,
    },
}

impl Stage {
    /// ITU-R 601 luma of RGB.
    pub fn luma() -> Self {
        Self::MixChannels { weights: vec![0.299, 0.587, 0.114] }
    }

    /// Mean of `channels` channels.
    pub fn channel_mean(channels: usize) -> Self {
        Self::MixChannels { weights: vec![1.0 / channels as f32; channels] }
    }
}

/// Stages that do not fit the images.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("pre-processing {stage} cannot take {}×{}×{} images: {problem}", input[0], input[1], input[2])]
pub struct PipelineError {
    /// Name of the stage.
    pub stage: &'static str,
    /// `[channels, height, width]` that it was given.
    pub input: [usize; 3],
    /// What does not fit.
    pub problem: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Resample {
        rows: Taps,
        columns: Taps,
    },
    /// Output pixel (y, x) is input pixel (y + top, x + left), zero where outside.
    Window {
        top: isize,
        left: isize,
    },
    Repeat,
    Mix(Vec<f32>),
    Scale {
        mean: Vec<f32>,
        std: Vec<f32>,
    },
}

/// Stages fixed for one image shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Each step with the shape it takes.
    steps: Vec<([usize; 3], Step)>,
    output: [usize; 3],
}

impl Pipeline {
    /// The stages for images `[channels, height, width]`.
    ///
    /// # Errors
    /// A stage does not fit what the one before it gives.
    pub fn new(input: [usize; 3], stages: &[Stage]) -> Result<Self, PipelineError> {
        let mut shape = input;
        let mut steps = Vec::new();
        for stage in stages {
            let given = shape;
            let step;
            (step, shape) = fix(stage, shape)?;
            // A resize to the size that is there already would only cost time and the last bits.
            let idle = match &step {
                Step::Resample { .. } => shape == given,
                Step::Window { top, left } => shape == given && [*top, *left] == [0, 0],
                Step::Repeat => shape[0] == given[0],
                _ => false,
            };
            if !idle {
                steps.push((given, step));
            }
        }
        Ok(Self { steps, output: shape })
    }

    /// `[channels, height, width]` of the results.
    pub fn output(&self) -> [usize; 3] {
        self.output
    }

    /// Results for images of the pipeline's shape.
    ///
    /// # Panics
    /// If the images have another shape.
    pub fn forward(&self, images: ArrayView4<'_, f32>) -> Array4<f32> {
        let mut x = images.as_standard_layout().into_owned();
        for (i, (shape, step)) in self.steps.iter().enumerate() {
            assert_eq!(&x.shape()[1..], shape, "images of another shape");
            let next = self.steps.get(i + 1).map_or(self.output, |s| s.0);
            x = step.forward(x, next);
        }
        x
    }

    /// Gradient in the images, given the gradient in the results: the transpose of the linear part.
    ///
    /// # Panics
    /// If the gradient does not have the results' shape.
    pub fn pull_back(&self, gradient: ArrayView4<'_, f32>) -> Array4<f32> {
        assert_eq!(&gradient.shape()[1..], self.output, "gradient of another shape");
        let mut g = gradient.as_standard_layout().into_owned();
        for (shape, step) in self.steps.iter().rev() {
            g = step.pull_back(g, *shape);
        }
        g
    }
}

fn fix(stage: &Stage, [c, h, w]: [usize; 3]) -> Result<(Step, [usize; 3]), PipelineError> {
    let error = |stage, problem: String| PipelineError { stage, input: [c, h, w], problem };
    let channels = |name, n: usize| {
        if n == c { Ok(()) } else { Err(error(name, format!("it has {n} values for {c} channels"))) }
    };
    Ok(match stage {
        Stage::Resize { size, filter, antialias } => {
            resample([c, h, w], *size, *filter, *antialias).ok_or_else(|| error("resize", "a side is zero".into()))?
        }
        Stage::ResizeShorter { size, filter, antialias } => {
            let to = shorter_side([h, w], *size);
            resample([c, h, w], to, *filter, *antialias)
                .ok_or_else(|| error("resize-shorter", "a side is zero".into()))?
        }
        Stage::CentreCrop { size: [ch, cw] } => {
            if *ch > h || *cw > w || *ch == 0 || *cw == 0 {
                return Err(error("centre-crop", format!("the crop is {ch}×{cw}")));
            }
            let step = Step::Window { top: centre_offset(h, *ch) as isize, left: centre_offset(w, *cw) as isize };
            (step, [c, *ch, *cw])
        }
        Stage::Window { corner: [top, left], size: [to_h, to_w] } => {
            if *to_h == 0 || *to_w == 0 {
                return Err(error("window", "a side is zero".into()));
            }
            (Step::Window { top: *top, left: *left }, [c, *to_h, *to_w])
        }
        Stage::Pad { by: [top, left, bottom, right] } => {
            let step = Step::Window { top: -(*top as isize), left: -(*left as isize) };
            (step, [c, h + top + bottom, w + left + right])
        }
        Stage::RepeatChannel { channels } => {
            if c != 1 && c != *channels {
                return Err(error("repeat-channel", "only one channel can be repeated".into()));
            }
            (Step::Repeat, [*channels, h, w])
        }
        Stage::MixChannels { weights } => {
            channels("mix-channels", weights.len())?;
            (Step::Mix(weights.clone()), [1, h, w])
        }
        Stage::Normalise { mean, std } => {
            channels("normalise", mean.len())?;
            channels("normalise", std.len())?;
            if std.contains(&0.0) {
                return Err(error("normalise", "a deviation is zero".into()));
            }
            (Step::Scale { mean: mean.clone(), std: std.clone() }, [c, h, w])
        }
    })
}

fn resample(
    [c, h, w]: [usize; 3],
    [to_h, to_w]: [usize; 2],
    filter: Filter,
    antialias: bool,
) -> Option<(Step, [usize; 3])> {
    if [h, w, to_h, to_w].contains(&0) {
        return None;
    }
    let step =
        Step::Resample { rows: Taps::new(filter, antialias, h, to_h), columns: Taps::new(filter, antialias, w, to_w) };
    Some((step, [c, to_h, to_w]))
}

/// Size after the shorter side became `size`: the longer side is rounded down.
pub fn shorter_side([h, w]: [usize; 2], size: usize) -> [usize; 2] {
    if h <= w { [size, size * w / h.max(1)] } else { [size * h / w.max(1), size] }
}

/// First row of a centre crop: (from − to)/2, half rounded to even.
pub fn centre_offset(from: usize, to: usize) -> usize {
    let gap = from - to;
    let half = gap / 2;
    if gap.is_multiple_of(2) || half.is_multiple_of(2) { half } else { half + 1 }
}

impl Step {
    fn forward(&self, x: Array4<f32>, to: [usize; 3]) -> Array4<f32> {
        let (n, c, h, w) = x.dim();
        let [to_c, to_h, to_w] = to;
        let mut y = Array4::zeros((n, to_c, to_h, to_w));
        let (Some(source), Some(target)) = (x.as_slice(), y.as_slice_mut()) else { return y };
        match self {
            Self::Resample { rows, columns } => {
                let mut half = vec![0.0; h * to_w];
                for (out, plane) in target.chunks_exact_mut(to_h * to_w).zip(source.chunks_exact(h * w)) {
                    for (line, wide) in half.chunks_exact_mut(to_w).zip(plane.chunks_exact(w)) {
                        for (v, (first, weights)) in line.iter_mut().zip(columns.rows()) {
                            *v = wide[first..].iter().zip(weights).map(|(a, b)| a * b).sum();
                        }
                    }
                    for (line, (first, weights)) in out.chunks_exact_mut(to_w).zip(rows.rows()) {
                        for (from, weight) in half[first * to_w..].chunks_exact(to_w).zip(weights) {
                            line.iter_mut().zip(from).for_each(|(v, f)| *v += weight * f);
                        }
                    }
                }
                debug_assert!(rows.len() == to_h && columns.from() == w);
            }
            Self::Window { top, left } => {
                for (out, plane) in target.chunks_exact_mut(to_h * to_w).zip(source.chunks_exact(h * w)) {
                    copy_window(plane, [h, w], [*top, *left], out, [to_h, to_w]);
                }
            }
            Self::Repeat => {
                for (out, plane) in target
                    .chunks_exact_mut(h * w)
                    .zip(source.chunks_exact(h * w).flat_map(|p| std::iter::repeat_n(p, to_c / c)))
                {
                    out.copy_from_slice(plane);
                }
            }
            Self::Mix(weights) => {
                for (out, image) in target.chunks_exact_mut(h * w).zip(source.chunks_exact(c * h * w)) {
                    for (plane, weight) in image.chunks_exact(h * w).zip(weights) {
                        out.iter_mut().zip(plane).for_each(|(o, v)| *o += weight * v);
                    }
                }
            }
            Self::Scale { mean, std } => {
                let per_channel = mean.iter().zip(std).cycle();
                for ((out, plane), (mean, std)) in
                    target.chunks_exact_mut(h * w).zip(source.chunks_exact(h * w)).zip(per_channel)
                {
                    out.iter_mut().zip(plane).for_each(|(o, v)| *o = (v - mean) / std);
                }
            }
        }
        y
    }

    fn pull_back(&self, g: Array4<f32>, [c, h, w]: [usize; 3]) -> Array4<f32> {
        let (n, from_c, from_h, from_w) = g.dim();
        let mut d = Array4::zeros((n, c, h, w));
        let (Some(source), Some(target)) = (g.as_slice(), d.as_slice_mut()) else { return d };
        match self {
            Self::Resample { rows, columns } => {
                let mut half = vec![0.0; h * from_w];
                for (out, plane) in target.chunks_exact_mut(h * w).zip(source.chunks_exact(from_h * from_w)) {
                    half.fill(0.0);
                    for (line, (first, weights)) in plane.chunks_exact(from_w).zip(rows.rows()) {
                        for (to, weight) in half[first * from_w..].chunks_exact_mut(from_w).zip(weights) {
                            to.iter_mut().zip(line).for_each(|(t, v)| *t += weight * v);
                        }
                    }
                    for (wide, line) in out.chunks_exact_mut(w).zip(half.chunks_exact(from_w)) {
                        for (v, (first, weights)) in line.iter().zip(columns.rows()) {
                            wide[first..].iter_mut().zip(weights).for_each(|(t, weight)| *t += weight * v);
                        }
                    }
                }
            }
            Self::Window { top, left } => {
                for (out, plane) in target.chunks_exact_mut(h * w).zip(source.chunks_exact(from_h * from_w)) {
                    copy_window(plane, [from_h, from_w], [-top, -left], out, [h, w]);
                }
            }
            Self::Repeat => {
                for (out, planes) in target.chunks_exact_mut(h * w).zip(source.chunks_exact(from_c / c * h * w)) {
                    for plane in planes.chunks_exact(h * w) {
                        out.iter_mut().zip(plane).for_each(|(o, v)| *o += v);
                    }
                }
            }
            Self::Mix(weights) => {
                for (image, plane) in target.chunks_exact_mut(c * h * w).zip(source.chunks_exact(h * w)) {
                    for (out, weight) in image.chunks_exact_mut(h * w).zip(weights) {
                        out.iter_mut().zip(plane).for_each(|(o, v)| *o = weight * v);
                    }
                }
            }
            Self::Scale { std, .. } => {
                for ((out, plane), std) in
                    target.chunks_exact_mut(h * w).zip(source.chunks_exact(h * w)).zip(std.iter().cycle())
                {
                    out.iter_mut().zip(plane).for_each(|(o, v)| *o = v / std);
                }
            }
        }
        d
    }
}

/// `out[y][x] = plane[y + top][x + left]` where that is inside.
fn copy_window<T: Copy>(
    plane: &[T],
    [h, w]: [usize; 2],
    [top, left]: [isize; 2],
    out: &mut [T],
    [to_h, to_w]: [usize; 2],
) {
    let range = |offset: isize, from: usize, to: usize| {
        let first = (-offset).clamp(0, to as isize) as usize;
        let last = (from as isize - offset).clamp(first as isize, to as isize) as usize;
        first..last
    };
    let columns = range(left, w, to_w);
    if columns.is_empty() {
        return;
    }
    for y in range(top, h, to_h) {
        let line = &plane[(y as isize + top) as usize * w..][..w];
        let from = (columns.start as isize + left) as usize;
        out[y * to_w..][columns.clone()].copy_from_slice(&line[from..from + columns.len()]);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter() -> impl Strategy<Value = Filter> {
        prop_oneof![Just(Filter::Nearest), Just(Filter::Bilinear), Just(Filter::Bicubic), Just(Filter::Area)]
    }

    /// A stage that fits `[c, h, w]` images.
    fn stage([c, h, w]: [usize; 3]) -> impl Strategy<Value = Stage> {
        prop_oneof![
            (1usize..12, 1usize..12, filter(), any::<bool>()).prop_map(|(a, b, filter, antialias)| Stage::Resize {
                size: [a, b],
                filter,
                antialias
            }),
            (1usize..12, filter(), any::<bool>()).prop_map(|(size, filter, antialias)| Stage::ResizeShorter {
                size,
                filter,
                antialias
            }),
            (1..=h, 1..=w).prop_map(|(a, b)| Stage::CentreCrop { size: [a, b] }),
            prop::array::uniform4(0usize..4).prop_map(|by| Stage::Pad { by }),
            (-9isize..9, -9isize..9, 1usize..12, 1usize..12)
                .prop_map(|(top, left, a, b)| Stage::Window { corner: [top, left], size: [a, b] }),
            Just(if c == 1 { Stage::RepeatChannel { channels: 3 } } else { Stage::luma() }),
            Just(Stage::Normalise { mean: vec![0.4; c], std: vec![0.25; c] }),
        ]
    }

    fn array(shape: (usize, usize, usize, usize), seed: u32) -> Array4<f32> {
        let mut i = seed;
        Array4::from_shape_simple_fn(shape, || {
            i = i.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (i >> 8) as f32 / (1 << 24) as f32
        })
    }

    proptest! {
        #[test]
        fn pull_back_is_the_transpose(
            (shape, stage) in (prop_oneof![Just(1usize), Just(3)], 1usize..12, 1usize..12)
                .prop_flat_map(|(c, h, w)| (Just([c, h, w]), stage([c, h, w]))),
            seed: u32,
        ) {
            let pipeline = Pipeline::new(shape, &[stage]).unwrap();
            let [c, h, w] = shape;
            let [oc, oh, ow] = pipeline.output();
            let x = array((2, c, h, w), seed);
            let g = array((2, oc, oh, ow), seed ^ 5);
            let zero = pipeline.forward(Array4::zeros((2, c, h, w)).view());
            let linear = pipeline.forward(x.view()) - zero;
            let left: f64 = linear.iter().zip(&g).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let back = pipeline.pull_back(g.view());
            let right: f64 = back.iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert!((left - right).abs() <= 1e-4 * (1.0 + left.abs()), "{left} {right}");
        }

        #[test]
        fn weights_of_every_output_sum_to_one(from in 1usize..40, to in 1usize..40, filter in filter(), antialias: bool) {
            for (first, weights) in Taps::new(filter, antialias, from, to).rows() {
                prop_assert!(first + weights.len() <= from);
                prop_assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn refuses_stages_that_do_not_fit() {
        let crop = Stage::CentreCrop { size: [9, 9] };
        let error = Pipeline::new([3, 8, 10], &[crop]).unwrap_err();
        assert_eq!(error.to_string(), "pre-processing centre-crop cannot take 3×8×10 images: the crop is 9×9");
    }

    #[test]
    fn crop_offsets_round_half_to_even() {
        let offsets: Vec<usize> = [5, 6, 7, 8, 9].map(|n| centre_offset(n, 4)).to_vec();
        assert_eq!(offsets, [0, 1, 2, 2, 2]);
    }
}
