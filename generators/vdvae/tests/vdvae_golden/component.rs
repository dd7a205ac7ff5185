//! The case as the generator of a run sees it: images in [0, 1] of the picture's size in, images and gradients out.

use std::path::Path;

use fmr_core::Generator;
use fmr_core::registry::MakeContext;
use fmr_golden::{Case, Sheet, Tolerance};
use fmr_nn::generator::HELD;
use fmr_vdvae::{Decode, Layers, Vdvae, VdvaeConfig, VdvaeSettings};
use ndarray::{Array2, Array4, Axis, Ix4, concatenate, s};

/// Compares what a generator gives with the case, within the case's tolerances.
pub(crate) fn check(case: &Case, file: &Path, config: &VdvaeConfig) {
    let io = case.sheet();
    let labels = vec![0; io.shape("input.image")[0]];
    let pictures = pictures(io, config);
    let image = [pictures.dim().1, pictures.dim().2, pictures.dim().3];
    let make = |settings: VdvaeSettings| Vdvae::from_settings(&settings, &MakeContext::alone(image)).unwrap();
    let plain = make(VdvaeSettings::of(file));

    let latents = plain.encode(pictures.view(), &labels).unwrap();
    near(io, "output.mean.post_mean", &latents, plain.spec());

    let (scale, shift) = if config.is_bernoulli() { (1.0, 0.0) } else { (2.0, -1.0) };
    let z = rows(io, "input.z");
    let probe = array(io, "probe.image").mapv(|v| v * scale);
    let soft = make(VdvaeSettings { decode: Decode::SoftMixture, ..VdvaeSettings::of(file) });
    for (name, generator) in [("image_ml", &plain), ("image_softmix", &soft)] {
        let wanted = format!("output.decode.{name}");
        if io.get(&wanted).is_none() {
            continue;
        }
        let (images, back) = generator.decode_with_pullback(z.view(), &labels).unwrap();
        assert!(images == generator.decode(z.view(), &labels).unwrap(), "{wanted}: with a tape and without");
        compare(io, &wanted, images.iter().map(|v| v * scale + shift));
        let gradient = back(probe.view()).unwrap();
        near(io, &format!("grad.decode.{name}.z"), &gradient, generator.spec());
    }
    held(case, file, config, &make, &z, &probe);
}

/// What does not move has no gradient, and what moves has that which it always had.
fn held<G: Generator>(
    case: &Case,
    file: &Path,
    config: &VdvaeConfig,
    make: &dyn Fn(VdvaeSettings) -> G,
    z: &Array2<f32>,
    probe: &Array4<f32>,
) {
    let labels = vec![0; z.nrows()];
    let gradient = |generator: &G, stored: &Array2<f32>| {
        let (images, back) = generator.decode_with_pullback(stored.view(), &labels).unwrap();
        (images, back(probe.view()).unwrap())
    };
    let of = VdvaeSettings::of(file);
    let (images, all) = gradient(&make(of.clone()), z);
    let sites = config.latents();
    let deepest = sites[0].shape[1];
    let choices = [Layers::First(1), Layers::Last(2), Layers::MaxResolution(deepest)];
    for layers in choices {
        let generator = make(VdvaeSettings { layers, ..of.clone() });
        let moves = |i: usize| match layers {
            Layers::First(n) => i < n,
            Layers::Last(n) => i + n >= sites.len(),
            Layers::MaxResolution(side) => sites[i].shape[1] <= side,
            Layers::All => true,
        };
        let mut stored = z.clone();
        for (_, block) in generator.spec().latent.iter().enumerate().filter(|(i, _)| !moves(*i)) {
            let range = s![.., block.offset..block.offset + block.shape.iter().product::<usize>()];
            stored.slice_mut(range).mapv_inplace(|v| v * HELD);
        }
        let (same, part) = gradient(&generator, &stored);
        assert!(same == images, "{layers:?}");
        for (i, block) in generator.spec().latent.iter().enumerate() {
            let range = s![.., block.offset..block.offset + block.shape.iter().product::<usize>()];
            let wanted = if moves(i) { all.slice(range).to_owned() } else { all.slice(range).mapv(|_| 0.0) };
            assert!(part.slice(range) == wanted, "{layers:?}: {}", block.name);
        }
    }
    let Some(stats) = case.text("checkpoint.div_stats") else { return };
    let generator = make(VdvaeSettings { div_stats: Some(case.path(stats)), ..of });
    let masks = case.sheet().ints("input.masked.variate_masks");
    let mut stored = z.clone();
    let maps = generator.spec().latent.iter().flat_map(|block| {
        let map: usize = block.shape[1] * block.shape[2];
        (0..block.shape[0]).map(move |v| block.offset + v * map..block.offset + (v + 1) * map)
    });
    for (range, _) in maps.zip(masks).filter(|(_, kept)| **kept == 0) {
        stored.slice_mut(s![.., range]).mapv_inplace(|v| v * HELD);
    }
    let (same, part) = gradient(&generator, &stored);
    assert!(same == images);
    let mut channel = 0;
    for block in &generator.spec().latent {
        let map = block.shape[1] * block.shape[2];
        for v in 0..block.shape[0] {
            let range = s![.., block.offset + v * map..block.offset + (v + 1) * map];
            let kept = masks[channel] as f32;
            assert!(part.slice(range) == all.slice(range).mapv(|g| g * kept), "{} {v}", block.name);
            channel += 1;
        }
    }
}

/// The case's pixels as images of a run: a Bernoulli model's without their border.
fn pictures(io: &Sheet, config: &VdvaeConfig) -> Array4<f32> {
    let divisor = if config.is_bernoulli() { 1.0 } else { 255.0 };
    let pixels = io.ints("input.pixels").iter().map(|v| *v as f32 / divisor).collect();
    let shape = <[usize; 4]>::try_from(io.shape("input.pixels")).unwrap();
    let pixels = Array4::from_shape_vec(shape, pixels).unwrap();
    let [_, _, h, w] = shape;
    let [top, left] = [(h - config.picture_side()) / 2, (w - config.picture_side()) / 2];
    pixels.slice(s![.., .., top..h - top, left..w - left]).to_owned()
}

fn array(io: &Sheet, name: &str) -> Array4<f32> {
    Array4::from_shape_vec(<[usize; 4]>::try_from(io.shape(name)).unwrap(), io.floats(name).to_vec()).unwrap()
}

/// The tensors `name.00`, `name.01`, … as rows.
fn rows(io: &Sheet, name: &str) -> Array2<f32> {
    let names = (0..).map(|i| format!("{name}.{i:02}")).take_while(|name| io.get(name).is_some());
    let flat = |name: String| {
        let x = array(io, &name);
        let n = x.dim().0;
        let len = x.len() / n;
        x.into_dimensionality::<Ix4>().unwrap().into_shape_with_order((n, len)).unwrap()
    };
    let parts: Vec<Array2<f32>> = names.map(flat).collect();
    concatenate(Axis(1), &parts.iter().map(|part| part.view()).collect::<Vec<_>>()).unwrap()
}

/// Rows against the tensors `name.00`, `name.01`, ….
fn near(io: &Sheet, name: &str, got: &Array2<f32>, spec: &fmr_core::GeneratorSpec) {
    for (i, block) in spec.latent.iter().enumerate() {
        let range = s![.., block.offset..block.offset + block.shape.iter().product::<usize>()];
        compare(io, &format!("{name}.{i:02}"), got.slice(range).iter().copied());
    }
}

fn compare(io: &Sheet, name: &str, got: impl Iterator<Item = f32>) {
    let Tolerance::Each { rtol, atol } = io.tolerance(name) else {
        panic!("{name}: the case has no tolerance a value")
    };
    for (got, wanted) in got.zip(io.floats(name)) {
        let error = f64::from((got - wanted).abs());
        // A run's images are in [0, 1]: there and back again costs a rounding.
        let most = atol + rtol * f64::from(wanted.abs()) + 2e-7;
        assert!(error <= most, "{name}: {got} instead of {wanted}");
    }
}
