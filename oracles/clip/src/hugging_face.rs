//! The files that Hugging Face's transformers put beside a model. Names of parameters are brought over by a table:
//! [`fmr_checkpoint::rename::tables::clip_from_hugging_face`].

use fmr_checkpoint::shown;
use fmr_core::preprocess::{CropRule, Filter, Fit};
use fmr_nn::functional::Pointwise;
use fmr_nn::weights::StateDict;
use serde_json::Value;

use crate::layout::mlp;
use crate::model::{ClipConfig, EPS, ImageConfig, TextConfig, VitConfig};
use crate::preprocess::Preprocess;

/// Whether parameters carry these names.
pub(crate) fn is_layout(tensors: &StateDict) -> bool {
    tensors.keys().any(|key| key.starts_with("vision_model.") || key.starts_with("text_model."))
}

/// One tower of `config.json`, with the library's defaults for what is missing.
struct Tower<'v>(&'static str, Option<&'v Value>);

impl Tower<'_> {
    fn number(&self, key: &str, default: usize) -> Result<usize, String> {
        match self.1.and_then(|v| v.get(key)) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
                number.ok_or_else(|| {
                    let value = value.to_string();
                    format!("{}.{key} is {}, not a number", self.0, shown::escaped(&value, shown::TEXT))
                })
            }
        }
    }

    fn activation(&self) -> Result<Pointwise, String> {
        match self.1.and_then(|v| v.get("hidden_act")).and_then(Value::as_str) {
            None | Some("quick_gelu") => Ok(Pointwise::QuickGelu),
            Some("gelu") => Ok(Pointwise::Gelu),
            Some(other) => {
                let other = shown::quoted(other, shown::TEXT);
                Err(format!("{}.hidden_act {other} is not understood", self.0))
            }
        }
    }

    /// What is added to the variance, where it is not what every CLIP model adds.
    fn eps(&self) -> Result<Option<f32>, String> {
        let Some(value) = self.1.and_then(|v| v.get("layer_norm_eps")).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(eps) if eps > 0.0 && eps < 1.0 => Ok(Some(eps as f32).filter(|eps| *eps != EPS)),
            _ => {
                let value = value.to_string();
                let value = shown::escaped(&value, shown::TEXT);
                Err(format!("{}.layer_norm_eps is {value}, must lie between 0 and 1", self.0))
            }
        }
    }
}

/// The sizes that a `config.json` describes.
pub(crate) fn config(value: &Value) -> Result<ClipConfig, String> {
    let vision = Tower("vision_config", value.get("vision_config"));
    let text = Tower("text_config", value.get("text_config"));
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
            eps: vision.eps()?,
        }),
        text: TextConfig {
            context: text.number("max_position_embeddings", 77)?,
            vocabulary: text.number("vocab_size", 49408)?,
            width: text_width,
            heads: text.number("num_attention_heads", 8)?,
            layers: text.number("num_hidden_layers", 12)?,
            mlp: mlp(text.number("intermediate_size", 2048)?, text_width),
            activation: (text_activation != activation).then_some(text_activation),
            eps: text.eps()?,
        },
        activation,
    })
}

/// What images go through before a model that takes squares of `side`: `preprocessor_config.json` of the old style
/// (numbers) or the new one (tables).
pub(crate) fn preprocess(value: &Value, side: usize) -> Result<Preprocess, String> {
    let mut preprocess = Preprocess::of_side(side);
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
    for key in ["do_resize", "do_normalize", "do_rescale"] {
        if value.get(key) == Some(&Value::Bool(false)) {
            return Err(format!("{key} = false is not understood: the model takes normalised squares of {side}"));
        }
    }
    if let Some(factor) = value.get("rescale_factor").and_then(Value::as_f64)
        && (factor * 255.0 - 1.0).abs() > 1e-6
    {
        return Err(format!("rescale_factor = {factor} is not 1/255"));
    }
    let crops = value.get("do_center_crop") != Some(&Value::Bool(false));
    if let Some(crop) = value.get("crop_size").filter(|_| crops)
        && sides(crop).is_none_or(|sides| sides != [side; 2])
    {
        return Err(format!("crop_size {} is not the model's {side}", shown::escaped(&crop.to_string(), shown::TEXT)));
    }
    let size = value.get("size");
    let shorter = match size {
        None => Some(side),
        Some(size) => size.as_u64().or_else(|| size.get("shortest_edge")?.as_u64()).map(|n| n as usize),
    };
    preprocess.fit = match (shorter, size.and_then(sides)) {
        (Some(shorter), _) if crops && shorter > 0 => Fit::Crop { shorter, rule: CropRule::Floor },
        (None, Some(size)) if size == [side; 2] => Fit::Squash,
        _ => {
            let size = size.map(Value::to_string).unwrap_or_default();
            let size = shown::escaped(&size, shown::TEXT);
            let cut = if crops { "" } else { " without a crop" };
            return Err(format!("size {size}{cut} does not give the model's squares of {side}"));
        }
    };
    Ok(preprocess)
}

/// `[height, width]` of a number or of a table.
fn sides(value: &Value) -> Option<[usize; 2]> {
    let number = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
    match number(value) {
        Some(n) => Some([n, n]),
        None => Some([number(value.get("height")?)?, number(value.get("width")?)?]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_layer_norms_of_each_tower_have_their_own_eps() {
        let of = |value: Value| {
            config(&value).map(|config| match config.image {
                ImageConfig::Vit(vit) => (vit.eps, config.text.eps),
                ImageConfig::ModifiedResnet(_) => (None, None),
            })
        };
        assert_eq!(of(json!({"vision_config": {"layer_norm_eps": 1e-5}, "text_config": {}})), Ok((None, None)));
        let both = json!({"vision_config": {"layer_norm_eps": 1e-6}, "text_config": {"layer_norm_eps": 1e-12}});
        assert_eq!(of(both), Ok((Some(1e-6), Some(1e-12))));
        for wrong in [json!(0.0), json!(-1e-5), json!("1e-5"), json!(2.0)] {
            assert!(of(json!({"vision_config": {"layer_norm_eps": wrong}})).is_err(), "{wrong}");
        }
    }

    #[test]
    fn preprocessor_files_of_both_styles() {
        let fit = |value: Value| preprocess(&value, 224).map(|p| p.fit);
        let crop = |shorter| Ok(Fit::Crop { shorter, rule: CropRule::Floor });
        assert_eq!(fit(json!({"size": 224, "crop_size": 224, "do_center_crop": true})), crop(224));
        let new = json!({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}});
        assert_eq!(fit(new), crop(256));
        assert_eq!(fit(json!({"size": {"height": 224, "width": 224}, "do_center_crop": false})), Ok(Fit::Squash));
        assert_eq!(fit(json!({})), crop(224));
        for wrong in [
            json!({"crop_size": 336}),
            json!({"do_resize": false}),
            json!({"rescale_factor": 1.0}),
            json!({"size": {"height": 256, "width": 224}}),
            json!({"size": 224, "do_center_crop": false}),
        ] {
            assert!(fit(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
