//! Rows of numbers turned into standardised columns.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::MaskError;
use super::sums::dot;

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
pub trait Value: Copy + Into<f64> + Default {}

impl Value for f32 {}
impl Value for f64 {}

/// A matrix stored by columns, each with the mean and scale that standardise it.
///
/// The values stay as they came (`f32` halves the memory and the time of a pass); `(x − mean) · scale` is never stored.
pub(super) struct Columns<T> {
    values: Vec<T>,
    rows: usize,
    /// Mean of each column, and the factor that standardises it; 0 for a column that cannot carry a weight.
    mean: Vec<f64>,
    factor: Vec<f64>,
    /// Whether the solver sees centred columns.
    centred: bool,
    standardize: Standardize,
}

/// Columns that are transposed together and then measured while they are in the cache; a line of it of `f32`.
const TILE: usize = 16;

impl<T: Value> Columns<T> {
    /// The columns of `rows`. With an intercept they are centred whatever `standardize` says: the intercept takes up
    /// the difference, and the problem becomes better conditioned.
    ///
    /// # Errors
    /// Rows of different lengths, no column, or a value that is not finite.
    pub(super) fn new(
        rows: &[ArrayView1<'_, T>],
        standardize: Standardize,
        intercept: bool,
    ) -> Result<Self, MaskError> {
        let (n, p) = (rows.len(), rows.first().map_or(0, ArrayView1::len));
        if p == 0 {
            return Err(MaskError::Data("there are no rows, or rows without columns".into()));
        }
        if let Some(i) = rows.iter().position(|r| r.len() != p) {
            return Err(MaskError::Data(format!("row {i} has {} columns, row 0 has {p}", rows[i].len())));
        }
        let centred = intercept || standardize != Standardize::None;
        let mut values = vec![T::default(); n * p];
        let (mut mean, mut factor) = (Vec::with_capacity(p), Vec::with_capacity(p));
        for (tile, columns) in values.chunks_mut(n * TILE).enumerate() {
            let first = tile * TILE;
            for (i, row) in rows.iter().enumerate() {
                for (j, column) in columns.chunks_exact_mut(n).enumerate() {
                    column[i] = row[first + j];
                }
            }
            for (j, column) in columns.chunks_exact(n).enumerate() {
                let (m, f) = moments(column, standardize, centred);
                if !m.is_finite() {
                    finite(column, first + j)?;
                }
                mean.push(m);
                factor.push(f);
            }
        }
        Ok(Self { values, rows: n, mean, factor, centred, standardize })
    }

    /// Number of columns.
    pub(super) fn len(&self) -> usize {
        self.mean.len()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    fn raw(&self, j: usize) -> &[T] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }

    fn offset(&self, j: usize) -> f64 {
        if self.centred { self.mean[j] } else { 0.0 }
    }

    /// x_jᵀ r for every column, as the solver sees them.
    pub(super) fn correlations(&self, r: &[f64]) -> Vec<f64> {
        let sum: f64 = r.iter().sum();
        (0..self.len())
            .map(|j| match self.factor[j] {
                0.0 => 0.0,
                factor => (dot::<8, _>(self.raw(j), r) - self.offset(j) * sum) * factor,
            })
            .collect()
    }

    /// Appends column `j`, as the solver sees it, to `out`.
    pub(super) fn append(&self, j: usize, out: &mut Vec<f64>) {
        let (offset, factor) = (self.offset(j), self.factor[j]);
        out.extend(self.raw(j).iter().map(|&x| (x.into() - offset) * factor));
    }

    /// Whether columns `i` and `j` hold the same values.
    pub(super) fn equal(&self, i: usize, j: usize) -> bool {
        self.raw(i).iter().zip(self.raw(j)).all(|(&a, &b)| a.into() == b.into())
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

/// Refuses values of column `j` that are not finite.
fn finite<T: Value>(column: &[T], j: usize) -> Result<(), MaskError> {
    match column.iter().position(|&v| !v.into().is_finite()) {
        Some(row) => {
            let value = column[row].into();
            Err(MaskError::NotFinite { row: row.to_string(), column: j.to_string(), value })
        }
        None => Ok(()),
    }
}

/// Mean and factor of one column.
fn moments<T: Value>(column: &[T], standardize: Standardize, centred: bool) -> (f64, f64) {
    let n = column.len() as f64;
    let mean = sum(column, |x| x) / n;
    let first: f64 = column[0].into();
    let constant = column.iter().all(|&x| x.into() == first);
    let factor = match standardize {
        _ if constant && centred => 0.0,
        Standardize::Scale => (sum(column, |x| (x - mean) * (x - mean)) / n).sqrt().recip(),
        Standardize::Center | Standardize::None => 1.0,
    };
    // A deviation too small for its square to be a number is none.
    (mean, if factor.is_finite() { factor } else { 0.0 })
}

/// Σ f(x), in eight running sums.
fn sum<T: Value>(x: &[T], f: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let xs = x.chunks_exact(8);
    let rest: f64 = xs.remainder().iter().map(|&x| f(x.into())).sum();
    for x in xs {
        for k in 0..8 {
            sums[k] += f(x[k].into());
        }
    }
    sums.iter().sum::<f64>() + rest
}
