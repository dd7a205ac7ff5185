//! Planes that are enlarged by zeros between their values, filtered, and thinned out, as StyleGAN's `upfirdn2d` does.
//!
//! Zeros are never multiplied: an output takes only the taps that meet values (the polyphase form). Each plane is worked
//! on alone and in a fixed order, so that bits depend on neither batch nor threads.

use super::simd::vectorized;

/// Outputs of a line that are summed together.
const LANES: usize = 32;
/// Columns that are summed together.
const CHUNK: usize = 64;

/// Taps of a finite impulse response.
#[derive(Debug, Clone, PartialEq)]
pub enum Fir {
    /// The same taps along rows and columns.
    Separable(Vec<f32>),
    /// Taps of a plane, row by row, so many columns wide.
    Full {
        /// The taps.
        taps: Vec<f32>,
        /// Taps of a row.
        columns: usize,
    },
}

impl Fir {
    /// The filter that changes nothing.
    pub fn identity() -> Self {
        Self::Separable(vec![1.0])
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        match self {
            Self::Separable(taps) => [taps.len(); 2],
            Self::Full { taps, columns } => [taps.len() / (*columns).max(1), *columns],
        }
    }

    /// The filter back to front: what a convolution becomes as a correlation.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let reverse = |taps: &[f32]| taps.iter().rev().copied().collect();
        match self {
            Self::Separable(taps) => Self::Separable(reverse(taps)),
            Self::Full { taps, columns } => Self::Full { taps: reverse(taps), columns: *columns },
        }
    }

    /// The filter times a gain.
    #[must_use]
    pub fn scaled(&self, gain: f64) -> Self {
        let scale = |taps: &[f32], by: f64| taps.iter().map(|tap| (f64::from(*tap) * by) as f32).collect();
        match self {
            Self::Separable(taps) => Self::Separable(scale(taps, gain.sqrt())),
            Self::Full { taps, columns } => Self::Full { taps: scale(taps, gain), columns: *columns },
        }
    }
}

/// How a plane is sampled. Pairs are rows, then columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Values become so many, the further ones zeros.
    pub up: [usize; 2],
    /// Every so-manieth filtered value is kept.
    pub down: [usize; 2],
    /// Zeros added around the enlarged plane: above, below, left, right. Where negative, so much is cut away.
    pub pad: [isize; 4],
}

impl Sampling {
    /// Rows and columns of what comes out, if there is any.
    pub fn output(&self, input: [usize; 2], filter: [usize; 2]) -> Option<[usize; 2]> {
        let side = |axis: usize| {
            let padding = self.pad[2 * axis].checked_add(self.pad[2 * axis + 1])?;
            let enlarged = input[axis].checked_mul(self.up[axis])?.checked_add_signed(padding)?;
            Some(enlarged.checked_sub(filter[axis])? / self.down[axis].max(1) + 1)
        };
        Some([side(0)?, side(1)?])
    }
}

/// One direction: `out[j] = Σ_i taps[up·i + lead − down·j] · x[i]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    up: usize,
    down: usize,
    lead: isize,
    input: usize,
    output: usize,
}

impl Axis {
    fn transposed(self, taps: usize) -> Self {
        let lead = taps as isize - 1 - self.lead;
        Self { up: self.down, down: self.up, lead, input: self.output, output: self.input }
    }

    /// First input that output `j` takes, and one past the last.
    fn inputs(&self, j: usize, taps: usize) -> (usize, usize) {
        let from = (self.down * j) as isize - self.lead;
        let least = |tap: isize| (from + tap + self.up as isize - 1).div_euclid(self.up as isize);
        let within = |i: isize| i.clamp(0, self.input as isize) as usize;
        (within(least(0)), within(least(taps as isize)))
    }

    /// The tap that output `j` takes of input `i`, one of its inputs.
    fn tap(&self, i: usize, j: usize) -> usize {
        ((self.up * i) as isize + self.lead - (self.down * j) as isize) as usize
    }
}

/// A line of values to a line of outputs, with the taps sorted by what they meet: output `up·q + r` sums the taps of phase
/// `r`, each times one of the values that lie `down` apart, `q` further on.
#[derive(Debug, Clone)]
struct Line {
    axis: Axis,
    /// Zeros before each of the `down` rows that values are dealt to.
    before: usize,
    /// Length of such a row.
    row: usize,
    /// Of each phase: where the tap's first value lies, and the tap.
    phases: Vec<Vec<(usize, f32)>>,
}

impl Line {
    fn new(axis: Axis, taps: &[f32]) -> Self {
        let [up, down] = [axis.up as isize, axis.down as isize];
        let places = (0..up).map(|r| {
            let met = taps.iter().enumerate().filter_map(move |(k, tap)| {
                let offset = k as isize + down * r - axis.lead;
                let value = (offset.rem_euclid(up) == 0).then(|| offset.div_euclid(up))?;
                Some((value.rem_euclid(down), value.div_euclid(down), *tap))
            });
            met.collect::<Vec<_>>()
        });
        let places: Vec<Vec<(isize, isize, f32)>> = places.collect();
        let steps = || places.iter().flatten().map(|(_, step, _)| *step);
        let before = steps().min().unwrap_or(0).min(0).unsigned_abs();
        let after = steps().max().unwrap_or(0).max(0) as usize;
        let row = before + after + axis.output.div_ceil(axis.up) + LANES;
        let start = |(part, step, tap): &(isize, isize, f32)| {
            (*part as usize * row + before.saturating_add_signed(*step), *tap)
        };
        let phases = places.iter().map(|phase| phase.iter().map(start).collect()).collect();
        Self { axis, before, row, phases }
    }

    fn scratch(&self) -> usize {
        self.row * self.axis.down
    }

    /// Deals the values to rows with zeros around them.
    #[inline(always)]
    fn deal(&self, x: &[f32], dealt: &mut [f32]) {
        let down = self.axis.down;
        for (part, row) in dealt.chunks_exact_mut(self.row).enumerate() {
            let (zeros, values) = row.split_at_mut(self.before);
            zeros.fill(0.0);
            let count = x.len().saturating_sub(part).div_ceil(down).min(values.len());
            let (values, after) = values.split_at_mut(count);
            after.fill(0.0);
            match down {
                1 => values.copy_from_slice(&x[..count]),
                // The compiler does many at a time where the distance is a constant.
                2 => {
                    let (pairs, rest) = x.as_chunks::<2>();
                    values.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[part & 1]);
                    if let (Some(to), Some(from)) = (values.get_mut(pairs.len()), rest.first()) {
                        *to = *from;
                    }
                }
                _ => values.iter_mut().zip(x.iter().skip(part).step_by(down)).for_each(|(to, from)| *to = *from),
            }
        }
    }

    /// Writes the outputs of the line `x`, or adds them.
    #[inline(always)]
    fn apply<const ADD: bool>(&self, x: &[f32], dealt: &mut [f32], out: &mut [f32]) {
        let dealt = &mut dealt[..self.scratch()];
        self.deal(x, dealt);
        match self.axis.up {
            1 => self.together::<1, ADD>(dealt, out),
            2 => self.together::<2, ADD>(dealt, out),
            4 => self.together::<4, ADD>(dealt, out),
            _ => self.one_by_one::<ADD>(dealt, out),
        }
    }

    /// The sums of a phase's taps from step `q` on.
    #[inline(always)]
    fn sums(&self, phase: usize, q: usize, dealt: &[f32]) -> [f32; LANES] {
        let mut sums = [0.0_f32; LANES];
        for (start, tap) in &self.phases[phase] {
            let values = &dealt[start + q..start + q + LANES];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += tap * value);
        }
        sums
    }

    /// All phases of some steps, then those of the next.
    #[inline(always)]
    fn together<const UP: usize, const ADD: bool>(&self, dealt: &[f32], out: &mut [f32]) {
        for (block, out) in out[..self.axis.output].chunks_mut(UP * LANES).enumerate() {
            let mut sums = [[0.0_f32; LANES]; UP];
            for (phase, sums) in sums.iter_mut().enumerate() {
                *sums = self.sums(phase, block * LANES, dealt);
            }
            let (steps, rest) = out.as_chunks_mut::<UP>();
            let whole = steps.len();
            for (l, step) in steps.iter_mut().enumerate() {
                for (to, sums) in step.iter_mut().zip(&sums) {
                    *to = if ADD { *to + sums[l] } else { sums[l] };
                }
            }
            for (to, sums) in rest.iter_mut().zip(&sums) {
                *to = if ADD { *to + sums[whole] } else { sums[whole] };
            }
        }
    }

    /// One phase after the other.
    #[inline(always)]
    fn one_by_one<const ADD: bool>(&self, dealt: &[f32], out: &mut [f32]) {
        let up = self.axis.up;
        for r in 0..up {
            let count = self.axis.output.saturating_sub(r).div_ceil(up);
            for q in (0..count).step_by(LANES) {
                let sums = self.sums(r, q, dealt);
                let to = out[up * q + r..].iter_mut().step_by(up).take(LANES.min(count - q));
                to.zip(&sums).for_each(|(to, sum)| *to = if ADD { *to + sum } else { *sum });
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Taps {
    Separable { rows: Vec<f32>, line: Line },
    Full { taps: Vec<f32>, lines: Vec<Line> },
}

/// Sampling of planes of one size with one filter.
#[derive(Debug, Clone)]
pub struct Resample {
    rows: Axis,
    columns: Axis,
    taps: Taps,
}

impl Resample {
    /// Sampling of planes `input` with a filter that is applied as it stands (a correlation).
    ///
    /// # Panics
    /// If nothing comes out; callers check that.
    pub fn new(input: [usize; 2], sampling: &Sampling, filter: &Fir) -> Self {
        let output = sampling.output(input, filter.size());
        let Some(output) = output else {
            panic!("a plane of {input:?} sampled as {sampling:?} is smaller than the filter {:?}", filter.size());
        };
        let axis = |i: usize| Axis {
            up: sampling.up[i],
            down: sampling.down[i],
            lead: sampling.pad[2 * i],
            input: input[i],
            output: output[i],
        };
        Self::of(axis(0), axis(1), filter)
    }

    fn of(rows: Axis, columns: Axis, filter: &Fir) -> Self {
        let taps = match filter {
            Fir::Separable(taps) => Taps::Separable { rows: taps.clone(), line: Line::new(columns, taps) },
            Fir::Full { taps, columns: width } => {
                let lines = taps.chunks_exact(*width).map(|row| Line::new(columns, row)).collect();
                Taps::Full { taps: taps.clone(), lines }
            }
        };
        Self { rows, columns, taps }
    }

    /// The transpose: gradients of outputs to gradients of inputs.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let filter = match &self.taps {
            Taps::Separable { rows, .. } => Fir::Separable(rows.clone()),
            Taps::Full { taps, lines } => Fir::Full { taps: taps.clone(), columns: taps.len() / lines.len().max(1) },
        };
        let [height, width] = filter.size();
        Self::of(self.rows.transposed(height), self.columns.transposed(width), &filter.reversed())
    }

    /// Rows and columns of an output plane.
    pub fn output(&self) -> [usize; 2] {
        [self.rows.output, self.columns.output]
    }

    /// Floats of scratch that [`Resample::row`] needs.
    pub fn scratch(&self) -> usize {
        match &self.taps {
            Taps::Separable { line, .. } => self.columns.input + line.scratch(),
            Taps::Full { lines, .. } => lines.iter().map(Line::scratch).max().unwrap_or(0),
        }
    }

    /// Row `j` of the output plane.
    #[inline(always)]
    pub fn row(&self, j: usize, plane: &[f32], scratch: &mut [f32], out: &mut [f32]) {
        let width = self.columns.input;
        match &self.taps {
            Taps::Separable { rows, line } => {
                let (first, end) = self.rows.inputs(j, rows.len());
                let (column, dealt) = scratch.split_at_mut(width);
                let tap = |i: usize| rows[self.rows.tap(i, j)];
                weighted_rows(plane, width, (first, end), tap, column);
                line.apply::<false>(column, dealt, out);
            }
            Taps::Full { lines, .. } => {
                let (first, end) = self.rows.inputs(j, lines.len());
                out.fill(0.0);
                for i in first..end {
                    lines[self.rows.tap(i, j)].apply::<true>(&plane[i * width..(i + 1) * width], scratch, out);
                }
            }
        }
    }

    /// The whole output plane.
    pub fn plane(&self, plane: &[f32], scratch: &mut [f32], out: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                for (j, out) in out.chunks_exact_mut(self.columns.output).enumerate() {
                    self.row(j, plane, scratch, out);
                }
            },
        );
    }
}

/// The sum of the rows `first..end` of a plane, each times its tap.
#[inline(always)]
fn weighted_rows(
    plane: &[f32],
    width: usize,
    (first, end): (usize, usize),
    tap: impl Fn(usize) -> f32,
    out: &mut [f32],
) {
    for (at, out) in out.chunks_mut(CHUNK).enumerate() {
        let mut sums = [0.0_f32; CHUNK];
        for i in first..end {
            let tap = tap(i);
            let values = &plane[i * width + at * CHUNK..][..out.len()];
            if let Ok(values) = <&[f32; CHUNK]>::try_from(values) {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += tap * value);
            } else {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += tap * value);
            }
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: zeros between the values, padding or cropping, correlation, thinning out.
    fn defined(plane: &[f32], input: [usize; 2], s: &Sampling, filter: &Fir) -> Vec<f32> {
        let [h, w] = input;
        let size = filter.size();
        let tap = |y: usize, x: usize| match filter {
            Fir::Separable(taps) => taps[y] * taps[x],
            Fir::Full { taps, columns } => taps[y * columns + x],
        };
        let value = |y: isize, x: isize| {
            let place = |at: isize, pad: isize, up: usize, n: usize| {
                let at = at - pad;
                (at >= 0 && at % up as isize == 0 && at / (up as isize) < n as isize).then(|| at as usize / up)
            };
            match (place(y, s.pad[0], s.up[0], h), place(x, s.pad[2], s.up[1], w)) {
                (Some(y), Some(x)) => plane[y * w + x],
                _ => 0.0,
            }
        };
        let Some([oh, ow]) = s.output(input, size) else { return Vec::new() };
        let mut out = Vec::new();
        for j in 0..oh * ow {
            let (y, x) = ((j / ow * s.down[0]) as isize, (j % ow * s.down[1]) as isize);
            let taps = (0..size[0] * size[1]).map(|k| (k / size[1], k % size[1]));
            out.push(taps.map(|(a, b)| tap(a, b) * value(y + a as isize, x + b as isize)).sum());
        }
        out
    }

    fn filters() -> impl Strategy<Value = Fir> {
        let tap = -2.0_f32..2.0;
        prop_oneof![
            proptest::collection::vec(tap.clone(), 1..8).prop_map(Fir::Separable),
            (1_usize..5, 1_usize..5).prop_flat_map(move |(rows, columns)| {
                proptest::collection::vec(tap.clone(), rows * columns).prop_map(move |taps| Fir::Full { taps, columns })
            })
        ]
    }

    fn run(resample: &Resample, plane: &[f32]) -> Vec<f32> {
        let [h, w] = resample.output();
        let mut out = vec![f32::NAN; h * w];
        resample.plane(plane, &mut vec![f32::NAN; resample.scratch()], &mut out);
        out
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3)
    }

    proptest! {
        #[test]
        fn planes_are_sampled_as_defined_and_back(
            filter in filters(),
            up in [1_usize..5, 1..5],
            down in [1_usize..5, 1..5],
            pad in proptest::array::uniform4(-4_isize..9),
            input in [1_usize..12, 1..90],
            seed: u32,
        ) {
            let sampling = Sampling { up, down, pad };
            let noise = |n: usize, seed: u32| -> Vec<f32> {
                let mixed = |i: usize| (i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8;
                (0..n).map(|i| mixed(i) as f32 / (1 << 24) as f32 - 0.5).collect()
            };
            prop_assume!(sampling.output(input, filter.size()).is_some());
            let x = noise(input[0] * input[1], seed);
            let resample = Resample::new(input, &sampling, &filter);
            let y = run(&resample, &x);
            prop_assert!(close(&y, &defined(&x, input, &sampling, &filter)));
            // ⟨A x, g⟩ = ⟨x, Aᵀ g⟩.
            let g = noise(y.len(), !seed);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let back = run(&resample.transposed(), &g);
            prop_assert_eq!(back.len(), x.len());
            prop_assert!((dot(&y, &g) - dot(&x, &back)).abs() < 1e-3);
        }
    }
}
