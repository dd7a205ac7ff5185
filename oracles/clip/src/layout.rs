//! OpenAI's names of parameters, which all layouts are brought to, and the sizes that their shapes tell.

use fmr_nn::functional::Pointwise;
use fmr_nn::weights::StateDict;

use crate::model::{ClipConfig, EPS, ImageConfig, ResNetConfig, TextConfig, VitConfig};

/// Activation of both towers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activations(pub(crate) Pointwise);

impl Default for Activations {
    fn default() -> Self {
        Self(Pointwise::QuickGelu)
    }
}

/// Values of one attention head in OpenAI's models.
const HEAD: usize = 64;

/// Whether a name belongs to a CLIP model.
pub(crate) fn is_known(key: &str) -> bool {
    const STARTS: &[&str] = &["visual.", "transformer.", "token_embedding.", "ln_final."];
    STARTS.iter().any(|s| key.starts_with(s))
        || ["positional_embedding", "text_projection", "logit_scale"].contains(&key)
}

/// Sizes as the shapes tell them, with OpenAI's 64 values a head.
///
/// # Errors
/// Keys that a CLIP model has and these parameters lack.
pub(crate) fn config(tensors: &StateDict, activations: Activations) -> Result<ClipConfig, Vec<String>> {
    let mut missing = Vec::new();
    let mut dim = |key: &str, axis: usize| {
        let found = tensors.get(key).and_then(|t| t.shape.get(axis)).copied();
        found.unwrap_or_else(|| {
            missing.push(key.to_owned());
            0
        })
    };
    let count = |prefix: &str| {
        let occurs = |n: usize| {
            let level = format!("{prefix}{n}.");
            tensors.range(level.clone()..).next().is_some_and(|(key, _)| key.starts_with(&level))
        };
        (0..).take_while(|n| occurs(*n)).count()
    };
    let has_proj = tensors.contains_key("visual.proj") || tensors.contains_key("visual.class_embedding");
    let (image, resolution) = if has_proj {
        let (width, patch) = (dim("visual.conv1.weight", 0), dim("visual.conv1.weight", 3));
        let grid = dim("visual.positional_embedding", 0).saturating_sub(1).isqrt();
        let layers = count("visual.transformer.resblocks.");
        let mlp = mlp(dim("visual.transformer.resblocks.0.mlp.c_fc.weight", 0), width);
        (
            ImageConfig::Vit(VitConfig { width, layers, heads: width / HEAD, patch, mlp, eps: None }),
            patch.saturating_mul(grid),
        )
    } else {
        let width = dim("visual.layer1.0.conv1.weight", 0);
        let grid = dim("visual.attnpool.positional_embedding", 0).saturating_sub(1).isqrt();
        let layers = [1, 2, 3, 4].map(|stage| count(&format!("visual.layer{stage}.")));
        (ImageConfig::ModifiedResnet(ResNetConfig { width, layers }), grid.saturating_mul(32))
    };
    let width = dim("ln_final.weight", 0);
    let text = TextConfig {
        context: dim("positional_embedding", 0),
        vocabulary: dim("token_embedding.weight", 0),
        width,
        heads: width / HEAD,
        layers: count("transformer.resblocks."),
        mlp: mlp(dim("transformer.resblocks.0.mlp.c_fc.weight", 0), width),
        activation: None,
        eps: None,
    };
    let embed = dim("text_projection", 1);
    if !missing.is_empty() {
        missing.dedup();
        return Err(missing);
    }
    Ok(ClipConfig { embed, resolution, image, text, activation: activations.0 })
}

/// The size of a perceptron, where it is not the usual four times the width.
pub(crate) fn mlp(size: usize, width: usize) -> Option<usize> {
    (Some(size) != width.checked_mul(4)).then_some(size)
}

/// What the layer normalisations of image and text tower add to the variance.
pub(crate) fn eps(c: &ClipConfig) -> (f32, f32) {
    let image = match &c.image {
        ImageConfig::Vit(vit) => vit.eps,
        ImageConfig::ModifiedResnet(_) => None,
    };
    (image.unwrap_or(EPS), c.text.eps.unwrap_or(EPS))
}

/// Blocks that a tower, or a stage of one, may have.
const MOST_BLOCKS: usize = 512;
/// Widths, tokens and pixels that a model may have.
const MOST_SIZE: usize = 1 << 18;

/// What makes no model of these sizes.
pub(crate) fn check(c: &ClipConfig) -> Result<(), String> {
    let divides = |what: &str, width: usize, heads: usize| {
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
            return Err(format!("{what}: a width of {width} cannot be shared by {heads} heads"));
        }
        Ok(())
    };
    // A file may claim any size. These limits are far beyond every published model, and keep what is built small.
    let (blocks, sizes) = match &c.image {
        ImageConfig::Vit(v) => (vec![v.layers], vec![v.width, v.patch, v.mlp.unwrap_or_default()]),
        ImageConfig::ModifiedResnet(r) => (r.layers.to_vec(), vec![r.width]),
    };
    if let Some(absurd) = blocks.into_iter().chain([c.text.layers]).find(|blocks| *blocks > MOST_BLOCKS) {
        return Err(format!("a tower of {absurd} blocks has more than {MOST_BLOCKS}"));
    }
    let text = [c.text.width, c.text.context, c.text.vocabulary, c.text.mlp.unwrap_or_default()];
    let sizes = sizes.into_iter().chain(text).chain([c.embed, c.resolution]);
    if let Some(absurd) = { sizes }.find(|size| *size > MOST_SIZE) {
        return Err(format!("a size of {absurd} is larger than {MOST_SIZE}"));
    }
    divides("text tower", c.text.width, c.text.heads)?;
    match &c.image {
        ImageConfig::Vit(v) => {
            divides("image tower", v.width, v.heads)?;
            if v.patch == 0 || c.resolution < v.patch {
                return Err(format!("patches of {} do not fit into images of {}", v.patch, c.resolution));
            }
        }
        ImageConfig::ModifiedResnet(r) => {
            let last = r.width.saturating_mul(32);
            divides("image tower", last, last / HEAD)?;
            if r.width < 2 || r.layers.contains(&0) || c.resolution < 32 {
                return Err("a width, a number of blocks or the resolution is too small".to_owned());
            }
        }
    }
    if c.text.vocabulary < 514 || c.text.context < 2 || c.embed == 0 {
        return Err("vocabulary, context or embedding are too small for a CLIP model".to_owned());
    }
    Ok(())
}

/// The image tower in a few words, e.g. `ViT-B/32`.
pub(crate) fn name(c: &ClipConfig) -> String {
    match &c.image {
        ImageConfig::Vit(v) => {
            let size = match (v.width, v.layers) {
                (768, 12) => "B",
                (1024, 24) => "L",
                (1280, 32) => "H",
                _ => return format!("a ViT of width {}, {} blocks, patch {}", v.width, v.layers, v.patch),
            };
            let at = if c.resolution == 224 { String::new() } else { format!(" at {} px", c.resolution) };
            format!("a ViT-{size}/{}{at} image tower", v.patch)
        }
        ImageConfig::ModifiedResnet(r) => format!("a ModifiedResNet of width {}, blocks {:?}", r.width, r.layers),
    }
}
