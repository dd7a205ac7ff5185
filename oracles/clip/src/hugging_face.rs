//! The layout of Hugging Face's transformers: other names, separate projections, transposed matrices.

use fmr_core::preprocess::Filter;
use fmr_nn::functional::Pointwise;
use fmr_nn::weights::{StateDict, Stored};
use serde_json::Value;

use crate::layout::mlp;
use crate::model::{ClipConfig, ImageConfig, TextConfig, VitConfig};
use crate::preprocess::{CropRule, Preprocess, ResizeMode};

/// Whether parameters carry these names.
pub(crate) fn is_layout(tensors: &StateDict) -> bool {
    tensors.keys().any(|key| key.starts_with("vision_model.") || key.starts_with("text_model."))
}

/// The parameters under OpenAI's names. A name that is not understood stays as it is, to be reported.
pub(crate) fn to_openai(tensors: StateDict) -> StateDict {
    let mut out = StateDict::new();
    // Rows of the packed projections, in the order query, key, value.
    let mut packed: std::collections::BTreeMap<String, [Option<Stored>; 3]> = std::collections::BTreeMap::new();
    for (key, stored) in tensors {
        match key.as_str() {
            "visual_projection.weight" => insert_transposed(&mut out, "visual.proj", stored),
            "text_projection.weight" => insert_transposed(&mut out, "text_projection", stored),
            _ => match part_of_packed(&key) {
                Some((name, part)) => packed.entry(name).or_default()[part] = Some(stored),
                None => {
                    out.insert(name(&key), stored);
                }
            },
        }
    }
    for (name, parts) in packed {
        let rows = parts.iter().flatten().filter_map(|p| p.shape.first()).sum();
        let mut shape = parts.iter().flatten().next().map(|p| p.shape.clone()).unwrap_or_default();
        if let (Some(first), true) = (shape.first_mut(), parts.iter().all(Option::is_some)) {
            *first = rows;
        }
        let values = parts.into_iter().flatten().flat_map(|p| p.values).collect();
        out.insert(name, Stored { shape, values });
    }
    out
}

fn insert_transposed(out: &mut StateDict, name: &str, stored: Stored) {
    let [rows, columns] = stored.shape[..] else {
        out.insert(name.to_owned(), stored);
        return;
    };
    let values = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
    let values = values.map(|(r, c)| stored.values[r * columns + c]).collect();
    out.insert(name.to_owned(), Stored { shape: vec![columns, rows], values });
}

fn stack(side: &str) -> &str {
    if side == "vision_model" { "visual.transformer" } else { "transformer" }
}

fn part_of_packed(key: &str) -> Option<(String, usize)> {
    let parts: Vec<&str> = key.split('.').collect();
    let [side, "encoder", "layers", n, "self_attn", projection, last] = parts.as_slice() else { return None };
    let part = ["q_proj", "k_proj", "v_proj"].iter().position(|p| p == projection)?;
    Some((format!("{}.resblocks.{n}.attn.in_proj_{last}", stack(side)), part))
}

fn name(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        ["vision_model", "embeddings", "class_embedding"] => "visual.class_embedding".to_owned(),
        ["vision_model", "embeddings", "patch_embedding", last] => format!("visual.conv1.{last}"),
        ["vision_model", "embeddings", "position_embedding", "weight"] => "visual.positional_embedding".to_owned(),
        ["vision_model", "pre_layrnorm" | "pre_layernorm", last] => format!("visual.ln_pre.{last}"),
        ["vision_model", "post_layernorm", last] => format!("visual.ln_post.{last}"),
        ["text_model", "embeddings", "token_embedding", "weight"] => "token_embedding.weight".to_owned(),
        ["text_model", "embeddings", "position_embedding", "weight"] => "positional_embedding".to_owned(),
        ["text_model", "final_layer_norm", last] => format!("ln_final.{last}"),
        [side @ ("vision_model" | "text_model"), "encoder", "layers", n, rest @ ..] => {
            let part = match rest {
                ["self_attn", "out_proj", last] => format!("attn.out_proj.{last}"),
                ["layer_norm1", last] => format!("ln_1.{last}"),
                ["layer_norm2", last] => format!("ln_2.{last}"),
                ["mlp", "fc1", last] => format!("mlp.c_fc.{last}"),
                ["mlp", "fc2", last] => format!("mlp.c_proj.{last}"),
                _ => return key.to_owned(),
            };
            format!("{}.resblocks.{n}.{part}", stack(side))
        }
        _ => key.to_owned(),
    }
}

/// One tower of `config.json`, with the library's defaults for what is missing.
struct Tower<'v>(&'static str, Option<&'v Value>);

impl Tower<'_> {
    fn number(&self, key: &str, default: usize) -> Result<usize, String> {
        match self.1.and_then(|v| v.get(key)) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                value.as_u64().map(|n| n as usize).ok_or_else(|| format!("{}.{key} is {value}, not a number", self.0))
            }
        }
    }

    fn activation(&self) -> Result<Pointwise, String> {
        match self.1.and_then(|v| v.get("hidden_act")).and_then(Value::as_str) {
            None | Some("quick_gelu") => Ok(Pointwise::QuickGelu),
            Some("gelu") => Ok(Pointwise::Gelu),
            Some(other) => Err(format!("{}.hidden_act {other:?} is not understood", self.0)),
        }
    }

    fn check_eps(&self) -> Result<(), String> {
        match self.1.and_then(|v| v.get("layer_norm_eps")).and_then(Value::as_f64) {
            Some(eps) if (eps - 1e-5).abs() > 1e-9 => Err(format!("{}.layer_norm_eps is {eps}, not 1e-5", self.0)),
            _ => Ok(()),
        }
    }
}

/// The sizes that a `config.json` describes.
pub(crate) fn config(value: &Value) -> Result<ClipConfig, String> {
    let vision = Tower("vision_config", value.get("vision_config"));
    let text = Tower("text_config", value.get("text_config"));
    vision.check_eps()?;
    text.check_eps()?;
    let (activation, text_activation) = (vision.activation()?, text.activation()?);
    let (width, text_width) = (vision.number("hidden_size", 768)?, text.number("hidden_size", 512)?);
    Ok(ClipConfig {
        embed: Tower("the model", Some(value)).number("projection_dim", 512)?,
        resolution: vision.number("image_size", 224)?,
        image: ImageConfig::Vit(VitConfig {
            width,
            layers: vision.number("num_hidden_layers", 12)?,
            heads: vision.number("num_attention_heads", 12)?,
            patch: vision.number("patch_size", 32)?,
            mlp: mlp(vision.number("intermediate_size", 3072)?, width),
        }),
        text: TextConfig {
            context: text.number("max_position_embeddings", 77)?,
            vocabulary: text.number("vocab_size", 49408)?,
            width: text_width,
            heads: text.number("num_attention_heads", 8)?,
            layers: text.number("num_hidden_layers", 12)?,
            mlp: mlp(text.number("intermediate_size", 2048)?, text_width),
            activation: (text_activation != activation).then_some(text_activation),
        },
        activation,
    })
}

/// What images go through: `preprocessor_config.json` of the old or the new style.
pub(crate) fn preprocess(value: &Value, side: usize) -> Result<Preprocess, String> {
    let mut preprocess = Preprocess { side, crop: CropRule::Floor, ..Preprocess::default() };
    for (key, to) in [("image_mean", &mut preprocess.mean), ("image_std", &mut preprocess.std)] {
        if let Some(values) = value.get(key) {
            *to = serde_json::from_value(values.clone()).map_err(|e| format!("{key}: {e}"))?;
        }
    }
    preprocess.filter = match value.get("resample").and_then(Value::as_u64) {
        None | Some(3) => Filter::Bicubic,
        Some(2) => Filter::Bilinear,
        Some(other) => return Err(format!("resample = {other} is not understood")),
    };
    preprocess.resize = ResizeMode::Shortest;
    Ok(preprocess)
}

/// OpenAI's name of a parameter, and the shape that it has there once packed and transposed.
#[cfg(test)]
pub(crate) fn renamed(key: &str, shape: &[usize]) -> (String, Vec<usize>) {
    let mut shape = shape.to_vec();
    if let Some((packed, _)) = part_of_packed(key) {
        shape[0] *= 3;
        return (packed, shape);
    }
    let projection = match key {
        "visual_projection.weight" => "visual.proj",
        "text_projection.weight" => "text_projection",
        _ => return (name(key), shape),
    };
    shape.reverse();
    (projection.to_owned(), shape)
}
