//! The networks of kuangliu/pytorch-cifar for 32×32 images. Its ResNet and LeNet are in the modules of their families.

mod densenet;
mod efficientnet_b0;
mod googlenet;
mod mobilenet;
mod narrow;
mod preact_resnet;
mod simple_dla;
mod vgg;

use burn::tensor::Tensor;
use fmr_nn::functional::Window;
use fmr_nn::layers::{Conv2d, ConvNorm};
use fmr_nn::weights::Builder;

use crate::family::Architecture;
use crate::labels::LabelSet;
use crate::preprocess::Preprocess;
use crate::registry::Entry;

pub use densenet::DenseNetConfig;
pub use efficientnet_b0::EfficientNetB0Config;
pub use googlenet::{GoogLeNetConfig, InceptionConfig};
pub use mobilenet::MobileNetConfig;
pub use preact_resnet::PreActResNetConfig;
pub use simple_dla::{SimpleDlaConfig, TreeConfig};
pub use vgg::VggConfig;

pub(crate) use densenet::DenseNet;
pub(crate) use efficientnet_b0::EfficientNetB0;
pub(crate) use googlenet::GoogLeNet;
pub(crate) use mobilenet::MobileNet;
pub(crate) use preact_resnet::PreActResNet;
pub(crate) use simple_dla::SimpleDla;
pub(crate) use vgg::Vgg;

/// Added to the variance by every normalisation.
const EPS: f32 = 1e-5;

fn eps() -> f32 {
    EPS
}

/// The registered members of these families: name, network, upstream's call, accuracy.
fn table() -> [(&'static str, Architecture, &'static str, Option<f64>); 9] {
    let vgg = |layers| Architecture::Vgg(VggConfig::published(layers));
    let preact = |bottleneck| Architecture::PreActResNet(PreActResNetConfig::published(bottleneck));
    let googlenet = Architecture::GoogLeNet(GoogLeNetConfig::published());
    let densenet = Architecture::DenseNet(DenseNetConfig::published());
    let mobilenet = Architecture::MobileNet(MobileNetConfig::published());
    let efficientnet = Architecture::EfficientNetB0(EfficientNetB0Config::published());
    let dla = Architecture::SimpleDla(SimpleDlaConfig::published());
    [
        ("cifar-vgg16", vgg(16), "kuangliu/pytorch-cifar, ckpt.pth of VGG('VGG16')", Some(92.64)),
        ("cifar-vgg19", vgg(19), "kuangliu/pytorch-cifar, ckpt.pth of VGG('VGG19')", None),
        ("cifar-preactresnet18", preact(false), "kuangliu/pytorch-cifar, ckpt.pth of PreActResNet18()", Some(95.11)),
        ("cifar-preactresnet50", preact(true), "kuangliu/pytorch-cifar, ckpt.pth of PreActResNet50()", None),
        ("cifar-googlenet", googlenet, "kuangliu/pytorch-cifar, ckpt.pth of GoogLeNet()", None),
        ("cifar-densenet121", densenet, "kuangliu/pytorch-cifar, ckpt.pth of DenseNet121()", Some(95.04)),
        ("cifar-mobilenet", mobilenet, "kuangliu/pytorch-cifar, ckpt.pth of MobileNet()", None),
        ("cifar-efficientnetb0", efficientnet, "kuangliu/pytorch-cifar, ckpt.pth of EfficientNetB0()", None),
        ("cifar-simpledla", dla, "kuangliu/pytorch-cifar, ckpt.pth of SimpleDLA()", Some(94.89)),
    ]
}

/// The registered members of these families.
pub(crate) fn entries() -> Vec<Entry> {
    let entry = |name, architecture, preprocess, source, top1| Entry {
        name,
        alias: None,
        architecture,
        preprocess,
        labels: LabelSet::Cifar10,
        source,
        sha256: &[],
        download: None,
        top1,
    };
    let published = table()
        .into_iter()
        .map(|(name, architecture, source, top1)| entry(name, architecture, Preprocess::pytorch_cifar(), source, top1));
    let narrow = narrow::table()
        .into_iter()
        .map(|(name, source, architecture)| entry(name, architecture, Preprocess::cifar(), source, None));
    published.chain(narrow).collect()
}

/// A square convolution that keeps the size of maps, but for its stride, with a normalisation under `norm`.
fn unit(
    b: &mut Builder,
    [conv, norm]: [&str; 2],
    channels: [usize; 2],
    size: usize,
    stride: usize,
    bias: bool,
    eps: f32,
) -> ConvNorm {
    let layer = Conv2d::new(b, conv, channels, size, Window::same(stride, size / 2), bias);
    ConvNorm::around(b, layer, [conv, norm], eps)
}

/// The mean of each channel.
fn pooled(x: Tensor<4>) -> Tensor<2> {
    x.mean_dim(3).mean_dim(2).flatten(1, 3)
}
