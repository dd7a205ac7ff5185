//! What must hold for every VDVAE, on tiny ones with random weights.

#![expect(clippy::unwrap_used, reason = "tests")]

use burn::tensor::Device;
use fmr_core::Generator;
use fmr_core::registry::MakeContext;
use fmr_nn::generator::ModelGenerator;
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_vdvae::{
    Base, CONFIG_ENTRY, Composition, Decode, Encoding, Kernel, Layers, Network, Vdvae, VdvaeConfig, VdvaeSettings,
};
use ndarray::{Array2, Array4, Axis, s};
use proptest::prelude::*;

fn kernel() -> impl Strategy<Value = Kernel> {
    prop_oneof![
        (1_usize..5).prop_map(Kernel::Square),
        (1_usize..4, 1_usize..4).prop_map(|(h, w)| Kernel::Sides([h, w]))
    ]
}

/// A level: stride, further blocks, cells, layers, kernel, variates.
type Level = (usize, usize, usize, usize, Kernel, usize);

fn configs() -> impl Strategy<Value = VdvaeConfig> {
    let level = (1_usize..4, 0_usize..2, 1_usize..3, 0_usize..3, kernel(), 1_usize..4);
    let levels = proptest::collection::vec(level, 1..4);
    (levels, any::<[bool; 5]>(), 1_usize..4, kernel(), kernel()).prop_map(config)
}

fn config(
    (levels, [bernoulli, logstd, residual, one_by_one, few], mixtures, first, last): (
        Vec<Level>,
        [bool; 5],
        usize,
        Kernel,
        Kernel,
    ),
) -> VdvaeConfig {
    let n = levels.len();
    let shrinking: usize = levels.iter().map(|l| l.0).product();
    let least: usize = if bernoulli { 6 } else { 4 };
    let width = 6;
    let up = |f: fn(&Level) -> usize| levels.iter().map(f).collect::<Vec<_>>();
    let down = |f: fn(&Level) -> usize| levels.iter().rev().map(f).collect::<Vec<_>>();
    let base = if logstd { Base::Logstd } else { Base::Std };
    VdvaeConfig {
        dataset_source: if bernoulli { "binarized_mnist" } else { "noise" }.to_owned(),
        target_res: shrinking * least.div_ceil(shrinking),
        channels: if bernoulli { 1 } else { 3 },
        num_bits: if few { 5.0 } else { 8.0 },
        stable_init: true,
        initialize_prior_weights_as_zero: false,
        use_1x1_conv: one_by_one,
        distribution_base: base,
        output_distribution_base: base,
        gradient_smoothing_beta: 0.7,
        output_gradient_smoothing_beta: 0.5,
        use_residual_distribution: residual,
        input_conv_filters: width,
        input_kernel_size: first,
        up_strides: up(|l| l.0),
        up_n_blocks_per_res: up(|l| l.1),
        up_n_blocks: up(|l| l.2),
        up_n_layers: up(|l| l.3),
        up_filters: vec![width; n],
        up_mid_filters_ratio: vec![0.5; n],
        up_kernel_size: levels.iter().map(|l| l.4).collect(),
        up_skip_filters: vec![width; n],
        down_strides: down(|l| l.0),
        down_n_blocks_per_res: down(|l| l.1),
        down_n_blocks: down(|l| l.2),
        down_n_layers: down(|l| l.3),
        down_filters: vec![width; n],
        down_mid_filters_ratio: vec![0.5; n],
        down_kernel_size: levels.iter().rev().map(|l| l.4).collect(),
        down_latent_variates: down(|l| l.5),
        output_kernel_size: last,
        num_output_mixtures: mixtures,
        min_mol_logscale: -7.0,
        variate_masks_quantile: None,
    }
}

/// A model of random weights through its own file.
fn vdvae(
    config: &VdvaeConfig,
    image: [usize; 3],
    seed: u64,
    change: impl FnOnce(&mut VdvaeSettings),
) -> ModelGenerator<Vdvae> {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("vdvae.safetensors");
    let mut b = Builder::random_frozen(seed, &Device::flex());
    let network = Network::new(&mut b, config);
    let metadata = [(CONFIG_ENTRY.to_owned(), serde_json::to_string(config).unwrap())];
    let tensors = state_dict(&network, &b.finish(|_| false).unwrap());
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();
    let mut settings = VdvaeSettings::of(weights);
    change(&mut settings);
    Vdvae::from_settings(&settings, &MakeContext::alone(image).with_seed(seed)).unwrap()
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

fn own(config: &VdvaeConfig) -> [usize; 3] {
    [config.channels, config.picture_side(), config.picture_side()]
}

/// How far a slope may be from the gradient's norm, as a share.
const AGREES: f64 = 1e-2;

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit for bit, forwards and backwards; and a decode gives the same image with and without the way back.
    #[test]
    fn rows_do_not_depend_on_the_batch(
        config in configs(), shape in shapes(), soft: bool, sampled: bool, residual: Option<bool>, seed: u32,
    ) {
        let image = shape.unwrap_or(own(&config));
        let g = vdvae(&config, image, seed.into(), |settings| {
            settings.decode = if soft { Decode::SoftMixture } else { Decode::MostLikely };
            settings.encoding = if sampled { Encoding::Sample } else { Encoding::Mean };
            settings.composition = residual.map(|r| if r { Composition::Residual } else { Composition::Plain });
        });
        let x = images(3, image, seed);
        let z = g.encode(x.view(), &[0; 3]).unwrap();
        prop_assert!(z.iter().all(|v| v.is_finite()));
        let (all, pull_back) = g.decode_with_pullback(z.view(), &[0; 3]).unwrap();
        prop_assert_eq!(&g.decode(z.view(), &[0; 3]).unwrap(), &all);
        let weights = images(3, image, !seed) - 0.5;
        let gradients = pull_back(weights.view()).unwrap();
        prop_assert!(gradients.iter().all(|v| v.is_finite()));
        for i in 0..3 {
            let row = s![i..=i, ..];
            prop_assert_eq!(g.encode(x.slice(s![i..=i, .., .., ..]), &[0]).unwrap(), z.slice(row));
            let (one, pull_back) = g.decode_with_pullback(z.slice(row), &[0]).unwrap();
            prop_assert_eq!(one.index_axis(Axis(0), 0), all.index_axis(Axis(0), i));
            prop_assert_eq!(pull_back(weights.slice(s![i..=i, .., .., ..])).unwrap(), gradients.slice(row));
        }
    }

    /// Along the gradient the score rises by its norm. Rectifiers and cut-off colours have kinks, and single precision is
    /// coarse, so one of several steps must show it: a gradient that lacks a part, or has one twice, agrees with none.
    #[test]
    fn pull_backs_equal_finite_differences(config in configs(), shape in shapes(), seed: u32) {
        let image = shape.unwrap_or(own(&config));
        let g = vdvae(&config, image, seed.into(), |settings| {
            settings.decode = Decode::SoftMixture;
            settings.composition = Some(Composition::Plain);
        });
        let z = g.encode(images(1, image, seed).view(), &[0]).unwrap();
        let weights = images(1, image, !seed) - 0.5;
        let (_, pull_back) = g.decode_with_pullback(z.view(), &[0]).unwrap();
        let gradient = pull_back(weights.view()).unwrap();
        let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        prop_assume!(norm > 1e-6);
        let score = |step: f64| -> f64 {
            let moved = &z + &gradient.mapv(|v| (step * f64::from(v) / norm) as f32);
            let image = g.decode(moved.view(), &[0]).unwrap();
            image.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let scale = z.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1.0);
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
    fn residual_compositions_start_from_the_original(config in configs(), shape in shapes(), seed: u32) {
        let image = shape.unwrap_or(own(&config));
        let make = |composition| {
            vdvae(&config, image, seed.into(), |settings| settings.composition = Some(composition))
        };
        let (plain, residual) = (make(Composition::Plain), make(Composition::Residual));
        let x = images(2, image, seed);
        let rows = residual.encode(x.view(), &[0; 2]).unwrap();
        let start = residual.decode(rows.view(), &[0; 2]).unwrap();
        prop_assert!(start.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-6));
        // What a random direction does to what is held does not show.
        let mut nudged = rows.clone();
        nudged.slice_mut(s![.., plain.spec().latent_len()..]).mapv_inplace(|v| v + 0.1);
        let near = residual.decode(nudged.view(), &[0; 2]).unwrap();
        prop_assert!(near.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-5));
        let (d, all) = (plain.spec().latent_len(), residual.spec().latent_len());
        prop_assert_eq!(all, d + image.iter().product::<usize>());
        let z = plain.encode(x.view(), &[0; 2]).unwrap();
        prop_assert_eq!(&z, &rows.slice(s![.., ..d]));
        let weights = images(2, image, !seed) - 0.5;
        let gradient = |g: &ModelGenerator<Vdvae>, rows: &Array2<f32>| {
            g.decode_with_pullback(rows.view(), &[0; 2]).unwrap().1(weights.view()).unwrap()
        };
        let (of_plain, of_rows) = (gradient(&plain, &z), gradient(&residual, &rows));
        prop_assert_eq!(&of_plain, &of_rows.slice(s![.., ..d]));
        prop_assert!(of_rows.slice(s![.., d..]).iter().all(|v| *v == 0.0));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let config =
        config((vec![(2, 0, 1, 1, Kernel::Square(3), 2)], [false; 5], 2, Kernel::Square(1), Kernel::Square(1)));
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("vdvae.safetensors");
    let mut b = Builder::random_frozen(1, &Device::flex());
    let network = Network::new(&mut b, &config);
    let tensors = state_dict(&network, &b.finish(|_| false).unwrap());
    let json = |config: &VdvaeConfig| [(CONFIG_ENTRY.to_owned(), serde_json::to_string(config).unwrap())];
    let refused = |settings: VdvaeSettings| match Vdvae::from_settings(&settings, &MakeContext::alone(own(&config))) {
        Ok(_) => panic!("{settings:?} is taken"),
        Err(e) => e.to_string(),
    };

    write(&weights, &tensors, false, &Default::default()).unwrap();
    assert!(refused(VdvaeSettings::of(&weights)).contains("name their file in `config`"));
    let wider = VdvaeConfig { down_latent_variates: vec![3], ..config.clone() };
    write(&weights, &tensors, false, &json(&wider).into_iter().collect()).unwrap();
    assert!(refused(VdvaeSettings::of(&weights)).contains("prior_layer.projection"));
    write(&weights, &tensors, false, &json(&config).into_iter().collect()).unwrap();
    let none = VdvaeSettings { layers: Layers::MaxResolution(1), ..VdvaeSettings::of(&weights) };
    assert!(refused(none).contains("leaves none of its 1 layers"));
    let share = VdvaeSettings { kept_variates: Some(0.5), ..VdvaeSettings::of(&weights) };
    assert!(refused(share).contains("needs `div-stats`"));
    let ema = VdvaeSettings { ema: Some(true), ..VdvaeSettings::of(&weights) };
    assert!(refused(ema).contains("no averaged weights"));
}
