//! What must hold for every VQGAN, on tiny ones with random weights.

#![expect(clippy::unwrap_used, reason = "tests")]

use burn::tensor::Device;
use fmr_core::Generator;
use fmr_core::registry::MakeContext;
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_vqgan::{Autoencoder, DdConfig, Latent, Quantize, Quantizer, RowChoice, Vqgan, VqganConfig, VqganSettings};
use ndarray::{Array2, Array4, Axis, s};
use proptest::prelude::*;

/// Sizes of a model, and the positions of its latents. Fewer would be too few for a normalisation: of two values it leaves
/// the sign alone.
fn configs() -> impl Strategy<Value = (VqganConfig, [usize; 2])> {
    let quantizer = prop_oneof![Just(Quantizer::Nearest), Just(Quantizer::Gumbel)];
    (1usize..4, any::<bool>(), 3usize..7, 8usize..40, quantizer, [3usize..6, 3usize..6]).prop_map(
        |(levels, attends, channels, n_embed, quantizer, grid)| {
            let side = 4 << (levels - 1);
            let ch_mult = [1, 2, 1][..levels].to_vec();
            let z_channels = if quantizer == Quantizer::Gumbel { channels } else { channels + 1 };
            let ddconfig = DdConfig {
                ch: 32,
                ch_mult,
                num_res_blocks: 1,
                attn_resolutions: if attends { vec![4] } else { vec![] },
                resolution: side,
                in_channels: 3,
                out_ch: 3,
                z_channels,
            };
            (VqganConfig { embed_dim: channels, n_embed, ddconfig, quantizer }, grid)
        },
    )
}

/// A model of random weights through its own file, for images of `grid` latent positions.
fn vqgan(config: &VqganConfig, grid: [usize; 2], seed: u64, latent: Latent, quantize: Quantize) -> impl Generator {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("vqgan.safetensors");
    let mut b = Builder::random_frozen(seed, &Device::flex());
    let net = Autoencoder::new(&mut b, config);
    let metadata = [("fmr-vqgan-config".to_owned(), serde_json::to_string(config).unwrap())];
    let mut tensors = state_dict(&net, &b.finish(|_| false).unwrap());
    // Rows as far apart as latents are, so that several are chosen.
    let rows = tensors.iter_mut().filter(|(key, _)| key.starts_with("quantize.emb"));
    rows.flat_map(|(_, t)| &mut t.values).for_each(|v| *v *= 0.1 * config.n_embed as f32);
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();
    let f = 1 << (config.ddconfig.ch_mult.len() - 1);
    let context = MakeContext::alone([3, grid[0] * f, grid[1] * f]).with_seed(seed);
    let (row_choice, temperature) = (RowChoice::Largest, 1.0);
    let settings = VqganSettings {
        weights,
        config: None,
        model: None,
        latent,
        quantize,
        row_choice,
        temperature,
        weights_key: None,
        prefix: None,
        ema: None,
        device: None,
    };
    Vqgan::from_settings(&settings, &context).unwrap()
}

fn images(n: usize, [c, h, w]: [usize; 3], seed: u32) -> Array4<f32> {
    Array4::from_shape_fn((n, c, h, w), |(i, k, y, x)| {
        let mixed = (((i * c + k) * h + y) * w + x) as u32;
        (mixed.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32
    })
}

/// Largest difference between estimates of a slope that have settled, as a share.
const SETTLED: f64 = 1e-3;

const LATENTS: [Latent; 3] = [Latent::Encoder, Latent::Quantized, Latent::Hidden];
const QUANTIZE: [Quantize; 3] = [Quantize::StraightThrough, Quantize::None, Quantize::AtEnd];

/// Every pair of choices that goes together.
fn choices() -> impl Strategy<Value = (Latent, Quantize)> {
    let sound = |(l, q): &(Latent, Quantize)| *l != Latent::Hidden || *q != Quantize::AtEnd;
    let pairs = LATENTS.into_iter().flat_map(|l| QUANTIZE.map(|q| (l, q))).filter(sound);
    proptest::sample::select(pairs.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit for bit, forwards and backwards; and a decode gives the same image with and without the way back.
    #[test]
    fn rows_do_not_depend_on_the_batch((config, grid) in configs(), (latent, quantize) in choices(), seed: u32) {
        let g = vqgan(&config, grid, seed.into(), latent, quantize);
        let x = images(3, g.spec().image, seed);
        let z = g.encode(x.view(), &[0; 3]).unwrap();
        let (all, pull_back) = g.decode_with_pullback(z.view(), &[0; 3]).unwrap();
        prop_assert_eq!(&g.decode(z.view(), &[0; 3]).unwrap(), &all);
        let weights = images(3, g.spec().image, !seed) - 0.5;
        let gradients = pull_back(weights.view()).unwrap();
        let finished = g.finish(z.view(), &[0; 3]).unwrap();
        prop_assert_eq!(finished.is_some(), quantize == Quantize::AtEnd);
        for i in 0..3 {
            let row = s![i..=i, ..];
            prop_assert_eq!(g.encode(x.slice(s![i..=i, .., .., ..]), &[0]).unwrap(), z.slice(row));
            let (one, pull_back) = g.decode_with_pullback(z.slice(row), &[0]).unwrap();
            prop_assert_eq!(one.index_axis(Axis(0), 0), all.index_axis(Axis(0), i));
            prop_assert_eq!(pull_back(weights.slice(s![i..=i, .., .., ..])).unwrap(), gradients.slice(row));
            if let Some(finished) = &finished {
                prop_assert_eq!(g.finish(z.slice(row), &[0]).unwrap().unwrap(), finished.slice(row));
            }
        }
    }

    /// The decoder is smooth, so that five-point differences settle as their steps are halved, which asks nothing of the
    /// gradient. What they settle at must be the gradient's norm.
    #[test]
    fn pull_backs_equal_finite_differences((config, grid) in configs(), hidden: bool, seed: u32) {
        let latent = if hidden { Latent::Hidden } else { Latent::Encoder };
        let g = vqgan(&config, grid, seed.into(), latent, Quantize::None);
        let z = g.encode(images(1, g.spec().image, seed).view(), &[0]).unwrap();
        let weights = images(1, g.spec().image, !seed) - 0.5;
        let (_, pull_back) = g.decode_with_pullback(z.view(), &[0]).unwrap();
        let gradient = pull_back(weights.view()).unwrap();
        let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        prop_assume!(norm > 0.0);
        let score = |step: f64| -> f64 {
            let moved = &z + &gradient.mapv(|v| (step * f64::from(v) / norm) as f32);
            let image = g.decode(moved.view(), &[0]).unwrap();
            image.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let scale = z.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let slope = |h: f64| (8.0 * (score(h) - score(-h)) - (score(2.0 * h) - score(-2.0 * h))) / (12.0 * h);
        let slopes: Vec<f64> = (0..10).map(|halvings| slope(0.05 * scale * 0.5_f64.powi(halvings))).collect();
        // Two in a row may agree by chance.
        let near = |pair: &[f64]| (pair[0] - pair[1]).abs() <= SETTLED * pair[1].abs();
        let settled = slopes.windows(3).find(|three| three.windows(2).all(near));
        prop_assert!(settled.is_some(), "{slopes:?} do not settle");
        let slope = settled.map_or(0.0, |three| three[2]);
        prop_assert!((slope - norm).abs() <= 4.0 * SETTLED * norm, "{slope} instead of {norm}");
    }

    /// Straight through: the decoder's gradient at the rows, handed to the vectors unchanged. At the end: nothing but the
    /// final vectors is replaced, and the rows' image is the one that straight-through decoding gives.
    #[test]
    fn quantised_decodes_are_those_of_the_rows((mut config, grid) in configs(), seed: u32) {
        config.quantizer = Quantizer::Nearest;
        let make = |quantize| vqgan(&config, grid, seed.into(), Latent::Encoder, quantize);
        let [through, plain, at_end] = QUANTIZE.map(make);
        let x = images(2, plain.spec().image, seed);
        let z = plain.encode(x.view(), &[0; 2]).unwrap();
        prop_assert_eq!(&at_end.decode(z.view(), &[0; 2]).unwrap(), &plain.decode(z.view(), &[0; 2]).unwrap());
        let rows: Array2<f32> = at_end.finish(z.view(), &[0; 2]).unwrap().unwrap();
        prop_assert_ne!(&rows, &z);
        prop_assert_eq!(&at_end.finish(rows.view(), &[0; 2]).unwrap().unwrap(), &rows);
        let weights = images(2, plain.spec().image, !seed) - 0.5;
        let (a, back_a) = through.decode_with_pullback(z.view(), &[0; 2]).unwrap();
        let (b, back_b) = plain.decode_with_pullback(rows.view(), &[0; 2]).unwrap();
        prop_assert_eq!(a, b);
        prop_assert_eq!(back_a(weights.view()).unwrap(), back_b(weights.view()).unwrap());
    }
}
