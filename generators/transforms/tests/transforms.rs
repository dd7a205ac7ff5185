//! The generator as the engine sees it.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::Generator;
use fmr_core::registry::{MakeContext, MakeError, Registry, Settings};
use fmr_transforms::register;
use ndarray::{Array2, Array4, s};
use proptest::prelude::*;

fn make(text: &str, image: [usize; 3], seed: u64) -> Result<Box<dyn Generator>, MakeError> {
    let mut registry = Registry::default();
    register(&mut registry);
    let context = MakeContext::new(&registry, image).with_seed(seed);
    registry.make("transforms", &Settings(serde_json::from_str(text).unwrap()), &context)
}

/// Values in [0, 1), smooth enough that rounding does not drown differences.
fn images(n: usize, [c, h, w]: [usize; 3], seed: u32) -> Array4<f32> {
    Array4::from_shape_fn((n, c, h, w), |(i, k, y, x)| {
        let phase = f64::from(seed % 97) + (i * 3 + k) as f64;
        (0.5 + 0.4 * (0.9 * y as f64 + phase).sin() * (0.7 * x as f64 - 2.0 * phase).cos()) as f32
    })
}

/// Latents some way from the identity.
fn moved(generator: &dyn Generator, images: &Array4<f32>, seed: u32) -> Array2<f32> {
    let labels = vec![0; images.shape()[0]];
    let mut latents = generator.encode(images.view(), &labels).unwrap();
    let parameters = generator.spec().latent.last().unwrap().offset;
    for (i, value) in latents.slice_mut(s![.., ..parameters]).iter_mut().enumerate() {
        let mixed = (i as u32 ^ seed).wrapping_mul(2_654_435_761) >> 8;
        *value = mixed as f32 / (1 << 24) as f32 - 0.5;
    }
    latents
}

fn shapes() -> impl Strategy<Value = [usize; 3]> {
    (prop_oneof![Just(1usize), Just(3)], 4usize..14, 4usize..14).prop_map(|(c, h, w)| [c, h, w])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_latent_of_an_image_gives_it_back(shape in shapes(), seed: u32) {
        let generator = make("{}", shape, seed.into()).unwrap();
        let x = images(2, shape, seed);
        let latents = generator.encode(x.view(), &[0, 0]).unwrap();
        prop_assert_eq!(latents.ncols(), generator.spec().latent_len());
        prop_assert_eq!(generator.decode(latents.view(), &[0, 0]).unwrap(), x);
    }

    #[test]
    fn pull_backs_equal_finite_differences(shape in shapes(), seed: u32) {
        let generator = make("{}", shape, seed.into()).unwrap();
        let x = images(1, shape, seed);
        let latents = moved(&*generator, &x, seed);
        let weights = images(1, shape, seed ^ 1) - 0.5;
        let score = |latents: &Array2<f32>| -> f64 {
            let image = generator.decode(latents.view(), &[0]).unwrap();
            image.iter().zip(&weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let (_, pull_back) = generator.decode_with_pullback(latents.view(), &[0]).unwrap();
        let gradient = pull_back(weights.view()).unwrap();
        let parameters = generator.spec().latent.last().unwrap().offset;
        for i in 0..parameters {
            let at = |step: f32| {
                let mut latents = latents.clone();
                latents[[0, i]] += step;
                score(&latents)
            };
            let step = 2e-3;
            let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
            let found = f64::from(gradient[[0, i]]);
            prop_assert!((slope - found).abs() <= 1e-2 * (1.0 + slope.abs()), "parameter {i}: {found} for {slope}");
        }
        prop_assert!(gradient.slice(s![0, parameters..]).iter().all(|g| *g == 0.0));
    }

    #[test]
    fn rows_do_not_depend_on_the_batch(shape in shapes(), seed: u32) {
        let generator = make("{}", shape, seed.into()).unwrap();
        let latents = moved(&*generator, &images(3, shape, seed), seed);
        let weights = images(3, shape, seed ^ 1);
        let (all, pull_back) = generator.decode_with_pullback(latents.view(), &[0; 3]).unwrap();
        let gradients = pull_back(weights.view()).unwrap();
        prop_assert_eq!(&generator.decode(latents.view(), &[0; 3]).unwrap(), &all);
        for i in 0..3 {
            let (one, pull_back) = generator.decode_with_pullback(latents.slice(s![i..=i, ..]), &[0]).unwrap();
            prop_assert_eq!(one.index_axis(ndarray::Axis(0), 0), all.index_axis(ndarray::Axis(0), i));
            let gradient = pull_back(weights.slice(s![i..=i, .., .., ..])).unwrap();
            prop_assert_eq!(gradient.row(0), gradients.row(i));
        }
    }
}

/// Restarts and estimated gradients move latents in random directions.
#[test]
fn random_directions_do_not_reach_the_image() {
    let generator = make("{}", [3, 8, 8], 0).unwrap();
    let settings = r#"{"scale": 0, "shear": 0, "blur": 0, "colour": 0, "contrast": 0, "noise": 0}"#;
    let turning = make(settings, [3, 8, 8], 0).unwrap();
    let x = images(1, [3, 8, 8], 3);
    for generator in [generator, turning] {
        let mut latents = generator.encode(x.view(), &[0]).unwrap();
        let parameters = generator.spec().latent.last().unwrap().offset;
        latents.slice_mut(s![.., parameters..]).iter_mut().enumerate().for_each(|(i, v)| *v += [1.0, -1.0][i % 2]);
        let found = generator.decode(latents.view(), &[0]).unwrap();
        assert!(found.iter().zip(&x).all(|(a, b)| (a - b).abs() < 0.01 / 255.0));
    }
}

#[test]
fn the_layout_names_its_blocks() {
    let generator = make("{}", [3, 8, 6], 0).unwrap();
    let blocks: Vec<_> = generator.spec().latent.iter().map(|b| (b.name.as_str(), b.shape.clone(), b.offset)).collect();
    let one = |name, offset| (name, vec![1], offset);
    let expected = [
        one("rotation", 0),
        one("scale", 1),
        one("shear", 2),
        one("blur", 3),
        ("colour", vec![3], 4),
        one("contrast", 7),
        one("noise", 8),
        ("image", vec![3, 8, 6], 9),
    ];
    assert_eq!(blocks, expected);
}

#[test]
fn each_transformation_does_what_its_name_says() {
    let shape = [1, 5, 5];
    let mut dot = Array4::zeros((1, 1, 5, 5));
    dot[[0, 0, 2, 4]] = 1.0;
    let only = |settings: &str, value: f32| {
        let generator = make(settings, shape, 0).unwrap();
        let mut latents = generator.encode(dot.view(), &[0]).unwrap();
        latents[[0, 0]] = value;
        generator.decode(latents.view(), &[0]).unwrap()
    };
    let off = r#""scale": 0, "shear": 0, "blur": 0, "colour": 0, "contrast": 0, "noise": 0"#;
    let turned = only(&format!(r#"{{"rotation": 90, {off}}}"#), 1.0);
    assert!((turned[[0, 0, 0, 2]] - 1.0).abs() < 1e-5, "right goes to the top when turned anticlockwise: {turned}");
    let off = r#""rotation": 0, "scale": 0, "shear": 0, "colour": 0, "contrast": 0, "noise": 0"#;
    let blurred = only(&format!(r#"{{"blur": 1, {off}}}"#), 1.0);
    assert!(blurred[[0, 0, 2, 4]] < 0.5 && blurred[[0, 0, 2, 3]] > 0.05);
    let off = r#""rotation": 0, "scale": 0, "shear": 0, "blur": 0, "contrast": 0, "noise": 0"#;
    assert_eq!(only(&format!(r#"{{"colour": 0.5, {off}}}"#), 1.0)[[0, 0, 2, 4]], 1.5);
}

#[test]
fn noise_is_an_images_own() {
    let shape = [1, 6, 6];
    let settings = r#"{"rotation": 0, "scale": 0, "shear": 0, "blur": 0, "colour": 0, "contrast": 0}"#;
    let field = |seed, image: u32| {
        let generator = make(settings, shape, seed).unwrap();
        let x = images(1, shape, image);
        let mut latents = generator.encode(x.view(), &[0]).unwrap();
        latents[[0, 0]] = 1.0;
        generator.decode(latents.view(), &[0]).unwrap() - x
    };
    assert_eq!(field(1, 5), field(1, 5));
    assert_ne!(field(1, 5), field(1, 6));
    assert_ne!(field(1, 5), field(2, 5));
    let deviation = (field(1, 5).mapv(|v| v * v).sum() / 36.0).sqrt();
    assert!((0.05..0.2).contains(&deviation), "{deviation}");
}

#[test]
fn errors_name_the_key() {
    let error = |text: &str| make(text, [3, 8, 8], 0).err().unwrap().to_string();
    assert_eq!(error(r#"{"rotation": -1}"#), "rotation: is -1, must be 0 or more");
    assert_eq!(error(r#"{"blur-sigma": 0}"#), "blur-sigma: is 0, must be above 0 and at most 8");
    assert!(error(r#"{"rotate": 3}"#).starts_with("rotate: is not a known key"));
    let generator = make("{}", [3, 8, 8], 0).unwrap();
    assert!(generator.decode(Array2::zeros((1, 7)).view(), &[0]).is_err());
    assert!(generator.encode(Array4::zeros((1, 1, 8, 8)).view(), &[0]).is_err());
}
