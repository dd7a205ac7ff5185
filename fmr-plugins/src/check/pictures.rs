//! Probes of components that take originals as their files hold them.

use fmr_core::ComponentError;
use fmr_core::preprocess::Picture;
use ndarray::{Array2, Axis};

use super::probe::{distance, noise, same_bits};
use super::report::Writer;

/// A component's answer to pictures.
type Answer<'a> = &'a dyn Fn(&[Picture]) -> Result<Option<Array2<f32>>, ComponentError>;

/// Colour and grey, upright and across, of sizes that no model has.
const SHAPES: [[usize; 3]; 4] = [[3, 40, 33], [1, 17, 65], [3, 64, 64], [1, 9, 9]];

/// Probes what a component answers to pictures, if it takes them.
pub(super) fn check(answer: Answer<'_>, report: &mut Writer<'_>) {
    const NAME: &str = "pictures";
    match rows(answer) {
        Ok(None) => report.skip(NAME, "it takes none; originals reach it at the generator's size"),
        Ok(Some(detail)) => report.pass(NAME, detail),
        Err(problem) => report.fail(NAME, problem),
    }
}

fn rows(answer: Answer<'_>) -> Result<Option<String>, String> {
    let pictures: Vec<Picture> = SHAPES.iter().enumerate().map(|(i, shape)| picture(*shape, i as u64)).collect();
    let ask = |pictures: &[Picture]| answer(pictures).map_err(|e| format!("{} pictures fail: {e}", pictures.len()));
    let Some(whole) = ask(&pictures)? else { return Ok(None) };
    if whole.nrows() != pictures.len() {
        return Err(format!("{} pictures give {} rows", pictures.len(), whole.nrows()));
    }
    if let Some(v) = whole.iter().find(|v| !v.is_finite()) {
        return Err(format!("gives {v} for sound pictures; results must be finite"));
    }
    if !ask(&pictures)?.is_some_and(|again| same_bits(again.view(), whole.view())) {
        return Err("a repeated call differs; results must depend on the pictures and the seed alone".to_owned());
    }
    for (picture, row) in pictures.iter().zip(whole.axis_iter(Axis(0))) {
        let alone = ask(std::slice::from_ref(picture))?.unwrap_or_default();
        let row = row.insert_axis(Axis(0));
        if alone.dim() != row.dim() || distance(alone.view(), row) > 1e-4 {
            return Err(format!("a picture of {:?} alone and among others gives different results", picture.shape));
        }
    }
    Ok(Some(format!("{} of different sizes, colour and grey, give finite numbers, each on its own", pictures.len())))
}

fn picture(shape: [usize; 3], seed: u64) -> Picture {
    let bytes = noise(1, shape.iter().product(), 31 + seed).iter().map(|v| ((v + 1.0) * 127.5) as u8).collect();
    Picture { shape, bytes }
}
