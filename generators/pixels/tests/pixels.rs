//! The generators as the engine sees them.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::Generator;
use fmr_core::registry::{MakeContext, MakeError, Registry, Settings};
use ndarray::{Array4, Axis};

fn make(kind: &str, settings: &serde_json::Value, image: [usize; 3]) -> Result<Box<dyn Generator>, MakeError> {
    let mut registry = Registry::default();
    fmr_pixels::register(&mut registry);
    let settings = Settings(settings.as_object().cloned().unwrap());
    let context = MakeContext::new(&registry, image).with_seed(3);
    registry.check::<dyn Generator>(kind, &settings, &context)?;
    registry.make(kind, &settings, &context)
}

fn images([c, h, w]: [usize; 3]) -> Array4<f32> {
    Array4::from_shape_fn((2, c, h, w), |(n, k, y, x)| {
        (0.5 + 0.4 * ((n + 1) as f64 * 0.3 * x as f64 + k as f64).sin() * (0.2 * y as f64).cos()) as f32
    })
}

#[test]
fn a_latent_is_the_image_and_a_gradient_is_its_own() {
    let pixels = make("pixels", &serde_json::json!({}), [3, 5, 4]).unwrap();
    let x = images([3, 5, 4]);
    let latents = pixels.encode(x.view(), &[0, 0]).unwrap();
    let (decoded, pull_back) = pixels.decode_with_pullback(latents.view(), &[0, 0]).unwrap();
    assert_eq!(decoded, x);
    assert_eq!(pull_back(x.view()).unwrap(), latents);
    assert!(pixels.encode(images([3, 4, 5]).view(), &[0, 0]).is_err());
}

#[test]
fn blocks_are_the_image_or_its_channels() {
    let names = |settings: serde_json::Value, image| -> Vec<(String, usize)> {
        let pixels = make("pixels", &settings, image).unwrap();
        pixels.spec().latent.iter().map(|block| (block.name.clone(), block.offset)).collect()
    };
    let channels = || serde_json::json!({"blocks": "channels"});
    let named = |names: &[(&str, usize)]| -> Vec<(String, usize)> {
        names.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect()
    };
    assert_eq!(names(serde_json::json!({}), [3, 2, 2]), named(&[("image", 0)]));
    assert_eq!(names(channels(), [3, 2, 2]), named(&[("red", 0), ("green", 4), ("blue", 8)]));
    assert_eq!(names(channels(), [1, 2, 2]), named(&[("grey", 0)]));
    assert!(make("pixels", &serde_json::json!({"block": "channels"}), [3, 2, 2]).is_err());
}

#[test]
fn corruptions_grow_with_their_severity_and_do_not_depend_on_the_batch() {
    let x = images([3, 16, 12]);
    for corruption in
        ["gaussian-noise", "speckle-noise", "impulse-noise", "gaussian-blur", "brightness", "contrast", "rotation"]
    {
        let mut before = 0.0;
        for severity in 1..=5 {
            let settings = serde_json::json!({"corruption": corruption, "severity": severity});
            let generator = make("corruption", &settings, [3, 16, 12]).unwrap();
            let latents = generator.encode(x.view(), &[0, 0]).unwrap();
            let corrupted = generator.decode(latents.view(), &[0, 0]).unwrap();
            let alone = x.index_axis(Axis(0), 1).insert_axis(Axis(0));
            assert_eq!(generator.encode(alone, &[0]).unwrap().row(0), latents.row(1));
            assert!(corrupted.iter().all(|v| (0.0..=1.0).contains(v)));
            let distance = (&corrupted - &x).iter().map(|d| f64::from(*d).powi(2)).sum::<f64>().sqrt();
            assert!(distance > before, "{corruption} {severity}: {distance} after {before}");
            before = distance;
        }
    }
}

#[test]
fn wrong_settings_are_refused() {
    let refused = |settings: serde_json::Value| make("corruption", &settings, [3, 8, 8]).err().unwrap().to_string();
    let severity = refused(serde_json::json!({"corruption": "contrast", "severity": 6}));
    assert!(severity.contains("is 6, must be from 1 to 5"), "{severity}");
    let unknown = refused(serde_json::json!({"corruption": "fog", "severity": 1}));
    assert!(unknown.contains("fog"), "{unknown}");
    assert!(refused(serde_json::json!({"severity": 1})).contains("corruption"));
}
