//! How far a search moves an image, in its pixels.

use crate::{Results, RowResults};

/// Root mean square, over all values, of the change from reconstruction to final image; `None` where these cannot be read or
/// have different shapes. Values are in [0, 1].
pub(crate) fn moved(results: &Results<'_>, row: &RowResults, index: usize) -> Option<f64> {
    let images = results.images(row, index).ok()?;
    let (before, after) = (&images.reconstruction, &images.final_image);
    if before.dim() != after.dim() || before.is_empty() {
        return None;
    }
    let squares: f64 = before.iter().zip(after).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    Some((squares / before.len() as f64).sqrt())
}
