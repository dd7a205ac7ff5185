//! Rows of numbers, seen as standardised columns.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MaskError;

/// What is done to a column before the fit, from the train rows alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standardize {
    /// Subtract the mean and divide by the population deviation; a constant column becomes zero everywhere.
    #[default]
    Scale,
    /// Subtract the mean.
    Center,
    /// Leave the columns as they are.
    None,
}

/// A number that a matrix of the solver may hold: `f32` or `f64`. Sums are always taken in `f64`.
pub trait Value: Copy + Into<f64> {}

impl Value for f32 {}
impl Value for f64 {}

/// The columns of a matrix of rows, each with the mean and scale that standardise it.
///
/// The values stay where they are and as they came: a pass over all columns walks along the rows, adding to running sums
/// of a block of columns, so that nothing is transposed or copied and `(x − mean) · scale` is never stored.
pub(super) struct Columns<'a, T: Value> {
    rows: Vec<Cow<'a, [T]>>,
    /// Mean of each column, and the factor that standardises it; 0 for a column that cannot carry a weight.
    mean: Vec<f64>,
    factor: Vec<f64>,
    /// Whether the solver sees centred columns.
    centred: bool,
    standardize: Standardize,
}

impl<'a, T: Value> Columns<'a, T> {
    /// The columns of `rows`, which are copied where their values do not lie side by side. With an intercept they are
    /// centred whatever `standardize` says: the intercept takes up the difference, and the problem becomes better
    /// conditioned.
    ///
    /// # Errors
    /// Rows of different lengths, no column, or a value that is not finite.
    pub(super) fn new(
        rows: &[ArrayView1<'a, T>],
        standardize: Standardize,
        intercept: bool,
    ) -> Result<Self, MaskError> {
        let p = rows.first().map_or(0, ArrayView1::len);
        if p == 0 {
            return Err(MaskError::Data("there are no rows, or rows without columns".into()));
        }
        if let Some(i) = rows.iter().position(|r| r.len() != p) {
            return Err(MaskError::Data(format!("row {i} has {} columns, row 0 has {p}", rows[i].len())));
        }
        let rows = rows.iter().map(|row| row.to_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed));
        let mut columns = Self {
            rows: rows.collect(),
            mean: Vec::with_capacity(p),
            factor: Vec::with_capacity(p),
            centred: intercept || standardize != Standardize::None,
            standardize,
        };
        for block in blocks(p) {
            columns.measure(block)?;
        }
        Ok(columns)
    }

    /// Appends mean and factor of the columns of a block, from their sums and sums of squares about the first row.
    ///
    /// That row is itself one of the values, so the sum of squares about it is at most n times the one about the mean,
    /// and their difference loses no more than a factor of n in accuracy.
    fn measure(&mut self, block: Range<usize>) -> Result<(), MaskError> {
        let n = self.rows() as f64;
        let pivots: Vec<f64> = self.rows[0][block.clone()].iter().map(|&x| x.into()).collect();
        let (mut sums, mut squares) = (vec![0.0; pivots.len()], vec![0.0; pivots.len()]);
        for rows in self.rows.chunks(TOGETHER) {
            add_moments(&mut sums, &mut squares, &pivots, rows, &block);
        }
        for (j, ((pivot, sum), square)) in block.zip(pivots.iter().zip(&sums).zip(&squares)) {
            if !square.is_finite() {
                self.finite(j)?;
            }
            let factor = match self.standardize {
                _ if *square == 0.0 && self.centred => 0.0,
                Standardize::Scale => ((square - sum * sum / n) / n).sqrt().recip(),
                Standardize::Center | Standardize::None => 1.0,
            };
            self.mean.push(pivot + sum / n);
            // A deviation too small for its square to be a number is none.
            self.factor.push(if factor.is_finite() { factor } else { 0.0 });
        }
        Ok(())
    }

    /// Refuses values of column `j` that are not finite.
    fn finite(&self, j: usize) -> Result<(), MaskError> {
        match self.column(j).position(|x| !x.is_finite()) {
            Some(row) => {
                let value = self.rows[row][j].into();
                Err(MaskError::NotFinite { row: row.to_string(), column: j.to_string(), value })
            }
            None => Ok(()),
        }
    }

    /// Number of columns.
    pub(super) fn len(&self) -> usize {
        self.mean.len()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The values of column `j` as they came.
    fn column(&self, j: usize) -> impl Iterator<Item = f64> {
        self.rows.iter().map(move |row| row[j].into())
    }

    fn offset(&self, j: usize) -> f64 {
        if self.centred { self.mean[j] } else { 0.0 }
    }

    /// x_jᵀ r for every column, as the solver sees them. Equal columns have equal ones, to the last bit.
    pub(super) fn correlations(&self, r: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.len()];
        for block in blocks(self.len()) {
            let sums = &mut sums[block.clone()];
            for (rows, r) in self.rows.chunks(TOGETHER).zip(r.chunks(TOGETHER)) {
                add(sums, rows, r, &block);
            }
        }
        let total: f64 = r.iter().sum();
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum = if self.factor[j] == 0.0 { 0.0 } else { (*sum - self.offset(j) * total) * self.factor[j] };
        }
        sums
    }

    /// Writes columns as the solver sees them: of each pair the second one, to the place in `out` that the first counts.
    pub(super) fn gather(&self, wanted: &[(usize, usize)], out: &mut [f64]) {
        let n = self.rows();
        // A few rows at a time, so that what is read lies close together.
        for (part, rows) in self.rows.chunks(TOGETHER).enumerate() {
            for &(place, j) in wanted {
                let (offset, factor) = (self.offset(j), self.factor[j]);
                let out = &mut out[place * n + part * TOGETHER..][..rows.len()];
                out.iter_mut().zip(rows).for_each(|(out, row)| *out = (row[j].into() - offset) * factor);
            }
        }
    }

    /// Whether columns `i` and `j` hold the same values.
    pub(super) fn equal(&self, i: usize, j: usize) -> bool {
        self.column(i).eq(self.column(j))
    }

    /// The intercept on the columns as [`Standardize`] says, from the one on the columns as the solver sees them.
    pub(super) fn outer_intercept(&self, b: f64, weights: &[(usize, f64)]) -> f64 {
        match self.standardize {
            Standardize::None => b - weights.iter().map(|&(j, w)| w * self.offset(j)).sum::<f64>(),
            _ => b,
        }
    }

    /// Σ w_j x_j of a row of raw values, standardised.
    pub(super) fn apply<U: Value>(&self, weights: &[(usize, f64)], row: &ArrayView1<'_, U>) -> f64 {
        let of = |j: usize| match self.standardize {
            Standardize::None => row[j].into(),
            Standardize::Center | Standardize::Scale => (row[j].into() - self.mean[j]) * self.factor[j],
        };
        weights.iter().map(|&(j, w)| w * of(j)).sum()
    }
}

/// Columns that are summed at a time, so that their running sums stay in a near cache.
const BLOCK: usize = 2048;

/// Rows that are added at a time, so that the running sums are read and written less often.
const TOGETHER: usize = 8;

/// The ranges of at most [`BLOCK`] columns that make up `p` of them.
fn blocks(p: usize) -> impl Iterator<Item = Range<usize>> {
    (0..p).step_by(BLOCK).map(move |first| first..p.min(first + BLOCK))
}

/// A block of columns of [`TOGETHER`] rows; `None` where there are fewer.
fn together<'r, T: Value>(rows: &'r [Cow<'_, [T]>], block: &Range<usize>) -> Option<[&'r [T]; TOGETHER]> {
    let rows: &[Cow<'_, [T]>; TOGETHER] = rows.try_into().ok()?;
    Some(rows.each_ref().map(|row| &row[block.clone()]))
}

/// Adds r_i x_ij over a few rows to the sum of each column j of a block.
fn add<T: Value>(sums: &mut [f64], rows: &[Cow<'_, [T]>], r: &[f64], block: &Range<usize>) {
    match (together(rows, block), <&[f64; TOGETHER]>::try_from(r)) {
        (Some(rows), Ok(r)) => {
            let x = rows.map(|row| &row[..sums.len()]);
            for k in 0..sums.len() {
                sums[k] += tree(std::array::from_fn(|i| x[i][k].into() * r[i]));
            }
        }
        _ => rows.iter().zip(r).for_each(|(row, r)| {
            sums.iter_mut().zip(&row[block.clone()]).for_each(|(sum, &x)| *sum += x.into() * r);
        }),
    }
}

/// Adds x_ij − pivot_j and its square over a few rows to the sums of each column j of a block.
fn add_moments<T: Value>(
    sums: &mut [f64],
    squares: &mut [f64],
    pivots: &[f64],
    rows: &[Cow<'_, [T]>],
    block: &Range<usize>,
) {
    let n = sums.len();
    let (squares, pivots) = (&mut squares[..n], &pivots[..n]);
    if let Some(x) = together(rows, block) {
        let x = x.map(|row| &row[..n]);
        for k in 0..n {
            let d: [f64; TOGETHER] = std::array::from_fn(|i| x[i][k].into() - pivots[k]);
            sums[k] += tree(d);
            squares[k] += tree(d.map(|d| d * d));
        }
        return;
    }
    for row in rows {
        for ((k, &x), pivot) in row[block.clone()].iter().enumerate().zip(pivots) {
            let d = x.into() - pivot;
            sums[k] += d;
            squares[k] += d * d;
        }
    }
}

/// The sum of a few numbers, pair by pair.
fn tree(x: [f64; TOGETHER]) -> f64 {
    ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]))
}
