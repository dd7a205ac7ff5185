//! What must hold for every network, on tiny ones with random weights.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use fmr_nn::bridge::Traced;
use fmr_nn::weights::Builder;
use fmr_zoo::{
    Architecture, Block, EfficientNetConfig, EfficientNetLayout, LeNetConfig, Network, Padding, Pooling, ResNetConfig,
    ResNetLayout, Stem,
};
use proptest::prelude::*;

/// Largest second difference of scores on a line, as a share of their range: what rounding leaves.
const BEND: f64 = 2.5e-4;

fn resnet(block: Block, stem: Stem) -> Architecture {
    let layout = ResNetLayout::Torchvision;
    let (depths, widths) = ([1, 1, 2, 1], [4, 6, 5, 8]);
    Architecture::ResNet(ResNetConfig {
        block,
        depths,
        widths,
        stem,
        channels: 3,
        stem_width: 4,
        layout,
        classes: 5,
        eps: 1e-5,
    })
}

fn lenet(max: bool) -> Architecture {
    let pooling = if max { Pooling::Max } else { Pooling::Average };
    Architecture::LeNet(LeNetConfig { channels: 1, padding: 2, pooling, classes: 5 })
}

fn efficientnet(padding: Padding, side: usize) -> Architecture {
    let stage = |text: &str| text.parse().unwrap_or_else(|e| panic!("{e}"));
    Architecture::EfficientNetLite(EfficientNetConfig {
        stages: vec![stage("r1_k3_s11_e1_i32_o16"), stage("r2_k5_s22_e2_i16_o24"), stage("r1_k3_s11_e3_i24_o24")],
        width: 0.25,
        depth: 1.2,
        fix_head_stem: false,
        image: [side; 2],
        padding,
        layout: EfficientNetLayout::Timm,
        classes: 5,
        eps: 1e-3,
    })
}

/// Small networks of the other families as data, and the shape of an image that each takes: `H` and `W` stand for its sides.
const OTHERS: &[&str] = &[
    r#"{"family": "vit", "image": [H, W], "patch": 4, "width": 12, "depth": 2, "heads": 3, "classes": 5}"#,
    r#"{"family": "vit", "image": [H, W], "patch": 4, "width": 6, "depth": 1, "heads": 1, "mlp-ratio": 2.5,
        "distilled": true, "classes": 5}"#,
    r#"{"family": "convnext", "patch": 2, "widths": [4, 6], "depths": [1, 2], "classes": 5}"#,
    r#"{"family": "swin", "image": [H, W], "patch": 2, "width": 6, "depths": [2, 2], "heads": [2, 3], "window": 3,
        "classes": 5}"#,
    r#"{"family": "swin", "image": [H, W], "patch": 4, "width": 5, "depths": [2], "heads": [3], "head-dim": 2, "window": 4,
        "classes": 5}"#,
    r#"{"family": "twins", "patch": 2, "classes": 5, "stages": [
        {"width": 4, "depth": 2, "heads": 2, "mlp-ratio": 4, "reduction": 2, "window": 3},
        {"width": 6, "depth": 1, "heads": 1, "mlp-ratio": 2, "reduction": 1}]}"#,
    r#"{"family": "xcit", "patch": 8, "width": 12, "depth": 1, "heads": 2, "classes": 5}"#,
    r#"{"family": "xcit", "patch": 4, "width": 16, "depth": 1, "heads": 4, "tokens-norm": false, "classes": 5}"#,
    r#"{"family": "visformer", "image": [H, W], "stem": 4, "width": 16, "depths": [1, 1, 1], "heads": 2, "groups": 4,
        "classes": 5}"#,
    r#"{"family": "vgg", "stages": [[4, 5], [6]], "classes": 5}"#,
    r#"{"family": "preact-resnet", "block": "bottleneck", "stem-width": 4, "widths": [2, 3, 4, 5],
        "depths": [1, 2, 1, 1], "classes": 5}"#,
    r#"{"family": "googlenet", "stem": 6, "classes": 5, "stages": [
        [{"one": 2, "three": [2, 3], "five": [1, 2], "pool": 1}], [{"one": 3, "three": [2, 2], "five": [2, 2], "pool": 2}]]}"#,
    r#"{"family": "densenet", "depths": [2, 1], "growth": 3, "reduction": 0.5, "classes": 5}"#,
    r#"{"family": "mobilenet", "stem": 4, "blocks": [[6, 1], [8, 2]], "classes": 5}"#,
    r#"{"family": "efficientnet-b0", "stages": ["r1_k3_s11_e1_i8_o8", "r2_k5_s22_e2_i8_o12"], "classes": 5}"#,
    r#"{"family": "simple-dla", "stem": [4, 6], "classes": 5, "trees": [
        {"width": 6, "levels": 1, "stride": 1}, {"width": 8, "levels": 2, "stride": 2}]}"#,
];

/// A network, and the shape of an image that it takes.
fn networks() -> impl Strategy<Value = (Architecture, [usize; 3])> {
    let others = (0..OTHERS.len(), 1usize..3, 1usize..3).prop_map(|(i, h, w)| {
        let [h, w] = [32 * h, 32 * w];
        let text = OTHERS[i].replace('H', &h.to_string()).replace('W', &w.to_string());
        (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}")), [3, h, w])
    });
    prop_oneof![1 => with_kinks(), 4 => others]
}

/// A network that is linear between its kinks.
fn with_kinks() -> impl Strategy<Value = (Architecture, [usize; 3])> {
    prop_oneof![
        any::<bool>().prop_map(|max| (lenet(max), [1, 28, 28])),
        (8usize..24, 8usize..24).prop_map(|(h, w)| (resnet(Block::Basic, Stem::Cifar), [3, h, w])),
        (24usize..40, 24usize..40).prop_map(|(h, w)| (resnet(Block::Bottleneck, Stem::ImageNet), [3, h, w])),
        (12usize..24).prop_map(|side| (efficientnet(Padding::Same, side), [3, side, side])),
        (12usize..24).prop_map(|side| (efficientnet(Padding::Symmetric, side), [3, side, side])),
    ]
}

fn images(n: usize, [c, h, w]: [usize; 3], seed: u32) -> Vec<f32> {
    let values = (0..(n * c * h * w) as u32).map(|i| i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8);
    values.map(|v| v as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn tensor(values: &[f32], [c, h, w]: [usize; 3]) -> Tensor<4> {
    let n = values.len() / (c * h * w);
    Tensor::from_data(TensorData::new(values.to_vec(), [n, c, h, w]), &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap_or_default()
}

fn network(architecture: &Architecture, seed: u64) -> Network {
    Network::new(&mut Builder::random_frozen(seed, &Device::flex()), architecture).folded()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bit for bit, forwards and backwards.
    #[test]
    fn rows_do_not_depend_on_the_batch((architecture, shape) in networks(), seed: u32) {
        let net = network(&architecture, seed.into());
        let x = images(3, shape, seed);
        let size = x.len() / 3;
        let run = |x: &[f32]| {
            let traced = Traced::new(tensor(x, shape), |x| net.forward(x));
            let logits = traced.output();
            let gradient = traced.pull_back(logits.clone());
            (values(logits), values(gradient))
        };
        let (logits, gradients) = run(&x);
        for i in 0..3 {
            let (one, gradient) = run(&x[i * size..][..size]);
            prop_assert_eq!(&one[..], &logits[i * 5..][..5]);
            prop_assert_eq!(&gradient[..], &gradients[i * size..][..size]);
        }
    }

    /// In evaluation mode these networks are linear between their kinks. So the steps along the gradient are doubled until
    /// five scores lie on a line, which asks nothing of the gradient; the line's slope must then be the gradient's norm.
    /// Shorter steps drown in rounding, and over longer ones many small kinks look like a line of another slope.
    #[test]
    fn pull_backs_equal_finite_differences((architecture, shape) in with_kinks(), seed: u32) {
        let net = network(&architecture, seed.into());
        let x = images(1, shape, seed);
        let weights = [0.7, -1.0, 0.4, 0.9, -0.3];
        let cotangent = Tensor::from_data(TensorData::new(weights.to_vec(), [1, 5]), &Device::flex());
        let gradient = values(Traced::new(tensor(&x, shape), |x| net.forward(x)).pull_back(cotangent));
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        prop_assume!(norm > 1e-4);
        let score = |step: f64| {
            let moved: Vec<f32> =
                x.iter().zip(&gradient).map(|(x, g)| (f64::from(*x) + step * f64::from(*g) / norm) as f32).collect();
            let logits = values(net.forward(tensor(&moved, shape)));
            logits.iter().zip(weights).map(|(l, w)| f64::from(*l) * w).sum::<f64>()
        };
        let on_a_line = |h: f64| {
            let [a, b, c, d, e] = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|t| score(t * h));
            let bends = [a - 2.0 * b + c, b - 2.0 * c + d, c - 2.0 * d + e];
            let slope = (e - a) / (2.0 * h);
            bends.iter().all(|bend| bend.abs() <= BEND * (e - a).abs()).then_some(slope)
        };
        let slope = (0..12).rev().find_map(|halvings| on_a_line(0.25 * 0.5_f64.powi(halvings)));
        // Where a kink lies within rounding of the image, no step is short enough.
        prop_assume!(slope.is_some());
        let slope = slope.unwrap_or_default();
        prop_assert!((slope - norm).abs() <= 16.0 * BEND * norm, "{slope} instead of {norm}");
    }
}

/// A loss pulls back to every parameter but those that upstream has and never uses.
#[test]
fn every_network_can_be_trained() {
    const UNUSED: [&str; 3] = ["layers.0.conv1.weight", "layers.0.bn1.weight", "layers.0.bn1.bias"];
    for text in OTHERS {
        let text = text.replace(['H', 'W'], "32");
        let architecture: Architecture = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let mut b = Builder::random(7, &Device::flex().autodiff());
        let net = Network::new(&mut b, &architecture);
        let keys = b.finish(|_| false).unwrap_or_else(|e| panic!("{text}: {e}"));
        let x = Tensor::from_inner(tensor(&images(2, [3, 32, 32], 1), [3, 32, 32]));
        let logits = net.forward(x);
        let loss = (logits.clone() * logits).sum();
        let trained = GradientsParams::from_grads(loss.backward(), &net).len();
        let unused = |name: &str| architecture.family() == "efficientnet-b0" && UNUSED.contains(&name);
        let wanted = keys.iter().filter(|key| !key.name.contains(".running_") && !unused(&key.name)).count();
        assert_eq!(trained, wanted, "{text}");
    }
}
