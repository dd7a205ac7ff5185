//! `open_clip_config.json`.

use fmr_checkpoint::shown;
use fmr_core::preprocess::{Filter, Fit};
use fmr_nn::functional::Pointwise;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::layout::mlp;
use crate::model::{ClipConfig, ImageConfig, ResNetConfig, TextConfig, VitConfig};
use crate::preprocess::Preprocess;

#[derive(Debug, Deserialize)]
struct Model {
    embed_dim: usize,
    #[serde(default)]
    quick_gelu: bool,
    vision_cfg: Vision,
    text_cfg: Text,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Vision {
    image_size: Value,
    layers: Value,
    width: usize,
    #[serde(default)]
    patch_size: Option<usize>,
    #[serde(default = "head_width")]
    head_width: usize,
    #[serde(default = "mlp_ratio")]
    mlp_ratio: f64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(default = "context")]
    context_length: usize,
    #[serde(default = "vocabulary")]
    vocab_size: usize,
    width: usize,
    heads: usize,
    layers: usize,
    #[serde(default = "mlp_ratio")]
    mlp_ratio: f64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn head_width() -> usize {
    64
}

fn mlp_ratio() -> f64 {
    4.0
}

fn context() -> usize {
    77
}

fn vocabulary() -> usize {
    49408
}

/// Further keys are no matter where they ask for nothing.
fn nothing_else(place: &str, rest: &Map<String, Value>) -> Result<(), String> {
    let harmless = |key: &str, value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        // Another arrangement of the same text tower.
        Value::Bool(true) => key == "custom_text",
        _ => false,
    };
    match rest.iter().find(|(key, value)| !harmless(key, value)) {
        Some((key, value)) => {
            let value = value.to_string();
            let (key, value) = (shown::escaped(key, shown::KEY), shown::escaped(&value, shown::TEXT));
            Err(format!("{place}.{key} = {value} is not understood"))
        }
        None => Ok(()),
    }
}

fn number(place: &str, value: &Value) -> Result<usize, String> {
    let pair = value.as_array().filter(|sides| sides.len() == 2 && sides[0] == sides[1]);
    let number = pair.map_or(value, |sides| &sides[0]).as_u64();
    number.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
        let value = value.to_string();
        format!("{place} is {}, not a number", shown::escaped(&value, shown::TEXT))
    })
}

/// What the parser says, which may repeat text of the file.
fn message(error: &serde_json::Error) -> String {
    shown::escaped(&error.to_string(), shown::MESSAGE).to_string()
}

/// The sizes that a configuration describes.
pub(crate) fn config(value: &Value) -> Result<ClipConfig, String> {
    let model = value.get("model_cfg").cloned().unwrap_or_default();
    let model: Model = serde_json::from_value(model).map_err(|e| format!("model_cfg: {}", message(&e)))?;
    let (vision, text) = (model.vision_cfg, model.text_cfg);
    nothing_else("model_cfg", &model.rest)?;
    nothing_else("model_cfg.vision_cfg", &vision.rest)?;
    nothing_else("model_cfg.text_cfg", &text.rest)?;
    let hidden = |width: usize, ratio: f64| mlp((width as f64 * ratio) as usize, width);
    let image = if let Value::Array(layers) = &vision.layers {
        let layers: Vec<usize> =
            layers.iter().map(|n| number("model_cfg.vision_cfg.layers", n)).collect::<Result<_, _>>()?;
        let layers = layers.try_into().map_err(|_| "model_cfg.vision_cfg.layers does not have four entries")?;
        if vision.head_width != head_width() {
            return Err(format!("model_cfg.vision_cfg.head_width = {} of a residual tower", vision.head_width));
        }
        ImageConfig::ModifiedResnet(ResNetConfig { width: vision.width, layers })
    } else {
        ImageConfig::Vit(VitConfig {
            width: vision.width,
            layers: number("model_cfg.vision_cfg.layers", &vision.layers)?,
            heads: vision.width / vision.head_width.max(1),
            patch: vision.patch_size.ok_or("model_cfg.vision_cfg.patch_size is missing")?,
            mlp: hidden(vision.width, vision.mlp_ratio),
            eps: None,
        })
    };
    Ok(ClipConfig {
        embed: model.embed_dim,
        resolution: number("model_cfg.vision_cfg.image_size", &vision.image_size)?,
        image,
        text: TextConfig {
            context: text.context_length,
            vocabulary: text.vocab_size,
            width: text.width,
            heads: text.heads,
            layers: text.layers,
            mlp: hidden(text.width, text.mlp_ratio),
            activation: None,
            eps: None,
        },
        activation: if model.quick_gelu { Pointwise::QuickGelu } else { Pointwise::Gelu },
    })
}

/// What images go through, as far as the configuration says it.
pub(crate) fn preprocess(value: &Value, side: usize) -> Result<Preprocess, String> {
    let mut preprocess = Preprocess::of_side(side);
    let Some(cfg) = value.get("preprocess_cfg") else { return Ok(preprocess) };
    for (key, to) in [("mean", &mut preprocess.mean), ("std", &mut preprocess.std)] {
        if let Some(values) = cfg.get(key) {
            *to =
                serde_json::from_value(values.clone()).map_err(|e| format!("preprocess_cfg.{key}: {}", message(&e)))?;
        }
    }
    let text = |key: &str| cfg.get(key).and_then(Value::as_str);
    preprocess.filter = match text("interpolation") {
        None | Some("bicubic") => Filter::Bicubic,
        Some("bilinear") => Filter::Bilinear,
        Some(other) => {
            let other = shown::quoted(other, shown::TEXT);
            return Err(format!("preprocess_cfg.interpolation {other} is not understood"));
        }
    };
    preprocess.fit = match text("resize_mode") {
        None | Some("shortest") => preprocess.fit,
        Some("squash") => Fit::Squash,
        Some("longest") => Fit::Pad,
        Some(other) => {
            let other = shown::quoted(other, shown::TEXT);
            return Err(format!("preprocess_cfg.resize_mode {other} is not understood"));
        }
    };
    Ok(preprocess)
}
