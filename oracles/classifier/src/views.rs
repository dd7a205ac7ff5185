//! Views of images for an ensemble: flips and crops.

use fmr_core::preprocess::Picture;
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
    /// The view of a picture of bytes; corners measure `share` of each side.
    pub(crate) fn of_picture(self, picture: &Picture, share: f64) -> Picture {
        let [c, h, w] = picture.shape;
        let (top, left, ch, cw) = self.rectangle([h, w], share);
        let mut view = picture.window([top as isize, left as isize], [ch, cw]);
        if self.flipped && cw > 0 {
            view.bytes.chunks_exact_mut(cw).for_each(<[u8]>::reverse);
        }
        debug_assert_eq!(view.shape, [c, ch, cw]);
        view
    }

    /// The view of each image; corners measure `share` of each side.
    pub(crate) fn of(self, images: ArrayView4<'_, f32>, share: f64) -> Array4<f32> {
        let (_, _, h, w) = images.dim();
        let (top, left, ch, cw) = self.rectangle([h, w], share);
        let window = images.slice_move(s![.., .., top..top + ch, left..left + cw]);
        if self.flipped { window.slice(s![.., .., .., ..;-1]).to_owned() } else { window.to_owned() }
    }

    /// Top, left, height and width of what is shown of an image of `[height, width]`.
    fn rectangle(self, [h, w]: [usize; 2], share: f64) -> (usize, usize, usize, usize) {
        let side = |n: usize| ((n as f64 * share).round() as usize).clamp(1.min(n), n);
        match self.corner {
            None => (0, 0, h, w),
            Some(corner) => {
                let (ch, cw) = (side(h), side(w));
                ((corner / 2) * (h - ch), (corner % 2) * (w - cw), ch, cw)
            }
        }
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
        let picture = Picture { shape: [1, 4, 4], bytes: (0..16).collect() };
        let view = |flipped, corner| View { flipped, corner }.of_picture(&picture, 0.5).bytes;
        assert_eq!(view(false, Some(3)), [10, 11, 14, 15]);
        assert_eq!(view(true, Some(1)), [3, 2, 7, 6]);
    }
}
