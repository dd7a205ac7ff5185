//! What a parity case of a target says about its model.

use fmr_golden::Case;
use fmr_zoo::{
    Architecture, Block, EfficientNetConfig, EfficientNetLayout, Padding, ResNetConfig, ResNetLayout, Stem, entry,
};

/// What is to be done with a case.
pub(crate) enum Kind {
    /// A network with weights in the folder.
    Network(Architecture),
    /// The registered model of this name with published weights that are not in the folder.
    Published(String),
    /// Pictures through the 8-bit path.
    Preprocess,
}

/// Reads a case's description, or says which family is not built.
pub(crate) fn kind(case: &Case) -> Result<Kind, String> {
    let classes = case.text("upstream.classes").unwrap_or_default();
    if classes.contains("torchvision.transforms") {
        return Ok(Kind::Preprocess);
    }
    if let Some((_, rest)) = classes.split_once("from_pretrained(\"") {
        let name = rest.split('"').next().unwrap_or_default();
        return published(name).map(Kind::Published);
    }
    if classes.contains("efficientnet_lite_pytorch") {
        return Ok(Kind::Network(Architecture::EfficientNetLite(efficientnet(case))));
    }
    if classes.contains("resnet.ResNet/") {
        return Ok(Kind::Network(Architecture::ResNet(resnet(case, classes))));
    }
    Err(format!("the family of {classes:?} is not built"))
}

/// The registered model that a name of the loader from PyPI stands for.
fn published(name: &str) -> Result<String, String> {
    let registered = [format!("{name}_pypi"), name.to_owned()].into_iter().find(|name| entry(name).is_some());
    registered.ok_or_else(|| format!("no model {name:?} is registered"))
}

fn size(case: &Case, key: &str) -> usize {
    case.number(key).unwrap_or_else(|| panic!("{} has no {key}", case.name())) as usize
}

fn sizes<const N: usize>(case: &Case, key: &str) -> [usize; N] {
    let values: Vec<usize> = case.numbers(key).into_iter().map(|n| n as usize).collect();
    values.try_into().unwrap_or_else(|v| panic!("{}: {key} is {v:?}, not {N} numbers", case.name()))
}

fn resnet(case: &Case, classes: &str) -> ResNetConfig {
    let cifar = case.text("upstream.repository").is_some_and(|r| r.contains("pytorch-cifar"));
    let block = if classes.contains("Bottleneck") { Block::Bottleneck } else { Block::Basic };
    let logits = case.sheet().shape("output.logits")[1];
    let eps = case.number("hyper.bn_eps").unwrap_or(1e-5) as f32;
    let depths = sizes(case, "hyper.layers");
    if cifar {
        let (stem, layout) = (Stem::Cifar, ResNetLayout::PytorchCifar);
        let (widths, stem_width) = (sizes(case, "hyper.widths"), size(case, "hyper.stem"));
        return ResNetConfig { block, depths, widths, stem, stem_width, layout, classes: logits, eps };
    }
    let (stem, layout) = (Stem::ImageNet, ResNetLayout::Torchvision);
    let (widths, stem_width) = (sizes(case, "hyper.stage_planes"), size(case, "hyper.stem_channels"));
    ResNetConfig { block, depths, widths, stem, stem_width, layout, classes: logits, eps }
}

fn efficientnet(case: &Case) -> EfficientNetConfig {
    let stages = case.texts("hyper.blocks").iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{e}"))).collect();
    // One number for square images, two otherwise.
    let image = match case.number("hyper.image_size") {
        Some(side) => [side as usize; 2],
        None if case.numbers("hyper.image_size").len() == 2 => sizes(case, "hyper.image_size"),
        None => sizes(case, "hyper.image"),
    };
    EfficientNetConfig {
        stages,
        width: case.number("hyper.width_coefficient").unwrap_or(1.0),
        depth: case.number("hyper.depth_coefficient").unwrap_or(1.0),
        fix_head_stem: case.value("hyper.fix_head_stem").and_then(|v| v.as_bool()).unwrap_or(false),
        image,
        padding: Padding::Same,
        layout: EfficientNetLayout::EfficientnetPytorch,
        classes: size(case, "hyper.num_classes"),
        eps: case.number("hyper.bn_eps").unwrap_or(1e-3) as f32,
    }
}
