//! Pictures through the 8-bit path: bytes must be equal.

use fmr_core::preprocess::{CropRule, Filter, Fit, Framing, Picture, shorter_side};
use fmr_golden::{Case, Report};

/// Offers every picture that a case wants.
pub(crate) fn compare(case: &Case) -> Report<'_> {
    let io = case.sheet();
    let mut report = io.report();
    let source = from_interleaved(io.ints("input.image"), io.shape("input.image"));
    let pair = |key: &str| {
        let [h, w] = case.numbers(key)[..] else { panic!("{}: {key} is no pair", case.name()) };
        [h as usize, w as usize]
    };
    let number = |key: &str| case.number(key).unwrap_or_else(|| panic!("{} has no {key}", case.name())) as usize;
    let (short, crop) = (number("hyper.short"), number("hyper.crop"));
    for (name, filter) in [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)] {
        let [_, h, w] = source.shape;
        let shorter = source.resized(shorter_side([h, w], short), filter);
        report.ints(&format!("output.short_{name}"), &interleaved(&shorter));
        let fit = Fit::Crop { shorter: short, rule: CropRule::HalfToEven };
        let cropped = Framing { size: [crop, crop], fit, filter }.picture(&source);
        report.ints(&format!("output.short_crop_{name}"), &interleaved(&cropped));
        report.ints(&format!("output.direct_{name}"), &interleaved(&source.resized(pair("hyper.direct"), filter)));
        report.ints(&format!("output.up_{name}"), &interleaved(&source.resized(pair("hyper.up"), filter)));
        if filter == Filter::Bicubic {
            let constants = |key: &str| case.numbers(key).into_iter().map(|v| v as f32).collect();
            let (mean, std): (Vec<f32>, Vec<f32>) = (constants("hyper.mean"), constants("hyper.std"));
            let per_plane = crop * crop;
            let values = cropped.values().enumerate();
            let normalised = values.map(|(i, v)| (v - mean[i / per_plane]) / std[i / per_plane]);
            report.floats("output.normalised", &normalised.collect::<Vec<_>>());
        }
    }
    report
}

/// A picture of `[h, w, c]` integers.
pub(crate) fn from_interleaved(values: &[i64], shape: &[usize]) -> Picture {
    let [h, w, c] = shape else { panic!("a picture has three dimensions, not {shape:?}") };
    let plane = |k: usize| values.iter().skip(k).step_by(*c).map(|v| u8::try_from(*v).unwrap());
    Picture { shape: [*c, *h, *w], bytes: (0..*c).flat_map(plane).collect() }
}

fn interleaved(picture: &Picture) -> Vec<i64> {
    let plane = picture.shape[1] * picture.shape[2];
    (0..plane).flat_map(|i| (0..picture.shape[0]).map(move |k| picture.bytes[k * plane + i].into())).collect()
}
