//! What must hold for every StyleGAN, on tiny ones with random weights.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use fmr_core::registry::MakeContext;
use fmr_core::{Generator, Progress};
use fmr_nn::generator::ModelGenerator;
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_stylegan::{
    CONFIG_ENTRY, Composition, Embedding, Latent, Network, Perceptor, Plan, Start, Stylegan, StyleganConfig,
    StyleganSettings,
};
use ndarray::{Array2, Array4, Axis, s};
use proptest::prelude::*;

fn configs() -> impl Strategy<Value = StyleganConfig> {
    let class = prop_oneof![Just(0_usize), 1_usize..4];
    (3_usize..6, 1_usize..6, any::<[bool; 4]>(), class, 0_usize..2).prop_map(
        |(layers, width, [rotates, grey, dense, low_clamp], c_dim, heads)| {
            let plan = Plan {
                channel_base: 64.0,
                channel_max: width,
                margin_size: 3,
                rotates,
                conv_clamp: if low_clamp { 1.5 } else { 256.0 },
                ..Plan::default()
            };
            let colours = if grey { 1 } else { 3 };
            let (input, mut stem) = plan.stem(8, layers, colours);
            let mut side = 8;
            for _ in 0..heads {
                side *= 2;
                plan.head(&mut stem, side, 3, colours);
            }
            let table = Embedding::Table { rows: c_dim + 1, width: 4, projected: 3 };
            StyleganConfig {
                z_dim: 4,
                w_dim: 5,
                c_dim,
                img_resolution: side,
                img_channels: colours,
                mapping_layers: 2,
                mapping_lr_multiplier: 0.01,
                embedding: (c_dim > 0).then_some(if dense { Embedding::Dense } else { table }),
                input,
                layers: stem,
                output_scale: 0.25,
            }
        },
    )
}

/// A model of random weights through its own file.
fn stylegan(
    config: &StyleganConfig,
    image: [usize; 3],
    seed: u64,
    change: impl FnOnce(&mut StyleganSettings),
) -> ModelGenerator<Stylegan> {
    make(config, &MakeContext::alone(image).with_seed(seed), change)
}

fn make(
    config: &StyleganConfig,
    context: &MakeContext<'_>,
    change: impl FnOnce(&mut StyleganSettings),
) -> ModelGenerator<Stylegan> {
    config.check().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("stylegan.safetensors");
    let mut b = Builder::random_frozen(context.seed, &Device::flex());
    let network = Network::new(&mut b, config);
    let metadata = [(CONFIG_ENTRY.to_owned(), serde_json::to_string(config).unwrap())];
    let tensors = state_dict(&network, &b.finish(|_| false).unwrap());
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();
    let mut settings = StyleganSettings { w_steps: 3, draws: 5, ..StyleganSettings::of(weights) };
    if settings.latent != Latent::W {
        settings.w_plus_steps = Some(2);
    }
    change(&mut settings);
    Stylegan::from_settings(&settings, context).unwrap()
}

fn images(n: usize, [c, h, w]: [usize; 3], seed: u32) -> Array4<f32> {
    Array4::from_shape_fn((n, c, h, w), |(i, k, y, x)| {
        let mixed = (((i * c + k) * h + y) * w + x) as u32;
        (mixed.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32
    })
}

/// Images of the model's own pictures, or of a different shape.
fn shapes() -> impl Strategy<Value = Option<[usize; 3]>> {
    prop_oneof![
        Just(None),
        (prop_oneof![Just(1_usize), Just(3)], 3_usize..14, 3_usize..14).prop_map(|(c, h, w)| Some([c, h, w]))
    ]
}

fn own(config: &StyleganConfig) -> [usize; 3] {
    [config.img_channels, config.img_resolution, config.img_resolution]
}

fn latents() -> impl Strategy<Value = Latent> {
    prop_oneof![Just(Latent::W), Just(Latent::WPlus), Just(Latent::Style)]
}

fn choose(settings: &mut StyleganSettings, latent: Latent) {
    settings.latent = latent;
    settings.w_plus_steps = (latent != Latent::W).then_some(2);
}

/// Labels that every configuration knows.
fn labels(config: &StyleganConfig, n: usize) -> Vec<usize> {
    (0..n).map(|i| i % config.c_dim.max(1)).collect()
}

/// How far a slope may be from the gradient's norm, as a share.
const AGREES: f64 = 1e-2;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit for bit, through the inversion, forwards and backwards; and a decode gives the same image with and without the
    /// way back.
    #[test]
    fn rows_do_not_depend_on_the_batch(
        config in configs(), shape in shapes(), latent in latents(), draws: bool, pixel: bool, seed: u32,
    ) {
        let image = shape.unwrap_or(own(&config));
        let g = stylegan(&config, image, seed.into(), |settings| {
            choose(settings, latent);
            settings.composition = Composition::Residual;
            settings.start = if draws { Start::Draws } else { Start::WAvg };
            settings.perceptor = if pixel { Perceptor::Pixel } else { Perceptor::Pyramid };
        });
        let x = images(3, image, seed);
        let labels = labels(&config, 3);
        let z = g.encode(x.view(), &labels).unwrap();
        prop_assert!(z.iter().all(|v| v.is_finite()));
        let (all, pull_back) = g.decode_with_pullback(z.view(), &labels).unwrap();
        prop_assert_eq!(&g.decode(z.view(), &labels).unwrap(), &all);
        let weights = images(3, image, !seed) - 0.5;
        let gradients = pull_back(weights.view()).unwrap();
        prop_assert!(gradients.iter().all(|v| v.is_finite()));
        for i in 0..3 {
            let row = s![i..=i, ..];
            let label = &labels[i..=i];
            prop_assert_eq!(g.encode(x.slice(s![i..=i, .., .., ..]), label).unwrap(), z.slice(row));
            let (one, pull_back) = g.decode_with_pullback(z.slice(row), label).unwrap();
            prop_assert_eq!(one.index_axis(Axis(0), 0), all.index_axis(Axis(0), i));
            prop_assert_eq!(pull_back(weights.slice(s![i..=i, .., .., ..])).unwrap(), gradients.slice(row));
        }
    }

    /// Along the gradient the score rises by its norm. Rectifiers have kinks, and single precision is coarse, so one of
    /// several steps must show it: a gradient that lacks a part, or has one twice, agrees with none.
    #[test]
    fn pull_backs_equal_finite_differences(config in configs(), latent in latents(), seed: u32) {
        let image = own(&config);
        let g = stylegan(&config, image, seed.into(), |settings| choose(settings, latent));
        let z = g.encode(images(1, image, seed).view(), &[0]).unwrap();
        let length = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        // What a step in some direction changes: a score that hardly depends on the latent shows nothing but rounding.
        let direction = images(1, [1, 1, z.ncols()], !seed).into_shape_with_order(z.dim()).unwrap() - 0.5;
        let (start, pull_back) = g.decode_with_pullback(z.view(), &[0]).unwrap();
        let change = g.decode((&z + &(direction * 0.2)).view(), &[0]).unwrap() - &start;
        let size = length(&mut change.iter().copied());
        prop_assume!(size > 1e-3 * length(&mut start.iter().copied()));
        let weights = change.mapv(|v| (f64::from(v) / size) as f32);
        let gradient = pull_back(weights.view()).unwrap();
        let norm = length(&mut gradient.iter().copied());
        let score = |step: f64| -> f64 {
            let moved = &z + &gradient.mapv(|v| (step * f64::from(v) / norm) as f32);
            let image = g.decode(moved.view(), &[0]).unwrap();
            image.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let scale = z.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1.0);
        // The same of a score that hardly rises along its gradient.
        prop_assume!(0.2 * scale * norm > 1e-3 * length(&mut start.iter().copied()));
        let slope = |h: f64| (8.0 * (score(h) - score(-h)) - (score(2.0 * h) - score(-2.0 * h))) / (12.0 * h);
        // On a kink the gradient is that of one of its sides.
        let side = |h: f64| (4.0 * score(h) - score(2.0 * h) - 3.0 * score(0.0)) / (2.0 * h);
        let steps = (0..13).map(|halvings| 0.2 * scale * 0.5_f64.powi(halvings));
        let slopes: Vec<f64> = steps.flat_map(|h| [slope(h), side(h), side(-h)]).collect();
        let near = |slope: &f64| (slope - norm).abs() <= AGREES * norm;
        prop_assert!(slopes.iter().any(near), "{slopes:?} instead of {norm}");
    }

    /// A residual composition starts from the original, and moves as the plain one does.
    #[test]
    fn residual_compositions_start_from_the_original(config in configs(), latent in latents(), seed: u32) {
        let image = own(&config);
        let make = |composition| stylegan(&config, image, seed.into(), |settings| {
            choose(settings, latent);
            settings.composition = composition;
        });
        let (plain, residual) = (make(Composition::Plain), make(Composition::Residual));
        let x = images(2, image, seed);
        let rows = residual.encode(x.view(), &[0; 2]).unwrap();
        let start = residual.decode(rows.view(), &[0; 2]).unwrap();
        prop_assert!(start.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-5));
        let (d, all) = (plain.spec().latent_len(), residual.spec().latent_len());
        prop_assert_eq!(all, d + image.iter().product::<usize>());
        let z = plain.encode(x.view(), &[0; 2]).unwrap();
        prop_assert_eq!(&z, &rows.slice(s![.., ..d]));
        let weights = images(2, image, !seed) - 0.5;
        let gradient = |g: &ModelGenerator<Stylegan>, rows: &Array2<f32>| {
            g.decode_with_pullback(rows.view(), &[0; 2]).unwrap().1(weights.view()).unwrap()
        };
        let (of_plain, of_rows) = (gradient(&plain, &z), gradient(&residual, &rows));
        prop_assert_eq!(&of_plain, &of_rows.slice(s![.., ..d]));
        prop_assert!(of_rows.slice(s![.., d..]).iter().all(|v| *v == 0.0));
    }
}

fn small() -> StyleganConfig {
    let plan = Plan { channel_base: 64.0, channel_max: 6, margin_size: 3, ..Plan::default() };
    let (input, layers) = plan.stem(8, 4, 3);
    StyleganConfig {
        z_dim: 4,
        w_dim: 8,
        c_dim: 2,
        img_resolution: 8,
        img_channels: 3,
        mapping_layers: 2,
        mapping_lr_multiplier: 0.01,
        embedding: Some(Embedding::Table { rows: 2, width: 3, projected: 3 }),
        input,
        layers,
        output_scale: 0.25,
    }
}

/// Pictures that a model made are found again, better with more steps, and the rows of w+ are named by their layers.
#[test]
fn inversions_find_what_the_model_made() {
    let config = small();
    let of_steps = |steps: usize| {
        stylegan(&config, own(&config), 4, |settings| {
            (settings.w_steps, settings.w_plus_steps) = (steps, Some(steps));
        })
    };
    let g = of_steps(0);
    let names: Vec<&str> = g.spec().latent.iter().map(|block| block.name.as_str()).collect();
    let layers: Vec<&str> = config.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!((names[0], &names[1..]), ("input", layers.as_slice()));
    assert_eq!(g.spec().latent_len(), config.num_ws() * config.w_dim);
    let hidden = Array2::from_shape_fn((2, g.spec().latent_len()), |(i, j)| ((i * 7 + j * 3) % 11) as f32 / 11.0 - 0.3);
    let x = g.decode(hidden.view(), &[0, 1]).unwrap();
    let error = |g: &ModelGenerator<Stylegan>| {
        let z = g.encode(x.view(), &[0, 1]).unwrap();
        let difference = g.decode(z.view(), &[0, 1]).unwrap() - &x;
        difference.mapv(|v| v * v).mean().unwrap()
    };
    let (start, few, many) = (error(&g), error(&of_steps(10)), error(&of_steps(80)));
    assert!(few < 0.5 * start && many < 0.1 * start && many < few, "{start} {few} {many}");
}

#[test]
fn poor_inversions_are_refused_and_inversions_end_when_told_to() {
    let config = small();
    let x = images(1, own(&config), 3);
    let g = stylegan(&config, own(&config), 4, |settings| settings.least_psnr = Some(60.0));
    let error = g.encode(x.view(), &[0]).unwrap_err();
    assert!(error.to_string().contains("least-psnr is 60"), "{error}");
    assert!(g.encode(x.view(), &[2]).unwrap_err().to_string().contains("`classes` lists"));

    let mut context = MakeContext::alone(own(&config));
    context.progress = Progress::until(Arc::new(AtomicBool::new(true)));
    let g = make(&config, &context, |_| {});
    assert!(g.encode(x.view(), &[0]).unwrap_err().cancelled);
}

#[test]
fn settings_and_files_that_make_no_sense_are_refused() {
    let config = small();
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("stylegan.safetensors");
    let mut b = Builder::random_frozen(1, &Device::flex());
    let network = Network::new(&mut b, &config);
    let tensors = state_dict(&network, &b.finish(|_| false).unwrap());
    let json = |config: &StyleganConfig| [(CONFIG_ENTRY.to_owned(), serde_json::to_string(config).unwrap())];
    let refused =
        |settings: StyleganSettings, image| match Stylegan::from_settings(&settings, &MakeContext::alone(image)) {
            Ok(_) => panic!("{settings:?} is taken"),
            Err(e) => e.to_string(),
        };
    let own = own(&config);

    write(&weights, &tensors, false, &Default::default()).unwrap();
    assert!(refused(StyleganSettings::of(&weights), own).contains("no attributes of a StyleGAN3 generator"));
    let wider = StyleganConfig { w_dim: 9, ..config.clone() };
    write(&weights, &tensors, false, &json(&wider).into_iter().collect()).unwrap();
    assert!(refused(StyleganSettings::of(&weights), own).contains("mapping.fc0.weight"));
    let mut broken = config.clone();
    broken.layers[1].padding[0] += 2;
    write(&weights, &tensors, false, &json(&broken).into_iter().collect()).unwrap();
    assert!(refused(StyleganSettings::of(&weights), own).contains("does not lead to its size"));
    write(&weights, &tensors, false, &json(&config).into_iter().collect()).unwrap();
    assert!(refused(StyleganSettings::of(&weights), [3, 8, 9]).contains("pictures are square"));
    let steps = StyleganSettings { latent: Latent::W, w_plus_steps: Some(3), ..StyleganSettings::of(&weights) };
    assert!(refused(steps, own).contains("one for all"));
    let model = StyleganSettings { model: Some("imagenet".to_owned()), ..StyleganSettings::of(&weights) };
    assert!(refused(model, own).contains("stylegan_xl_imagenet128"));
}
