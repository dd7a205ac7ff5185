//! Views of images for an ensemble: flips and crops.

use ndarray::{Array4, ArrayView4, s};

/// What one view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// Mirrored left to right.
    pub(crate) flipped: bool,
    /// Index of the corner that the view is cut from; all of the image without one.
    pub(crate) corner: Option<usize>,
}

/// The whole image, then its corners; each also mirrored where `flip`.
pub(crate) fn views(flip: bool, corners: bool) -> Vec<View> {
    let places = std::iter::once(None).chain((0..4).filter(|_| corners).map(Some));
    let mirrored = if flip { &[false, true][..] } else { &[false][..] };
    places.flat_map(|corner| mirrored.iter().map(move |flipped| View { flipped: *flipped, corner })).collect()
}

impl View {
    /// The view of each image; corners measure `share` of each side.
    pub(crate) fn of(self, images: ArrayView4<'_, f32>, share: f64) -> Array4<f32> {
        let (_, _, h, w) = images.dim();
        let side = |n: usize| ((n as f64 * share).round() as usize).clamp(1.min(n), n);
        let window = match self.corner {
            None => images,
            Some(corner) => {
                let (ch, cw) = (side(h), side(w));
                let (top, left) = ((corner / 2) * (h - ch), (corner % 2) * (w - cw));
                images.slice_move(s![.., .., top..top + ch, left..left + cw])
            }
        };
        if self.flipped { window.slice(s![.., .., .., ..;-1]).to_owned() } else { window.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_and_mirrors() {
        let image = Array4::from_shape_fn((1, 1, 4, 4), |(_, _, y, x)| (y * 4 + x) as f32);
        let view = |flipped, corner| View { flipped, corner }.of(image.view(), 0.5).into_raw_vec_and_offset().0;
        assert_eq!(view(false, Some(3)), [10.0, 11.0, 14.0, 15.0]);
        assert_eq!(view(true, Some(1)), [3.0, 2.0, 7.0, 6.0]);
        assert_eq!(views(true, true).len(), 10);
    }
}
