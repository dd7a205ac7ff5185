//! What the kept dimensions do to images: decodes between which nothing else moves.

use fmr_core::{ComponentError, Generator};
use fmr_data::pixels::to_u8;
use fmr_mask::{Mask, Unit};
use image::{Rgb, RgbImage};
use ndarray::{Array2, ArrayView3, ArrayView4, Axis};

use super::caption::{LINE, heading, under};

/// Columns behind the original: how far kept values are moved, in their deviations over the images.
pub const STRIP_STEPS: [f32; 5] = [-4.0, -2.0, 0.0, 2.0, 4.0];

const GAP: usize = 4;
/// Height of the headings.
const HEAD: usize = LINE as usize;
/// Small images are enlarged by a whole number to about this side.
const SIDE: usize = 96;

/// One row for each of the first `shown` images: the original, then its decode with the kept values moved by
/// [`STRIP_STEPS`] times their deviation over all images, each towards the perturbed images where a weight tells the
/// direction; all other values stay where the encoder put them. Headings say how far.
///
/// # Errors
/// The generator fails, or its latents are not those of the mask.
pub fn strip(
    mask: &Mask,
    generator: &dyn Generator,
    images: ArrayView4<'_, f32>,
    labels: &[usize],
    shown: usize,
) -> Result<RgbImage, ComponentError> {
    let latents = generator.encode(images, labels)?;
    if latents.ncols() != mask.kept().len() {
        let problem =
            format!("the mask is for latents of {} values, these have {}", mask.kept().len(), latents.ncols());
        return Err(ComponentError::new(format!("generator {:?}", generator.spec().name), "draw a strip", problem));
    }
    let towards = direction(mask, &latents);
    let shown = shown.min(labels.len());
    let [_, h, w] = generator.spec().image;
    let scale = (SIDE / h.max(w)).max(1);
    let (cell_h, cell_w) = (h * scale + GAP, w * scale + GAP);
    let (width, height) = ((1 + STRIP_STEPS.len()) * cell_w + GAP, HEAD + shown * cell_h + GAP);
    let mut out = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    for i in 0..shown {
        let place = |out: &mut RgbImage, column: usize, image: ArrayView3<'_, f32>| {
            draw(out, [GAP + column * cell_w, HEAD + GAP + i * cell_h], scale, image);
        };
        place(&mut out, 0, images.index_axis(Axis(0), i));
        for (column, step) in STRIP_STEPS.iter().enumerate() {
            let moved = (&latents.row(i) + &(&towards * *step)).insert_axis(Axis(0));
            let decoded = generator.decode(moved.view(), &labels[i..=i])?;
            place(&mut out, column + 1, decoded.index_axis(Axis(0), 0));
        }
    }
    let place = |column: usize| (GAP + column * cell_w) as u32;
    out = heading(out, place(0), 2, "original", cell_w as u32);
    for (column, step) in STRIP_STEPS.iter().enumerate() {
        out = heading(out, place(column + 1), 2, &format!("{step:+}"), cell_w as u32);
    }
    let words = "kept values moved by so many deviations over the images; the rest stays";
    Ok(under(&out, &[vec![(None, words)]]))
}

/// One deviation over the rows for each kept value, with the sign of its weight; 0 for the others.
fn direction(mask: &Mask, latents: &Array2<f32>) -> ndarray::Array1<f32> {
    let of_dimensions = mask.learning.as_ref().is_some_and(|l| l.settings.unit == Unit::Dimension);
    let mut direction = latents.std_axis(Axis(0), 0.0);
    for (j, value) in direction.iter_mut().enumerate() {
        let sign = match mask.weights.get(&j).filter(|_| of_dimensions) {
            Some(weight) if *weight < 0.0 => -1.0,
            _ => 1.0,
        };
        *value *= if mask.kept()[j] { sign } else { 0.0 };
    }
    direction
}

fn draw(out: &mut RgbImage, [left, top]: [usize; 2], scale: usize, image: ArrayView3<'_, f32>) {
    let (channels, h, w) = image.dim();
    for (y, x) in (0..h * scale).flat_map(|y| (0..w * scale).map(move |x| (y, x))) {
        let value = |c: usize| to_u8(image[[c.min(channels - 1), y / scale, x / scale]]);
        if let Some(pixel) = out.get_pixel_mut_checked((left + x) as u32, (top + y) as u32) {
            *pixel = Rgb([value(0), value(1), value(2)]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use ndarray::Array4;

    use super::*;
    use fmr_core::{GeneratorSpec, LatentBlock, LatentPullBack};

    /// Latents are pixels.
    struct Identity(GeneratorSpec);

    impl Generator for Identity {
        fn spec(&self) -> &GeneratorSpec {
            &self.0
        }

        fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
            Ok(images.to_owned().into_shape_with_order((images.dim().0, 12)).unwrap())
        }

        fn decode(&self, latents: ndarray::ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
            Ok(latents.to_owned().into_shape_with_order((latents.nrows(), 3, 2, 2)).unwrap())
        }

        fn decode_with_pullback<'a>(
            &'a self,
            _: ndarray::ArrayView2<'_, f32>,
            _: &[usize],
        ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
            unreachable!("a strip needs no gradient")
        }
    }

    #[test]
    fn moves_kept_values_alone() {
        let layout = vec![LatentBlock { name: "z".into(), shape: vec![3, 2, 2], offset: 0 }];
        let generator = Identity(GeneratorSpec { name: "identity".into(), image: [3, 2, 2], latent: layout.clone() });
        let mask = Mask::of_units(layout, Unit::Channel, [1]).unwrap();
        // Two images that differ by 0.2 everywhere: the deviation is 0.1.
        let images = Array4::from_shape_fn((2, 3, 2, 2), |(i, ..)| 0.4 + 0.2 * i as f32);
        let drawn = strip(&mask, &generator, images.view(), &[0, 0], 2).unwrap();
        let scale = SIDE / 2;
        let cell = 2 * scale + GAP;
        let pixel = |row: usize, column: usize| {
            drawn.get_pixel((GAP + column * cell) as u32, (HEAD + GAP + row * cell) as u32).0
        };
        assert_eq!(pixel(0, 0), [102, 102, 102]);
        assert_eq!((pixel(0, 1), pixel(0, 3), pixel(0, 5)), ([102, 0, 102], [102, 102, 102], [102, 204, 102]));
        assert_eq!(pixel(1, 2), [153, 102, 153]);
    }
}
