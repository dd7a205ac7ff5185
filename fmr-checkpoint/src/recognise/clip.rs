//! CLIP in the layouts of OpenAI, open_clip and Hugging Face.

use super::{View, listed};
use crate::checkpoint::Container;
use crate::dtype::Dtype;
use crate::tensor::TensorInfo;

/// The layout of `transformers`.
pub(super) fn hugging_face(view: &View<'_>) -> Option<String> {
    let patches = "vision_model.embeddings.patch_embedding.weight";
    let width = view.dim(patches, 0)?;
    let patch = view.last_dim(patches)?;
    view.shape("visual_projection.weight")?;
    let positions = view.dim("vision_model.embeddings.position_embedding.weight", 0)?;
    let blocks = view.count("vision_model.encoder.layers.");
    let name = vit_name(width, patch, positions, blocks);
    Some(format!("a Hugging Face CLIP {name}"))
}

/// The layout of OpenAI, which open_clip shares.
pub(super) fn open_ai_layout(view: &View<'_>) -> Option<String> {
    let name = if let Some(width) = view.dim("visual.class_embedding", 0) {
        let patch = view.last_dim("visual.conv1.weight")?;
        let positions = view.dim("visual.positional_embedding", 0)?;
        let blocks = view.count("visual.transformer.resblocks.");
        vit_name(width, patch, positions, blocks)
    } else if view.has("visual.attnpool.positional_embedding") {
        resnet_name(view)?
    } else {
        return None;
    };
    if view.has("logit_bias") {
        return Some(format!("a SigLIP model with a {name} image tower"));
    }
    // OpenAI's conversion halves the weights of convolutions and linear layers and nothing else.
    let dtype = |key: &str| view.weights.get(key).map(TensorInfo::dtype);
    let mixed = dtype("visual.conv1.weight") == Some(Dtype::F16) && dtype("logit_scale") == Some(Dtype::F32);
    Some(if view.container == Container::TorchScript {
        format!("an OpenAI CLIP {name} (TorchScript)")
    } else if mixed || view.has("input_resolution") {
        format!("an OpenAI CLIP {name} (state dict)")
    } else {
        format!("an open_clip {name}")
    })
}

/// The published name of an image tower, or its sizes.
fn vit_name(width: usize, patch: usize, positions: usize, blocks: usize) -> String {
    let size = match (width, blocks) {
        (768, 12) => "B",
        (1024, 24) => "L",
        (1280, 32) => "H",
        (1408, 40) => "g",
        (1664, 48) => "bigG",
        _ => {
            return format!("ViT of width {width}, {blocks} blocks, patch {patch}");
        }
    };
    // A file may claim any size for a tensor without elements.
    let resolution = positions.saturating_sub(1).isqrt().saturating_mul(patch);
    if resolution == 224 { format!("ViT-{size}/{patch}") } else { format!("ViT-{size}/{patch} at {resolution} px") }
}

fn resnet_name(view: &View<'_>) -> Option<String> {
    let width = view.dim("visual.layer1.0.conv1.weight", 0)?;
    let stages = [1, 2, 3, 4].map(|stage| view.count(&format!("visual.layer{stage}.")));
    Some(match (stages, width) {
        ([3, 4, 6, 3], 64) => "RN50".into(),
        ([3, 4, 23, 3], 64) => "RN101".into(),
        ([4, 6, 10, 6], 80) => "RN50x4".into(),
        ([6, 8, 18, 8], 96) => "RN50x16".into(),
        ([3, 15, 36, 10], 128) => "RN50x64".into(),
        _ => format!("ResNet of width {width}, blocks {}", listed(&stages)),
    })
}
