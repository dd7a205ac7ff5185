//! How a matrix on the left is laid out for the register tile: panels of a few rows, each read front to back.

use std::ops::Range;

use super::View;
use crate::kernels::simd::isa;

/// Rows of a low panel, for the rows that fill no full one.
pub(super) const LOW: usize = 4;

/// Rows of a full panel: as many as there are registers for their sums.
pub(super) const fn full_height(registers: usize) -> usize {
    match registers {
        32 => 8,
        16 => 6,
        _ => LOW,
    }
}

/// Heights of the panels that `m` rows are cut into; rows beyond the last are zeros.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    full: usize,
    low: usize,
    height: usize,
}

impl Panels {
    pub(super) fn of(m: usize) -> Self {
        let height = full_height(isa().registers());
        let (full, rest) = (m / height, m % height);
        let (full, low) = match rest {
            0 => (full, 0),
            // Two low panels are faster than a full one and one that is half empty.
            _ if full > 0 && height + rest == 2 * LOW => (full - 1, 2),
            1..=LOW => (full, 1),
            _ => (full + 1, 0),
        };
        Self { full, low, height }
    }

    /// Rows with those that are zeros.
    fn rows(self) -> usize {
        self.full * self.height + self.low * LOW
    }

    /// First row and height of each panel.
    pub(super) fn each(self) -> impl Iterator<Item = (usize, usize)> {
        let high = (0..self.full).map(move |panel| (panel * self.height, self.height));
        high.chain((0..self.low).map(move |panel| (self.full * self.height + panel * LOW, LOW)))
    }
}

/// Floats that the panels of `m` rows of `k` values take.
pub fn packed_len(m: usize, k: usize) -> usize {
    Panels::of(m).rows() * k
}

/// Lays out `A[m×k]` as panels: for each k the values of a panel's rows side by side.
///
/// # Panics
/// If the matrix is too short for its shape, or `panels` is not [`packed_len`] long.
pub fn pack(m: usize, k: usize, a: View<'_>, panels: &mut [f32]) {
    assert_eq!(panels.len(), packed_len(m, k), "room for panels of a different shape");
    if k == 0 {
        return;
    }
    for (first, height) in Panels::of(m).each() {
        let panel = &mut panels[first * k..][..height * k];
        let rows = first..m.min(first + height);
        if rows.len() < height {
            panel.fill(0.0);
        }
        pack_panel(rows, k, a, panel, height);
    }
}

fn pack_panel(rows: Range<usize>, k: usize, a: View<'_>, panel: &mut [f32], height: usize) {
    if a.row == 1 {
        for (column, to) in panel.chunks_exact_mut(height).enumerate() {
            to[..rows.len()].copy_from_slice(&a.data[column * a.col + rows.start..][..rows.len()]);
        }
        return;
    }
    for (r, row) in rows.enumerate() {
        let values = a.data[row * a.row..].iter().step_by(a.col).take(k);
        assert_eq!(values.len(), k, "A too short");
        panel[r..].iter_mut().step_by(height).zip(values).for_each(|(to, v)| *to = *v);
    }
}

/// The matrix on the left of a product.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// Rows.
    pub m: usize,
    /// Columns.
    pub k: usize,
    /// Its values.
    pub order: Order<'a>,
}

/// How the values of a matrix on the left are laid out.
#[derive(Clone, Copy)]
pub enum Order<'a> {
    /// By [`pack`].
    Panels(&'a [f32]),
    /// As they are.
    Plain(View<'a>),
}
