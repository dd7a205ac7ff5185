//! What must hold for every diffusion generator, on tiny ones with random weights.

#![expect(clippy::unwrap_used, reason = "tests")]

use burn::tensor::Device;
use fmr_core::Generator;
use fmr_core::registry::MakeContext;
use fmr_diffusion::{
    AttentionOrder, CONFIG_ENTRY, ChannelOrder, Composition, Diffusion, DiffusionSettings, Encode, Fit, FixedVariance,
    Gradient, Heads, Mode, ModelConfig, NoiseSchedule, Resampling, Sampler, Training, Unet, UnetConfig,
};
use fmr_nn::generator::ModelGenerator;
use fmr_nn::weights::{Builder, state_dict, write};
use ndarray::{Array4, Axis, s};
use proptest::prelude::*;

fn configs() -> impl Strategy<Value = ModelConfig> {
    let resampling = prop_oneof![Just(Resampling::Residual), Just(Resampling::Convolution), Just(Resampling::Plain)];
    let heads = prop_oneof![Just(Heads::Count(2)), Just(Heads::Channels(8))];
    let order = prop_oneof![Just(AttentionOrder::Legacy), Just(AttentionOrder::New)];
    let schedule = prop_oneof![Just(NoiseSchedule::Linear), Just(NoiseSchedule::Cosine)];
    let training = (schedule, 50usize..1000, any::<bool>()).prop_map(|(noise_schedule, diffusion_steps, rescale)| {
        let fixed_variance = FixedVariance::Large;
        Training { noise_schedule, diffusion_steps, rescale_timesteps: rescale, fixed_variance }
    });
    let unet = (1usize..3, prop_oneof![Just(1usize), Just(3)], any::<[bool; 4]>(), heads, order, resampling);
    let unet =
        unet.prop_map(|(levels, channels, [attends, learns, scale_shift_norm, conditional], heads, order, r)| {
            UnetConfig {
                in_channels: channels,
                out_channels: if learns { 2 * channels } else { channels },
                model_channels: 32,
                widths: vec![32; levels],
                blocks: 1,
                attention: vec![attends; levels],
                heads,
                decoder_heads: None,
                attention_order: order,
                scale_shift_norm,
                resampling: r,
                classes: conditional.then_some(4),
            }
        });
    let order = prop_oneof![Just(ChannelOrder::Rgb), Just(ChannelOrder::Bgr)];
    (unet, training, order).prop_map(|(unet, training, channel_order)| ModelConfig {
        unet,
        training,
        image_size: 8,
        channel_order,
    })
}

/// Choices that go together.
fn choices() -> impl Strategy<Value = DiffusionSettings> {
    let mode = prop_oneof![Just(Mode::Latent), Just(Mode::Guided), Just(Mode::OneStep)];
    let encode = prop_oneof![Just(Encode::FixedPoint), Just(Encode::Reverse), Just(Encode::Noise)];
    let composition = prop_oneof![Just(Composition::Plain), Just(Composition::Residual)];
    let gradient = prop_oneof![3 => Just(Gradient::Full), 1 => Just(Gradient::Identity)];
    (mode, encode, composition, gradient, 2usize..4, any::<[bool; 4]>()).prop_map(
        |(mode, encode, composition, gradient, steps, [clamp, checkpoint_steps, ancestral, pad])| DiffusionSettings {
            mode,
            steps: (mode != Mode::OneStep).then_some(steps),
            encode: match mode {
                Mode::Guided => None,
                Mode::OneStep if encode == Encode::Reverse => None,
                _ => Some(encode),
            },
            evaluations: 2,
            clamp,
            sampler: if ancestral && mode == Mode::Guided { Sampler::Ancestral } else { Sampler::Ddim },
            composition: Some(composition),
            gradient,
            checkpoint_steps,
            fit: if pad { Fit::Pad } else { Fit::Resize },
            ..DiffusionSettings::new("unet.safetensors")
        },
    )
}

/// A model of random weights through its own file, for images of `image`.
fn generator(
    config: &ModelConfig,
    settings: &DiffusionSettings,
    [h, w]: [usize; 2],
    seed: u64,
) -> ModelGenerator<Diffusion> {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("unet.safetensors");
    let mut b = Builder::random_frozen(seed, &Device::flex());
    let net = Unet::new(&mut b, &config.unet);
    let mut tensors = state_dict(&net, &b.finish(|_| false).unwrap());
    // Layers that start at zero hide everything before them.
    let zeros = tensors.iter_mut().filter(|(_, t)| t.shape.len() > 1 && t.values.iter().all(|v| *v == 0.0));
    for (i, value) in zeros.flat_map(|(_, t)| &mut t.values).enumerate() {
        *value = (hash(i as u32 ^ seed as u32) - 0.5) * 0.2;
    }
    let metadata = [(CONFIG_ENTRY.to_owned(), serde_json::to_string(config).unwrap())];
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();
    let context = MakeContext::alone([config.unet.in_channels, h, w]).with_seed(seed);
    Diffusion::from_settings(&DiffusionSettings { weights, ..settings.clone() }, &context).unwrap()
}

/// A value in [0, 1).
fn hash(i: u32) -> f32 {
    (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32
}

fn images(n: usize, [c, h, w]: [usize; 3], seed: u32) -> Array4<f32> {
    Array4::from_shape_fn((n, c, h, w), |(i, k, y, x)| {
        hash(((((i * c + k) * h + y) * w + x) as u32).wrapping_add(seed))
    })
}

/// Sides of images: the model's own, larger, smaller, and not square.
fn sides() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![Just([8, 8]), Just([12, 12]), Just([6, 7]), Just([16, 10])]
}

/// Largest difference between estimates of a slope that have settled, as a share.
const SETTLED: f64 = 1e-3;

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit for bit, forwards and backwards; and a decode gives the same image with and without the way back.
    #[test]
    fn rows_do_not_depend_on_the_batch(config in configs(), settings in choices(), sides in sides(), seed: u32) {
        let g = generator(&config, &settings, sides, seed.into());
        let labels = [2, 0, 3];
        let x = images(3, g.spec().image, seed);
        let z = g.encode(x.view(), &labels).unwrap();
        let (all, pull_back) = g.decode_with_pullback(z.view(), &labels).unwrap();
        prop_assert_eq!(&g.decode(z.view(), &labels).unwrap(), &all);
        let weights = images(3, g.spec().image, !seed) - 0.5;
        let gradients = pull_back(weights.view()).unwrap();
        for i in 0..3 {
            let row = s![i..=i, ..];
            let label = &labels[i..=i];
            prop_assert_eq!(g.encode(x.slice(s![i..=i, .., .., ..]), label).unwrap(), z.slice(row));
            let (one, pull_back) = g.decode_with_pullback(z.slice(row), label).unwrap();
            prop_assert_eq!(one.index_axis(Axis(0), 0), all.index_axis(Axis(0), i));
            prop_assert_eq!(pull_back(weights.slice(s![i..=i, .., .., ..])).unwrap(), gradients.slice(row));
        }
    }

    /// Steps that run again and steps whose tapes are kept pull back the same bits.
    #[test]
    fn checkpointing_changes_no_bit(config in configs(), settings in choices(), sides in sides(), seed: u32) {
        let gradients = [true, false].map(|checkpoint_steps| {
            let g = generator(&config, &DiffusionSettings { checkpoint_steps, ..settings.clone() }, sides, seed.into());
            let z = g.encode(images(2, g.spec().image, seed).view(), &[1, 2]).unwrap();
            let (_, pull_back) = g.decode_with_pullback(z.view(), &[1, 2]).unwrap();
            pull_back((images(2, g.spec().image, !seed) - 0.5).view()).unwrap()
        });
        prop_assert_eq!(&gradients[0], &gradients[1]);
    }

    /// Without a clamp decodes are smooth, so that five-point differences settle as their steps are halved, which asks
    /// nothing of the gradient. What they settle at last must be the gradient's norm: long steps may lie on a slope of their own.
    #[test]
    fn pull_backs_equal_finite_differences(config in configs(), settings in choices(), sides in sides(), seed: u32) {
        let settings = DiffusionSettings { clamp: false, gradient: Gradient::Full, ..settings };
        let g = generator(&config, &settings, sides, seed.into());
        let z = g.encode(images(1, g.spec().image, seed).view(), &[1]).unwrap();
        let weights = images(1, g.spec().image, !seed) - 0.5;
        let (_, pull_back) = g.decode_with_pullback(z.view(), &[1]).unwrap();
        let gradient = pull_back(weights.view()).unwrap();
        let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        prop_assume!(norm > 0.0);
        let score = |step: f64| -> f64 {
            let moved = &z + &gradient.mapv(|v| (step * f64::from(v) / norm) as f32);
            let image = g.decode(moved.view(), &[1]).unwrap();
            image.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let slope = |h: f64| (8.0 * (score(h) - score(-h)) - (score(2.0 * h) - score(-2.0 * h))) / (12.0 * h);
        let slopes: Vec<f64> = (0..10).map(|halvings| slope(2.0 * 0.5_f64.powi(halvings))).collect();
        // Two in a row may agree by chance.
        let near = |pair: &[f64]| (pair[0] - pair[1]).abs() <= SETTLED * pair[1].abs();
        let settled = slopes.windows(3).rfind(|three| three.windows(2).all(near));
        prop_assert!(settled.is_some(), "{slopes:?} do not settle");
        let slope = settled.map_or(0.0, |three| three[2]);
        prop_assert!((slope - norm).abs() <= 4.0 * SETTLED * norm, "{slope} instead of {norm}");
    }

    /// What travels in a row never moves, and the residual of a latent that did not move is the image.
    #[test]
    fn residuals_begin_at_the_image(config in configs(), settings in choices(), sides in sides(), seed: u32) {
        let settings = DiffusionSettings { composition: Some(Composition::Residual), ..settings };
        let g = generator(&config, &settings, sides, seed.into());
        let x = images(2, g.spec().image, seed);
        let z = g.encode(x.view(), &[0, 1]).unwrap();
        let (shown, pull_back) = g.decode_with_pullback(z.view(), &[0, 1]).unwrap();
        let largest = shown.iter().zip(&x).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let scale = z.iter().map(|v| (v / 65536.0).abs()).fold(1.0, f32::max);
        prop_assert!(largest <= 1e-5 * scale, "{largest}");
        let gradient = pull_back((images(2, g.spec().image, !seed) - 0.5).view()).unwrap();
        let moving: usize = g.spec().latent[0].shape.iter().product();
        prop_assert!(gradient.slice(s![.., moving..]).iter().all(|v| *v == 0.0));
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused_with_their_key() {
    let context = MakeContext::alone([3, 8, 8]);
    let base = || DiffusionSettings::new("unet.pt");
    let refused = |settings: DiffusionSettings| {
        use fmr_core::registry::Recipe;
        settings.check(&context).map(|_| ()).map_err(|e| e.to_string()).unwrap_err()
    };
    let cases = [
        (DiffusionSettings { steps: Some(1), ..base() }, "one-step"),
        (DiffusionSettings { mode: Mode::OneStep, steps: Some(5), ..base() }, "steps"),
        (DiffusionSettings { noise_fraction: Some(0.0), ..base() }, "noise-fraction"),
        (DiffusionSettings { evaluations: 0, ..base() }, "evaluations"),
        (DiffusionSettings { mode: Mode::Guided, encode: Some(Encode::Reverse), ..base() }, "encode"),
        (DiffusionSettings { mode: Mode::OneStep, encode: Some(Encode::Reverse), ..base() }, "evaluations = 1"),
        (DiffusionSettings { sampler: Sampler::Ancestral, ..base() }, "guided"),
        (DiffusionSettings { model: Some("adm_256".to_owned()), ..base() }, "adm_256x256_diffusion"),
        (DiffusionSettings { device: Some("abacus".to_owned()), ..base() }, "abacus"),
    ];
    for (settings, named) in cases {
        let error = refused(settings);
        assert!(error.contains(named), "{named:?} in {error}");
    }
}
