//! Images as the original code reads and writes them.

use fmr_core::preprocess::{Filter, Picture};

/// The middle square of a picture, `size × size`, as the training of guided and improved diffusion cuts it: halved by
/// means while that is possible, brought to size by bicubic interpolation, cut at the offset rounded down.
#[must_use]
pub fn centre_crop(picture: Picture, size: usize) -> Picture {
    let sides = |picture: &Picture| [picture.shape[1], picture.shape[2]];
    let shorter = |[h, w]: [usize; 2]| h.min(w);
    let mut picture = picture;
    while size > 0 && shorter(sides(&picture)) >= 2 * size {
        picture = picture.resized(sides(&picture).map(|side| side / 2), Filter::Area);
    }
    let scale = size as f64 / shorter(sides(&picture)).max(1) as f64;
    let to = sides(&picture).map(|side| (side as f64 * scale).round_ties_even() as usize);
    let picture = picture.resized(to, Filter::Bicubic);
    picture.window(to.map(|side| (side.saturating_sub(size) / 2) as isize), [size, size])
}

/// Values in [-1, 1] as bytes, cut off and not rounded.
pub fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().map(|v| ((v + 1.0) * 127.5).clamp(0.0, 255.0) as u8).collect()
}
