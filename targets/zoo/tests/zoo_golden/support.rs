//! What a parity case of a target says about its model.

use fmr_golden::Case;
use fmr_zoo::{Architecture, entry};

use crate::hyper::architecture;

/// What is to be done with a case.
pub(crate) enum Kind {
    /// A network with weights in the folder.
    Network(Architecture),
    /// A network whose weights and images a formula gives.
    Formula(Architecture),
    /// The registered model of this name with published weights that are not in the folder.
    Published(String),
    /// Pictures through the 8-bit path.
    Preprocess,
}

/// Families by a word of upstream's classes; the first that occurs decides.
const FAMILIES: &[(&str, &str)] = &[
    ("efficientnet_lite_pytorch", "efficientnet-lite"),
    ("resnet.ResNet/", "resnet"),
    ("VisionTransformerDistilled", "deit-distilled"),
    ("vision_transformer.VisionTransformer", "vit"),
    ("convnext.ConvNeXt", "convnext"),
    ("swin_transformer.SwinTransformer", "swin"),
    ("twins.Twins", "twins"),
    ("xcit.Xcit", "xcit"),
    ("visformer.Visformer", "visformer"),
];

/// Reads a case's description, or says what is not understood.
pub(crate) fn kind(case: &Case) -> Result<Kind, String> {
    if case.text("kind") == Some("formula") {
        return architecture(case, case.text("model.family").unwrap_or_default()).map(Kind::Formula);
    }
    let classes = case.text("upstream.classes").unwrap_or_default();
    if classes.contains("torchvision.transforms") {
        return Ok(Kind::Preprocess);
    }
    if let Some((_, rest)) = classes.split_once("from_pretrained(\"") {
        let name = rest.split('"').next().unwrap_or_default();
        return published(name).map(Kind::Published);
    }
    match FAMILIES.iter().find(|(word, _)| classes.contains(word)) {
        Some((_, family)) => architecture(case, family).map(Kind::Network),
        None => Err(format!("no family has the classes {classes:?}")),
    }
}

/// The registered model that a name of the loader from PyPI stands for.
fn published(name: &str) -> Result<String, String> {
    let registered = [format!("{name}_pypi"), name.to_owned()].into_iter().find(|name| entry(name).is_some());
    registered.ok_or_else(|| format!("no model {name:?} is registered"))
}
