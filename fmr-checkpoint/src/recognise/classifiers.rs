//! Image classifiers of torchvision, timm, and the projects that publish their own.

use super::{View, listed};

/// Number of classes, as the end of a name.
fn classes(view: &View<'_>, keys: &[&str]) -> String {
    match keys.iter().find_map(|key| view.dim(key, 0)) {
        Some(1000) | None => String::new(),
        Some(n) => format!(", {n} classes"),
    }
}

/// ResNets of torchvision and timm, and those for CIFAR.
pub(super) fn resnet(view: &View<'_>) -> Option<String> {
    let stages = [1, 2, 3, 4].map(|stage| view.count(&format!("layer{stage}.")));
    let stem = view.shape("conv1.weight")?;
    if stages[0] == 0 || stages[1] == 0 {
        return None;
    }
    let bottleneck = view.has("layer1.0.conv3.weight");
    let depth = match (stages, bottleneck) {
        ([2, 2, 2, 2], false) => "ResNet-18".into(),
        ([3, 4, 6, 3], false) => "ResNet-34".into(),
        ([3, 4, 6, 3], true) => "ResNet-50".into(),
        ([3, 4, 23, 3], true) => "ResNet-101".into(),
        ([3, 8, 36, 3], true) => "ResNet-152".into(),
        (stages, true) => format!("bottleneck ResNet with blocks {}", listed(&stages)),
        (stages, false) => format!("basic-block ResNet with blocks {}", listed(&stages)),
    };
    let classes = classes(view, &["fc.weight", "linear.weight"]);
    if view.has("linear.weight") || stem.last() == Some(&3) {
        // Without a norm after the stem, the norms stand before the convolutions.
        let order = if view.has("bn1.weight") { "" } else { "pre-activation " };
        return Some(format!("a CIFAR {order}{depth}{classes}"));
    }
    Some(format!("a torchvision {depth}{classes}"))
}

/// EfficientNets: the lite ones have no squeeze-and-excitation.
pub(super) fn efficientnet(view: &View<'_>) -> Option<String> {
    let stems = ["_conv_stem.weight", "conv_stem.weight", "stem.0.weight"];
    let stem = stems.into_iter().find(|key| view.has(key))?;
    let depthwise = |key: &str| key.contains("depthwise_conv") || key.contains("conv_dw");
    if !(view.below("_blocks.") || view.below("blocks.") && view.any(depthwise)) {
        return None;
    }
    let lite = !view.any(|key| key.contains("se_reduce") || key.contains(".se."));
    let family = if lite { "EfficientNet-lite" } else { "EfficientNet" };
    let named = if stem == "conv_stem.weight" { "a timm" } else { "a TensorFlow-named" };
    let classes = classes(view, &["classifier.weight", "_fc.weight", "fc.weight"]);
    Some(format!("{named} {family}{classes}"))
}

/// Swin, official or timm.
pub(super) fn swin(view: &View<'_>) -> Option<String> {
    let width = view.dim("patch_embed.proj.weight", 0)?;
    view.shape("layers.0.blocks.0.attn.relative_position_bias_table")?;
    let depths = view.depths("layers.", "blocks.");
    let name = match (width, depths.as_slice()) {
        (96, [2, 2, 6, 2]) => "Swin-T".into(),
        (96, [2, 2, 18, 2]) => "Swin-S".into(),
        (128, [2, 2, 18, 2]) => "Swin-B".into(),
        (192, [2, 2, 18, 2]) => "Swin-L".into(),
        _ => format!("Swin of width {width}, blocks {}", listed(&depths)),
    };
    Some(format!("a {name}{}", classes(view, &["head.weight", "head.fc.weight"])))
}

/// Twins, with pyramid or separable attention.
pub(super) fn twins(view: &View<'_>) -> Option<String> {
    let width = view.dim("patch_embeds.0.proj.weight", 0)?;
    let depths = listed(&view.depths("blocks.", ""));
    // SVT alternates local attention, which has one fused projection, with global attention.
    let kind = if view.has("blocks.0.0.attn.qkv.weight") { "SVT" } else { "PCPVT" };
    let classes = classes(view, &["head.weight"]);
    Some(format!("a Twins-{kind} of width {width}, blocks {depths}{classes}"))
}

/// XCiT, official or timm.
pub(super) fn xcit(view: &View<'_>) -> Option<String> {
    if !view.below("cls_attn_blocks.") {
        return None;
    }
    let width = view.last_dim("cls_token")?;
    let blocks = view.count("blocks.");
    let classes = classes(view, &["head.weight"]);
    Some(format!("an XCiT of width {width}, {blocks} blocks{classes}"))
}

/// ConvNeXt, official or timm.
pub(super) fn convnext(view: &View<'_>) -> Option<String> {
    let width = view.dim("stages.0.0.gamma", 0).or_else(|| view.dim("stages.0.blocks.0.gamma", 0))?;
    let timm = view.depths("stages.", "blocks.");
    let depths: Vec<usize> = timm.into_iter().zip(view.depths("stages.", "")).map(|(a, b)| a.max(b)).collect();
    let name = match (width, depths.as_slice()) {
        (96, [3, 3, 9, 3]) => "ConvNeXt-T".into(),
        (96, [3, 3, 27, 3]) => "ConvNeXt-S".into(),
        (128, [3, 3, 27, 3]) => "ConvNeXt-B".into(),
        _ => format!("ConvNeXt of width {width}, blocks {}", listed(&depths)),
    };
    Some(format!("a {name}{}", classes(view, &["head.weight", "head.fc.weight"])))
}

/// Visformer, official or timm.
pub(super) fn visformer(view: &View<'_>) -> Option<String> {
    view.shape("stem.0.weight")?;
    let depths = [1, 2, 3].map(|stage| view.count(&format!("stage{stage}.")));
    if depths.contains(&0) {
        return None;
    }
    Some(format!("a Visformer with blocks {}{}", listed(&depths), classes(view, &["head.weight"])))
}

/// ViT and DeiT in the names that both share.
pub(super) fn vision_transformer(view: &View<'_>) -> Option<String> {
    let width = view.last_dim("cls_token")?;
    let patch = view.last_dim("patch_embed.proj.weight")?;
    let blocks = view.count("blocks.");
    let size = match (width, blocks) {
        (192, 12) => "Ti".into(),
        (384, 12) => "S".into(),
        (768, 12) => "B".into(),
        (1024, 24) => "L".into(),
        _ => format!("width {width}, {blocks} blocks, "),
    };
    let classes = classes(view, &["head.weight"]);
    if view.has("dist_token") {
        return Some(format!("a distilled DeiT ({size}/{patch}){classes}"));
    }
    Some(format!("a ViT or DeiT ({size}/{patch}){classes}"))
}

/// The other networks of the CIFAR-10 zoo (pytorch-cifar), each by a key that no other network has.
pub(super) fn cifar_zoo(view: &View<'_>) -> Option<String> {
    const MARKS: &[(&str, &str)] = &[
        ("dense1.0.bn1.weight", "DenseNet"),
        ("pre_layers.0.weight", "GoogLeNet"),
        ("layers.0.se.se1.weight", "EfficientNet-B0"),
        ("layers.0.conv2.weight", "MobileNet"),
        ("layer3.root.conv.weight", "SimpleDLA"),
        ("features.1.running_mean", "VGG"),
    ];
    let (_, name) = MARKS.iter().find(|(key, _)| view.has(key))?;
    let classes = classes(view, &["linear.weight", "classifier.weight"]);
    Some(format!("a CIFAR {name}{classes}"))
}

/// The five layers of LeNet.
pub(super) fn lenet(view: &View<'_>) -> Option<String> {
    let channels = view.dim("conv1.weight", 1)?;
    let last = view.dim("fc3.weight", 0)?;
    view.shape("conv2.weight")?;
    Some(format!("a LeNet for {channels} channels, {last} classes"))
}
