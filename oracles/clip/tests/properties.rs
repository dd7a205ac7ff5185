//! What must hold for every CLIP model, on tiny ones with random weights.

#![expect(clippy::unwrap_used, reason = "tests")]

use burn::tensor::{Device, Tensor, TensorData};
use fmr_clip::{Clip, ClipConfig, ClipOracle, ImageConfig, ResNetConfig, TextConfig, VitConfig};
use fmr_core::Oracle;
use fmr_nn::bridge::Traced;
use fmr_nn::functional::Pointwise;
use fmr_nn::probe::Probe;
use fmr_nn::weights::Builder;
use ndarray::{Array4, s};
use proptest::prelude::*;

fn vit() -> impl Strategy<Value = ClipConfig> {
    let activation = prop_oneof![Just(Pointwise::QuickGelu), Just(Pointwise::Gelu)];
    (1usize..4, 2usize..4, 4usize..8, 1usize..3, activation).prop_map(|(heads, grid, patch, layers, activation)| {
        let image = ImageConfig::Vit(VitConfig { width: 8 * heads, layers, heads, patch, mlp: None, eps: None });
        config(image, grid * patch, activation)
    })
}

fn resnet() -> impl Strategy<Value = ClipConfig> {
    (2usize..4, 1usize..3).prop_map(|(width, blocks)| {
        let image = ImageConfig::ModifiedResnet(ResNetConfig { width: 2 * width, layers: [1, blocks, 1, 1] });
        config(image, 32, Pointwise::QuickGelu)
    })
}

fn config(image: ImageConfig, resolution: usize, activation: Pointwise) -> ClipConfig {
    let (mlp, width) = (None, 16);
    let text =
        TextConfig { context: 24, vocabulary: 1024, width, heads: 2, layers: 2, mlp, activation: None, eps: None };
    ClipConfig { embed: 12, resolution, image, text, activation }
}

fn images(n: usize, side: usize, seed: u32) -> Array4<f32> {
    Array4::from_shape_fn((n, 3, side, side), |(i, k, y, x)| {
        let mixed = (((i * 3 + k) * side + y) * side + x) as u32;
        (mixed.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32
    })
}

fn tensor(images: &Array4<f32>) -> Tensor<4> {
    let values = images.iter().map(|v| 4.0 * v - 2.0).collect();
    Tensor::from_data(TensorData::new(values, images.shape().to_vec()), &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn clip(config: &ClipConfig, seed: u32) -> Clip {
    Clip::new(&mut Builder::random_frozen(seed.into(), &Device::flex()), config).folded()
}

const NAMES: [&str; 4] = ["cat", "great white shark", "7", "hot dog"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit for bit.
    #[test]
    fn verdicts_do_not_depend_on_the_batch(config in prop_oneof![vit(), resnet()], larger: bool, seed: u32) {
        let side = config.resolution + if larger { 5 } else { 0 };
        let mut oracle = ClipOracle::random("random", config, seed.into(), Device::flex()).unwrap();
        oracle.set_classes(&NAMES.map(str::to_owned), &["an image of {class}".to_owned()]).unwrap();
        let x = images(3, side, seed);
        let all = oracle.judge(x.view()).unwrap();
        for i in 0..3 {
            let one = oracle.judge(x.slice(s![i..=i, .., .., ..])).unwrap();
            prop_assert_eq!(one.row(0), all.row(i));
        }
    }

    /// Nor does a class depend on the other classes.
    #[test]
    fn classes_do_not_depend_on_each_other(config in vit(), seed: u32) {
        let oracle = ClipOracle::random("random", config, seed.into(), Device::flex()).unwrap();
        let templates = ["an image of {class}".to_owned(), "{}, drawn".to_owned()];
        let all = values(oracle.embed(&NAMES.map(str::to_owned), &templates).unwrap());
        for (name, row) in NAMES.iter().zip(all.chunks_exact(all.len() / NAMES.len())) {
            prop_assert_eq!(&values(oracle.embed(&[(*name).to_owned()], &templates).unwrap())[..], row);
        }
    }

    /// Bit for bit, forwards and backwards.
    #[test]
    fn embeddings_do_not_depend_on_the_batch(config in prop_oneof![vit(), resnet()], seed: u32) {
        let clip = clip(&config, seed);
        let x = images(3, config.resolution, seed);
        let run = |x: &Array4<f32>| {
            let traced = Traced::new(tensor(x), |x| clip.image(x));
            let output = traced.output();
            (values(output.clone()), values(traced.pull_back(output * 2.0 + 0.5)))
        };
        let (all, gradients) = run(&x);
        for i in 0..3 {
            let (one, gradient) = run(&x.slice(s![i..=i, .., .., ..]).to_owned());
            prop_assert_eq!(&one[..], &all[i * one.len()..][..one.len()]);
            prop_assert_eq!(&gradient[..], &gradients[i * gradient.len()..][..gradient.len()]);
        }
    }

    /// The transformer is smooth, so that a five-point stencil leaves little but rounding.
    #[test]
    fn pull_backs_equal_finite_differences(config in vit(), seed: u32) {
        let clip = clip(&config, seed);
        let x = images(1, config.resolution, seed);
        let embed = |x: Tensor<4>| clip.image_embedding(x, &mut Probe::off());
        let weights: Vec<f32> = (0..config.embed).map(|i| [0.7, -1.0, 0.4][i % 3]).collect();
        let cotangent = Tensor::<2>::from_data(TensorData::new(weights.clone(), [1, config.embed]), &Device::flex());
        let start = values(tensor(&x));
        let gradient = values(Traced::new(tensor(&x), embed).pull_back(cotangent));
        let norm = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        prop_assume!(norm > 0.0);
        let score = |step: f64| -> f64 {
            let moved = start.iter().zip(&gradient).map(|(x, g)| (f64::from(*x) + step * f64::from(*g) / norm) as f32);
            let moved = Tensor::from_data(TensorData::new(moved.collect(), x.shape().to_vec()), &Device::flex());
            values(embed(moved)).iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let h = 0.05;
        let slope = (8.0 * (score(h) - score(-h)) - (score(2.0 * h) - score(-2.0 * h))) / (12.0 * h);
        prop_assert!((slope - norm).abs() <= 5e-3 * norm, "{slope} instead of {norm}");
    }
}
