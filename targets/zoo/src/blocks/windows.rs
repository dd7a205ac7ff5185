//! Tokens of a map as windows.

use std::sync::Arc;

use burn::tensor::Tensor;
use fmr_nn::functional::{self as f, Regions, Rows};

/// A map cut into windows, row by row; zeros fill those that reach beyond its bottom and right.
#[derive(Debug)]
pub(crate) struct Windows {
    rows: Arc<Rows>,
    back: Arc<Rows>,
    /// Windows of a map.
    count: usize,
    /// Positions of a window.
    positions: usize,
    regions: Option<Regions>,
}

impl Windows {
    /// Windows of `[height, width]` over a map of `size`, shifted down and right by `shift` in each direction in which the
    /// map is larger than a window: what moves out at one end comes back at the other, and is hidden from its new neighbours.
    pub(crate) fn new(size: [usize; 2], window: [usize; 2], shift: usize) -> Self {
        let shift = [0, 1].map(|axis| if size[axis] > window[axis] { shift } else { 0 });
        let counts = [0, 1].map(|axis| size[axis].div_ceil(window[axis]));
        let padded = [0, 1].map(|axis| counts[axis] * window[axis]);
        let spots = || {
            let windows = (0..counts[0]).flat_map(move |i| (0..counts[1]).map(move |j| [i, j]));
            windows.flat_map(move |[i, j]| {
                let inside = (0..window[0]).flat_map(move |r| (0..window[1]).map(move |c| [r, c]));
                inside.map(move |[r, c]| [i * window[0] + r, j * window[1] + c])
            })
        };
        // The map is shifted first and filled up afterwards, as in timm.
        let source = |[r, c]: [usize; 2]| {
            let inside = r < size[0] && c < size[1];
            inside.then(|| (r + shift[0]) % size[0] * size[1] + (c + shift[1]) % size[1])
        };
        let region = |[r, c]: [usize; 2]| {
            let part = |at: usize, axis: usize| match (shift[axis], padded[axis] - at) {
                (0, _) => 0,
                (shift, left) if left <= shift => 2,
                (_, left) => u8::from(left <= window[axis]),
            };
            3 * part(r, 0) + part(c, 1)
        };
        let rows = Rows::new(size[0] * size[1], spots().map(source));
        let positions = window[0] * window[1];
        let regions = (shift != [0; 2]).then(|| Regions::new(positions, spots().map(region).collect::<Vec<u8>>()));
        Self { back: rows.inverse(), rows, count: counts[0] * counts[1], positions, regions }
    }

    /// `[n, h·w, c]` to `[n · windows, positions, c]`.
    pub(crate) fn apart(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, _, c] = x.dims();
        f::take_rows(x, &self.rows).reshape([n * self.count, self.positions, c])
    }

    /// `[n · windows, positions, c]` to `[n, h·w, c]`.
    pub(crate) fn together(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, _, c] = x.dims();
        f::take_rows(x.reshape([n / self.count, self.count * self.positions, c]), &self.back)
    }

    /// Which positions of a window came from different parts of the map, if any did.
    pub(crate) fn regions(&self) -> Option<&Regions> {
        self.regions.as_ref()
    }
}

/// The order that puts the positions of each 2×2 block side by side: upper left, lower left, upper right, lower right. Odd
/// maps end with zeros.
pub(crate) fn merging([h, w]: [usize; 2]) -> Arc<Rows> {
    const BLOCK: [[usize; 2]; 4] = [[0, 0], [1, 0], [0, 1], [1, 1]];
    let blocks = (0..h.div_ceil(2)).flat_map(|i| (0..w.div_ceil(2)).map(move |j| [2 * i, 2 * j]));
    let spots = blocks.flat_map(|[i, j]| BLOCK.map(|[r, c]| [i + r, j + c]));
    Rows::new(h * w, spots.map(|[r, c]| (r < h && c < w).then_some(r * w + c)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// The positions of a map, each with its number as its only value.
    fn numbered(size: [usize; 2]) -> Tensor<3> {
        let values: Vec<f32> = (1..=size[0] * size[1]).map(|i| i as f32).collect();
        Tensor::from_data(TensorData::new(values, [1, size[0] * size[1], 1]), &Device::flex())
    }

    fn values(x: Tensor<3>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap_or_default()
    }

    #[test]
    fn a_map_that_windows_do_not_divide_is_filled_up() {
        let windows = Windows::new([2, 3], [2, 2], 0);
        let apart = windows.apart(numbered([2, 3]));
        assert_eq!(apart.dims(), [2, 4, 1]);
        assert_eq!(values(apart.clone()), [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0]);
        assert_eq!(values(windows.together(apart)), values(numbered([2, 3])));
        assert_eq!(windows.regions(), None);
    }

    #[test]
    fn a_shift_moves_in_one_direction_alone_where_the_map_is_not_larger() {
        let windows = Windows::new([2, 4], [2, 2], 1);
        let apart = windows.apart(numbered([2, 4]));
        assert_eq!(values(apart.clone()), [2.0, 3.0, 6.0, 7.0, 4.0, 1.0, 8.0, 5.0]);
        assert_eq!(values(windows.together(apart)), values(numbered([2, 4])));
        assert_eq!(windows.regions(), Some(&Regions::new(4, [0, 0, 0, 0, 1, 2, 1, 2])));
    }

    #[test]
    fn merging_goes_down_before_it_goes_right() {
        let merged = f::take_rows(numbered([3, 2]), &merging([3, 2]));
        assert_eq!(values(merged), [1.0, 3.0, 2.0, 4.0, 5.0, 0.0, 6.0, 0.0]);
    }
}
